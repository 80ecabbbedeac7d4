//! The pages of the reference: one for what all operations share, one for each tag, one for the codes of problems.

use std::collections::BTreeMap;

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Bytes;
use keywright_api::problem_code::ProblemCode;
use serde_json::Value;

use super::operation::{Caller, Operation};
use super::prose::{Prose, prose};

const STYLE: &str = include_str!("../../../templates/reference.css");
const SCRIPT: &str = include_str!("../../../templates/reference.js");
const HTML: &str = "text/html; charset=utf-8";

/// A page as it is answered.
pub(super) struct Page {
    pub(super) content_type: &'static str,
    /// Its entity tag, quoted: another text has another.
    pub(super) etag: String,
    pub(super) body: Bytes,
}

impl Page {
    fn new(content_type: &'static str, text: String) -> Self {
        let digest = digest(&SHA256, text.as_bytes());
        let etag = format!("\"{}\"", hex::encode(&digest.as_ref()[..16]));
        Self { content_type, etag, body: Bytes::from(text) }
    }
}

/// All pages by name; the first one's is empty.
pub(super) struct Pages {
    pages: BTreeMap<String, Page>,
}

impl Pages {
    /// Writes the pages of a document.
    pub(super) fn of(document: &Value) -> Self {
        let sections = Sections::of(document);
        let mut pages = BTreeMap::new();
        pages.insert("reference.css".to_owned(), Page::new("text/css; charset=utf-8", STYLE.to_owned()));
        pages.insert(
            "reference.js".to_owned(),
            Page::new("text/javascript; charset=utf-8", SCRIPT.to_owned()),
        );
        let mut write = |name: &str, written: askama::Result<String>| {
            // Writing to memory does not fail; a page that would is missing.
            if let Ok(text) = written {
                pages.insert(name.to_owned(), Page::new(HTML, text));
            }
        };
        let frame = |title: &'static str| Frame { sections: &sections, title, current: "" };
        let (first, problems) = (frame("API reference"), frame("Codes of problems"));
        write("", First { frame: first, told: &sections.told }.render());
        write("problems", Problems { frame: problems, problems: problems_of_all() }.render());
        for section in &sections.all {
            let frame = Frame { sections: &sections, title: &section.name, current: &section.slug };
            write(&section.slug, Tag { frame, section }.render());
        }
        Self { pages }
    }

    /// The page of this name.
    pub(super) fn find(&self, name: &str) -> Option<&Page> {
        self.pages.get(name)
    }
}

/// The operations of a tag.
struct Section {
    name: String,
    slug: String,
    told: Prose,
    operations: Vec<Operation>,
}

/// All that a document tells.
struct Sections {
    version: String,
    told: Prose,
    all: Vec<Section>,
}

impl Sections {
    fn of(document: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let tags = document["tags"].as_array().into_iter().flatten();
        let mut all: Vec<_> = tags
            .map(|tag| Section {
                name: text(&tag["name"]),
                slug: slug(&text(&tag["name"])),
                told: prose(&text(&tag["description"])),
                operations: Vec::new(),
            })
            .collect();
        for operation in Operation::all(document) {
            match all.iter_mut().find(|section| section.name == operation.tag) {
                Some(section) => section.operations.push(operation),
                // A tag that the document does not tell of is told by its name.
                None => all.push(Section {
                    name: operation.tag.clone(),
                    slug: slug(&operation.tag),
                    told: Vec::new(),
                    operations: vec![operation],
                }),
            }
        }
        all.retain(|section| !section.operations.is_empty());
        Self {
            version: text(&document["info"]["version"]),
            told: prose(&text(&document["info"]["description"])),
            all,
        }
    }
}

/// The name of a page: what a path may have.
fn slug(name: &str) -> String {
    let kept = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    kept.collect()
}

/// What stands around every page.
struct Frame<'a> {
    sections: &'a Sections,
    title: &'a str,
    current: &'a str,
}

#[derive(Template)]
#[template(path = "reference_first.html")]
struct First<'a> {
    frame: Frame<'a>,
    told: &'a Prose,
}

#[derive(Template)]
#[template(path = "reference_problems.html")]
struct Problems<'a> {
    frame: Frame<'a>,
    problems: Vec<ProblemCode>,
}

#[derive(Template)]
#[template(path = "reference_tag.html")]
struct Tag<'a> {
    frame: Frame<'a>,
    section: &'a Section,
}

/// By status.
fn problems_of_all() -> Vec<ProblemCode> {
    let mut all: Vec<_> = ProblemCode::all().collect();
    all.sort_by_key(|code| (code.status(), code.as_str()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HOSTILE: &str = "</code></pre><script>alert(1)</script>\"'onload='x' `</textarea>` {{7*7}}";

    fn text(page: &Page) -> &str {
        std::str::from_utf8(&page.body).unwrap()
    }

    /// Whatever a document says, it stays text: here it says everything badly, where a page shows it.
    #[test]
    fn nothing_in_a_document_becomes_markup() {
        let schema = json!({"type": "object", "description": HOSTILE, "required": [HOSTILE], "properties": {
            HOSTILE: {"type": "string", "enum": [HOSTILE], "default": HOSTILE, "examples": [HOSTILE],
                "pattern": HOSTILE, "description": HOSTILE, "format": HOSTILE}}});
        let operation = json!({"tags": [HOSTILE], "operationId": HOSTILE, "summary": HOSTILE, "description": HOSTILE,
            "security": [{"bearer": [HOSTILE]}],
            "parameters": [{"name": HOSTILE, "in": "query", "required": true, "description": HOSTILE,
                "example": HOSTILE, "schema": schema}],
            "requestBody": {"content": {HOSTILE: {"schema": schema, "example": {HOSTILE: HOSTILE}}}},
            "responses": {HOSTILE: {"description": HOSTILE, "headers": {HOSTILE: {"description": HOSTILE}},
                "content": {HOSTILE: {"schema": schema}}}}});
        let path = format!("/{HOSTILE}/{{{HOSTILE}}}");
        let document = json!({"info": {"version": HOSTILE, "description": HOSTILE},
            "tags": [{"name": HOSTILE, "description": HOSTILE}], "paths": {path: {"post": operation}}});
        let pages = Pages::of(&document);
        let mut seen = 0;
        for (name, page) in pages.pages.iter().filter(|(_, page)| page.content_type == HTML) {
            let text = text(page);
            assert_eq!(text.matches("<script").count(), 1, "{name}");
            assert!(!text.contains("alert(1)</"), "{name}");
            assert!(!text.contains("'onload='"), "{name}");
            seen += text.matches("alert(1)").count();
        }
        assert!(seen > 20, "{seen}");
    }

    #[test]
    fn each_text_has_its_own_tag() {
        let [one, same, other] = ["a", "a", "b"].map(|text| Page::new(HTML, text.to_owned()).etag);
        assert!(one == same && one != other && one.len() == 34, "{one}");
    }

    #[test]
    fn a_section_is_named_as_a_path_may_be() {
        assert_eq!(slug("service tokens"), "service-tokens");
        assert_eq!(slug("../a b"), "---a-b");
    }

    #[test]
    fn callers_are_told_apart() {
        let document = json!({"security": [{"bearer": []}], "paths": {
            "/a": {"get": {"security": [{}]}},
            "/b": {"get": {}},
            "/users/me/c": {"get": {"security": [{"bearer": ["x:read"]}, {"api_key": ["x:read"]}]}},
        }});
        let all = Operation::all(&document);
        let told: Vec<_> = all.iter().map(|one| (one.caller, one.permissions.join(" "))).collect();
        let expected = [(Caller::Nobody, ""), (Caller::Anybody, ""), (Caller::Person, "x:read")]
            .map(|(a, b)| (a, b.to_owned()));
        assert!(told == expected);
    }
}
