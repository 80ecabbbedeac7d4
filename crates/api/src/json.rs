//! Reading a request's body: JSON, strictly.
//!
//! What one reader takes and another refuses is where trouble starts, so that everything ambiguous is
//! refused: duplicate members, lone surrogates, bytes after the end, nesting beyond [`MAX_DEPTH`].

use crate::problem::{Problem, printable};
use crate::problem_code::Refusal;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::{cell::Cell, fmt};

/// The deepest nesting of objects and arrays in a body, the outermost included.
pub const MAX_DEPTH: usize = 32;

/// Why a body is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonFault {
    /// There is none, and one is needed.
    Empty,
    /// It is not UTF-8.
    NotUtf8,
    /// It is not JSON, or holds a number or a string that cannot be represented.
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// It nests more than [`MAX_DEPTH`] levels deep.
    TooDeep,
    /// An object in it has a member twice; its name, when that may be shown.
    DuplicateMember(String),
    /// It is JSON but not an object.
    NotAnObject,
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("The body is empty; a JSON object is needed."),
            Self::NotUtf8 => f.write_str("The body is not UTF-8."),
            Self::Syntax { line, column } => {
                write!(f, "The body is not valid JSON at line {line}, column {column}.")
            }
            Self::TooDeep => write!(f, "The body nests more than {MAX_DEPTH} levels deep."),
            Self::DuplicateMember(name) => {
                write!(f, "The body has a member twice in one object: {name}.")
            }
            Self::NotAnObject => f.write_str("The body must be a JSON object."),
        }
    }
}

impl std::error::Error for JsonFault {}

impl From<JsonFault> for Problem {
    fn from(fault: JsonFault) -> Self {
        Self::new(Refusal::InvalidJson, fault.to_string())
    }
}

/// The object that a body holds.
pub fn parse_body(body: &[u8]) -> Result<Map<String, Value>, JsonFault> {
    let text = std::str::from_utf8(body).map_err(|_| JsonFault::NotUtf8)?;
    if is_blank(text) {
        return Err(JsonFault::Empty);
    }
    let fault = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Node { depth: 0, fault: &fault }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| {
            let (line, column) = (error.line(), error.column());
            fault.take().unwrap_or(JsonFault::Syntax { line, column })
        })?;
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(JsonFault::NotAnObject),
    }
}

/// The same where a body may be left out: none is an empty object.
pub fn parse_body_or_empty(body: &[u8]) -> Result<Map<String, Value>, JsonFault> {
    match parse_body(body) {
        Err(JsonFault::Empty) => Ok(Map::new()),
        other => other,
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
}

/// One value, `depth` levels below the body. What is wrong beyond syntax is left in `fault`, since
/// the parser's own error can carry text only.
#[derive(Clone, Copy)]
struct Node<'f> {
    depth: usize,
    fault: &'f Cell<Option<JsonFault>>,
}

impl Node<'_> {
    fn inner<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.fail(JsonFault::TooDeep));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn fail<E: Error>(self, fault: JsonFault) -> E {
        self.fault.set(Some(fault));
        E::custom("refused")
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                let name = printable(&name).to_owned();
                return Err(self.fail(JsonFault::DuplicateMember(name)));
            }
            let value = members.next_value_seed(inner)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::{JsonFault, MAX_DEPTH, parse_body, parse_body_or_empty};
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    fn fault(body: impl AsRef<[u8]>) -> JsonFault {
        parse_body(body.as_ref()).expect_err("must be refused")
    }

    fn nested(depth: usize) -> String {
        format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))
    }

    #[test]
    fn an_object_is_read_as_it_stands() {
        let body = r#" {"a": [1, -2, 1.5, true, null, "\u00e9\ud83d\ude00"], "b": {"c": {}}} "#;
        let expected = json!({"a": [1, -2, 1.5, true, null, "é😀"], "b": {"c": {}}});
        assert_eq!(Value::Object(parse_body(body.as_bytes()).unwrap()), expected);
    }

    #[test]
    fn great_numbers_are_kept_or_refused_never_wrapped() {
        let read = |number: &str| parse_body(format!(r#"{{"n":{number}}}"#).as_bytes());
        assert_eq!(read("9223372036854775808").unwrap()["n"], json!(9_223_372_036_854_775_808_u64));
        assert!(read("18446744073709551616").unwrap()["n"].is_f64());
        for number in ["1e400", "-1e400", "NaN", "Infinity", "01", "+1", "1.", ".5", "0x1"] {
            assert!(matches!(read(number), Err(JsonFault::Syntax { .. })), "{number}");
        }
    }

    #[test]
    fn nesting_is_bounded_exactly() {
        assert!(parse_body(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(fault(nested(MAX_DEPTH + 1)), JsonFault::TooDeep);
        assert_eq!(fault(nested(10_000)), JsonFault::TooDeep);
        let open = r#"{"a":"#.to_owned() + &"[".repeat(10_000);
        assert_eq!(fault(open), JsonFault::TooDeep);
    }

    #[test]
    fn a_member_given_twice_is_refused_at_any_level() {
        for (body, name) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"{"a":1,"\u0061":2}"#, "a"),
            (r#"{"x":[{"b":1,"c":2,"b":{}}]}"#, "b"),
            (r#"{"a b":1,"a b":2}"#, "(not shown)"),
        ] {
            assert_eq!(fault(body), JsonFault::DuplicateMember(name.into()), "{body}");
        }
    }

    #[test]
    fn text_that_is_not_unicode_is_refused() {
        for text in [r"\ud800", r"\udc00", r"\ud800\u0041", r"\ud800x"] {
            let body = format!(r#"{{"a":"{text}"}}"#);
            assert!(matches!(fault(&body), JsonFault::Syntax { line: 1, .. }), "{body}");
            let body = format!(r#"{{"{text}":1}}"#);
            assert!(matches!(fault(&body), JsonFault::Syntax { line: 1, .. }), "{body}");
        }
        assert_eq!(fault(b"{\"a\":\"\xff\"}"), JsonFault::NotUtf8);
        assert_eq!(fault(b"{\"a\":\"\xed\xa0\x80\"}"), JsonFault::NotUtf8);
        assert!(matches!(fault("{\"a\":\"\u{1}\"}"), JsonFault::Syntax { .. }));
        assert!(matches!(fault("\u{feff}{}"), JsonFault::Syntax { .. }));
    }

    #[test]
    fn anything_but_one_object_is_refused() {
        for body in ["[]", "1", "null", "true", "\"a\""] {
            assert_eq!(fault(body), JsonFault::NotAnObject, "{body}");
        }
        for body in ["{} {}", "{},", "{}x", "{}\0", "{", "{\"a\"}", "{'a':1}", "{\"a\":1,}", "//\n{}"] {
            assert!(matches!(fault(body), JsonFault::Syntax { .. }), "{body}");
        }
    }

    #[test]
    fn an_absent_body_is_an_empty_object_only_where_that_is_allowed() {
        for body in ["", " ", "\r\n\t "] {
            assert_eq!(fault(body), JsonFault::Empty);
            assert_eq!(parse_body_or_empty(body.as_bytes()), Ok(Map::new()));
        }
        assert_eq!(parse_body_or_empty(b"null"), Err(JsonFault::NotAnObject));
        assert_eq!(parse_body_or_empty(b"\0"), Err(JsonFault::Syntax { line: 1, column: 1 }));
    }

    #[test]
    fn a_fault_repeats_nothing_of_the_body() {
        let secret = format!("sk_{}", "0123456789abcdef".repeat(4));
        for body in [
            secret.clone(),
            format!(r#"{{"token":{secret}}}"#),
            format!(r#"{{"{secret}":1,"{secret}":2}}"#),
            format!(r#"["{secret}"]"#),
        ] {
            let text = format!("{} {:?}", fault(&body), fault(&body));
            assert!(!text.contains(&secret), "{text}");
        }
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,6}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = parse_body(&body);
        }

        #[test]
        fn no_json_like_text_makes_it_panic(body in r#"[\[\]{}:,"\\ud8aeE0-9.+\- tfn]{0,200}"#) {
            let ours = parse_body(body.as_bytes());
            if ours.is_ok() {
                prop_assert!(serde_json::from_str::<Value>(&body).is_ok());
            }
        }

        #[test]
        fn what_was_written_is_read_back(value in json_value()) {
            let body = serde_json::to_vec(&value).unwrap();
            let expected = match value {
                Value::Object(members) => Ok(members),
                _ => Err(JsonFault::NotAnObject),
            };
            prop_assert_eq!(parse_body(&body), expected);
        }
    }
}
