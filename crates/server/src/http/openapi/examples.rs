//! Examples of requests. The reference shows them as lines for a shell, and a test carries every one of them out.

use std::sync::LazyLock;

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};

/// By the id of the operation: its `body`, and values of its `query` and `header`.
static EXAMPLES: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("examples.json")).unwrap_or_default());

/// Puts them where the document has a place for them.
pub(super) fn tell(operation: &mut Operation) {
    let Some(example) = operation.operation_id.as_deref().and_then(|id| EXAMPLES.get(id)) else { return };
    if let (Some(RefOr::T(body)), Some(example)) = (&mut operation.request_body, example.get("body")) {
        for content in body.content.values_mut() {
            if let RefOr::T(content) = content {
                content.example = Some(example.clone());
            }
        }
    }
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        let place = match parameter.parameter_in {
            ParameterIn::Query => "query",
            ParameterIn::Header => "header",
            _ => continue,
        };
        if let Some(value) = example[place].get(&parameter.name) {
            let told: Parameter = std::mem::take(parameter);
            *parameter = ParameterBuilder::from(told).example(Some(value.clone())).build();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_example_is_one_of_an_operation_and_has_come_into_the_document() {
        let document = crate::http::openapi::value();
        let paths = document["paths"].as_object().unwrap().values();
        let operations: Vec<_> = paths.flat_map(|item| item.as_object().unwrap().values()).collect();
        for (id, example) in EXAMPLES.as_object().unwrap() {
            let operation = operations.iter().find(|one| one["operationId"] == *id);
            let operation = operation.unwrap_or_else(|| panic!("there is no operation {id}"));
            if let Some(body) = example.get("body") {
                let content = operation["requestBody"]["content"].as_object().unwrap();
                assert!(content.values().all(|content| content["example"] == *body), "{id}");
            }
            for place in ["query", "header"] {
                for (name, value) in example[place].as_object().into_iter().flatten() {
                    let parameters = operation["parameters"].as_array().unwrap();
                    let told = json!([place, name, value]);
                    let is_told = |one: &Value| json!([one["in"], one["name"], one["example"]]) == told;
                    assert!(parameters.iter().any(is_told), "{id}: {name}");
                }
            }
        }
        for operation in operations {
            let has =
                operation["operationId"].as_str().and_then(|id| EXAMPLES.get(id)?.get("body")).is_some();
            assert!(
                has || operation.get("requestBody").is_none(),
                "{}: no example",
                operation["operationId"]
            );
        }
    }
}
