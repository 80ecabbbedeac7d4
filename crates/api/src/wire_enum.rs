//! Closed lists of words on the wire.

use std::fmt;

/// A closed list of words, such as the states of a token.
pub trait WireEnum: Copy + 'static {
    /// All of them, in the order of the contract.
    const ALL: &'static [Self];

    /// The word on the wire.
    fn as_str(self) -> &'static str;

    /// The one with this exact word.
    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.as_str() == word)
    }
}

/// A word that is not in the list it was looked up in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// The words that are, separated by commas.
    pub known: String,
}

impl UnknownName {
    pub(crate) fn among<E: WireEnum>() -> Self {
        let words: Vec<_> = E::ALL.iter().map(|one| one.as_str()).collect();
        Self { known: words.join(", ") }
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must be one of {}", self.known)
    }
}

impl std::error::Error for UnknownName {}

/// Defines an enum whose words stand beside its variants, with everything that the wire, the
/// command line and the schema need to know about them.
macro_rules! wire_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident = $word:tt, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize, utoipa::ToSchema,
        )]
        pub enum $name {
            $( $(#[$variant_meta])* #[serde(rename = $word)] $variant, )+
        }

        impl $crate::WireEnum for $name {
            const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::WireEnum::as_str(*self))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownName;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                <Self as $crate::WireEnum>::from_word(word)
                    .ok_or_else($crate::UnknownName::among::<Self>)
            }
        }
    };
}

pub(crate) use wire_enum;

#[cfg(test)]
mod tests {
    use super::WireEnum;
    use serde::{Serialize, de::DeserializeOwned};
    use serde_json::Value;
    use std::{fmt::Debug, str::FromStr};
    use utoipa::PartialSchema;

    fn agrees<E>()
    where
        E: WireEnum + Serialize + DeserializeOwned + FromStr + PartialSchema + Debug + PartialEq,
        E::Err: Debug,
    {
        let mut words = Vec::new();
        for &one in E::ALL {
            let json = Value::from(one.as_str());
            assert_eq!(serde_json::to_value(one).unwrap(), json);
            assert_eq!(serde_json::from_value::<E>(json.clone()).unwrap(), one);
            assert_eq!(one.as_str().parse::<E>().unwrap(), one);
            words.push(json);
        }
        let schema = serde_json::to_value(E::schema()).unwrap();
        assert_eq!(schema["enum"], Value::from(words));
        assert!("".parse::<E>().is_err());
        assert!("no_such_word".parse::<E>().is_err());
    }

    #[test]
    fn word_json_and_schema_of_every_list_agree() {
        agrees::<crate::actor::ActorType>();
        agrees::<crate::actor::PrincipalType>();
        agrees::<crate::alert::AlertKind>();
        agrees::<crate::alert::AlertState>();
        agrees::<crate::alert::Severity>();
        agrees::<crate::cleanup::LeftoverKind>();
        agrees::<crate::emergency::Include>();
        agrees::<crate::event_query::Order>();
        agrees::<crate::notification::ChannelKind>();
        agrees::<crate::notification::DigestPeriod>();
        agrees::<crate::notification::DeliveryState>();
        agrees::<crate::personal_token::ApprovalState>();
        agrees::<crate::publisher::PublisherStatus>();
        agrees::<crate::service_token::TokenStatus>();
        agrees::<crate::session::AccessTokenType>();
        agrees::<crate::signing_key::SigningKeyStatus>();
        agrees::<crate::user::UserStatus>();
        agrees::<crate::user::PlatformRole>();
        agrees::<crate::user::Locale>();
        agrees::<crate::system::HealthStatus>();
        agrees::<crate::system::JournalMode>();
        agrees::<crate::system::StoreEngine>();
        agrees::<crate::system::JobOutcome>();
        agrees::<crate::verify::DenialCode>();
        agrees::<crate::verify::RateWindow>();
        agrees::<crate::verify::TokenType>();
        agrees::<crate::verify::ValidCode>();
        agrees::<crate::problem::FieldCode>();
    }
}
