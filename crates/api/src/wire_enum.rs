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
