//! Workflows of Microsoft Teams that begin with a webhook: a message with one adaptive card
//! (<https://adaptivecards.io/explorer/>, version 1.4).

use keywright_core::Severity;
use serde_json::{Value, json};

use super::{Words, fit, words};
use crate::notifications::notice::Notice;

/// Largest message, in bytes.
pub const MAX_BYTES: usize = 28 * 1_024;

const TITLE: usize = 200;
const TEXT: usize = 1_500;
const FACT: usize = 200;
const ITEM: usize = 250;
const MOST_ITEMS: usize = 20;

/// A notice as Teams shows it. What others chose stands in text runs, in which nothing is markup.
pub fn message(notice: &Notice) -> Value {
    let Words { title, text, facts, items, severity } = words(notice);
    let mut body = vec![
        json!({
            "type": "RichTextBlock",
            "inlines": [{
                "type": "TextRun", "text": fit(&title, TITLE), "size": "Large", "weight": "Bolder",
                "color": colour(severity),
            }],
        }),
        json!({"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": fit(&text, TEXT)}]}),
    ];
    body.extend(facts.iter().map(|(name, value)| {
        json!({
            "type": "RichTextBlock",
            "spacing": "None",
            "inlines": [
                {"type": "TextRun", "text": format!("{name}: "), "weight": "Bolder"},
                {"type": "TextRun", "text": fit(value, FACT)},
            ],
        })
    }));
    body.extend(items.iter().take(MOST_ITEMS).map(
        |item| json!({"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": fit(item, ITEM)}]}),
    ));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": {"width": "Full"},
                "body": body,
            },
        }],
    })
}

fn colour(severity: Option<Severity>) -> &'static str {
    match severity {
        None => "Good",
        Some(Severity::Low) => "Default",
        Some(Severity::Medium) => "Warning",
        Some(Severity::High | Severity::Critical) => "Attention",
    }
}
