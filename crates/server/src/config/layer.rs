//! One source of values, with the origin of each, as figment merges them.

use std::collections::BTreeMap;

use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};

use super::setting::Setting;
use super::table;

/// The name of the layer of defaults, and the origin of its values.
pub(crate) const DEFAULTS: &str = "default";
/// The name of the layer of flags.
pub(crate) const FLAGS: &str = "flags";
/// The name of the layer of values that a program has set, and the origin of its values.
pub(crate) const PROGRAM: &str = "program";

/// One source of values: defaults, file, environment, flags or a program.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    name: &'static str,
    values: Dict,
    origins: BTreeMap<String, String>,
}

impl Layer {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, values: Dict::new(), origins: BTreeMap::new() }
    }

    /// What every setting is when nobody says otherwise.
    pub(crate) fn defaults() -> Self {
        let mut layer = Self::new(DEFAULTS);
        for setting in table::all() {
            layer.set(setting, setting.default, DEFAULTS.to_owned());
        }
        layer
    }

    pub(crate) fn set(&mut self, setting: &Setting, value: impl Into<Value>, origin: String) {
        self.origins.insert(setting.key.to_owned(), origin);
        let nested = setting
            .key
            .rsplit('.')
            .fold(value.into(), |value, name| Dict::from([(name.to_owned(), value)]).into());
        if let Value::Dict(_, sections) = nested {
            for (section, value) in sections {
                match (self.values.get_mut(&section), value) {
                    (Some(Value::Dict(_, present)), Value::Dict(_, added)) => present.extend(added),
                    (_, value) => drop(self.values.insert(section, value)),
                }
            }
        }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        let origins = self.origins.clone();
        Metadata::named(self.name)
            .interpolater(move |_, path| origins.get(&path.join(".")).cloned().unwrap_or_default())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}
