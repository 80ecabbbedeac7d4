//! Values out of a short list.

use super::{Fault, Raw, Settable, Shape};
use crate::config::setting::Setting;

macro_rules! choices {
    ($(
        $(#[doc = $about:literal])+
        $Choice:ident { $( $(#[doc = $description:literal])+ $Variant:ident = $name:literal, )+ }
    )+) => {$(
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Choice {
            $( $(#[doc = $description])+ $Variant, )+
        }

        impl $Choice {
            /// The name it is configured by.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$Variant => $name, )+
                }
            }
        }

        impl Settable for $Choice {
            const SHAPE: Shape = Shape::Text;

            fn parse(raw: &Raw, _: &Setting) -> Result<Self, Fault> {
                let text = raw.text()?;
                [$( Self::$Variant ),+]
                    .into_iter()
                    .find(|choice| choice.name().eq_ignore_ascii_case(text))
                    .ok_or_else(|| Fault::new("is not one of the choices"))
            }

            fn show(&self) -> String {
                self.name().to_owned()
            }

            fn expects(_: &Setting) -> String {
                format!("one of {}", [$( concat!("`", $name, "`") ),+].join(", "))
            }
        }
    )+};
}

choices! {
    /// Which successful verifications keep an event of their own.
    SuccessEvents {
        /// Each of them.
        All = "all",
        /// None; hourly sums are kept.
        Rollup = "rollup",
    }
    /// Where rate limits are counted.
    RateLimitBackend {
        /// On each node for itself.
        Local = "local",
        /// In Redis or Valkey, for all nodes together.
        Redis = "redis",
    }
    /// How log lines are written.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
    /// The least weight of a log line that is written.
    LogLevel {
        /// Faults that need somebody.
        Error = "error",
        /// What may become one.
        Warn = "warn",
        /// What happened.
        Info = "info",
        /// What was decided on the way.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
    /// The signature algorithm of our own JSON web tokens (RFC 7518, RFC 8037).
    JwtAlgorithm {
        /// Ed25519.
        EdDsa = "EdDSA",
        /// ECDSA over P-256 with SHA-256.
        Es256 = "ES256",
        /// RSASSA-PKCS1-v1_5 with SHA-256.
        Rs256 = "RS256",
    }
}
