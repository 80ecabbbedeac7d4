//! `POST /auth/verify/batch`: decisions about several credentials.

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures::future::join_all;
use keywright_api::presented::{Presented, presented};
use keywright_api::problem::{FieldError, Problem};
use keywright_api::request::FromFields;
use keywright_api::verify::BatchDecisions;
use keywright_api::verify_request::VerifyBatchRequest;
use keywright_verify::RecordCode;

use super::verification::{Asked, Asker, Question, Verification};
use super::verify::{Borrowed, asked, check_query, respond};
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{missing, unavailable};
use crate::http::input::{is_json, not_json, read_body, rules};
use crate::http::look_up::{Looked, look_up};
use crate::http::outer::Arrived;

/// The path, as it is recorded.
const PATH: &str = "/api/v1/auth/verify/batch";
/// Most bytes of a body: 100 long tokens with their facts.
const MAX_BODY: usize = 1024 * 1024;

/// Decide on several credentials.
///
/// Each item is what a verification is, with facts of its own, and is decided on, counted and recorded by
/// itself, in their order. The caller needs `tokens:verify`, and pays for one call.
#[utoipa::path(
    post, path = "/auth/verify/batch", tag = "verification", operation_id = "verify_batch",
    request_body = VerifyBatchRequest,
    responses(
        (status = 200, description = "The decisions, in the same order", body = BatchDecisions),
        (status = "4XX", description = "The request was not carried out", body = keywright_api::problem::Document, content_type = "application/problem+json"),
        (status = "5XX", description = "An answer cannot be known or recorded at the moment", body = keywright_api::problem::Document, content_type = "application/problem+json"),
    ),
)]
pub async fn verify_batch(State(app): State<App>, request: Request) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let arrived = parts.extensions.get::<Arrived>().cloned();
    let Some(arrived) = arrived else { return Err(Refused::from(unavailable())) };
    let body = read_body(body, MAX_BODY).await?;
    check_query(&parts, &app)?;
    let asked = asked(&app, &parts, &arrived, PATH);
    let decided = answer(&app, &asked, &body).await;
    Ok(respond(decided, asked.taken))
}

async fn answer(app: &App, asked: &Asked<'_>, body: &[u8]) -> Result<Bytes, Problem> {
    let content_type = asked.headers.get(http::header::CONTENT_TYPE);
    if !body.is_empty() && !is_json(content_type.map(http::HeaderValue::as_bytes)) {
        return Err(not_json());
    }
    let clock = app.authority().clock();
    let verification = Verification { app, writer: app.writer(), asked, now: clock.boot_micros() };
    // Who may not ask learns of nothing else that is wrong.
    let asking = verification.asker().await?;
    let request = VerifyBatchRequest::from_body(body, &rules(app))?;
    let own = match presented(asked.headers) {
        Presented::Credential(credential) => Some(credential),
        Presented::Nothing | Presented::Conflicting => None,
    };
    let questions = questions(&request, asked, asking)?;
    let verification = Verification { now: clock.boot_micros(), ..verification };
    let told: Option<Vec<_>> =
        questions.into_iter().map(|(token, question)| Some((token.or(own)?, question))).collect();
    let Some(questions) = told else {
        return verification.refuse(RecordCode::MissingCredential, None, missing()).await;
    };
    // All at once, so that those that the cache does not know are asked for together.
    let looking = questions.iter().map(|(credential, question)| {
        let client = question.ip_address.or(asked.ip_address);
        look_up(app, (*credential, question.publisher), client, verification.now)
    });
    let looked = join_all(looking).await;
    // One that cannot be known is no answer for all: nothing else is decided then, as it would not be told.
    if let Some(at) = looked.iter().position(|looked| matches!(looked, Looked::Unavailable)) {
        return verification.conclude(Looked::Unavailable, &questions[at].1, asking).await;
    }
    let mut out = Vec::with_capacity(512 * questions.len());
    out.extend_from_slice(b"{\"items\":[");
    for (((_, question), looked), item) in questions.iter().zip(looked).zip(&request.items) {
        if out.last() != Some(&b'[') {
            out.push(b',');
        }
        let told: Bytes = if item.cacheable == Some(true) && item.token.is_some() {
            verification.conclude_keepable(looked, question, asking).await?
        } else {
            verification.conclude(looked, question, asking).await?
        };
        out.extend_from_slice(&told);
    }
    out.extend_from_slice(b"]}");
    Ok(out.into())
}

/// A credential, and what is asked about it.
type Item<'a> = (Option<&'a [u8]>, Question<'a>);

/// What is asked, and about which credential; none where it is the caller's own. What is wrong with an item is named
/// by its place.
fn questions<'a>(
    request: &'a VerifyBatchRequest,
    asked: &'a Asked<'_>,
    asking: Option<Asker>,
) -> Result<Vec<Item<'a>>, Problem> {
    let mut errors = Vec::new();
    let mut questions = Vec::with_capacity(request.items.len());
    for (index, item) in request.items.iter().enumerate() {
        let token = item.token.as_ref().map(|token| token.expose().as_bytes());
        let item = Borrowed::from(item);
        match if token.is_some() { item.question() } else { item.own_question(asked) } {
            Ok(question) => questions.push((token, question.of(asking))),
            Err(problem) => errors.extend(problem.errors.iter().map(|error| {
                let field = format!("items[{index}].{}", error.field);
                FieldError { field, ..error.clone() }
            })),
        }
    }
    if errors.is_empty() { Ok(questions) } else { Err(Problem::of_fields(errors)) }
}
