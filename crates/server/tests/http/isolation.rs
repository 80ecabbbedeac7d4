//! What is another publisher's does not exist: every operation of the OpenAPI document, called by an
//! administrator of one publisher with the ids, names and cursors of another, answers byte for byte as it
//! does with those of nobody.
//!
//! Where an id can stand is read from the document. An operation with no such place must be in
//! [`NOTHING_BOUND`].

use std::collections::BTreeSet;

use keywright_core::Timestamp;
use keywright_server::http::cursor::Cursor;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::harness::people::People;
use crate::harness::{Answer, Caller, DOCUMENT, Minted, Operation, TestApp, id, on_both_engines, operations};

on_both_engines![what_is_another_publishers_is_what_does_not_exist];

/// Operations in which nothing names an object: no id, no filter, no cursor. They are about the caller itself, about
/// all that the caller sees, or make something new. This list may only shrink.
const NOTHING_BOUND: &[&str] = &[
    "get_me",
    "change_password",
    "ask_for_email_change",
    "revoke_own_service_token",
    "rotate_own_service_token",
    "rotate_signing_key",
    "clean_up_service_tokens",
    "clean_up",
    "stream_invalidations",
    // Names decisions by vouchers that were sealed for the asker's own publisher.
    "report_usage",
    "record_cicd_event",
    "verify_security_events",
    "get_analytics_summary",
    "report_leaks",
    "plan_rotations",
    "create_publisher",
    "create_role",
    "get_system_status",
    "get_metrics",
    "log_out",
    "log_out_everywhere",
];

/// What believes trusted proxies alone, of which this test is none: its own test holds it against another publisher.
/// This list may only shrink.
const PROXIES: &[&str] = &["forward_auth"];

/// What is asked in OAuth's form, and answered so: their own tests hold them against another publisher. This list may
/// only shrink.
const OAUTH: &[&str] = &["introspect_token", "revoke_token", "request_token"];

/// Ids that a caller makes for what it tells of: nothing bears them here. This list may only shrink.
const MADE_BY_CALLERS: &[(&str, &str)] = &[("report_usage", "event_id")];

/// What answers with success to the id of an object that does not exist, or is another's: who is no member
/// is removed. This list may only shrink.
const DONE_ALREADY: &[&str] = &["remove_member"];

const NOBODY: &str = "0198c0de-0000-7000-8000-000000000000";
const NOBODYS_NAME: &str = "no such name";
const NOBODYS_ADDRESS: &str = "nobody@nowhere.example";

/// The publisher whose things are tried, and what is secret of it.
struct Victim {
    people: People,
    ids: Vec<String>,
    names: Vec<String>,
    /// The token of the publisher's service account.
    partners: Minted,
}

impl Victim {
    async fn settle(app: &TestApp) -> Self {
        let people = People::settle(app).await;
        let publisher = json!({"id": people.publisher});
        let role = app.role(&publisher, "Keeper of secrets", &["works:read"]).await;
        let spare = app.role(&publisher, "Held by nobody", &[]).await;
        let user = app.user("bob@victim.example").await;
        app.member(&user, &role).await;
        let token = app.mint("platform's token", &["works:read"]).await;
        let account = |name: &str| json!({"name": name, "service_type": "partner", "scopes": ["works:read"]});
        let mut own = account("Victim's partner");
        own["publisher_id"] = json!(people.publisher);
        let (own, platforms) = (app.account(own).await, app.account(account("Platform's partner")).await);
        let partners = app.token_of(&own, json!({"token_name": "Partner's token"})).await;
        let script = app.personal_token(people.user.to_string().parse().unwrap(), "ada's script").await;
        let alert = app.alert(Some(&people.publisher.to_string()), "Victim's alert").await;
        let platforms_alert = app.alert(None, "Platform's alert").await;
        let mut ids: Vec<_> =
            [people.publisher, people.user, people.role, people.session].map(|id| id.to_string()).into();
        ids.extend([id(&role).to_owned(), id(&spare).to_owned(), user, token.id, script]);
        ids.extend([alert, platforms_alert]);
        let channel = json!({"name": "Victim's channel", "kind": "log", "publisher_id": people.publisher});
        let channel = app.admin().post("/notification-channels", channel).await.expect(201);
        let subscription = json!({"name": "Victim's subscription", "url": "https://hooks.example.com/",
            "event_types": ["session.reuse_detected"], "publisher_id": people.publisher});
        let subscription = app.admin().post("/event-subscriptions", subscription).await.expect(201);
        let tested = format!("/notification-channels/{}/test", id(&channel));
        let delivery = app.admin().post(&tested, json!({})).await.expect(200);
        ids.extend([id(&channel), id(&subscription), id(&delivery)].map(str::to_owned));
        ids.extend([id(&own).to_owned(), id(&platforms).to_owned(), partners.id.clone()]);
        let window = json!({"name": "Victim's nights", "cron": "0 2 * * *", "duration_minutes": 60,
            "publisher_id": people.publisher});
        let window = app.admin().post("/maintenance-windows", window).await.expect(201);
        let policy = json!({"service_account_id": id(&own), "maintenance_window_id": window["id"]});
        ids.extend([id(&window).to_owned(), app.policy(policy).await, app.rotation(&partners).await]);
        let names = [
            "Victim's channel",
            "Victim's subscription",
            "Victim's partner",
            "Platform's partner",
            "Partner's token",
            "Victim's nights",
            "Song & Co",
            "curator",
            "Keeper of secrets",
            "Held by nobody",
            "ada@example.com",
            "bob@victim.example",
            "platform's token",
            "ada's script",
            "Victim's alert",
            "Platform's alert",
        ];
        Self { people, ids, names: names.map(str::to_owned).into(), partners }
    }

    /// Nobody took anything away.
    async fn is_unharmed(&self, app: &TestApp) {
        let token = self.people.token(app, &json!({}));
        app.verify(&token).await.decided("valid");
        let decision = app.verify(&self.partners.secret).await.decided("valid");
        assert_eq!(decision["scopes"], json!(["works:read"]));
        let shown = app.admin().get(&format!("/publishers/{}", self.people.publisher)).await.expect(200);
        assert_eq!((&shown["name"], &shown["status"]), (&json!("Song & Co"), &json!("active")));
        let roles = app.admin().get(&format!("/roles?publisher_id={}", self.people.publisher)).await;
        assert_eq!(roles.expect(200)["items"].as_array().unwrap().len(), 3);
        let members = format!("/publishers/{}/members", self.people.publisher);
        assert_eq!(app.admin().get(&members).await.expect(200)["items"].as_array().unwrap().len(), 2);
    }
}

/// An administrator of another publisher, and what is there.
struct Stranger {
    caller: Caller,
    publisher: String,
    role: String,
    user: String,
    account: String,
    token: String,
}

impl Stranger {
    /// A new one, as what some operations do ends a session.
    async fn arrive(app: &TestApp, victim: &Victim, number: u128) -> Self {
        let publisher = app.publisher(&format!("Strangers {number}")).await;
        let role = app.built_in(&publisher, "publisher_admin").await;
        let mut users = Vec::new();
        for who in ["eve", "mallory"] {
            let user = app.user(&format!("{who}{number}@stranger.example")).await;
            app.member(&user, &role).await;
            users.push(user);
        }
        let session = Uuid::from_u128(0x0190_0000_0000_7000_9000_0000_0000_0000 + number);
        let mut database = app.database().await;
        victim.people.session(&mut database, session, users[0].parse().unwrap()).await;
        let claims = json!({"sub": users[0], "email": format!("eve{number}@stranger.example"),
            "publisher_id": publisher["id"], "publishers": [publisher["id"]], "role": "publisher_admin",
            "permissions": ["*"], "session_id": session});
        let token = victim.people.token(app, &claims);
        let account = json!({"name": format!("Stranger's account {number}"), "service_type": "partner",
            "scopes": [], "publisher_id": publisher["id"]});
        let account = app.account(account).await;
        let own = app.token_of(&account, json!({"token_name": "own"})).await;
        Self {
            caller: app.bearing(&token),
            publisher: id(&publisher).to_owned(),
            role: id(&role).to_owned(),
            user: users.swap_remove(1),
            account: id(&account).to_owned(),
            token: own.id,
        }
    }

    /// What stands where nothing is tried: an id of the stranger's own.
    fn own(&self, operation: &Operation, name: &str) -> String {
        match name {
            "user_id" => self.user.clone(),
            "role_id" => self.role.clone(),
            "service_account_id" => self.account.clone(),
            "token_id" => self.token.clone(),
            "publisher_id" | "default_publisher_id" => self.publisher.clone(),
            "id" if operation.path.contains("/service-accounts/") => self.account.clone(),
            "id" if operation.path.contains("/publishers/") => self.publisher.clone(),
            "id" if operation.path.contains("/roles/") => self.role.clone(),
            "id" if operation.path.contains("/users/") => self.user.clone(),
            _ => NOBODY.to_owned(),
        }
    }
}

/// A place of an operation where something can be named.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    Path(String),
    QueryId(String),
    QueryName(String),
    Cursor,
    /// A member of the body, or `MEMBER.MEMBER` of one within it.
    Body(String),
    /// In each item of a list.
    Item(String, String),
    /// In a list of ids.
    List(String),
}

fn resolved(schema: &Value) -> &Value {
    match schema["$ref"].as_str() {
        Some(name) => &DOCUMENT["components"]["schemas"][name.rsplit('/').next().unwrap()],
        None => schema,
    }
}

fn is_id(schema: &Value) -> bool {
    schema["format"] == "uuid"
}

fn body_schema(operation: &Operation) -> Option<&Value> {
    let content = operation.object.get("requestBody")?["content"].as_object()?;
    let schema = resolved(&content.get("application/json")?["schema"]);
    let choices = schema["oneOf"].as_array();
    Some(choices.and_then(|all| all.iter().find(|one| one["type"] != "null")).map_or(schema, resolved))
}

fn places(operation: &Operation) -> Vec<Place> {
    let mut places = Vec::new();
    for parameter in operation.object["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap().to_owned();
        match (parameter["in"].as_str().unwrap(), name.as_str()) {
            ("path", _) => places.push(Place::Path(name)),
            ("query", "cursor") => places.push(Place::Cursor),
            ("query", "name" | "q" | "email") => places.push(Place::QueryName(name)),
            ("query", _) if is_id(&parameter["schema"]) => places.push(Place::QueryId(name)),
            _ => {}
        }
    }
    for (name, schema) in members(body_schema(operation)) {
        if is_id(schema) {
            places.push(Place::Body(name.clone()));
        }
        let within = members(Some(resolved(schema))).filter(|(_, schema)| is_id(schema));
        places.extend(within.map(|(inner, _)| Place::Body(format!("{name}.{inner}"))));
        let items = members(Some(resolved(&schema["items"]))).filter(|(_, schema)| is_id(schema));
        places.extend(items.map(|(id, _)| Place::Item(name.clone(), id.clone())));
    }
    let lists = members(body_schema(operation)).filter(|(_, schema)| is_id(&schema["items"]));
    places.extend(lists.map(|(name, _)| Place::List(name.clone())));
    places
}

fn members(schema: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    schema.and_then(|schema| schema["properties"].as_object()).into_iter().flatten()
}

/// What a schema takes.
fn sample(name: &str, schema: &Value) -> Value {
    let schema = resolved(schema);
    if let Some(words) = schema["enum"].as_array() {
        return words[0].clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match (kind.unwrap_or("object"), schema["format"].as_str()) {
        ("string", Some("date-time")) => json!("2399-01-01T00:00:00Z"),
        ("string", _) if name == "url" => json!("https://hooks.example.com/"),
        ("string", _) if name.ends_with("email") => json!("somebody@stranger.example"),
        ("string", _) => json!("x"),
        ("array", _) if name == "event_types" => json!(["*"]),
        ("integer", _) => schema["minimum"].clone(),
        ("boolean", _) => json!(true),
        ("array", _) if schema["minItems"] == 1 => json!([{}]),
        ("array", _) => json!([]),
        _ => json!({}),
    }
}

/// The request with `value` in one place, and the stranger's own things in the others.
fn request(stranger: &Stranger, operation: &Operation, at: &Place, value: &str) -> (String, Option<Value>) {
    let (mut path, mut query, mut body) = (operation.path.clone(), Vec::new(), None);
    for parameter in operation.object["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        if parameter["in"] == "path" {
            let here = *at == Place::Path(name.to_owned());
            let own = stranger.own(operation, name);
            path = path.replace(&format!("{{{name}}}"), if here { value } else { &own });
        }
    }
    match at {
        Place::QueryId(name) | Place::QueryName(name) => query.push((name.as_str(), value)),
        Place::Cursor => query.push(("cursor", value)),
        Place::Path(_) | Place::Body(_) | Place::Item(..) | Place::List(_) => {}
    }
    if let Some(schema) = body_schema(operation) {
        let required = schema["required"].as_array();
        let mut members = Map::new();
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let within = match at {
                Place::Body(path) => path.strip_prefix(name.as_str()),
                _ => None,
            };
            if within == Some("") {
                members.insert(name.clone(), json!(value));
            } else if let Some(inner) = within.and_then(|within| within.strip_prefix('.')) {
                members.insert(name.clone(), json!({inner: value}));
            } else if let Place::Item(list, id) = at
                && list == name
            {
                members.insert(name.clone(), json!([{id: value}]));
            } else if *at == Place::List(name.clone()) {
                members.insert(name.clone(), json!([value]));
            } else if name == "scopes" && matches!(at, Place::List(_)) {
                // Where it stands for what is needed in one of two ways.
                members.insert(name.clone(), json!([]));
            } else if required.is_some_and(|all| all.contains(&json!(name))) {
                let own =
                    if is_id(schema) { json!(stranger.own(operation, name)) } else { sample(name, schema) };
                members.insert(name.clone(), own);
            }
        }
        body = Some(Value::Object(members));
    }
    let path = path.strip_prefix("/api/v1").unwrap_or(&path).to_owned();
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    (if query.is_empty() { path } else { format!("{path}?{query}") }, body)
}

/// All of an answer but for the id of its request, whose length differs too, and for the places of events in the
/// chain, which they are given a moment after they happened.
fn bytes(answer: &Answer) -> (u16, String, Vec<(String, String)>) {
    let hide = |text: &str| {
        let mut text = text.replace(answer.request_id(), "REQUEST");
        if let Ok(mut body) = serde_json::from_str::<Value>(&text)
            && let Some(items) = body.get_mut("items").and_then(Value::as_array_mut)
        {
            for event in items.iter_mut().filter(|item| item.get("seq").is_some()) {
                (event["seq"], event["mac"]) = (Value::Null, Value::Null);
            }
            text = body.to_string();
        }
        text
    };
    let headers = answer
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id" | "content-length"));
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (answer.status, hide(answer.text()), headers.collect())
}

/// Whether an answer shows that the request came as far as looking for the object.
fn came_through(operation: &Operation, at: &Place, answer: &Answer) -> bool {
    let code = |code: &str| answer.json()["code"] == code;
    match (at, answer.status) {
        // What is the platform's is refused to whoever belongs to a publisher, whatever the id.
        (Place::Body(_), 403) => code("insufficient_scope") || code("wrong_publisher"),
        (_, 403) => code("insufficient_scope"),
        (Place::Path(_), 404) => code("not_found"),
        (Place::Path(_), 204) => DONE_ALREADY.contains(&operation.id.as_str()),
        (Place::Path(_), _) => false,
        (Place::Body(name) | Place::QueryId(name), 422) => answer.json()["errors"][0]["field"] == json!(name),
        (Place::List(name), 422) => answer.json()["errors"][0]["field"] == json!(format!("{name}[0]")),
        (_, 200) => true,
        (Place::Body(name), 404) if name.contains('.') => code("not_found"),
        // The path names one of the stranger's own things, of a kind that there is none of.
        (_, 404) => operation.path.contains('{'),
        _ => false,
    }
}

async fn what_is_another_publishers_is_what_does_not_exist(app: &TestApp) {
    let victim = Victim::settle(app).await;
    let guarded = operations().into_iter().filter(|operation| {
        let id = operation.id.as_str();
        operation.object["security"] != json!([{}]) && !PROXIES.contains(&id) && !OAUTH.contains(&id)
    });
    let mut unbound = BTreeSet::new();
    let mut faults = Vec::new();
    for (number, operation) in guarded.enumerate() {
        let mut places = places(&operation);
        places.retain(|place| {
            !matches!(place, Place::Item(_, id) if MADE_BY_CALLERS.contains(&(operation.id.as_str(), id)))
        });
        let stranger = Stranger::arrive(app, &victim, number as u128).await;
        // What is a person's own is of nobody else.
        if places.is_empty() && !operation.path.contains("/users/me/") {
            unbound.insert(operation.id.clone());
        }
        for place in places {
            let is_address = place == Place::QueryName("email".to_owned());
            let nobody = value(&place, NOBODY, if is_address { NOBODYS_ADDRESS } else { NOBODYS_NAME });
            let expected = ask(&stranger, &operation, &place, &nobody).await;
            if !came_through(&operation, &place, &expected) {
                faults.push(format!("{}: {place:?} was not looked at: {}", operation.id, expected.text()));
            }
            let count =
                if matches!(place, Place::QueryName(_)) { victim.names.len() } else { victim.ids.len() };
            for index in 0..count {
                let (id, name) = (victim.ids.get(index), victim.names.get(index));
                let tried = value(&place, id.map_or("", String::as_str), name.map_or("", String::as_str));
                if is_address && !tried.contains('@') {
                    continue;
                }
                let answer = ask(&stranger, &operation, &place, &tried).await;
                let what = format!("{} {place:?} {tried}", operation.id);
                if bytes(&answer) != bytes(&expected) {
                    faults.push(format!("{what}: {} {}", answer.status, answer.text()));
                }
                tells_nothing(&victim, &answer, &what);
            }
        }
        // Last, as what is refused is recorded among the stranger's events.
        header(&victim, &stranger, &operation).await;
    }
    assert!(faults.is_empty(), "answered otherwise than with what does not exist:\n{}", faults.join("\n"));
    let listed: BTreeSet<_> = NOTHING_BOUND.iter().map(ToString::to_string).collect();
    assert_eq!(unbound, listed, "an operation that names nothing must be in NOTHING_BOUND, and no other");
    victim.is_unharmed(app).await;
}

/// What stands in a place.
fn value(place: &Place, id: &str, name: &str) -> String {
    match place {
        Place::QueryName(_) => name.to_owned(),
        Place::Cursor => {
            let at: Timestamp = "2399-01-01T00:00:00Z".parse().unwrap();
            Cursor { at, id: id.parse().unwrap() }.encode()
        }
        _ => id.to_owned(),
    }
}

async fn ask(stranger: &Stranger, operation: &Operation, at: &Place, value: &str) -> Answer {
    let (path, body) = request(stranger, operation, at, value);
    stranger.caller.send(&operation.method, &path, body.as_ref()).await
}

/// Whoever belongs to a publisher may name no other in `X-Publisher-Id`, whether it exists or not.
async fn header(victim: &Victim, stranger: &Stranger, operation: &Operation) {
    let at = Place::Cursor;
    let (path, body) = request(stranger, operation, &at, "");
    let path = path.split('?').next().unwrap().to_owned();
    let name = async |publisher: &str| {
        let caller = stranger.caller.with("x-publisher-id", publisher);
        caller.send(&operation.method, &path, body.as_ref()).await
    };
    let expected = name(NOBODY).await;
    // A verification is about the publisher that it names itself.
    if !["verify", "verify_batch"].contains(&operation.id.as_str()) {
        expected.refused(403, "wrong_publisher");
    }
    let answer = name(&victim.people.publisher.to_string()).await;
    assert_eq!(bytes(&answer), bytes(&expected), "{}", operation.id);
}

fn tells_nothing(victim: &Victim, answer: &Answer, what: &str) {
    for secret in victim.names.iter().chain(&victim.ids) {
        assert!(!answer.text().contains(secret.as_str()), "{what}: {}", answer.text());
    }
}
