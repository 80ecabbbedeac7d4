//! The table of denials.

use keywright_api::WireEnum as _;
use keywright_api::problem_code::ProblemCode;
use keywright_api::verify::DenialCode as Wire;
use keywright_core::DenialCode;

use crate::markdown::Document;

/// Codes that can happen and are not explained, codes that cannot, and statuses that are not what a
/// gate answers. Rows are `| code | meaning | status |`.
pub(crate) fn wrong(document: &Document) -> Vec<String> {
    let mut found = Vec::new();
    let rows: Vec<(usize, &str, &str)> = document
        .text
        .lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let code = cells.next()?.strip_suffix('`')?;
            Some((index + 1, code, cells.last()?.trim_end_matches('|').trim()))
        })
        .filter(|(_, _, status)| status.parse::<u16>().is_ok())
        .collect();
    for (line, code, status) in &rows {
        let of_gate = DenialCode::parse(code).and_then(|code| Wire::from_word(code.as_str()));
        match of_gate.map(|code| ProblemCode::Denied(code).status().to_string()) {
            None => found.push(document.at(*line, format_args!("{code} cannot happen"))),
            Some(right) if right != *status => {
                found.push(document.at(*line, format_args!("a gate answers {code} with {right}")));
            }
            Some(_) => {}
        }
    }
    for code in DenialCode::ALL {
        if !rows.iter().any(|(_, known, _)| *known == code.as_str()) {
            found.push(document.at(1, format_args!("{} is not explained", code.as_str())));
        }
    }
    found
}
