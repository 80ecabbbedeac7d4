//! Kinds of field values: what a field of a request may hold.
//!
//! No fault found here repeats the value, which may be a secret in the wrong field.

use crate::{
    UnknownName, WireEnum,
    problem::{FieldCode, FieldError},
    request::{Format, FormatFault, Formats},
    secret::Secret,
};
use serde_json::{Map, Value};
use std::{borrow::Cow, marker::PhantomData, net::IpAddr};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema, Type, schema::SchemaType};
use uuid::Uuid;

mod list;
mod text;

pub use list::{List, list};
pub use text::{MAX_WORD, Text, Word, expiry, prose, text, time, word};

/// The most entries of a list of permissions.
pub const MAX_SCOPES: usize = 100;
/// The most characters of one permission.
pub const MAX_SCOPE_LENGTH: usize = 100;

/// A kind of value: a small description of it.
pub trait Kind: Copy {
    /// What it gives.
    type Value;

    /// Reads a value that is not null. What is wrong with it is left in `at`.
    fn read(&self, value: Value, at: &mut At<'_>) -> Option<Self::Value>;
}

/// Where a value stands, and where its faults go.
pub struct At<'a> {
    pub(crate) path: String,
    pub(crate) errors: &'a mut Vec<FieldError>,
    pub(crate) formats: &'a dyn Formats,
    /// From a query string, in which all values are text.
    pub(crate) textual: bool,
}

impl At<'_> {
    fn fail<T>(&mut self, code: FieldCode, detail: impl Into<Cow<'static, str>>) -> Option<T> {
        self.errors.push(FieldError::new(self.path.clone(), code, detail));
        None
    }

    fn text(&mut self, value: Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text),
            _ => self.fail(FieldCode::InvalidType, "must be a string"),
        }
    }

    fn array(&mut self, value: Value, most: usize) -> Option<Vec<Value>> {
        match value {
            Value::Array(items) if items.len() <= most => Some(items),
            Value::Array(_) => self.fail(FieldCode::TooMany, format!("must have at most {most} items")),
            _ => self.fail(FieldCode::InvalidType, "must be an array"),
        }
    }

    /// Reads each item, so that every bad one is named.
    fn items<K: Kind>(&mut self, items: Vec<Value>, kind: &K) -> Option<Vec<K::Value>> {
        let mut all = Vec::with_capacity(items.len());
        let mut good = true;
        for (index, item) in items.into_iter().enumerate() {
            let path = format!("{}[{index}]", self.path);
            let (formats, textual) = (self.formats, self.textual);
            let mut at = At { path, errors: self.errors, formats, textual };
            match kind.read(item, &mut at) {
                Some(value) => all.push(value),
                None => good = false,
            }
        }
        good.then_some(all)
    }
}

/// The plain text of a credential: any string, since a decision says what is wrong with it.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl Kind for Plain {
    type Value = Secret;

    fn read(&self, value: Value, at: &mut At<'_>) -> Option<Secret> {
        at.text(value).map(Secret::new)
    }
}

/// A fact about somebody else's request, kept for the record.
///
/// Whoever sends that request may put anything into it, so an odd one is no fault of the caller: it is
/// cut to so many characters, and control characters become U+FFFD.
#[derive(Clone, Copy, Debug)]
pub struct Fact(pub usize);

impl Fact {
    /// Whether the text is kept as it is.
    pub(crate) fn keeps(self, text: &str) -> bool {
        text.len() <= self.0 && !text.chars().any(char::is_control)
    }
}

impl Kind for Fact {
    type Value = String;

    fn read(&self, value: Value, at: &mut At<'_>) -> Option<String> {
        let text = at.text(value)?;
        if self.keeps(&text) {
            return Some(text);
        }
        let fit = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        Some(text.chars().take(self.0).map(fit).collect())
    }
}

/// A list of permissions, of at least so many.
#[derive(Clone, Copy, Debug)]
pub struct Scopes(pub usize);

impl Kind for Scopes {
    type Value = Vec<String>;

    fn read(&self, value: Value, at: &mut At<'_>) -> Option<Vec<String>> {
        let items = at.array(value, MAX_SCOPES)?;
        if items.len() < self.0 {
            return at.fail(FieldCode::TooShort, "must have at least one item");
        }
        at.items(items, &text(1, MAX_SCOPE_LENGTH).of(Format::Scope))
    }
}

impl Scopes {
    /// Its schema, which derived ones cannot say: bounds of the list and of each permission.
    pub(crate) fn schema(self, nullable: bool, description: &str) -> RefOr<Schema> {
        let types = if nullable { vec![Type::Array, Type::Null] } else { vec![Type::Array] };
        let scope = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(MAX_SCOPE_LENGTH))
            .pattern(Some(r"^(\*|[a-z0-9_-]+(:[a-z0-9_-]+)*(:\*)?)$"));
        ArrayBuilder::new()
            .schema_type(SchemaType::from_iter(types))
            .items(scope)
            .min_items((self.0 > 0).then_some(self.0))
            .max_items(Some(MAX_SCOPES))
            .description(Some(description))
            .into()
    }
}

/// A whole number within bounds, which it includes.
#[derive(Clone, Copy, Debug)]
pub struct Integer {
    least: u32,
    most: u32,
}

/// A whole number from `least` to `most`.
pub const fn integer(least: u32, most: u32) -> Integer {
    Integer { least, most }
}

impl Kind for Integer {
    type Value = u32;

    fn read(&self, value: Value, at: &mut At<'_>) -> Option<u32> {
        let number = match &value {
            Value::Number(number) => number.as_f64(),
            Value::String(digits) if at.textual && is_decimal(digits) => digits.parse().ok(),
            _ => None,
        };
        // JSON has one kind of number: 5.0 and 5 are the same, in JSON Schema as well.
        let Some(whole) = number.filter(|number| number.fract() == 0.0) else {
            return at.fail(FieldCode::InvalidType, "must be a whole number");
        };
        let Self { least, most } = *self;
        if whole < f64::from(least) || whole > f64::from(most) {
            return at.fail(FieldCode::OutOfRange, format!("must be from {least} to {most}"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole and within two numbers of that type"
        )]
        Some(whole as u32)
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (1..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

/// True or false.
#[derive(Clone, Copy, Debug)]
pub struct Boolean;

impl Kind for Boolean {
    type Value = bool;

    fn read(&self, value: Value, at: &mut At<'_>) -> Option<bool> {
        match value {
            Value::Bool(value) => Some(value),
            Value::String(word) if at.textual && word == "true" => Some(true),
            Value::String(word) if at.textual && word == "false" => Some(false),
            _ => at.fail(FieldCode::InvalidType, "must be true or false"),
        }
    }
}

/// One word of a closed list.
#[derive(Clone, Copy, Debug)]
pub struct Choice<E>(PhantomData<E>);

/// One word of the list.
pub const fn choice<E: WireEnum>() -> Choice<E> {
    Choice(PhantomData)
}

impl<E: WireEnum> Kind for Choice<E> {
    type Value = E;

    fn read(&self, value: Value, at: &mut At<'_>) -> Option<E> {
        let word = at.text(value)?;
        let known = E::from_word(&word);
        known.or_else(|| at.fail(FieldCode::InvalidValue, UnknownName::among::<E>().to_string()))
    }
}

/// Several words of a closed list, each once, at least one.
#[derive(Clone, Copy, Debug)]
pub struct Choices<E>(PhantomData<E>);

/// Several words of the list.
pub const fn choices<E: WireEnum + PartialEq>() -> Choices<E> {
    Choices(PhantomData)
}

impl<E: WireEnum + PartialEq> Kind for Choices<E> {
    type Value = Vec<E>;

    fn read(&self, value: Value, at: &mut At<'_>) -> Option<Vec<E>> {
        let items = at.array(value, E::ALL.len())?;
        if items.is_empty() {
            return at.fail(FieldCode::TooShort, "must have at least one item");
        }
        let words = at.items(items, &choice::<E>())?;
        let twice = (1..words.len()).find(|&i| words[..i].contains(&words[i]));
        if let Some(index) = twice {
            at.path = format!("{}[{index}]", at.path);
            return at.fail(FieldCode::Duplicate, "is in the list already");
        }
        Some(words)
    }
}

/// An id.
#[derive(Clone, Copy, Debug)]
pub struct Id;

impl Kind for Id {
    type Value = Uuid;

    fn read(&self, value: Value, at: &mut At<'_>) -> Option<Uuid> {
        let text = at.text(value)?;
        id(&text).or_else(|| at.fail(FieldCode::InvalidFormat, "must be a UUID"))
    }
}

/// Reads an id. The hyphenated form only: it is what every answer shows.
pub(crate) fn id(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}

/// An IP address of either family.
#[derive(Clone, Copy, Debug)]
pub struct Address;

impl Kind for Address {
    type Value = IpAddr;

    fn read(&self, value: Value, at: &mut At<'_>) -> Option<IpAddr> {
        let address = at.text(value)?.parse().ok();
        address.or_else(|| at.fail(FieldCode::InvalidFormat, "must be an IP address"))
    }
}

/// Free-form notes: an object, within the server's rules. A credential in it is refused, as in a name.
#[derive(Clone, Copy, Debug)]
pub struct Metadata;

impl Kind for Metadata {
    type Value = Map<String, Value>;

    fn read(&self, value: Value, at: &mut At<'_>) -> Option<Map<String, Value>> {
        let members = Details.read(value, at)?;
        match words(&members, at.formats) {
            Ok(()) => Some(members),
            Err((code, detail)) => at.fail(code, detail),
        }
    }
}

/// The same of what is passed on from elsewhere: whoever keeps it cuts credentials off.
#[derive(Clone, Copy, Debug)]
pub struct Details;

impl Kind for Details {
    type Value = Map<String, Value>;

    fn read(&self, value: Value, at: &mut At<'_>) -> Option<Map<String, Value>> {
        let Value::Object(members) = value else {
            return at.fail(FieldCode::InvalidType, "must be an object");
        };
        match at.formats.check_metadata(&members) {
            Ok(()) => Some(members),
            Err((code, detail)) => at.fail(code, detail),
        }
    }
}

/// Holds each text of an object, its names included, against the rule for words.
fn words(members: &Map<String, Value>, formats: &dyn Formats) -> Result<(), FormatFault> {
    fn each(value: &Value, formats: &dyn Formats) -> Result<(), FormatFault> {
        match value {
            Value::String(text) => formats.check(Format::Words, text),
            Value::Array(items) => items.iter().try_for_each(|item| each(item, formats)),
            Value::Object(members) => words(members, formats),
            _ => Ok(()),
        }
    }
    members.iter().try_for_each(|(name, value)| {
        formats.check(Format::Words, name)?;
        each(value, formats)
    })
}
