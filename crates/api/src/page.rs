//! Lists.

use crate::{
    kind::{integer, text},
    request::{Fields, FromFields, Refused},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The fewest items a page may be asked for.
pub const MIN_LIMIT: u32 = 1;
/// The most items a page may be asked for.
pub const MAX_LIMIT: u32 = 200;
/// The items on a page when nothing is asked for.
pub const DEFAULT_LIMIT: u32 = 50;
/// The most characters of a cursor.
pub const MAX_CURSOR: usize = 512;

/// One page of a list, newest first unless asked otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// What to pass as `cursor` for the next page; null on the last one. Opaque, and stable while
    /// rows are added.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// Which page of a list: what every query of one has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many; 50 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// Where to go on: the `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 512, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub cursor: Option<String>,
}

impl PageQuery {
    /// As a part of a query, which tells its own fields beside these.
    pub(crate) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            limit: fields.optional("limit", integer(MIN_LIMIT, MAX_LIMIT)),
            cursor: fields.optional("cursor", text(1, MAX_CURSOR)),
        }
    }

    /// How many items the page has at most.
    pub fn limit(&self) -> u32 {
        self.limit.unwrap_or(DEFAULT_LIMIT)
    }
}

impl FromFields for PageQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self::read(&mut fields);
        fields.finish(|| Some(query))
    }
}

#[cfg(test)]
mod tests {
    use super::Page;

    #[test]
    fn the_last_page_says_null() {
        let page = Page { items: vec![1], next_cursor: None };
        assert_eq!(serde_json::to_string(&page).unwrap(), r#"{"items":[1],"next_cursor":null}"#);
    }
}
