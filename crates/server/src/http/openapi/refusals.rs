//! How operations are refused, as the document tells it: alike, whatever they do.

use std::collections::BTreeMap;

use keywright_api::problem::{Document, PROBLEM_JSON};
use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema as _};

use crate::http::answer::Refused;

/// What keeps a change from being made.
const NOT_CHANGED: &str = "Not carried out, or its outcome is unknown";
/// What keeps a read from being answered.
const NOT_READ: &str = "Not available at the moment";

/// Says of an operation that only reads what it can be refused for.
pub(super) fn tell_of_a_read(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response
            && response.description == NOT_CHANGED
        {
            NOT_READ.clone_into(&mut response.description);
        }
    }
}

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |description: &str| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Document::name()))).build();
            ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build()
        };
        [("4XX", "Refused"), ("5XX", NOT_CHANGED)]
            .map(|(status, description)| (status.to_owned(), RefOr::T(problem(description))))
            .into()
    }
}
