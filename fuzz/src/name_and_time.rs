//! A name is stable once parsed; a moment is written as it is read.

use keywright_core::{CredentialName, Timestamp};

/// Holds it against any input.
pub fn hold(text: &str) {
    if let Ok(name) = CredentialName::parse(text) {
        assert_eq!(CredentialName::parse(name.as_str()), Ok(name));
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string().parse(), Ok(time));
    }
}
