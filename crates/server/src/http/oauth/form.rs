//! The parameters of a request (RFC 6749 §3.2).

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::Refusal;

/// Parameters by their names, each once. There may be secrets among them: nothing prints them.
pub struct Parameters(BTreeMap<String, Zeroizing<String>>);

/// A parameter stands there more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twice;

impl Parameters {
    /// Reads a form. A parameter without a value is as one that was left out.
    ///
    /// # Errors
    /// When one stands there twice, also one that nobody knows.
    pub fn read(body: &[u8]) -> Result<Self, Twice> {
        let mut all = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            let value = Zeroizing::new(value.into_owned());
            if all.insert(name.into_owned(), value).is_some() {
                return Err(Twice);
            }
        }
        all.retain(|_, value| !value.is_empty());
        Ok(Self(all))
    }

    /// A parameter, if it is there.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }

    /// A parameter that must be there.
    ///
    /// # Errors
    /// `invalid_request`.
    pub(super) fn required(&self, name: &'static str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::bad_request(format!("The parameter {name} is missing.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(body: &str, name: &str) -> Option<String> {
        Parameters::read(body.as_bytes()).ok()?.get(name).map(str::to_owned)
    }

    #[test]
    fn parameters_are_decoded_and_an_empty_one_is_none() {
        assert_eq!(value("token=a+b%20%C3%A4%26&x=1", "token").as_deref(), Some("a b ä&"));
        assert_eq!(value("token=&x=1", "token"), None);
        assert_eq!(value("token", "token"), None);
        assert_eq!(value("", "token"), None);
        assert_eq!(value("to%6Ben=a", "token").as_deref(), Some("a"));
        assert!(Parameters::read(b"x=1").unwrap_or_else(|_| unreachable!()).required("token").is_err());
    }

    #[test]
    fn what_stands_there_twice_is_refused_whatever_it_is() {
        for body in ["token=a&token=a", "token=&token=a", "t%6fken=a&token=b", "x=1&token=a&x=2", "=&="] {
            assert!(Parameters::read(body.as_bytes()).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Parameters::read(&body);
        }

        #[test]
        fn what_was_written_is_read(values in proptest::collection::btree_map("\\PC{1,8}", "\\PC{1,20}", 0..6)) {
            let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&values).finish();
            let Ok(read) = Parameters::read(body.as_bytes()) else { panic!("each stands there once") };
            for (name, written) in &values {
                prop_assert_eq!(read.get(name), Some(written.as_str()));
            }
        }
    }
}
