//! What a proxy asks about a request that it holds back.

use crate::{
    kind::{Id, Scopes},
    request::{Fields, FromFields, Refused},
};
use serde::Serialize;
use utoipa::{
    IntoParams,
    openapi::{RefOr, Schema},
};
use uuid::Uuid;

/// The query of `ANY /auth/forward`: what the credential of the original request needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ForwardQuery {
    /// A permission that it must have; given several times, it must have all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[param(schema_with = scope_schema, required = false)]
    pub scope: Vec<String>,
    /// The publisher to decide for. Left out: the credential's only one, else its owner's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub publisher: Option<Uuid>,
}

fn scope_schema() -> RefOr<Schema> {
    Scopes(0).schema(false, "Permissions that it must all have.")
}

impl FromFields for ForwardQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self {
            scope: fields.repeated("scope", Scopes(0)).unwrap_or_default(),
            publisher: fields.optional("publisher", Id),
        };
        fields.finish(|| Some(query))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Format, FormatFault};

    fn read(query: &[(&str, &str)]) -> Result<ForwardQuery, Vec<String>> {
        let any = |_: Format, _: &str| -> Result<(), FormatFault> { Ok(()) };
        let pairs = query.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        ForwardQuery::from_query(pairs, &any)
            .map_err(|problem| problem.errors.iter().map(|error| error.field.clone()).collect())
    }

    #[test]
    fn a_scope_may_be_given_again_and_nothing_else_may() {
        let publisher = "0198c0de-0000-7000-8000-000000000000";
        let query = read(&[("scope", "a:read"), ("publisher", publisher), ("scope", "b")]).unwrap();
        assert_eq!((query.scope.len(), query.publisher), (2, publisher.parse().ok()));
        assert_eq!(read(&[]).unwrap(), ForwardQuery::default());
        for (query, fields) in [
            (&[("publisher", publisher), ("publisher", publisher)][..], vec!["publisher"]),
            (&[("scope", "")], vec!["scope[0]"]),
            (&[("scope", "a"), ("scope", "")], vec!["scope[1]"]),
            (&[("scopes", "a")], vec!["scopes"]),
            (&[("token", "a"), ("token", "b")], vec!["token", "token"]),
            (&[("publisher", "acme")], vec!["publisher"]),
        ] {
            assert_eq!(read(query).unwrap_err(), fields, "{query:?}");
        }
    }
}
