//! A file of tokens is read to its end or refused; of each row it is told whether it could be taken over, or why not.

use keywright_authority::imports::{CsvTokens, Outcome, Permissions};
use keywright_core::{CredentialName, Timestamp};

const HEADER: &[u8] = b"name,hash,scopes,expires_at,metadata,service_account,created_at\n";

/// Holds it against any file, and the same behind a header.
pub fn hold(file: &[u8]) {
    read(file);
    read(&[HEADER, file].concat());
}

fn read(file: &[u8]) {
    let Ok(tokens) = CsvTokens::open(file) else { return };
    let now = Timestamp::from_micros(1_800_000_000_000_000);
    let Ok(told) = tokens.told(&Permissions::default(), now) else { return };
    let ends = file.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
    assert!(told.len() <= ends + 1);
    let mut last = 1;
    for row in &told {
        let line = row.line.expect("a row of a file has a line");
        assert!(last <= line && line <= ends as u64 + 2, "{last} {line}");
        last = line;
        assert_eq!(row.reason.is_some(), row.outcome == Outcome::Refused);
        match row.outcome {
            Outcome::Taken => assert!(CredentialName::parse(&row.name).is_ok(), "{row:?}"),
            Outcome::Refused => assert!(row.detail.as_ref().is_some_and(|detail| !detail.is_empty())),
            Outcome::AlreadyThere | Outcome::Updated => panic!("nobody was asked: {row:?}"),
        }
    }
}
