//! Lists.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

#[cfg(test)]
mod tests {
    use super::Page;

    #[test]
    fn the_last_page_says_null() {
        let page = Page { items: vec![1], next_cursor: None };
        assert_eq!(serde_json::to_string(&page).unwrap(), r#"{"items":[1],"next_cursor":null}"#);
    }
}
