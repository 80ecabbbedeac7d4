//! Permissions and scopes: one grammar, one comparison (api.md, Permissions).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most entries in a [`ScopeSet`].
pub const MAX_ENTRIES: usize = 100;
/// Most characters in a [`Scope`].
pub const MAX_LENGTH: usize = 100;

/// One permission: segments of `[a-z0-9_-]+` joined by `:`; `*` alone or as the last segment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Box<str>);

/// Why a text is no permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Nothing in it.
    #[error("is empty")]
    Empty,
    /// Longer than [`MAX_LENGTH`].
    #[error("is longer than 100 characters")]
    TooLong,
    /// A character or an empty segment that the grammar does not know.
    #[error("is not of the form segment:segment with segments of a-z, 0-9, _ and -")]
    Grammar,
    /// A `*` elsewhere than alone or as the last segment.
    #[error("has a * elsewhere than alone or as the last segment")]
    Wildcard,
    /// More than [`MAX_ENTRIES`] of them.
    #[error("has more than 100 entries")]
    TooMany,
}

impl Scope {
    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What everything covered starts with, for a wildcard: `""` for `*`, `a:` for `a:*` and for
    /// `a:admin`, which means the same.
    fn stem(&self) -> Option<&str> {
        if &*self.0 == "*" {
            return Some("");
        }
        let (stem, last) = self.0.split_at(self.0.rfind(':')? + 1);
        matches!(last, "*" | "admin").then_some(stem)
    }

    /// Whether holding `self` grants `wanted`: the same text, or a wildcard over it. A wildcard is
    /// covered only by one that reaches at least as far.
    pub fn covers(&self, wanted: &Self) -> bool {
        if self == wanted {
            return true;
        }
        let Some(stem) = self.stem() else { return false };
        match wanted.stem() {
            Some(wanted) => wanted.starts_with(stem),
            None => wanted.0.starts_with(stem),
        }
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.is_empty() {
            return Err(ScopeError::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(ScopeError::TooLong);
        }
        let mut segments = text.split(':').peekable();
        while let Some(segment) = segments.next() {
            let last = segments.peek().is_none();
            match segment {
                "*" if last => {}
                _ if segment.contains('*') => return Err(ScopeError::Wildcard),
                _ if !segment.is_empty()
                    && segment.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')) => {}
                _ => return Err(ScopeError::Grammar),
            }
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A set of scopes, sorted, without repetition, at most [`MAX_ENTRIES`]. A clone shares it; the empty one is nothing
/// that could be shared: threads that make it all the time would fight over one count of references.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ScopeSet(Option<Arc<[Scope]>>);

impl ScopeSet {
    /// A set of these.
    ///
    /// # Errors
    /// [`ScopeError::TooMany`] above [`MAX_ENTRIES`] different ones.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Result<Self, ScopeError> {
        let sorted: BTreeSet<Scope> = scopes.into_iter().collect();
        if sorted.len() > MAX_ENTRIES {
            return Err(ScopeError::TooMany);
        }
        Ok(Self::sorted(sorted))
    }

    /// Of a set that is small enough.
    fn sorted(scopes: BTreeSet<Scope>) -> Self {
        Self((!scopes.is_empty()).then(|| scopes.into_iter().collect()))
    }

    /// Everything: `*`.
    pub fn all() -> Self {
        Self(Some(Arc::new([Scope("*".into())])))
    }

    fn entries(&self) -> &[Scope] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Parses each text; the first that fails is told with its index.
    ///
    /// # Errors
    /// The index and what is wrong with the text there.
    pub fn parse<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Result<Self, (usize, ScopeError)> {
        let scopes: Result<Vec<_>, _> = texts
            .into_iter()
            .enumerate()
            .map(|(i, text)| text.as_ref().parse().map_err(|e| (i, e)))
            .collect();
        Self::new(scopes?).map_err(|e| (MAX_ENTRIES, e))
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.entries().iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// Whether one of these covers `wanted`.
    pub fn covers(&self, wanted: &Scope) -> bool {
        self.iter().any(|scope| scope.covers(wanted))
    }

    /// Whether these cover all of `wanted`: the rule behind "nobody grants what they lack".
    pub fn covers_all(&self, wanted: &Self) -> bool {
        wanted.iter().all(|scope| self.covers(scope))
    }

    /// What either carries.
    ///
    /// # Errors
    /// [`ScopeError::TooMany`] above [`MAX_ENTRIES`].
    pub fn union(&self, other: &Self) -> Result<Self, ScopeError> {
        Self::new(self.iter().chain(other.iter()).cloned())
    }

    /// What both carry: each entry of one that the other covers. Never more than [`MAX_ENTRIES`]: what does
    /// not fit is left away, which takes rights and gives none.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let both = self.iter().filter(|scope| other.covers(scope));
        let common: BTreeSet<&Scope> = both.chain(other.iter().filter(|scope| self.covers(scope))).collect();
        Self::sorted(common.into_iter().take(MAX_ENTRIES).cloned().collect())
    }

    /// Those of `wanted` that nothing here covers.
    pub fn missing<'a>(&self, wanted: &'a Self) -> Vec<&'a Scope> {
        wanted.iter().filter(|scope| !self.covers(scope)).collect()
    }
}

impl Serialize for ScopeSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for ScopeSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::<Scope>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn wildcards_cover_what_lies_under_them_and_nothing_else() {
        for (held, wanted, covered) in [
            ("works:read", "works:read", true),
            ("works:read", "works:write", false),
            ("*", "works:read", true),
            ("*", "*", true),
            ("works:*", "works:read", true),
            ("works:*", "works:read:own", true),
            ("works:*", "works", false),
            ("works:*", "worksheets:read", false),
            ("works:*", "*", false),
            ("works:*", "works:admin", true),
            ("works:admin", "works:*", true),
            ("works:admin", "works:read", true),
            ("works:admin", "works:drafts:*", true),
            ("works:drafts:*", "works:*", false),
            ("works:drafts:admin", "works:admin", false),
            ("admin", "works:read", false),
            ("api_read", "api_read", true),
            ("tokens:rotate_self", "tokens:rotate", false),
        ] {
            assert_eq!(scope(held).covers(&scope(wanted)), covered, "{held} over {wanted}");
        }
    }

    #[test]
    fn the_empty_set_is_one_however_it_was_made() {
        let one = |text| ScopeSet::new([scope(text)]).unwrap();
        let none: [&str; 0] = [];
        for made in
            [ScopeSet::new([]).unwrap(), ScopeSet::parse(none).unwrap(), one("a").intersection(&one("b"))]
        {
            assert_eq!((&made, made.len(), made.is_empty()), (&ScopeSet::default(), 0, true));
            assert_eq!(made.union(&one("a")).unwrap(), one("a"));
        }
    }

    #[test]
    fn the_grammar_is_exact() {
        for good in ["a", "api_read", "works:read", "creator:own_content", "a:b:c", "*", "a:*", "a-b:0"] {
            assert!(good.parse::<Scope>().is_ok(), "{good}");
        }
        for bad in [
            "",
            ":",
            "a:",
            ":a",
            "a::b",
            "A",
            "a b",
            "a:*:b",
            "*:a",
            "a*",
            "a:b*",
            "**",
            "ä",
            "a\n",
            &"a".repeat(101),
        ] {
            assert!(bad.parse::<Scope>().is_err(), "{bad:?}");
        }
    }

    fn any_scope() -> impl Strategy<Value = Scope> {
        "(\\*|[ab](:[ab]){0,2}(:\\*|:admin)?)".prop_map(|t| t.parse().unwrap())
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,120}") {
            let _ = text.parse::<Scope>();
        }

        #[test]
        fn covering_is_reflexive_and_transitive(a in any_scope(), b in any_scope(), c in any_scope()) {
            prop_assert!(a.covers(&a));
            if a.covers(&b) && b.covers(&c) {
                prop_assert!(a.covers(&c), "{a} {b} {c}");
            }
        }

        #[test]
        fn what_covers_a_wildcard_covers_all_below_it(a in any_scope(), b in any_scope(), leaf in "[ab]{1,2}") {
            if let Some(stem) = b.stem() {
                let below = scope(&format!("{stem}{leaf}"));
                prop_assert!(!a.covers(&b) || a.covers(&below));
            }
        }

        #[test]
        fn an_intersection_covers_exactly_what_both_cover(
            a in proptest::collection::vec(any_scope(), 0..4), b in proptest::collection::vec(any_scope(), 0..4),
            wanted in any_scope(),
        ) {
            let (a, b) = (ScopeSet::new(a).unwrap(), ScopeSet::new(b).unwrap());
            let both = a.intersection(&b);
            prop_assert_eq!(both.covers(&wanted), a.covers(&wanted) && b.covers(&wanted), "{:?} {:?}", a, b);
            prop_assert_eq!(&both, &b.intersection(&a));
        }

        #[test]
        fn a_set_covers_exactly_what_is_not_missing(
            held in proptest::collection::vec(any_scope(), 0..4), wanted in proptest::collection::vec(any_scope(), 0..4)
        ) {
            let (held, wanted) = (ScopeSet::new(held).unwrap(), ScopeSet::new(wanted).unwrap());
            prop_assert_eq!(held.covers_all(&wanted), held.missing(&wanted).is_empty());
        }
    }
}
