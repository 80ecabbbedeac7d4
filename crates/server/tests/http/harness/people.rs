//! People as rows, and access tokens as they are signed: for tests of how tokens are read.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Database, TestApp};

/// A publisher, a user with a role there, a session, and a key that signs.
pub(crate) struct People {
    pub(crate) publisher: Uuid,
    pub(crate) user: Uuid,
    pub(crate) role: Uuid,
    pub(crate) session: Uuid,
    pub(crate) key: TestKey,
    pub(crate) issuer: String,
}

/// A signing key of which the test knows both halves.
pub(crate) struct TestKey {
    pub(crate) id: Uuid,
    pair: Ed25519KeyPair,
}

impl TestKey {
    /// The key of a number, with that id.
    pub(crate) fn new(number: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[number; 32]).unwrap();
        Self { id: id(0x6b00 + u128::from(number)), pair }
    }

    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let x = encode(self.pair.public_key());
        json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": x})
    }

    /// Signs claims under a header.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// Signs whatever it is.
    pub(crate) fn sign_text(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(payload));
        format!("{signed}.{}", encode(self.pair.sign(signed.as_bytes())))
    }

    /// Inserts its row, as a node would.
    pub(crate) async fn insert(&self, database: &mut Database) {
        let (id, jwk) = (database.uuid(self.id), self.jwk(&self.id.to_string()));
        let (sealed, then) = (database.bytes(b"sealed"), database.moment(THEN));
        let sql = format!(
            "INSERT INTO signing_keys (id, algorithm, public_jwk, sealed_key, created_at, active_from) \
             VALUES ({id}, 'EdDSA', '{jwk}', {sealed}, {then}, {then})"
        );
        assert_eq!(database.execute(&sql).await, 1);
        database.execute("UPDATE platform SET keys_version = keys_version + 1").await;
    }
}

const THEN: &str = "2020-01-01T00:00:00Z";

/// An id that a test can tell from the others.
pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + number)
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

impl People {
    /// Somebody of a publisher who may read works, logged in.
    pub(crate) async fn settle(app: &TestApp) -> Self {
        let people = Self {
            publisher: id(1),
            user: id(2),
            role: id(3),
            session: id(4),
            key: TestKey::new(7),
            issuer: "https://auth.example.com".to_owned(),
        };
        let mut database = app.database().await;
        people.key.insert(&mut database).await;
        people.publisher(&mut database, people.publisher, people.role, "Song & Co").await;
        people.user(&mut database, people.user, "ada@example.com").await;
        people.member(&mut database, people.user, people.publisher, people.role).await;
        people.session(&mut database, people.session, people.user).await;
        people
    }

    /// Inserts a publisher with a role of its own.
    pub(crate) async fn publisher(&self, database: &mut Database, id: Uuid, role: Uuid, name: &str) {
        let made = made(database);
        let (id, role) = (database.uuid(id), database.uuid(role));
        let sql = format!(
            "INSERT INTO publishers (id, name, name_folded, settings, session_epoch, {MADE}) \
             VALUES ({id}, '{name}', '{name}', '{{}}', 1, {made})"
        );
        assert_eq!(database.execute(&sql).await, 1);
        let sql = format!(
            "INSERT INTO roles (id, publisher_id, name, description, permissions, {MADE}) \
             VALUES ({role}, {id}, 'curator', '', '[\"works:read\", \"works:write\"]', {made})"
        );
        assert_eq!(database.execute(&sql).await, 1);
    }

    /// Inserts a user.
    pub(crate) async fn user(&self, database: &mut Database, id: Uuid, email: &str) {
        let (made, id) = (made(database), database.uuid(id));
        let sql = format!(
            "INSERT INTO users (id, email, email_folded, display_name, name_folded, preferences, \
             session_epoch, {MADE}) VALUES ({id}, '{email}', '{email}', 'Ada', 'ada', '{{}}', 1, {made})"
        );
        assert_eq!(database.execute(&sql).await, 1);
    }

    /// Makes a user a member.
    pub(crate) async fn member(&self, database: &mut Database, user: Uuid, publisher: Uuid, role: Uuid) {
        let made = made(database);
        let [user, publisher, role] = [user, publisher, role].map(|id| database.uuid(id));
        let sql = format!(
            "INSERT INTO memberships (user_id, publisher_id, role_id, session_epoch, {MADE}) \
             VALUES ({user}, {publisher}, {role}, 1, {made})"
        );
        assert_eq!(database.execute(&sql).await, 1);
    }

    /// Inserts a session.
    pub(crate) async fn session(&self, database: &mut Database, id: Uuid, user: Uuid) {
        let [id, user] = [id, user].map(|id| database.uuid(id));
        let (then, end) = (database.moment(THEN), database.moment("2100-01-01T00:00:00Z"));
        let sql = format!(
            "INSERT INTO sessions (id, user_id, epoch, created_at, last_seen_at, expires_at, idle_expires_at) \
             VALUES ({id}, {user}, 1, {then}, {then}, {end}, {end})"
        );
        assert_eq!(database.execute(&sql).await, 1);
    }

    /// The claims of an access token that is good for a while from now on.
    pub(crate) fn claims(&self, app: &TestApp) -> Value {
        let now = app.now().as_micros() / 1_000_000;
        json!({
            "iss": self.issuer, "aud": self.issuer, "sub": self.user, "type": "user",
            "email": "ada@example.com", "publisher_id": self.publisher, "publishers": [self.publisher],
            "role": "curator", "permissions": ["works:read", "works:write"], "session_id": self.session,
            "iat": now, "exp": now + 900, "jti": id(99), "client_id": "keywright",
        })
    }

    /// The header of an access token.
    pub(crate) fn header(&self) -> Value {
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": self.key.id})
    }

    /// An access token with some claims changed; `null` takes one away.
    pub(crate) fn token(&self, app: &TestApp, changes: &Value) -> String {
        self.key.sign(&self.header(), &merged(self.claims(app), changes))
    }
}

/// RFC 7396, as far as tests need it.
pub(crate) fn merged(mut object: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        let members = object.as_object_mut().unwrap();
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    object
}

const MADE: &str = "created_by_type, created_by_name, created_at, updated_at, version";

fn made(database: &Database) -> String {
    let then = database.moment(THEN);
    format!("'operator', 'local operator', {then}, {then}, 1")
}
