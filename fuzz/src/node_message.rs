//! What a node hears is either what could have been said, or a flush of everything.

use keywright_authority::nodes::Message;

/// Holds it against any input.
pub fn hold(payload: &str) {
    let heard = Message::from_payload(payload);
    assert_eq!(Message::from_payload(&heard.to_payload()), heard);
}
