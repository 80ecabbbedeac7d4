//! Lines of an export: whatever an attacker wrote into a user agent or a name stays inside its cell,
//! and no spreadsheet runs it.

use serde::Serialize;

/// A row of CSV (RFC 4180): every cell quoted, on exactly one line.
pub fn row<'a>(cells: impl IntoIterator<Item = &'a str>, out: &mut Vec<u8>) {
    for (index, text) in cells.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        cell(text, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// A cell. Where a spreadsheet would see the begin of a formula, at the begin of the cell or after
/// what separates cells in other countries, an apostrophe goes before it.
fn cell(text: &str, out: &mut Vec<u8>) {
    let mut begins = true;
    out.push(b'"');
    for character in text.chars() {
        if begins && runs(character) {
            out.push(b'\'');
        }
        begins = character == ';' || begins && !seen(character);
        match character {
            '"' => out.extend_from_slice(b"\"\""),
            // A line break within quotes is allowed, and too many programs read lines first.
            _ if breaks(character) || character.is_control() => out.extend_from_slice("\u{FFFD}".as_bytes()),
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// Whether a spreadsheet takes what begins so for a formula; full-width forms included, which some turn
/// into the plain ones.
pub fn runs(character: char) -> bool {
    matches!(
        character,
        '=' | '+'
            | '-'
            | '@'
            | '|'
            | '%'
            | '\t'
            | '\r'
            | '\n'
            | '\u{FF1D}'
            | '\u{FF0B}'
            | '\u{FF0D}'
            | '\u{FF20}'
            | '\u{2212}'
            | '\u{FE62}'
            | '\u{FE63}'
            | '\u{FE66}'
            | '\u{FE6B}'
    )
}

/// What is not seen does not hide the begin of a formula.
fn seen(character: char) -> bool {
    !character.is_whitespace()
        && !character.is_control()
        && !matches!(character, '\u{00AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// What some program takes for the end of a line.
fn breaks(character: char) -> bool {
    matches!(
        character,
        '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{1C}'..='\u{1E}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// Whether a text can stand in a line as it is.
pub(crate) fn fits_a_line(text: &str) -> bool {
    !text.chars().any(|character| breaks(character) || character.is_control())
}

/// An object on a line of its own. JSON escapes the line breaks of ASCII only; the others are escaped
/// here, which changes no string.
pub fn line<T: Serialize>(object: &T, out: &mut Vec<u8>) {
    // Types of ours have texts as keys and no other way to fail.
    let json = serde_json::to_string(object).unwrap_or_default();
    if fits_a_line(&json) {
        out.extend_from_slice(json.as_bytes());
    } else {
        for character in json.chars() {
            if breaks(character) || character.is_control() {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
            } else {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    fn written(rows: &[Vec<String>]) -> Vec<u8> {
        let mut out = Vec::new();
        for cells in rows {
            row(cells.iter().map(String::as_str), &mut out);
        }
        out
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2+3", "'-2+3"),
            ("\t=1", "'\u{FFFD}'=1"),
            ("  =1", "  '=1"),
            ("\u{FEFF}=1", "\u{FEFF}'=1"),
            ("\u{FF1D}1", "'\u{FF1D}1"),
            ("a;=cmd|' /C calc'!A0", "a;'=cmd|' /C calc'!A0"),
            ("a\r\n=1", "a\u{FFFD}\u{FFFD}=1"),
            ("Mozilla/5.0 (X11; Linux), \"x\"", "Mozilla/5.0 (X11; Linux), \"x\""),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(read(&written(&[vec![text.to_owned(), "z".to_owned()]]))[0][0], expected, "{text:?}");
        }
    }

    #[test]
    fn an_object_is_on_one_line_and_stays_the_same() {
        let object = serde_json::json!({"a": "x\u{2028}y\u{85}z\n\u{7f}", "b\u{2029}": 1});
        let mut out = Vec::new();
        line(&object, &mut out);
        let text = std::str::from_utf8(&out).unwrap();
        assert!(fits_a_line(text.trim_end()), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(text).unwrap(), object);
    }

    proptest! {
        #[test]
        fn whatever_is_in_them_cells_stay_cells_and_run_nowhere(
            rows in prop::collection::vec(prop::collection::vec(hostile(), 4), 1..6),
        ) {
            let out = written(&rows);
            let read = read(&out);
            prop_assert_eq!(read.len(), rows.len());
            prop_assert_eq!(out.split(|byte| *byte == b'\n').count(), rows.len() + 1);
            for cells in &read {
                prop_assert_eq!(cells.len(), 4);
                for cell in cells {
                    for part in cell.split(';') {
                        prop_assert!(!part.trim_start_matches(|c| !seen(c)).starts_with(runs), "{:?}", cell);
                    }
                }
            }
        }

        #[test]
        fn a_line_of_json_is_one_line(text in hostile()) {
            let mut out = Vec::new();
            line(&serde_json::json!({ "text": text }), &mut out);
            let read = std::str::from_utf8(&out).unwrap();
            prop_assert!(fits_a_line(&read[..read.len() - 1]));
            let object: serde_json::Value = serde_json::from_str(read).unwrap();
            prop_assert_eq!(object["text"].as_str(), Some(text.as_str()));
        }
    }

    /// Mostly what has a meaning somewhere.
    fn hostile() -> impl Strategy<Value = String> {
        let odd = prop::sample::select(vec![
            '=', '+', '-', '@', '\t', '\r', '\n', ',', ';', '"', '\'', '|', ' ', '\0', '\u{85}', '\u{2028}',
            '\u{FF1D}', '\u{FF0B}', '\u{FEFF}', '\u{200B}', '\\', 'a',
        ]);
        prop::collection::vec(prop_oneof![4 => odd, 1 => any::<char>()], 0..12)
            .prop_map(|characters| characters.into_iter().collect())
    }
}
