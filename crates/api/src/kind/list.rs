//! Lists of values of one kind.

use super::{At, Kind};
use serde_json::Value;

/// A list of at most so many values of a kind.
#[derive(Clone, Copy, Debug)]
pub struct List<K> {
    most: usize,
    item: K,
}

/// A list of at most `most` values.
pub const fn list<K: Kind>(most: usize, item: K) -> List<K> {
    List { most, item }
}

impl<K: Kind> Kind for List<K> {
    type Value = Vec<K::Value>;

    fn read(&self, value: Value, at: &mut At<'_>) -> Option<Vec<K::Value>> {
        let items = at.array(value, self.most)?;
        at.items(items, &self.item)
    }
}
