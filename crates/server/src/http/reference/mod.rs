//! `/docs`: the API reference, made from the OpenAPI document of this very binary. Nothing of others is loaded, nothing
//! stands inline; who reads needs no script, who tries a request needs ours alone.

mod curl;
mod operation;
mod page;
mod prose;
mod schema;

use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use keywright_api::problem::Problem;
use keywright_api::problem_code::Refusal;

use self::page::Pages;
use super::answer::Refused;
use super::input::NoQuery;
use super::{App, openapi};

/// Where the reference lies.
pub const PATH: &str = "/docs";

/// Our own script and style, requests to this origin, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; \
     frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'";

/// All pages, written when the first of them is asked for: they are the same for as long as this process lives.
static PAGES: LazyLock<Pages> = LazyLock::new(|| Pages::of(&openapi::value()));

/// The routes of the reference.
pub fn routes() -> Router<App> {
    Router::new().route(PATH, get(look)).route("/docs/{page}", get(look))
}

async fn look(_: NoQuery, uri: Uri, headers: HeaderMap) -> Response {
    let name = uri.path().strip_prefix(PATH).unwrap_or_default().trim_start_matches('/');
    let Some(page) = PAGES.find(name) else {
        let nothing = Problem::new(Refusal::NotFound, "There is nothing at this path.");
        return Refused::from(nothing).into_response();
    };
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let has_it = known.is_some_and(|known| names(known, &page.etag));
    let mut response = if has_it {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(page.body.clone()))
    };
    let mut put = |name: HeaderName, value: &'static str| {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    };
    if !has_it {
        put(CONTENT_TYPE, page.content_type);
    }
    // Kept, and asked about each time: another version may be behind this address by now.
    put(CACHE_CONTROL, "no-cache");
    put(CONTENT_SECURITY_POLICY, POLICY);
    put(REFERRER_POLICY, "no-referrer");
    put(X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(X_FRAME_OPTIONS, "DENY");
    put(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    put(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if let Ok(value) = HeaderValue::from_str(&page.etag) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}

/// Whether a list of tags names this one (RFC 9110 §13.1.2: compared weakly).
fn names(list: &str, etag: &str) -> bool {
    list.trim() == "*" || list.split(',').any(|one| one.trim().trim_start_matches("W/") == etag)
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_tag_is_found_in_a_list_of_them() {
        assert!(names("\"a\"", "\"a\"") && names(" W/\"b\" , W/\"a\"", "\"a\"") && names("*", "\"a\""));
        assert!(!names("", "\"a\"") && !names("\"ab\"", "\"a\"") && !names("a", "\"a\""));
    }
}
