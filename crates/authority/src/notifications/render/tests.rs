use keywright_core::{AlertKind, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::notifications::notice::{Item, Sort};

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

fn alert(text: &str) -> AlertData {
    AlertData {
        alert_id: Some(Uuid::max()),
        kind: "token_expiring".to_owned(),
        severity: "critical".to_owned(),
        subject_type: text.to_owned(),
        subject_id: Some(Uuid::max()),
        summary: text.to_owned(),
        publisher_id: Some(Uuid::max()),
        reason: Some(text.to_owned()),
    }
}

fn digest(text: &str, items: usize) -> DigestData {
    let item = Item { event_type: "alert.opened".to_owned(), timestamp: NOW, alert: alert(text) };
    let sort = |kind: &AlertKind| Sort {
        event_type: "alert.opened".to_owned(),
        kind: Some(*kind),
        severity: Some(Severity::High),
        count: 100_000,
    };
    DigestData {
        count: 2_500_000,
        first_at: NOW,
        last_at: NOW,
        counts: AlertKind::ALL.iter().map(sort).collect(),
        items: vec![item; items],
    }
}

fn notices(text: &str) -> Vec<Notice> {
    vec![
        Notice::alert("alert.opened", NOW, &alert(text)),
        Notice::alert("alert.resolved", NOW, &alert(text)),
        Notice::digest(NOW, &digest(text, 1)),
        Notice::digest(NOW, &digest(text, 20)),
        Notice::test(NOW, text, None),
        Notice { event_type: "token.created".to_owned(), timestamp: NOW, data: json!({"a": text}) },
    ]
}

fn units(text: &Value) -> usize {
    text.as_str().unwrap().encode_utf16().count()
}

/// By the limits that Slack publishes for blocks.
fn slack_takes(message: &Value) {
    let blocks = message["blocks"].as_array().unwrap();
    assert!((1..=slack::MAX_BLOCKS).contains(&blocks.len()));
    assert!((1..=40_000).contains(&units(&message["text"])));
    assert!(!message["text"].as_str().unwrap().contains(['<', '>']), "{message}");
    let text = |text: &Value, most: usize| {
        assert_eq!(text["type"], "plain_text");
        assert!((1..=most).contains(&units(&text["text"])), "{text}");
    };
    for block in blocks {
        match block["type"].as_str().unwrap() {
            "header" => text(&block["text"], slack::MAX_HEADER),
            "section" => {
                if let Some(fields) = block.get("fields") {
                    let fields = fields.as_array().unwrap();
                    assert!((1..=slack::MAX_FIELDS).contains(&fields.len()));
                    for field in fields {
                        text(field, slack::MAX_FIELD);
                    }
                } else {
                    text(&block["text"], slack::MAX_SECTION);
                }
            }
            other => panic!("{other}"),
        }
    }
}

/// By the limits that Discord publishes for embeds.
fn discord_takes(message: &Value) {
    let embeds = message["embeds"].as_array().unwrap();
    assert_eq!(embeds.len(), 1);
    assert_eq!(message["allowed_mentions"], json!({"parse": []}));
    let embed = &embeds[0];
    let mut total = units(&embed["title"]) + units(&embed["description"]);
    assert!((1..=discord::MAX_TITLE).contains(&units(&embed["title"])));
    assert!((1..=discord::MAX_DESCRIPTION).contains(&units(&embed["description"])));
    let fields = embed["fields"].as_array().unwrap();
    assert!(fields.len() <= discord::MAX_FIELDS);
    for field in fields {
        assert!((1..=discord::MAX_FIELD_NAME).contains(&units(&field["name"])));
        assert!((1..=discord::MAX_FIELD_VALUE).contains(&units(&field["value"])));
        total += units(&field["name"]) + units(&field["value"]);
    }
    assert!(total <= discord::MAX_TOTAL, "{total}");
}

/// By the schema of adaptive cards 1.4, as far as these cards go, and the size that Teams takes.
fn teams_takes(message: &Value) {
    assert!(message.to_string().len() <= teams::MAX_BYTES, "{}", message.to_string().len());
    assert_eq!(message["type"], "message");
    let attachments = message["attachments"].as_array().unwrap();
    assert_eq!(attachments.len(), 1);
    assert_eq!(attachments[0]["contentType"], "application/vnd.microsoft.card.adaptive");
    let card = &attachments[0]["content"];
    assert_eq!((&card["type"], &card["version"]), (&json!("AdaptiveCard"), &json!("1.4")));
    for block in card["body"].as_array().unwrap() {
        assert_eq!(block["type"], "RichTextBlock");
        let inlines = block["inlines"].as_array().unwrap();
        assert!(!inlines.is_empty());
        for run in inlines {
            assert_eq!(run["type"], "TextRun");
            assert!(!run["text"].as_str().unwrap().is_empty());
            if let Some(colour) = run.get("color") {
                let known = ["Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"];
                assert!(known.contains(&colour.as_str().unwrap()));
            }
        }
    }
}

fn all_take(text: &str) {
    for notice in notices(text) {
        slack_takes(&slack::message(&notice));
        discord_takes(&discord::message(&notice));
        teams_takes(&teams::message(&notice));
    }
}

#[test]
fn the_longest_and_the_emptiest_texts_stay_within_the_limits() {
    let long = 100_000;
    for text in ["", " ", "\n", "\u{202e}", "a"] {
        all_take(text);
    }
    for part in ["a", "&", "<", "\\", "\"", "*", "ä", "漢", "😀", "\u{1}", "\u{200b}", "👩‍👩‍👧‍👦"]
    {
        all_take(&part.repeat(long / part.len()));
    }
}

#[test]
fn what_others_chose_mentions_nobody_and_links_nowhere() {
    let evil = "<!channel> <@U1> @everyone [click](https://evil.example) **x**\n# y <https://evil.example|z>";
    let notice = Notice::alert("alert.opened", NOW, &alert(evil));
    let slack = slack::message(&notice);
    assert!(!slack.to_string().contains("mrkdwn"));
    assert!(slack["text"].as_str().unwrap().contains("&lt;!channel&gt;"));
    let discord = discord::message(&notice);
    let description = discord["embeds"][0]["description"].as_str().unwrap();
    assert!(!description.contains("](") && !description.contains("**") && !description.contains("https://"));
    assert!(!description.contains("\n# "), "{description}");
    for block in teams::message(&notice)["attachments"][0]["content"]["body"].as_array().unwrap() {
        assert_eq!(block["type"], "RichTextBlock", "a TextBlock reads Markdown");
    }
}

#[test]
fn a_message_tells_what_happened() {
    let notice = Notice::alert("alert.opened", NOW, &alert("The token ci ends in 1 day."));
    let words = words(&notice);
    assert_eq!(words.title, "Critical: token expiring");
    assert_eq!(words.text, "The token ci ends in 1 day.");
    assert_eq!(words.severity, Some(Severity::Critical));
    let over = super::words(&Notice::alert("alert.resolved", NOW, &alert("gone")));
    assert_eq!((over.title.as_str(), over.severity), ("Over: token expiring", None));
    let many = super::words(&Notice::digest(NOW, &digest("x", 20)));
    assert_eq!((many.title.as_str(), many.items.len()), ("2500000 notices", 20));
    assert!(many.text.contains("100000 high token expiring opened"), "{}", many.text);
}

proptest! {
    #[test]
    fn whatever_is_told_stays_within_the_limits(text in "\\PC{0,400}|(?s).{0,200}|[<>&*_`@#\\[\\]()\\\\\"]{0,5000}") {
        all_take(&text);
    }

    #[test]
    fn a_text_that_fits_is_not_cut(text in "[a-z ]{1,50}") {
        prop_assume!(!text.trim().is_empty());
        prop_assert_eq!(fit(&text, 51), text.clone());
        let cut = fit(&text, 5);
        prop_assert!(cut.encode_utf16().count() <= 5, "{}", cut);
    }
}
