//! The pages that links in mails lead to, under `/account`: plain forms without script. To look at one uses
//! nothing up; its form does what the API does.

mod form;
mod words;

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use keywright_authority::accounts::{self, Accept};
use keywright_authority::mail::Locale;
use keywright_authority::{Authority, Fault};
use keywright_core::{Name, PlainPassword};
use keywright_store::mailed_tokens::Purpose;
use keywright_store::users::UserRow;

use self::form::Given;
use self::words::Words;
use super::App;
use super::answer::Refused;
use super::guest::Guest;
use super::input::{MAX_BODY, read_body};

/// No script, nothing of others, in no frame.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const STYLE: &str = include_str!("../../../templates/account.css");

/// What a form asks for.
struct Form {
    token: String,
    email: Option<String>,
    email_label: &'static str,
    display_name: Option<String>,
    name_label: &'static str,
    asks_password: bool,
    password_label: &'static str,
    password_rule: &'static str,
    button: &'static str,
}

struct Shown {
    language: &'static str,
    title: &'static str,
    paragraphs: Vec<String>,
    problem: Option<String>,
    form: Option<Form>,
}

#[derive(Template)]
#[template(path = "account.html")]
struct Page {
    page: Shown,
}

/// The routes of the pages.
pub fn routes() -> Router<App> {
    let page = |purpose: Purpose| {
        get(move |State(app): State<App>, headers: HeaderMap, request: Request| async move {
            look(&app, purpose, &headers, request.uri().query().unwrap_or_default()).await
        })
        .post(
            move |State(app): State<App>, guest: Guest, headers: HeaderMap, request: Request| async move {
                carry_out(&app, &guest, purpose, &headers, request).await
            },
        )
    };
    Router::new()
        .route("/account/invitation", page(Purpose::Invitation))
        .route("/account/password-reset", page(Purpose::PasswordReset))
        .route("/account/email-verification", page(Purpose::EmailVerification))
        .route("/account/email-change", page(Purpose::EmailChange))
        .route(
            "/account/style.css",
            get(async || answer(StatusCode::OK, "text/css; charset=utf-8", STYLE.to_owned())),
        )
}

async fn look(app: &App, purpose: Purpose, headers: &HeaderMap, query: &str) -> Response {
    let given = Given::read(query.as_bytes());
    match accounts::look_at_link(app.authority(), &given.token, purpose).await {
        Ok(user) => show(StatusCode::OK, ask(purpose, &user, &given, None)),
        Err(fault) => refuse(purpose, accepted(headers), fault),
    }
}

async fn carry_out(
    app: &App,
    guest: &Guest,
    purpose: Purpose,
    headers: &HeaderMap,
    request: Request,
) -> Response {
    let body = match read_body(request.into_body(), MAX_BODY).await {
        Ok(body) => body,
        Err(refused) => return refused.into_response(),
    };
    let given = Given::read(&body);
    let user = match accounts::look_at_link(app.authority(), &given.token, purpose).await {
        Ok(user) => user,
        Err(fault) => return refuse(purpose, accepted(headers), fault),
    };
    match use_link(app.authority(), guest, purpose, &given).await {
        Ok(()) => {
            let words = Words::of(purpose, Locale::preferred(&user.preferences));
            show(StatusCode::OK, words.done())
        }
        Err(Fault::Invalid(faults)) => {
            let words = Words::of(purpose, Locale::preferred(&user.preferences));
            let problem = Some(words.problem(&faults, PlainPassword::parse(&given.password).err()));
            show(StatusCode::UNPROCESSABLE_ENTITY, ask(purpose, &user, &given, problem))
        }
        Err(fault) => refuse(purpose, Locale::preferred(&user.preferences), fault),
    }
}

async fn use_link(
    authority: &Authority,
    guest: &Guest,
    purpose: Purpose,
    given: &Given,
) -> Result<(), Fault> {
    let visitor = guest.visitor();
    match purpose {
        Purpose::Invitation => {
            let name = Some(given.display_name.trim()).filter(|name| !name.is_empty());
            let name = name.map(Name::parse).transpose();
            let wanted = Accept {
                token: given.token.clone(),
                password: given.password.clone(),
                display_name: name.map_err(|error| Fault::field("display_name", error.to_string()))?,
            };
            accounts::accept(authority, visitor, wanted).await.map(drop)
        }
        Purpose::PasswordReset => {
            accounts::confirm_reset(authority, visitor, &given.token, &given.password).await
        }
        Purpose::EmailVerification => accounts::verify_email(authority, visitor, &given.token).await,
        Purpose::EmailChange => accounts::confirm_email_change(authority, visitor, &given.token).await,
    }
}

fn ask(purpose: Purpose, user: &UserRow, given: &Given, problem: Option<String>) -> Shown {
    let words = Words::of(purpose, Locale::preferred(&user.preferences));
    let invited = purpose == Purpose::Invitation;
    let named = user.display_name.as_ref().map(|name| name.as_str().to_owned());
    let typed = Some(given.display_name.clone()).filter(|name| !name.is_empty());
    let form = Form {
        token: given.token.to_string(),
        email: words.asks_password().then(|| user.email.as_str().to_owned()),
        email_label: words.email_label(),
        display_name: invited.then(|| typed.or(named).unwrap_or_default()),
        name_label: words.name_label(),
        asks_password: words.asks_password(),
        password_label: words.password_label(),
        password_rule: words.password_rule(),
        button: words.button(),
    };
    Shown { problem, form: Some(form), ..words.question() }
}

fn refuse(purpose: Purpose, locale: Locale, fault: Fault) -> Response {
    let words = Words::of(purpose, locale);
    match fault {
        Fault::LinkNotUsable => show(StatusCode::BAD_REQUEST, words.not_usable()),
        Fault::EmailTaken => show(StatusCode::CONFLICT, words.taken()),
        fault => {
            // Whoever looks at a page is told in words, the log why.
            let status = StatusCode::from_u16(Refused::from(fault).0.status);
            show(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), words.failed())
        }
    }
}

/// The first language of `Accept-Language` that is spoken here.
fn accepted(headers: &HeaderMap) -> Locale {
    let text = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(',').find_map(|tag| Locale::parse(tag.split(';').next()?.trim())).unwrap_or_default()
}

fn show(status: StatusCode, page: Shown) -> Response {
    match (Page { page }).render() {
        Ok(text) => answer(status, "text/html; charset=utf-8", text),
        Err(error) => Refused::from(Fault::Internal(error.to_string())).into_response(),
    }
}

fn answer(status: StatusCode, content_type: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
