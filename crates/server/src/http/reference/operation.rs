//! An operation of the document, as its page tells it.

use keywright_api::WireEnum as _;
use keywright_api::problem_code::{ProblemCode, Refusal};
use keywright_api::verify::DenialCode;
use serde_json::Value;

use super::curl;
use super::prose::{Prose, prose};
use super::schema::{Row, Schemas};

/// The methods of OpenAPI that an operation of ours can have.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// What a caller must bring.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    Nobody,
    Anybody,
    Person,
}

/// A parameter of the path, the query or the header.
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) place: String,
    pub(super) is_required: bool,
    pub(super) kind: String,
    pub(super) facts: Vec<String>,
    pub(super) told: Prose,
}

/// A body that is sent or answered.
pub(super) struct Content {
    pub(super) media_types: String,
    pub(super) rows: Vec<Row>,
}

/// An answer by status.
pub(super) struct Answer {
    pub(super) status: String,
    pub(super) told: Prose,
    pub(super) headers: Vec<(String, Prose)>,
    pub(super) content: Option<Content>,
    /// Codes of problems that it may be, where they follow from the operation itself.
    pub(super) codes: Vec<(u16, &'static str)>,
}

/// An operation.
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) tag: String,
    pub(super) method: String,
    /// What stands in the stead of the method: one that answers to all says so.
    pub(super) shown_method: String,
    pub(super) path: String,
    pub(super) summary: Prose,
    pub(super) title: String,
    pub(super) told: Prose,
    pub(super) caller: Caller,
    pub(super) permissions: Vec<String>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Content>,
    pub(super) body_is_required: bool,
    pub(super) media_type: String,
    /// An example of the body, pretty; empty when it has none.
    pub(super) example: String,
    pub(super) answers: Vec<Answer>,
    pub(super) curl: String,
    /// Whether one should be asked twice before it is carried out.
    pub(super) destroys: bool,
}

impl Operation {
    /// All that a document tells, in its order.
    pub(super) fn all(document: &Value) -> Vec<Self> {
        let mut found = Vec::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for method in METHODS {
                if let Some(object) = item.get(method) {
                    found.push(Self::read(document, path, method, object));
                }
            }
        }
        found
    }

    fn read<'a>(document: &'a Value, path: &str, method: &str, object: &'a Value) -> Self {
        let schemas = Schemas { document };
        let text = |word: &str| object[word].as_str().unwrap_or_default();
        let (caller, permissions) = needs(document, path, object);
        let body = &object["requestBody"];
        let (media_type, example) = example(body);
        let is_form = media_type == curl::FORM;
        let shown = |example: &Value| if is_form { curl::form(example, false) } else { pretty(example) };
        let method = method.to_ascii_uppercase();
        let summary = text("summary");
        // The description begins with the summary where it says more.
        let more = text("description").strip_prefix(summary).unwrap_or_else(|| text("description"));
        let mut operation = Self {
            id: text("operationId").to_owned(),
            tag: object["tags"][0].as_str().unwrap_or_default().to_owned(),
            shown_method: if object["x-any-method"] == true { "ANY".to_owned() } else { method.clone() },
            path: path.to_owned(),
            summary: prose(summary),
            title: summary.replace('`', ""),
            told: prose(more),
            caller,
            permissions,
            parameters: parameters(schemas, object),
            body: content(schemas, &body["content"]),
            body_is_required: body["required"] == true,
            example: example.map(shown).unwrap_or_default(),
            answers: Vec::new(),
            curl: curl::line(
                &method,
                path,
                caller != Caller::Nobody,
                object,
                example.map(|example| (media_type.as_str(), example)),
            ),
            destroys: destroys(&method, path),
            media_type,
            method,
        };
        operation.answers = operation.answers_of(schemas, object);
        operation
    }

    fn answers_of<'a>(&self, schemas: Schemas<'a>, object: &'a Value) -> Vec<Answer> {
        let answers = object["responses"].as_object().into_iter().flatten();
        let answers = answers.map(|(status, answer)| Answer {
            status: status.clone(),
            told: prose(answer["description"].as_str().unwrap_or_default()),
            headers: headers(answer),
            content: content(schemas, &answer["content"]).filter(|content| !content.is_problem()),
            codes: if status == "4XX" { self.codes() } else { Vec::new() },
        });
        answers.collect()
    }

    /// What may be wrong with any request of this form. What else may be is told by the table of all codes.
    fn codes(&self) -> Vec<(u16, &'static str)> {
        let mut codes = Vec::new();
        if self.caller != Caller::Nobody {
            codes.push(ProblemCode::Refused(Refusal::MissingCredential));
            codes.extend(
                DenialCode::ALL.iter().copied().map(ProblemCode::Denied).filter(|code| code.status() == 401),
            );
        }
        if !self.permissions.is_empty() {
            codes.push(ProblemCode::Denied(DenialCode::InsufficientScope));
        }
        if self.caller == Caller::Person {
            codes.push(ProblemCode::Refused(Refusal::UserRequired));
        }
        let has = |place: &str, name: &str| {
            self.parameters.iter().any(|one| one.place == place && (name.is_empty() || one.name == name))
        };
        for (applies, refusal) in [
            (has("path", ""), Refusal::NotFound),
            (has("header", "Idempotency-Key"), Refusal::IdempotencyMismatch),
            (has("header", "If-Match"), Refusal::PreconditionFailed),
            (self.body.is_some(), Refusal::InvalidJson),
            (self.body.is_some(), Refusal::ValidationFailed),
            (self.body.is_some(), Refusal::UnknownField),
        ] {
            if applies {
                codes.push(ProblemCode::Refused(refusal));
            }
        }
        let mut codes: Vec<_> = codes.into_iter().map(|code| (code.status(), code.as_str())).collect();
        codes.sort_unstable();
        codes
    }
}

impl Content {
    fn is_problem(&self) -> bool {
        self.media_types == "application/problem+json"
    }
}

/// Who may call it, and what they must be allowed to do. The roles of a requirement are permissions here.
fn needs(document: &Value, path: &str, object: &Value) -> (Caller, Vec<String>) {
    let security = object.get("security").unwrap_or(&document["security"]);
    let requirements: Vec<_> = security.as_array().into_iter().flatten().collect();
    let nobody = requirements.iter().any(|one| one.as_object().is_some_and(serde_json::Map::is_empty));
    if nobody || requirements.is_empty() {
        return (Caller::Nobody, Vec::new());
    }
    let roles = requirements[0].as_object().into_iter().flatten().filter_map(|(_, roles)| roles.as_array());
    let permissions = roles.flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let is_personal = path.contains("/users/me/") || object["x-only-users"] == true;
    (if is_personal { Caller::Person } else { Caller::Anybody }, permissions)
}

fn parameters<'a>(schemas: Schemas<'a>, object: &'a Value) -> Vec<Parameter> {
    let parameters = object["parameters"].as_array().into_iter().flatten();
    let parameters = parameters.map(|one| {
        let text = |word: &str| one[word].as_str().unwrap_or_default();
        let (kind, facts) = schemas.words(&one["schema"]);
        Parameter {
            name: text("name").to_owned(),
            place: text("in").to_owned(),
            is_required: one["required"] == true,
            // That it may be left out is told beside it.
            kind: kind.trim_end_matches(" or null").to_owned(),
            facts,
            told: prose(text("description")),
        }
    });
    parameters.collect()
}

fn content<'a>(schemas: Schemas<'a>, content: &'a Value) -> Option<Content> {
    let content = content.as_object().filter(|content| !content.is_empty())?;
    let media_types: Vec<_> = content.keys().map(String::as_str).collect();
    let first = content.values().next()?;
    Some(Content { media_types: media_types.join(", "), rows: schemas.rows(&first["schema"]) })
}

fn headers(answer: &Value) -> Vec<(String, Prose)> {
    let headers = answer["headers"].as_object().into_iter().flatten();
    headers
        .map(|(name, header)| (name.clone(), prose(header["description"].as_str().unwrap_or_default())))
        .collect()
}

/// The media type of a body, and an example of it.
fn example(body: &Value) -> (String, Option<&Value>) {
    let mut content = body["content"].as_object().into_iter().flatten();
    content
        .next()
        .map_or((String::new(), None), |(media_type, content)| (media_type.clone(), content.get("example")))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// What ends something that somebody may be using.
fn destroys(method: &str, path: &str) -> bool {
    const ENDINGS: [&str; 9] = [
        "/revoke",
        "/revoke-all",
        "/emergency-revoke",
        "/disable",
        "/suspend",
        "/logout",
        "/logout-all",
        "/cleanup",
        "/cleanup-expired",
    ];
    method == "DELETE" || method == "POST" && ENDINGS.iter().any(|ending| path.ends_with(ending))
}
