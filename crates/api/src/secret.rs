//! A secret on its way over the wire.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use zeroize::Zeroizing;

/// The plain text of a credential, in the one request or answer that carries it.
///
/// It serialises as it is, because that is its purpose here; it cannot be printed by mistake, and
/// its memory is wiped when it is dropped. It cannot be cloned or compared.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a plain text.
    pub fn new(plain: impl Into<String>) -> Self {
        Self(Zeroizing::new(plain.into()))
    }

    /// The plain text, for those who must have it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_never_shows_in_debug_output() {
        let secret = Secret::new("sk_cafe");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(format!("{:?}", Some(&secret)), "Some(Secret(…))");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"sk_cafe\"");
        assert_eq!(serde_json::from_str::<Secret>("\"sk_cafe\"").unwrap().expose(), "sk_cafe");
    }
}
