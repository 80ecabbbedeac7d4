//! Service accounts, and who acts by their tokens.

use serde_json::{Value, json};

use super::{Caller, Minted, TestApp, id};

/// Where service accounts live in the API.
pub(crate) const PATH: &str = "/service-accounts";

/// Where one lives.
pub(crate) fn path(account: &Value) -> String {
    format!("{PATH}/{}", id(account))
}

/// What makes one of these scopes.
pub(crate) fn body(name: &str, scopes: &[&str]) -> Value {
    json!({"name": name, "service_type": "partner", "scopes": scopes})
}

/// A body with more in it.
pub(crate) fn with(mut body: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("not an object: {more}") };
    body.as_object_mut().unwrap().extend(more);
    body
}

impl TestApp {
    /// Makes a service account.
    pub(crate) async fn account(&self, body: Value) -> Value {
        self.admin().post(PATH, body).await.expect(201)
    }

    /// Makes a token of an account.
    pub(crate) async fn token_of(&self, account: &Value, body: Value) -> Minted {
        Minted::of(&self.admin().post(&format!("{}/tokens", path(account)), body).await)
    }

    /// Somebody with a built-in role in a publisher, by a token of an account that may as much.
    pub(crate) async fn of_publisher(&self, publisher: &Value, name: &str, scopes: &[&str]) -> Caller {
        let account = self.account(with(body(name, scopes), json!({"publisher_id": publisher["id"]}))).await;
        self.bearing(&self.token_of(&account, json!({"token_name": name})).await.secret)
    }
}
