//! Slack's incoming webhooks, with blocks (<https://docs.slack.dev/reference/block-kit/blocks>).

use serde_json::{Value, json};

use super::{Words, fit, fit_by, words};
use crate::notifications::notice::Notice;

/// Most blocks of a message.
pub const MAX_BLOCKS: usize = 50;
/// Longest text of a header.
pub const MAX_HEADER: usize = 150;
/// Longest text of a section.
pub const MAX_SECTION: usize = 3_000;
/// Most fields of a section, and the longest text of one.
pub const MAX_FIELDS: usize = 10;
/// Longest text of a field.
pub const MAX_FIELD: usize = 2_000;
/// Longest text that stands for the whole message where blocks are not shown; Slack cuts at 40,000.
pub const MAX_TEXT: usize = 3_000;

/// A notice as Slack shows it. All text is `plain_text`, in which nothing is markup; the fallback has `&`, `<` and `>`
/// escaped, so that it mentions nobody.
pub fn message(notice: &Notice) -> Value {
    let Words { title, text, facts, items, .. } = words(notice);
    let mut blocks = vec![
        json!({"type": "header", "text": plain(&title, MAX_HEADER)}),
        json!({"type": "section", "text": plain(&text, MAX_SECTION)}),
    ];
    let fields: Vec<Value> = facts
        .iter()
        .take(MAX_FIELDS)
        .map(|(name, value)| plain(&format!("{name}: {value}"), MAX_FIELD))
        .collect();
    if !fields.is_empty() {
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    blocks.extend(items.iter().map(|item| json!({"type": "section", "text": plain(item, MAX_SECTION)})));
    blocks.truncate(MAX_BLOCKS);
    json!({"text": escaped(&format!("{title}: {text}"), MAX_TEXT), "blocks": blocks})
}

fn plain(text: &str, most: usize) -> Value {
    json!({"type": "plain_text", "text": fit(text, most), "emoji": false})
}

fn escaped(text: &str, most: usize) -> String {
    fit_by(text, most, |c, out| match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        other => out.push(other),
    })
}
