//! Whatever is thrown at it: no panic, and a configuration exactly when there is no error.

use proptest::prelude::*;

use super::*;
use crate::config::{all, find};

fn holds_together(loaded: &Loaded) -> Result<(), TestCaseError> {
    prop_assert_eq!(loaded.config.is_some(), loaded.errors().next().is_none());
    let keys: Vec<_> = loaded.rows.iter().map(|row| row.key.as_str()).collect();
    prop_assert_eq!(keys, all().map(|setting| setting.key).collect::<Vec<_>>());
    for finding in &loaded.findings {
        let line = finding.to_string();
        prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
        prop_assert!(!finding.origin.is_empty() && !finding.message.is_empty());
    }
    Ok(())
}

/// Values near what somebody might write.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        any::<i64>().prop_map(|number| number.to_string()),
        "[0-9]{1,4}(KiB|MiB|GiB|GB|B| )?",
        "(postgres|postgresql\\+asyncpg|sqlite|redis|smtps|https)(:|://)[a-z0-9:@/?#%&=.\\[\\]-]{0,40}",
        "[0-9a-f:.]{1,20}/[0-9]{1,3}(,[0-9a-f:.]{1,20}/[0-9]{1,3})?",
        "[A-Za-z0-9+/=,]{0,90}",
        "(true|false|local|redis|all|rollup|text|json|EdDSA|1,7,14,30)",
    ]
}

fn key() -> impl Strategy<Value = String> {
    let known: Vec<&'static str> = all().map(|setting| setting.key).collect();
    prop_oneof![
        8 => proptest::sample::select(known).prop_map(str::to_owned),
        1 => "[a-z_]{1,12}\\.[a-z_]{1,12}",
        1 => any::<String>(),
    ]
}

fn name() -> impl Strategy<Value = String> {
    let known: Vec<String> = all()
        .flat_map(|setting| [Some(setting.environment_name()), setting.alias.map(str::to_owned)])
        .flatten()
        .collect();
    prop_oneof![8 => proptest::sample::select(known), 1 => "KEYWRIGHT_[A-Z_]{0,20}", 1 => any::<String>()]
}

fn toml_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        value().prop_map(|text| toml::Value::String(text).to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| toml::Value::Float(number).to_string()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        Just("1979-05-27T07:32:00Z".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            inner.prop_map(|value| format!("{{ a = {value} }}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_a_file_that_is_read_or_refused(text in any::<String>()) {
        holds_together(&with_file(&text))?;
    }

    #[test]
    fn any_toml_of_our_keys_is_read_or_refused(entries in proptest::collection::vec((key(), toml_value()), 0..8)) {
        let quoted = |name: &str| serde_json::to_string(name).unwrap();
        let line = |(key, value): &(String, String)| {
            let (section, name) = key.split_once('.').unwrap_or((key, "x"));
            format!("{}.{} = {value}\n", quoted(section), quoted(name))
        };
        holds_together(&with_file(&entries.iter().map(line).collect::<String>()))?;
    }

    #[test]
    fn any_environment_and_any_flags_are_read_or_refused(
        environment in proptest::collection::vec((name(), value()), 0..8),
        flags in proptest::collection::vec((key(), value()), 0..4),
        dev in any::<bool>(),
    ) {
        let environment: Vec<_> = environment.into_iter().filter(|(name, _)| name != "KEYWRIGHT_CONFIG").collect();
        holds_together(&load(&LoadInput { flags, environment, dev, ..LoadInput::default() }))?;
    }

    #[test]
    fn what_is_shown_of_a_value_sets_the_same_value(key in key(), value in value()) {
        let Some(setting) = find(&key).filter(|setting| !setting.secret) else { return Ok(()) };
        let loaded = with_environment(&[(&setting.environment_name(), &value)]);
        let (shown, _) = row(&loaded, setting.key);
        if !loaded.errors().any(|finding| finding.key == key) && !shown.contains(['…', '\\']) {
            let again = with_environment(&[(&setting.environment_name(), shown)]);
            prop_assert_eq!(row(&again, setting.key).0, shown);
        }
    }
}

#[test]
fn a_file_nested_beyond_reason_is_refused() {
    for text in [
        format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("[{}a]", "a.".repeat(100_000)),
        format!("a = {}1{}", "{ a = ".repeat(50_000), " }".repeat(50_000)),
    ] {
        assert!(with_file(&text).config.is_none());
    }
}
