//! Reading a request strictly: every bad field is named, all at once.

use crate::{
    json,
    kind::{At, Kind},
    patch::Patch,
    problem::{FieldCode, FieldError, Problem, printable},
};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Fields of the objects of this API that only the server sets.
///
/// A request that names one, and has no field of that name itself, wants what no caller may have:
/// 403 `forbidden_field`, where any other name that does not exist is 422 `unknown_field`.
const SERVER_OWNED: &[&str] = &[
    "id",
    "token",
    "token_hash",
    "token_hint",
    "token_prefix",
    "status",
    "usage_count",
    "last_used",
    "last_used_at",
    "rotated_from_id",
    "superseded_by_id",
    "grace_expires_at",
    "revoked_at",
    "revoked_reason",
    "created_by",
    "created_at",
    "updated_at",
    "user_id",
    "email_verified",
];

/// A form that text must have, whose rule lives with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The name of something.
    Name,
    /// What somebody says of something for others to read, such as a description.
    Words,
    /// A permission.
    Scope,
    /// An address of mail.
    Email,
    /// A domain, such as `example.com`.
    Domain,
    /// A network, such as `192.0.2.0/24`, or an address.
    Network,
    /// A moment, RFC 3339.
    Time,
    /// A moment, RFC 3339, at which something ends that must not have ended already.
    Expiry,
}

/// What is wrong with a text of some form.
pub type FormatFault = (FieldCode, Cow<'static, str>);

/// The rules of the forms. The server hands its own in, so that each rule exists once and its
/// findings stand beside all others of the same request.
pub trait Formats {
    /// Checks a text.
    fn check(&self, format: Format, text: &str) -> Result<(), FormatFault>;

    /// As much of what people write as may be kept: no further than where a credential begins. Without rules for it, all.
    fn kept<'a>(&self, text: &'a str) -> &'a str {
        text
    }

    /// Checks metadata. Without rules for it, any object will do.
    fn check_metadata(&self, metadata: &Map<String, Value>) -> Result<(), FormatFault> {
        let _ = metadata;
        Ok(())
    }
}

impl<F: Fn(Format, &str) -> Result<(), FormatFault>> Formats for F {
    fn check(&self, format: Format, text: &str) -> Result<(), FormatFault> {
        self(format, text)
    }
}

/// A request that can be read from fields.
pub trait FromFields: Sized {
    /// Reads it, or says everything that is wrong with it.
    fn from_fields(fields: Fields<'_>) -> Result<Self, Refused>;

    /// Reads it from a body, which must be there.
    fn from_body(body: &[u8], formats: &dyn Formats) -> Result<Self, Problem> {
        let members = json::parse_body(body)?;
        Ok(Self::from_fields(Fields::of_body(members, formats))?)
    }

    /// Reads it from a body that may be left out.
    fn from_body_or_empty(body: &[u8], formats: &dyn Formats) -> Result<Self, Problem> {
        let members = json::parse_body_or_empty(body)?;
        Ok(Self::from_fields(Fields::of_body(members, formats))?)
    }

    /// Reads it from the decoded pairs of a query string.
    fn from_query<I>(pairs: I, formats: &dyn Formats) -> Result<Self, Problem>
    where
        I: IntoIterator<Item = (String, String)>,
    {
        Ok(Self::from_fields(Fields::of_query(pairs, formats))?)
    }
}

/// Everything that is wrong with a request; at least one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The bad fields.
    pub errors: Vec<FieldError>,
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self::of_fields(refused.errors)
    }
}

/// The fields of a request while it is read.
///
/// Each field is asked for once; [`Fields::finish`] refuses those that nobody asked for. The readers
/// give `None` for what is absent and for what is bad alike: a bad field is remembered, and `finish`
/// then gives no request.
pub struct Fields<'a> {
    members: Map<String, Value>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
    formats: &'a dyn Formats,
    prefix: String,
    textual: bool,
    /// What a query gives again under a name that it has given before.
    again: Vec<(String, String)>,
}

impl<'a> Fields<'a> {
    /// The members of a body.
    pub fn of_body(members: Map<String, Value>, formats: &'a dyn Formats) -> Self {
        let (known, errors, prefix, again) = Default::default();
        Self { members, known, errors, formats, prefix, textual: false, again }
    }

    /// The decoded pairs of a query string. A name given twice is refused, but for those that are
    /// [repeated](Fields::repeated).
    pub fn of_query<I>(pairs: I, formats: &'a dyn Formats) -> Self
    where
        I: IntoIterator<Item = (String, String)>,
    {
        let mut fields = Self { textual: true, ..Self::of_body(Map::new(), formats) };
        for (name, text) in pairs {
            if fields.members.contains_key(&name) {
                fields.again.push((name, text));
            } else {
                fields.members.insert(name, text.into());
            }
        }
        fields
    }

    /// Whether the request has this field, null included.
    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// A field that must have a value.
    pub fn required<K: Kind>(&mut self, name: &'static str, kind: K) -> Option<K::Value> {
        match self.take(name) {
            None => self.fail(name, FieldCode::Required, "is needed"),
            Some(Value::Null) => self.fail(name, FieldCode::Required, "must not be null"),
            Some(value) => self.read(name, value, &kind),
        }
    }

    /// A field that may be left out; null says the same.
    pub fn optional<K: Kind>(&mut self, name: &'static str, kind: K) -> Option<K::Value> {
        match self.take(name) {
            None | Some(Value::Null) => None,
            Some(value) => self.read(name, value, &kind),
        }
    }

    /// A field of a query that may be given several times: the list of what it gives.
    pub fn repeated<K: Kind>(&mut self, name: &'static str, kind: K) -> Option<K::Value> {
        let first = self.take(name)?;
        let (own, others) = std::mem::take(&mut self.again).into_iter().partition(|(own, _)| own == name);
        self.again = others;
        let own: Vec<(String, String)> = own;
        let all = std::iter::once(first).chain(own.into_iter().map(|(_, text)| text.into()));
        self.read(name, all.collect(), &kind)
    }

    /// A field that may be left out but not be null.
    pub fn not_null<K: Kind>(&mut self, name: &'static str, kind: K) -> Option<K::Value> {
        let value = self.take(name)?;
        if value.is_null() {
            return self.fail(name, FieldCode::Required, "must not be null");
        }
        self.read(name, value, &kind)
    }

    /// A field in which absence and null are two different wishes.
    pub fn patch<K: Kind>(&mut self, name: &'static str, kind: K) -> Patch<K::Value> {
        match self.take(name) {
            None => Patch::Absent,
            Some(Value::Null) => Patch::Null,
            Some(value) => self.read(name, value, &kind).map_or(Patch::Absent, Patch::Value),
        }
    }

    /// A field that must hold an object with fields of its own.
    pub fn nested<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Option<T> {
        match self.take(name) {
            None => self.fail(name, FieldCode::Required, "is needed"),
            Some(Value::Null) => self.fail(name, FieldCode::Required, "must not be null"),
            Some(value) => self.read_nested(name, value, read),
        }
    }

    /// The same of a field that may be left out but not be null.
    pub fn nested_not_null<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Option<T> {
        match self.take(name)? {
            Value::Null => self.fail(name, FieldCode::Required, "must not be null"),
            value => self.read_nested(name, value, read),
        }
    }

    /// A field that must hold a list of such objects, of one to `most`.
    pub fn nested_list<T>(
        &mut self,
        name: &'static str,
        most: usize,
        read: impl Fn(&mut Fields<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = match self.take(name) {
            None => return self.fail(name, FieldCode::Required, "is needed"),
            Some(Value::Null) => return self.fail(name, FieldCode::Required, "must not be null"),
            Some(Value::Array(items)) => items,
            Some(_) => return self.fail(name, FieldCode::InvalidType, "must be an array"),
        };
        if items.is_empty() {
            return self.fail(name, FieldCode::TooShort, "must have at least one item");
        }
        if items.len() > most {
            self.fault(name, FieldCode::TooMany, format!("must have at most {most} items"));
            return None;
        }
        // Every item is read, so that each bad one is named.
        let items: Vec<Option<T>> = items
            .into_iter()
            .enumerate()
            .map(|(index, item)| self.read_nested(&format!("{name}[{index}]"), item, &read))
            .collect();
        items.into_iter().collect()
    }

    /// The same of a field in which absence and null are two different wishes.
    pub fn nested_patch<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Patch<T> {
        match self.take(name) {
            None => Patch::Absent,
            Some(Value::Null) => Patch::Null,
            Some(value) => self.read_nested(name, value, read).map_or(Patch::Absent, Patch::Value),
        }
    }

    fn read_nested<T>(
        &mut self,
        name: &str,
        value: Value,
        read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Option<T> {
        let Value::Object(members) = value else {
            return self.fail(name, FieldCode::InvalidType, "must be an object");
        };
        let prefix = format!("{}{name}.", self.prefix);
        let mut inner = Fields { prefix, ..Fields::of_body(members, self.formats) };
        let value = read(&mut inner);
        inner.refuse_unread();
        self.errors.append(&mut inner.errors);
        value
    }

    /// Fields of the contract that belong to a later version.
    pub fn not_available_yet(&mut self, names: &[&'static str]) {
        self.refuse(names, FieldCode::NotAvailableYet, "is not available in this version");
    }

    /// Fields of the object that this request may not set.
    pub fn forbidden(&mut self, names: &[&'static str]) {
        self.refuse(names, FieldCode::ForbiddenField, "may not be set by a caller");
    }

    /// Remembers a fault of a field.
    pub fn fault(&mut self, name: &str, code: FieldCode, detail: impl Into<Cow<'static, str>>) {
        let field = format!("{}{name}", self.prefix);
        self.errors.push(FieldError::new(field, code, detail));
    }

    /// The request, when every field was good. `build` sees only such.
    pub fn finish<T>(mut self, build: impl FnOnce() -> Option<T>) -> Result<T, Refused> {
        self.refuse_unread();
        if self.errors.is_empty()
            && let Some(request) = build()
        {
            return Ok(request);
        }
        if self.errors.is_empty() {
            // Only a reader that asks for less than it needs comes here.
            self.fault("", FieldCode::Required, "something is missing");
        }
        Err(Refused { errors: self.errors })
    }

    fn fail<T>(&mut self, name: &str, code: FieldCode, detail: &'static str) -> Option<T> {
        self.fault(name, code, detail);
        None
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.members.remove(name)
    }

    fn read<K: Kind>(&mut self, name: &str, value: Value, kind: &K) -> Option<K::Value> {
        let (formats, textual) = (self.formats, self.textual);
        let path = format!("{}{name}", self.prefix);
        let mut at = At { path, errors: &mut self.errors, formats, textual };
        kind.read(value, &mut at)
    }

    fn refuse(&mut self, names: &[&'static str], code: FieldCode, detail: &'static str) {
        for name in names {
            if self.members.remove(*name).is_some() {
                self.fault(name, code, detail);
            }
        }
    }

    fn refuse_unread(&mut self) {
        for (name, _) in std::mem::take(&mut self.again) {
            self.fault(printable(&name), FieldCode::Duplicate, "must be given once");
        }
        let owned: Vec<_> = SERVER_OWNED.iter().copied().filter(|name| self.has(name)).collect();
        self.forbidden(&owned);
        let unknown = format!("does not exist; there are: {}", self.known.join(", "));
        for name in std::mem::take(&mut self.members).keys() {
            self.fault(printable(name), FieldCode::UnknownField, unknown.clone());
        }
    }
}

#[cfg(test)]
mod tests;
