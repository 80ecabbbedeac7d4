//! A schema as rows: each member with its type, its limits and what it means, those within an object below it.

use serde_json::{Map, Value};

use super::prose::{Prose, prose};

/// Deeper than this nothing is told; no schema of ours is.
const DEEPEST: usize = 8;

/// A member, or one of several things that a value may be.
pub(super) struct Row {
    /// How many objects it lies within.
    pub(super) depth: usize,
    pub(super) name: String,
    pub(super) is_required: bool,
    pub(super) kind: String,
    pub(super) facts: Vec<String>,
    pub(super) told: Prose,
}

/// Reads schemas of a document.
#[derive(Clone, Copy)]
pub(super) struct Schemas<'a> {
    pub(super) document: &'a Value,
}

impl<'a> Schemas<'a> {
    /// What a schema says; its members below it. A value that is no object has one row without a name.
    pub(super) fn rows(self, schema: &'a Value) -> Vec<Row> {
        let mut rows = Vec::new();
        let shape = self.shape(schema);
        if shape.members.is_empty() && shape.choices.is_empty() {
            rows.push(row(0, "", true, &shape));
        }
        self.below(&shape, 0, &mut rows);
        rows
    }

    /// The type of a schema in a few words, and its limits.
    pub(super) fn words(self, schema: &'a Value) -> (String, Vec<String>) {
        let shape = self.shape(schema);
        (shape.kind, shape.facts)
    }

    fn below(self, shape: &Shape<'a>, depth: usize, rows: &mut Vec<Row>) {
        if depth > DEEPEST {
            return;
        }
        // What must be there comes first; members of an object have no other order.
        for needed in [true, false] {
            for (name, schema) in &shape.members {
                if shape.required.contains(name) == needed {
                    let inner = self.shape(schema);
                    rows.push(row(depth, name, needed, &inner));
                    self.below(&inner, depth + 1, rows);
                }
            }
        }
        for (index, choice) in shape.choices.iter().enumerate() {
            let inner = self.shape(choice);
            let mut told = row(depth, "", false, &inner);
            told.kind = format!("{} {}", if index == 0 { "either" } else { "or" }, told.kind);
            rows.push(told);
            self.below(&inner, depth + 1, rows);
        }
    }

    fn resolve(self, schema: &'a Value) -> &'a Value {
        let mut found = schema;
        for _ in 0..DEEPEST {
            let Some(reference) = found["$ref"].as_str() else { break };
            found =
                reference.strip_prefix('#').and_then(|at| self.document.pointer(at)).unwrap_or(&Value::Null);
        }
        found
    }

    fn shape(self, schema: &'a Value) -> Shape<'a> {
        let found = self.resolve(schema);
        // What stands beside a reference is about this place.
        let told = schema["description"].as_str().or_else(|| found["description"].as_str());
        let mut shape = Shape { told: told.unwrap_or_default(), ..Shape::default() };
        let choices: Vec<_> = ["oneOf", "anyOf"].iter().flat_map(|word| list(&found[*word])).collect();
        let (nothing, choices): (Vec<_>, Vec<_>) =
            choices.into_iter().partition(|choice| choice["type"] == "null");
        if let [only] = choices[..] {
            let inner = self.shape(only);
            shape = Shape { told: if shape.told.is_empty() { inner.told } else { shape.told }, ..inner };
        } else {
            self.gather(found, &mut shape);
            shape.choices.extend(choices);
            let (kind, facts) = self.kind(found, &shape);
            (shape.kind, shape.facts) = (kind, facts);
        }
        if !nothing.is_empty() {
            shape.kind.push_str(" or null");
        }
        shape
    }

    /// Members, those of all that it is made of.
    fn gather(self, found: &'a Value, shape: &mut Shape<'a>) {
        for part in list(&found["allOf"]) {
            self.gather(self.resolve(part), shape);
        }
        shape.required.extend(list(&found["required"]).filter_map(Value::as_str));
        let items = self.resolve(&found["items"]);
        if let Some(members) = found["properties"].as_object() {
            shape.add(members);
        } else if items.is_object() {
            // Of a list, what is in it.
            self.gather(items, shape);
            shape.choices.extend(list(&items["oneOf"]));
        }
    }

    fn kind(self, found: &'a Value, shape: &Shape<'a>) -> (String, Vec<String>) {
        let mut kinds: Vec<_> = match &found["type"] {
            Value::String(kind) => vec![kind.as_str()],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ if !shape.members.is_empty() => vec!["object"],
            _ if !shape.choices.is_empty() => vec!["one of several"],
            _ => vec!["anything"],
        };
        let is_null = kinds.len() > 1 && kinds.contains(&"null");
        kinds.retain(|kind| !is_null || *kind != "null");
        let mut kind = kinds.join(" or ");
        let mut facts = limits(found);
        if kinds == ["array"] {
            let (of, within) = self.words(&found["items"]);
            kind = format!("array of {of}");
            facts.extend(within.into_iter().map(|fact| format!("each {fact}")));
        } else if let Some(format) = found["format"].as_str() {
            kind = format!("{kind} ({format})");
        }
        if is_null {
            kind.push_str(" or null");
        }
        (kind, facts)
    }
}

/// What is known of a schema.
#[derive(Default)]
struct Shape<'a> {
    kind: String,
    facts: Vec<String>,
    told: &'a str,
    members: Vec<(&'a str, &'a Value)>,
    required: Vec<&'a str>,
    choices: Vec<&'a Value>,
}

impl<'a> Shape<'a> {
    fn add(&mut self, members: &'a Map<String, Value>) {
        self.members.extend(members.iter().map(|(name, schema)| (name.as_str(), schema)));
    }
}

fn row(depth: usize, name: &str, is_required: bool, shape: &Shape<'_>) -> Row {
    Row {
        depth: depth.min(DEEPEST),
        name: name.to_owned(),
        is_required,
        kind: shape.kind.clone(),
        facts: shape.facts.clone(),
        told: prose(shape.told),
    }
}

/// The keywords that bound a value, in words.
fn limits(found: &Value) -> Vec<String> {
    let mut facts = Vec::new();
    let mut say = |keyword: &str, before: &str, after: &str| {
        if let Some(value) = found.get(keyword) {
            facts.push(format!("{before}{}{after}", plain(value)));
        }
    };
    say("const", "always ", "");
    say("default", "default ", "");
    say("minimum", "at least ", "");
    say("maximum", "at most ", "");
    say("minLength", "from ", " characters");
    say("maxLength", "up to ", " characters");
    say("minItems", "from ", " items");
    say("maxItems", "up to ", " items");
    say("minProperties", "from ", " members");
    say("maxProperties", "up to ", " members");
    say("pattern", "like ", "");
    if found["uniqueItems"] == true {
        facts.push("each once".to_owned());
    }
    if found["writeOnly"] == true {
        facts.push("never told".to_owned());
    }
    let words: Vec<_> = list(&found["enum"]).map(plain).collect();
    if !words.is_empty() {
        facts.push(format!("one of {}", words.join(", ")));
    }
    let examples: Vec<_> = list(&found["examples"]).map(plain).collect();
    if !examples.is_empty() {
        facts.push(format!("such as {}", examples.join(", ")));
    }
    facts
}

/// A value as it is said: text without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The elements of a list; none of what is no list.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(schema: &Value, document: &Value) -> Vec<String> {
        let rows = Schemas { document }.rows(schema);
        let line = |row: Row| {
            let needed = if row.is_required { "*" } else { "" };
            format!("{}{}{needed}: {} [{}]", ". ".repeat(row.depth), row.name, row.kind, row.facts.join("; "))
        };
        rows.into_iter().map(line).collect()
    }

    #[test]
    fn members_are_told_with_what_bounds_them_and_what_is_within() {
        let document = json!({"components": {"schemas": {
            "Limits": {"type": "object", "properties": {"per_minute": {"type": ["integer", "null"], "minimum": 1}}},
            "Word": {"type": "string", "enum": ["a", "b"]},
        }}});
        let schema = json!({"allOf": [
            {"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "format": "uuid"}}},
            {"properties": {
                "limits": {"oneOf": [{"$ref": "#/components/schemas/Limits"}, {"type": "null"}]},
                "words": {"type": "array", "maxItems": 3, "items": {"$ref": "#/components/schemas/Word"}},
                "all": {"type": "array", "items": {"$ref": "#/components/schemas/Limits"}},
            }},
        ]});
        let expected = [
            "id*: string (uuid) []",
            "all: array of object []",
            ". per_minute: integer or null [at least 1]",
            "limits: object or null []",
            ". per_minute: integer or null [at least 1]",
            "words: array of string [up to 3 items; each one of a, b]",
        ];
        assert_eq!(told(&schema, &document), expected);
    }

    #[test]
    fn choices_are_told_one_after_the_other() {
        let schema = json!({"oneOf": [
            {"type": "object", "properties": {"valid": {"const": true}}},
            {"type": "string", "examples": ["no"]},
        ]});
        let expected = [": either object []", ". valid: anything [always true]", ": or string [such as no]"];
        assert_eq!(told(&schema, &Value::Null), expected);
        assert_eq!(told(&json!({"type": "string"}), &Value::Null), ["*: string []"]);
    }

    #[test]
    fn a_schema_within_itself_ends() {
        let document = json!({"S": {"type": "object", "properties": {"inner": {"$ref": "#/S"}}},
            "L": {"$ref": "#/L"}});
        assert_eq!(told(&json!({"$ref": "#/S"}), &document).len(), DEEPEST + 1);
        assert_eq!(told(&json!({"$ref": "#/L"}), &document).len(), 1);
        assert_eq!(told(&json!({"$ref": "#/nowhere"}), &document), ["*: anything []"]);
    }
}
