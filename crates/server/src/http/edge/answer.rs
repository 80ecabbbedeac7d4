//! Answers as the edge gives them: its own, which are whole, and the router's.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::Full;
use keywright_api::problem::Problem;

use crate::http::answer::{problem_body, problem_headers};
use crate::http::auth::verify;
use crate::http::client::REQUEST_ID;

pub(super) fn with_id(mut response: Response<EdgeBody>, id: &str) -> Response<EdgeBody> {
    if let Ok(value) = HeaderValue::from_str(id) {
        response.headers_mut().insert(&REQUEST_ID, value);
    }
    response
}

pub(super) fn decision(json: Bytes, id: &str) -> Response<EdgeBody> {
    let mut response = Response::new(EdgeBody::Whole(Full::new(json)));
    for (name, value) in verify::HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    with_id(response, id)
}

pub(super) fn problem_response(problem: Problem, id: &str) -> Response<EdgeBody> {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers: Vec<_> = problem_headers(&problem).collect();
    let mut response = Response::new(EdgeBody::Whole(Full::new(problem_body(problem, id).into())));
    *response.status_mut() = status;
    response.headers_mut().extend(headers);
    with_id(response, id)
}

/// A body: whole, or the router's.
pub(super) enum EdgeBody {
    /// Whole.
    Whole(Full<Bytes>),
    /// The router's.
    Routed(Body),
}

impl http_body::Body for EdgeBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
            Self::Routed(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Routed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Routed(body) => body.size_hint(),
        }
    }
}
