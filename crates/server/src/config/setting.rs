//! The vocabulary of the table of settings: what is known of one key, and the macro that turns the
//! table into typed sections.

use super::kinds::{Settable, Shape};

/// What is known of one key. One of these drives the reading, the validation, `config show`, the
/// example file and the reference page.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// `section.name`.
    pub key: &'static str,
    /// What it does, one sentence a line.
    pub description: &'static str,
    /// The default as an operator would write it; empty: not set, or an empty list.
    pub default: &'static str,
    /// A name of its own in the environment, beside `KEYWRIGHT_SECTION__NAME`.
    pub alias: Option<&'static str>,
    /// A flag of its own on the command line.
    pub flag: Option<&'static str>,
    /// A value to show in the example file where the default says nothing.
    pub example: &'static str,
    /// Whether the whole value is kept out of every output when it cannot be read.
    pub secret: bool,
    /// The least and the greatest number.
    pub bounds: (u64, u64),
    /// The schemes of a URL.
    pub schemes: &'static [&'static str],
    /// A rule for plain text, and its wording.
    pub(crate) rule: Option<Rule>,
    /// How it is written in the file.
    pub(crate) shape: Shape,
    /// What a right value looks like.
    pub(crate) expects: fn(&Setting) -> String,
}

/// A rule for plain text, and what it asks for: "an address such as …".
pub(crate) type Rule = (fn(&str) -> bool, &'static str);

impl Setting {
    /// A setting of the type `T`, available now.
    pub(crate) const fn new<T: Settable>(
        key: &'static str,
        description: &'static str,
        default: &'static str,
    ) -> Self {
        Self {
            key,
            description,
            default,
            alias: None,
            flag: None,
            example: "",
            secret: false,
            bounds: (0, u64::MAX),
            schemes: &[],
            rule: None,
            shape: T::SHAPE,
            expects: T::expects,
        }
    }

    pub(crate) const fn alias(mut self, name: &'static str) -> Self {
        self.alias = Some(name);
        self
    }

    pub(crate) const fn flag(mut self, name: &'static str) -> Self {
        self.flag = Some(name);
        self
    }

    pub(crate) const fn example(mut self, value: &'static str) -> Self {
        self.example = value;
        self
    }

    pub(crate) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    pub(crate) const fn bounds(mut self, least: u64, greatest: u64) -> Self {
        self.bounds = (least, greatest);
        self
    }

    pub(crate) const fn schemes(mut self, schemes: &'static [&'static str]) -> Self {
        self.schemes = schemes;
        self
    }

    pub(crate) const fn rule(mut self, holds: fn(&str) -> bool, wording: &'static str) -> Self {
        self.rule = Some((holds, wording));
        self
    }

    /// The name in the environment that every setting has: `KEYWRIGHT_SECTION__NAME`.
    pub fn environment_name(&self) -> String {
        format!("KEYWRIGHT_{}", self.key.replace('.', "__").to_ascii_uppercase())
    }

    /// The name within its section.
    pub fn name(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(_, name)| name)
    }

    /// How a flag for it is written.
    pub fn flag_name(&self) -> String {
        self.flag.map_or_else(|| format!("--set {}", self.key), str::to_owned)
    }

    /// What a right value looks like, as the end of "give …".
    pub fn expectation(&self) -> String {
        (self.expects)(self)
    }
}

/// A section of the file: `[server]`.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The name between the brackets.
    pub name: &'static str,
    /// What it is about.
    pub description: &'static str,
    /// Its settings, in the order in which they are shown.
    pub settings: &'static [Setting],
}

/// Turns the table into one struct per section, [`Config`](super::Config), the list of sections, and
/// the reading of each field.
macro_rules! settings {
    ($(
        $(#[doc = $about:literal])+
        $section:ident: $Section:ident {
            $(
                $(#[doc = $description:literal])+
                $field:ident: $Type:ty = $default:literal $(, $option:ident($($argument:expr),*))*;
            )+
        }
    )+) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug)]
            pub struct $Section {
                $( $(#[doc = $description])+ pub $field: $Type, )+
            }

            impl $Section {
                const SETTINGS: &'static [$crate::config::setting::Setting] = &[$(
                    $crate::config::setting::Setting::new::<$Type>(
                        concat!(stringify!($section), ".", stringify!($field)),
                        concat!($($description, "\n"),+),
                        $default,
                    )$(.$option($($argument),*))*,
                )+];

                fn read(reader: &mut $crate::config::read::Reader<'_>) -> Self {
                    Self {
                        $( $field: reader.read::<$Type>(concat!(stringify!($section), ".", stringify!($field))), )+
                    }
                }
            }
        )+

        /// The whole configuration, validated. There is none while an error stands.
        #[derive(Clone, Debug)]
        pub struct Config {
            $( $(#[doc = $about])+ pub $section: $Section, )+
            /// The other issuers whose tokens count.
            pub issuers: Vec<$crate::config::IssuerConfig>,
            /// Who has a claim of some value in a token of Cloudflare Access.
            pub cloudflare_rules: Vec<$crate::config::RuleConfig>,
        }

        impl Config {
            pub(crate) fn read(reader: &mut $crate::config::read::Reader<'_>) -> Self {
                Self {
                    $( $section: $Section::read(reader), )+
                    issuers: Vec::new(),
                    cloudflare_rules: Vec::new(),
                }
            }
        }

        /// Every section, in the order in which they are shown.
        pub static SECTIONS: &[$crate::config::setting::Section] = &[$(
            $crate::config::setting::Section {
                name: stringify!($section),
                description: concat!($($about, "\n"),+),
                settings: $Section::SETTINGS,
            },
        )+];
    };
}
pub(crate) use settings;
