//! What a form, or the query of a link, brought.

use zeroize::Zeroizing;

/// The fields of all forms; what is missing is empty.
#[derive(Default)]
pub(super) struct Given {
    pub(super) token: Zeroizing<String>,
    pub(super) password: Zeroizing<String>,
    pub(super) display_name: String,
}

impl Given {
    /// Reads `application/x-www-form-urlencoded`. What is odd in it is odd in a field, and refused there.
    pub(super) fn read(encoded: &[u8]) -> Self {
        let mut given = Self::default();
        for (name, value) in url::form_urlencoded::parse(encoded) {
            match &*name {
                "token" => given.token = Zeroizing::new(value.into_owned()),
                "password" => given.password = Zeroizing::new(value.into_owned()),
                "display_name" => given.display_name = value.into_owned(),
                _ => {}
            }
        }
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_others_passed_over() {
        let given = Given::read(b"token=mt_1&password=a+b%20%C3%A4&display_name=Ada&x=1");
        assert_eq!((given.token.as_str(), given.password.as_str()), ("mt_1", "a b ä"));
        assert_eq!(given.display_name, "Ada");
        assert_eq!(Given::read(b"\xff%zz&&=").token.as_str(), "");
    }
}
