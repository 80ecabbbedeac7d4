use super::{Fields, Format, FormatFault, FromFields, Refused};
use crate::{
    kind::{Address, At, Boolean, Fact, Id, Kind, Metadata, Scopes, integer, text, time},
    problem::{FieldCode, Problem},
};
use serde_json::{Map, Value, json};

fn members(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { panic!("not an object") };
    members
}

#[expect(clippy::unnecessary_wraps, reason = "it stands for rules that may find fault")]
fn any_form(_: Format, _: &str) -> Result<(), FormatFault> {
    Ok(())
}

/// Each bad field with its code.
fn faults<T>(read: Result<T, Refused>) -> Vec<(String, String)> {
    let Err(refused) = read else { panic!("must be refused") };
    refused.errors.into_iter().map(|error| (error.field, error.code.into_owned())).collect()
}

fn named(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|&(field, code)| (field.into(), code.into())).collect()
}

#[test]
fn every_bad_field_is_named_at_once() {
    let body = members(json!({
        "name": "", "days": 1.5, "when": 7, "scopes": ["a", 1, ""], "later": 1, "usage_count": 9,
        "bogus": null, "other": [],
    }));
    let mut fields = Fields::of_body(body, &any_form);
    fields.required("name", text(1, 5));
    fields.required("missing", text(1, 5));
    fields.optional("days", integer(0, 9));
    fields.optional("when", time());
    fields.optional("scopes", Scopes(0));
    fields.not_available_yet(&["later", "much_later"]);
    let expected = [
        ("name", "too_short"),
        ("missing", "required"),
        ("days", "invalid_type"),
        ("when", "invalid_type"),
        ("scopes[1]", "invalid_type"),
        ("scopes[2]", "too_short"),
        ("later", "not_available_yet"),
        ("usage_count", "forbidden_field"),
        ("bogus", "unknown_field"),
        ("other", "unknown_field"),
    ];
    assert_eq!(faults(fields.finish(|| Some(()))), named(&expected));
}

#[test]
fn the_rules_of_the_server_speak_with_the_others() {
    let rules = |format: Format, text: &str| match format {
        Format::Scope if text.contains(' ') => Err((FieldCode::InvalidFormat, "is no permission".into())),
        Format::Expiry if text < "2026" => Err((FieldCode::OutOfRange, "is past".into())),
        _ => Ok(()),
    };
    let body = members(json!({"scopes": ["ok", "not ok"], "end": "2025", "n": "x"}));
    let mut fields = Fields::of_body(body, &rules);
    fields.optional("scopes", Scopes(0));
    fields.optional("end", crate::kind::expiry());
    fields.optional("n", integer(0, 1));
    let expected = [("scopes[1]", "invalid_format"), ("end", "out_of_range"), ("n", "invalid_type")];
    assert_eq!(faults(fields.finish(|| Some(()))), named(&expected));
}

#[test]
fn a_fault_repeats_neither_a_value_nor_a_name_that_may_be_a_secret() {
    let secret = format!("sk_{}", "0123456789abcdef".repeat(4));
    let body = members(json!({
        "a": secret, "b": secret, "c": [secret], "d": secret, "e": secret, "f": secret,
        &secret: 1, "nested": {&secret: 2},
    }));
    let mut fields = Fields::of_body(body, &any_form);
    fields.required("a", text(1, 5));
    fields.required("b", integer(0, 9));
    fields.required("c", Boolean);
    fields.required("d", Id);
    fields.required("e", Metadata);
    fields.required("f", crate::kind::choice::<crate::service_token::TokenStatus>());
    fields.nested("nested", |_| Some(()));
    let refused = fields.finish(|| Some(())).unwrap_err();
    assert_eq!(refused.errors.len(), 8);
    let shown = format!("{refused:?} {}", Problem::from(refused.clone()));
    assert!(!shown.contains(&secret[3..]), "{shown}");
}

#[test]
fn a_reader_that_asks_for_less_than_it_needs_gives_no_request() {
    let fields = Fields::of_body(Map::new(), &any_form);
    assert_eq!(faults(fields.finish(|| None::<()>)), named(&[("", "required")]));
}

struct Paged {
    limit: Option<u32>,
    active: Option<bool>,
}

impl FromFields for Paged {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let limit = fields.optional("limit", integer(1, 200));
        let active = fields.optional("active", Boolean);
        fields.finish(|| Some(Self { limit, active }))
    }
}

fn query(pairs: &[(&str, &str)]) -> Result<Paged, Problem> {
    let pairs = pairs.iter().map(|&(name, text)| (name.to_owned(), text.to_owned()));
    Paged::from_query(pairs, &any_form)
}

#[test]
fn a_query_holds_numbers_and_booleans_as_text_a_body_does_not() {
    let paged = query(&[("limit", "200"), ("active", "false")]).unwrap();
    assert_eq!((paged.limit, paged.active), (Some(200), Some(false)));
    for (name, text, code) in [
        ("limit", "0", "out_of_range"),
        ("limit", "-1", "out_of_range"),
        ("limit", "201", "out_of_range"),
        ("limit", "99999999999999999999", "out_of_range"),
        ("limit", "1e2", "invalid_type"),
        ("limit", "+1", "invalid_type"),
        ("limit", " 1", "invalid_type"),
        ("limit", "inf", "invalid_type"),
        ("active", "TRUE", "invalid_type"),
        ("active", "1", "invalid_type"),
        ("limt", "1", "unknown_field"),
        ("token", "sk_", "forbidden_field"),
    ] {
        let Err(problem) = query(&[(name, text)]) else { panic!("{name}={text}") };
        assert_eq!((problem.errors[0].field.as_str(), problem.errors[0].code.as_ref()), (name, code));
    }
    let Err(problem) = query(&[("limit", "1"), ("limit", "2")]) else { panic!("given twice") };
    assert_eq!((problem.errors[0].field.as_str(), problem.errors[0].code.as_ref()), ("limit", "duplicate"));

    let Err(problem) = Paged::from_body(br#"{"limit":"1","active":"true"}"#, &any_form) else {
        panic!("text in a body")
    };
    assert_eq!(problem.errors.len(), 2);
    let paged = Paged::from_body(br#"{"limit":1.0,"active":null}"#, &any_form).unwrap();
    assert_eq!((paged.limit, paged.active), (Some(1), None));
}

#[test]
fn a_body_may_be_left_out_only_where_that_is_said() {
    assert!(Paged::from_body_or_empty(b"", &any_form).is_ok());
    let Err(problem) = Paged::from_body(b"", &any_form) else { panic!("an empty body") };
    assert_eq!((problem.status, problem.code.as_ref()), (400, "invalid_json"));
    let Err(problem) = Paged::from_body_or_empty(b"[", &any_form) else { panic!("a broken body") };
    assert_eq!((problem.status, problem.code.as_ref()), (400, "invalid_json"));
}

fn read<K: Kind>(kind: K, value: Value) -> Result<K::Value, String> {
    let mut errors = Vec::new();
    let mut at = At { path: "f".into(), errors: &mut errors, formats: &any_form, textual: false };
    let value = kind.read(value, &mut at);
    value.ok_or_else(|| errors.remove(0).code.into_owned())
}

#[test]
fn an_id_has_the_one_form_that_answers_show() {
    let id = "01980000-0000-7000-8000-00000000000a";
    assert_eq!(read(Id, json!(id)).unwrap().to_string(), id);
    for other in
        ["01980000000070008000000000000001", "{01980000-0000-7000-8000-00000000000a}", "", "x", " 0198"]
    {
        assert_eq!(read(Id, json!(other)), Err("invalid_format".into()), "{other}");
    }
    assert_eq!(read(Id, json!("0".repeat(36))), Err("invalid_format".into()));
}

#[test]
fn an_address_is_of_either_family_and_nothing_more() {
    for address in ["192.0.2.1", "2001:db8::1", "::ffff:10.0.0.1"] {
        assert_eq!(read(Address, json!(address)), Ok(address.parse().unwrap()));
    }
    for other in ["192.0.2.1/32", "2130706433", "192.0.2", "[::1]", "fe80::1%eth0", "192.0.2.01", ""] {
        assert_eq!(read(Address, json!(other)), Err("invalid_format".into()), "{other}");
    }
}

#[test]
fn a_fact_is_kept_fit_for_the_record_whatever_it_holds() {
    for (sent, kept) in [
        ("curl/8", "curl/8"),
        ("a\r\nb\0c\u{1b}[31m", "a\u{fffd}\u{fffd}b\u{fffd}c\u{fffd}[31"),
        ("123456789012", "1234567890"),
        ("éééééééééééé", "éééééééééé"),
        ("", ""),
    ] {
        assert_eq!(read(Fact(10), json!(sent)), Ok(kept.to_owned()), "{sent:?}");
    }
    assert_eq!(read(Fact(10), json!(1)), Err("invalid_type".into()));
}

struct NoNotes;

impl super::Formats for NoNotes {
    fn check(&self, _: Format, _: &str) -> Result<(), FormatFault> {
        Ok(())
    }

    fn check_metadata(&self, metadata: &Map<String, Value>) -> Result<(), FormatFault> {
        if metadata.is_empty() { Ok(()) } else { Err((FieldCode::TooLong, "is too much".into())) }
    }
}

#[test]
fn metadata_is_an_object_within_the_rules_of_the_server() {
    assert_eq!(read(Metadata, json!([])), Err("invalid_type".into()));
    assert_eq!(read(Metadata, json!({"a": 1})), Ok(members(json!({"a": 1}))));
    let mut fields = Fields::of_body(members(json!({"metadata": {"a": 1}})), &NoNotes);
    fields.optional("metadata", Metadata);
    assert_eq!(faults(fields.finish(|| Some(()))), named(&[("metadata", "too_long")]));
}
