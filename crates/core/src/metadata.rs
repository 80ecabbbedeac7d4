//! Metadata: what an application keeps with a credential and gets back with each decision.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most bytes of metadata, written as compact JSON.
pub const MAX_BYTES: usize = 8 * 1024;

/// A JSON object of at most [`MAX_BYTES`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(Map<String, Value>);

/// Why an object cannot be metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// More than [`MAX_BYTES`].
    #[error("is larger than 8 KiB of JSON")]
    TooLarge,
    /// PostgreSQL's JSONB cannot keep `\u0000`, so neither engine does.
    #[error("contains the character U+0000")]
    Nul,
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

impl Metadata {
    /// Checks an object that a caller gave.
    ///
    /// # Errors
    /// [`MetadataError`] tells the rule that the object breaks.
    pub fn new(map: Map<String, Value>) -> Result<Self, MetadataError> {
        let value = Value::Object(map);
        if has_nul(&value) {
            return Err(MetadataError::Nul);
        }
        let Value::Object(map) = value else { return Err(MetadataError::TooLarge) };
        let metadata = Self(map);
        if metadata.to_json().len() > MAX_BYTES { Err(MetadataError::TooLarge) } else { Ok(metadata) }
    }

    /// Takes over what the store holds, which was checked when it was written.
    pub fn from_stored(map: Map<String, Value>) -> Self {
        Self(map)
    }

    /// The object.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compact JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_else(|_| "{}".to_owned())
    }

    /// RFC 7396: members of `patch` replace, `null` removes, objects merge.
    ///
    /// # Errors
    /// As [`Metadata::new`], for the result.
    pub fn merged(&self, patch: &Map<String, Value>) -> Result<Self, MetadataError> {
        let mut target = self.0.clone();
        merge(&mut target, patch);
        Self::new(target)
    }
}

fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(key);
            }
            Value::Object(patch) => {
                let slot = target.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(slot) = slot {
                    merge(slot, patch);
                }
            }
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { panic!("not an object") };
        map
    }

    #[test]
    fn limits_are_kept() {
        assert_eq!(Metadata::new(map(json!({"a": "x".repeat(MAX_BYTES)}))), Err(MetadataError::TooLarge));
        assert_eq!(Metadata::new(map(json!({"a": ["\0"]}))), Err(MetadataError::Nul));
        assert!(Metadata::new(map(json!({"a": {"b": 1}}))).is_ok());
    }

    #[test]
    fn merging_follows_rfc_7396() {
        let old = Metadata::new(map(json!({"a": 1, "b": {"c": 2, "d": 3}, "e": 4}))).unwrap();
        let new =
            old.merged(&map(json!({"a": null, "b": {"c": null, "x": {"y": null}}, "e": {"f": 5}}))).unwrap();
        assert_eq!(Value::Object(new.0), json!({"b": {"d": 3, "x": {}}, "e": {"f": 5}}));
    }
}
