//! Callers at the doors in OAuth's form, and clients of them.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{Answer, Caller, Minted, TestApp};

impl Caller {
    /// Sends a form.
    pub(crate) async fn form(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.form_text(path, &body).await
    }

    /// Sends what says that it is a form.
    pub(crate) async fn form_text(&self, path: &str, body: &str) -> Answer {
        let form = self.with("content-type", "application/x-www-form-urlencoded");
        form.send_bytes("POST", path, body.as_bytes().to_vec()).await
    }

    /// The same as a client, by the header.
    pub(crate) fn as_client(&self, id: &str, secret: &str) -> Self {
        self.with("authorization", &format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}"))))
    }

    /// Asks for an access token of a service account.
    pub(crate) async fn client_credentials(&self, more: &[(&str, &str)]) -> Answer {
        self.form("/oauth2/token", &[&[("grant_type", "client_credentials")], more].concat()).await
    }

    /// Asks about a token; what there is to tell of it.
    pub(crate) async fn introspect(&self, token: &str) -> Value {
        let answer = self.form("/oauth2/introspect", &[("token", token)]).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        answer.expect(200)
    }
}

impl Answer {
    /// A refusal by RFC 6749 §5.2, whose shape is always the same.
    #[track_caller]
    pub(crate) fn oauth_error(&self, status: u16, error: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(body["error"], error, "{body}");
        let members: Vec<_> = body.as_object().unwrap().keys().collect();
        assert_eq!(members, ["error", "error_description"]);
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(self.header("cache-control"), "no-store");
        assert!(!self.request_id().is_empty());
        let scheme = match error {
            "invalid_client" => "Basic realm=\"keywright\"",
            "invalid_token" | "insufficient_scope" => "Bearer realm=\"keywright\"",
            _ => "",
        };
        let challenge = self.header("www-authenticate");
        assert!(challenge.starts_with(scheme), "{challenge}");
        assert_eq!(challenge.is_empty(), scheme.is_empty(), "{challenge}");
        assert_eq!(self.headers.contains_key("retry-after"), matches!(status, 429 | 503));
        body
    }
}

/// A service account with a token that carries all that the account may.
#[derive(Clone, Debug)]
pub(crate) struct Partner {
    pub(crate) id: String,
    pub(crate) account: Value,
    pub(crate) token: Minted,
}

impl Partner {
    pub(crate) fn path(&self) -> String {
        format!("/service-accounts/{}", self.id)
    }

    /// What calls as this client.
    pub(crate) fn caller(&self, app: &TestApp) -> Caller {
        app.nobody().as_client(&self.id, &self.token.secret)
    }

    /// An access token for all that it may.
    pub(crate) async fn access(&self, app: &TestApp) -> String {
        let given = self.caller(app).client_credentials(&[]).await.expect(200);
        given["access_token"].as_str().unwrap().to_owned()
    }
}

impl TestApp {
    /// A service account of a publisher, or of the platform.
    pub(crate) async fn partner(&self, name: &str, scopes: &[&str], publisher: Option<&Value>) -> Partner {
        let mut body = json!({"name": name, "service_type": "partner", "scopes": scopes});
        if let Some(publisher) = publisher {
            body["publisher_id"] = publisher["id"].clone();
        }
        self.partner_as(body).await
    }

    /// The same from a body.
    pub(crate) async fn partner_as(&self, body: Value) -> Partner {
        let name = format!("token of {}", body["name"].as_str().unwrap());
        let account = self.account(body).await;
        let token = self.token_of(&account, json!({"token_name": name})).await;
        Partner { id: account["id"].as_str().unwrap().to_owned(), account, token }
    }
}

/// What a JWT says.
pub(crate) fn claims(jwt: &str) -> Value {
    let payload = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
