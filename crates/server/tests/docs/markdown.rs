//! As much of Markdown as the documents use: fenced blocks, code spans, links, headings.

/// A document, taken apart.
pub(crate) struct Document {
    /// Its path from the root of the repository.
    pub(crate) name: String,
    /// The whole of it.
    pub(crate) text: String,
    /// Its code, in order.
    pub(crate) code: Vec<Code>,
    /// The targets of its links, with their lines.
    pub(crate) links: Vec<(usize, String)>,
    /// The names by which its headings are linked to.
    pub(crate) anchors: Vec<String>,
}

/// A fenced block or a code span.
pub(crate) struct Code {
    /// Where it begins.
    pub(crate) line: usize,
    /// The language of a block; none for a span.
    pub(crate) language: Option<String>,
    /// The code itself.
    pub(crate) text: String,
}

impl Code {
    /// The words of a span or a block, without what surrounds them in prose, JSON or a shell.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        let around =
            |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '`' | '(' | ')' | ',' | ';' | '<' | '>');
        let word = |word: &'_ str| !word.is_empty();
        self.text.split(around).filter(move |text| word(text))
    }
}

impl Document {
    /// Takes a text apart.
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let mut document = Self {
            name: name.to_owned(),
            text: text.to_owned(),
            code: Vec::new(),
            links: Vec::new(),
            anchors: Vec::new(),
        };
        let mut prose = String::new();
        let mut block: Option<Code> = None;
        for (index, line) in text.lines().enumerate() {
            let fence = line.trim_start().strip_prefix("```");
            match (&mut block, fence) {
                (Some(_), Some(_)) => document.code.extend(block.take()),
                (Some(code), None) => {
                    code.text.push_str(line);
                    code.text.push('\n');
                }
                (None, Some(language)) => {
                    let language = Some(language.trim().to_owned());
                    block = Some(Code { line: index + 2, language, text: String::new() });
                }
                (None, None) => {
                    if let Some(heading) = line.strip_prefix('#') {
                        document.anchors.push(anchor(heading.trim_start_matches('#').trim()));
                    }
                    prose.push_str(line);
                }
            }
            // Lines keep their numbers.
            prose.push('\n');
        }
        assert!(block.is_none(), "{name}: a fenced block is not closed");
        document.read_prose(&prose);
        document
    }

    /// Finds spans and links.
    fn read_prose(&mut self, prose: &str) {
        let (mut rest, mut line) = (prose, 1);
        while let Some(at) = rest.find(['`', ']']) {
            line += rest[..at].matches('\n').count();
            if let Some(target) = rest[at..].strip_prefix("](") {
                let end = target.find(')').unwrap_or(target.len());
                self.links.push((line, target[..end].to_owned()));
                rest = &target[end..];
            } else if let Some(span) = rest[at..].strip_prefix('`') {
                let end = span
                    .find('`')
                    .unwrap_or_else(|| panic!("{}:{line}: a code span is not closed", self.name));
                self.code.push(Code { line, language: None, text: span[..end].replace('\n', " ") });
                line += span[..end].matches('\n').count();
                rest = &span[end + 1..];
            } else {
                rest = &rest[at + 1..];
            }
        }
    }

    /// A finding, with its place.
    pub(crate) fn at(&self, line: usize, what: impl std::fmt::Display) -> String {
        format!("{}:{line}: {what}", self.name)
    }
}

/// The name by which a heading is linked to: lower case, no punctuation, hyphens for spaces.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}
