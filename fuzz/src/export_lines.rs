//! Whatever was recorded, a row of CSV is one line with as many cells, of which no spreadsheet runs one,
//! and an object is one line of JSON that reads back the same.

use keywright_server::http::audit::export::cells;

/// Holds it against any input.
pub fn hold(texts: &[String]) {
    if texts.is_empty() {
        return;
    }
    let mut row = Vec::new();
    cells::row(texts.iter().map(String::as_str), &mut row);
    assert_eq!(row.iter().position(|byte| *byte == b'\n'), Some(row.len() - 1));
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(row.as_slice());
    let records: Vec<_> = reader.records().map(|record| record.expect("it is CSV")).collect();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].len(), texts.len());
    assert!(records[0].iter().all(|cell| !cell.starts_with(cells::runs)));

    let mut line = Vec::new();
    cells::line(&texts, &mut line);
    let text = std::str::from_utf8(&line).expect("it is UTF-8");
    assert!(!text[..text.len() - 1].contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']));
    assert_eq!(serde_json::from_str::<Vec<String>>(text).expect("it is JSON"), texts);
}
