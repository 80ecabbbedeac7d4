//! How operations are refused, as the document tells it: alike, whatever they do.

use std::collections::BTreeMap;

use keywright_api::problem::{Document, PROBLEM_JSON};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema as _};

use crate::http::answer::Refused;

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |description: &str| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Document::name()))).build();
            ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build()
        };
        [("4XX", "Refused"), ("5XX", "Not carried out, or its outcome is unknown")]
            .map(|(status, description)| (status.to_owned(), RefOr::T(problem(description))))
            .into()
    }
}
