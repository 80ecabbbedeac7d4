//! Texts of the document as a page shows them: paragraphs, in which code stands between backticks.

use askama::Template;

/// A part of a paragraph.
struct Piece {
    is_code: bool,
    text: String,
}

/// A paragraph. Where a page says that it is safe, it is: it escapes what it is made of.
#[derive(Template)]
#[template(
    source = "{% for one in pieces %}{% if one.is_code %}<code>{{ one.text }}</code>{% else %}{{ one.text }}{% endif %}{% endfor %}",
    ext = "html"
)]
pub(super) struct Paragraph {
    pieces: Vec<Piece>,
}

/// The paragraphs of a text.
pub(super) type Prose = Vec<Paragraph>;

/// Takes a text apart. A backtick without another is a character like any other.
pub(super) fn prose(text: &str) -> Prose {
    let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    paragraphs.map(|paragraph| Paragraph { pieces: pieces(&paragraph.replace('\n', " ")) }).collect()
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut push = |is_code: bool, text: &str| {
        if !text.is_empty() {
            found.push(Piece { is_code, text: text.to_owned() });
        }
    };
    let mut rest = text;
    while let Some((before, (code, after))) =
        rest.split_once('`').and_then(|(before, rest)| Some((before, rest.split_once('`')?)))
    {
        push(false, before);
        push(true, code);
        rest = after;
    }
    push(false, rest);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<Vec<(bool, String)>> {
        let piece = |piece: Piece| (piece.is_code, piece.text);
        prose(text).into_iter().map(|one| one.pieces.into_iter().map(piece).collect()).collect()
    }

    #[test]
    fn code_stands_between_backticks() {
        let expected = vec![
            vec![(false, "One ".to_owned()), (true, "a b".to_owned()), (false, " two".to_owned())],
            vec![(false, "three ` four".to_owned())],
        ];
        assert_eq!(told("One\n`a b` two\n\n\n\nthree ` four"), expected);
        assert!(told("").is_empty() && told("\n\n").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn nothing_of_a_text_is_lost_but_backticks_and_space(text in ".{0,64}") {
            let pieces = prose(&text).into_iter().flat_map(|paragraph| paragraph.pieces);
            let all: String = pieces.map(|piece| piece.text).collect();
            let bare = |text: &str| text.replace(|c: char| c == '`' || c.is_whitespace(), "");
            assert_eq!(bare(&all), bare(&text));
        }
    }
}
