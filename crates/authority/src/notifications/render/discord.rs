//! Discord's webhooks, with an embed (<https://discord.com/developers/docs/resources/message#embed-object-embed-limits>).

use keywright_core::Severity;
use serde_json::{Value, json};

use super::{Words, fit_by, words};
use crate::notifications::notice::Notice;

/// Longest title of an embed.
pub const MAX_TITLE: usize = 256;
/// Longest description of an embed.
pub const MAX_DESCRIPTION: usize = 4_096;
/// Most fields of an embed.
pub const MAX_FIELDS: usize = 25;
/// Longest name of a field.
pub const MAX_FIELD_NAME: usize = 256;
/// Longest value of a field.
pub const MAX_FIELD_VALUE: usize = 1_024;
/// Longest text of all embeds of a message together.
pub const MAX_TOTAL: usize = 6_000;

// Together within the total.
const DESCRIPTION: usize = 4_000;
const FIELD_VALUE: usize = 160;
const FACTS: usize = 8;

/// A notice as Discord shows it. Nobody is mentioned, and what others chose is no markup.
pub fn message(notice: &Notice) -> Value {
    let Words { title, text, facts, items, severity } = words(notice);
    let whole = std::iter::once(text).chain(items).collect::<Vec<_>>();
    let share = DESCRIPTION / whole.len();
    let description =
        whole.iter().map(|line| plain(line, share.min(1_500) - 1)).collect::<Vec<_>>().join("\n");
    let fields: Vec<Value> = facts
        .iter()
        .take(FACTS)
        .map(|(name, value)| json!({"name": name, "value": plain(value, FIELD_VALUE), "inline": true}))
        .collect();
    json!({
        "embeds": [{
            "title": plain(&title, MAX_TITLE),
            "description": description,
            "color": colour(severity),
            "timestamp": notice.timestamp.to_string(),
            "fields": fields,
        }],
        "allowed_mentions": {"parse": []},
    })
}

fn colour(severity: Option<Severity>) -> u32 {
    match severity {
        None => 0x2e_8b57,
        Some(Severity::Low) => 0x60_7d8b,
        Some(Severity::Medium) => 0xf9_a825,
        Some(Severity::High) => 0xef_6c00,
        Some(Severity::Critical) => 0xc6_2828,
    }
}

/// Without markup: what Markdown reads is escaped.
fn plain(text: &str, most: usize) -> String {
    fit_by(text, most, |c, out| {
        if "\\*_~`|>[]()#<:@-.+".contains(c) {
            out.push('\\');
        }
        out.push(c);
    })
}
