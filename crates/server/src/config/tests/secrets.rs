//! No secret appears in a row, a finding or a debug print, whether it was understood or not.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Everything that may be printed of it.
fn printed(loaded: &Loaded) -> String {
    let findings: Vec<String> = loaded.findings.iter().map(ToString::to_string).collect();
    let rows = serde_json::to_string(loaded).unwrap();
    format!("{}{rows}{loaded:#?}{:?}", findings.join("\n"), loaded.config)
}

#[test]
fn an_understood_secret_is_masked_everywhere() {
    let file =
        "[rate_limit]\nredis_url = 'redis://u:canary-1@h'\n[mail]\nsmtp_url = 'smtps://u:canary-2@h'\n";
    for extra in [("KEYWRIGHT_MASTER_KEY", KEY), ("KEYWRIGHT_MASTER_KEY_COMMAND", "vault --token=canary-4")] {
        let environment = [("DATABASE_URL", "postgresql+asyncpg://u:canary-3@h/d?password=canary-3"), extra];
        let printed = printed(&with_file_and_environment(file, &environment));
        assert!(!printed.contains("canary") && !printed.contains(KEY), "{printed}");
        assert!(printed.contains("u:***@h"));
    }
    let keys = format!("[\"{}\"]", STANDARD.encode(KEY.as_bytes().first_chunk::<32>().unwrap()));
    let loaded = with_file(&format!("[keys]\nmaster_key = {keys}\n"));
    assert!(config(&loaded).keys.master_key.is_some());
    assert!(!printed(&loaded).contains(&keys[2..20]));
}

#[test]
fn a_secret_that_is_not_understood_is_hidden_whole() {
    for name in [
        "DATABASE_URL",
        "KEYWRIGHT_RATE_LIMIT__REDIS_URL",
        "KEYWRIGHT_MAIL__SMTP_URL",
        "KEYWRIGHT_MASTER_KEY",
        "KEYWRIGHT_KEYS__MASTER_KEY_COMMAND",
        "KEYWRIGHT_UNKNOWN",
    ] {
        for value in [
            "canary",
            "postgres://u:canary",
            "postgres://u:can/canary@h/d",
            "postgres://u:12?canary@h/d",
            "postgres://u:12#canary@h/d",
            "postgres://u:12/canary@h/d",
            "postgres://u:p@h/d?canary=1",
            "redis://u:12#canary@h",
            "redis://u:12/canary@h",
            "smtp://u:12?canary@h",
            "https://u:canary@h",
            "\u{0}canary",
            "x canary\u{fffd}",
        ] {
            let loaded = with_environment(&[(name, value)]);
            let printed = printed(&loaded);
            assert!(!printed.contains("canary"), "{name}={value}: {printed}");
        }
    }
}

#[test]
fn a_password_where_none_belongs_is_hidden() {
    for name in ["KEYWRIGHT_SERVER__PUBLIC_URL", "KEYWRIGHT_SERVER__LISTEN", "KEYWRIGHT_JOURNAL__DIR"] {
        let printed = printed(&with_environment(&[(name, "https://u:canary@h")]));
        assert!(!printed.contains("canary"), "{printed}");
    }
}

#[test]
fn a_key_in_the_place_of_its_file_is_refused_and_hidden() {
    let loaded = with_environment(&[("KEYWRIGHT_MASTER_KEY_FILE", KEY)]);
    assert_eq!(error(&loaded, "keys.master_key_file").message, "is a key, not the path of its file");
    assert!(!printed(&loaded).contains(KEY));
}

#[test]
fn a_file_with_a_syntax_error_does_not_repeat_the_line() {
    for text in [
        "[database]\nurl = postgres://u:canary@h\n",
        "[database]\nurl = 'postgres://u:canary@h\n",
        "[keys]\nmaster_key = canary\n",
        "[keys]\nmaster_key = 'a' canary\n",
        "[keys]\ncanary\n",
        "canary = 1\ncanary = 2\n",
        "[keys]\nmaster_key = \"\\canary\"\n",
        "[keys]\nmaster_key = 2canary\n",
        "[keys]\nmaster_key = [canary, canary\n",
    ] {
        let loaded = with_file(text);
        assert!(loaded.config.is_none(), "{text}");
        assert!(!printed(&loaded).contains("canary"), "{text}: {:#?}", loaded.findings);
    }
}

#[test]
fn a_secret_of_another_type_is_not_repeated() {
    for value in ["{ canary = 'canary' }", "[['canary']]", "[{ a = 'canary' }]"] {
        for key in ["keys.master_key", "database.url", "mail.smtp_url"] {
            let (section, name) = key.split_once('.').unwrap();
            let loaded = with_file(&format!("[{section}]\n{name} = {value}\n"));
            error(&loaded, key);
            assert!(!printed(&loaded).contains("canary"), "{key} = {value}");
        }
    }
}

#[test]
fn a_secret_on_the_command_line_is_refused() {
    for (key, value) in [
        ("keys.master_key", KEY),
        ("database.url", "postgres://u:canary@h/d"),
        ("keys.master_key_command", "vault canary"),
    ] {
        let loaded = with_flags(&[(key, value)]);
        assert!(error(&loaded, key).message.contains("command line"));
        assert!(!printed(&loaded).contains("canary"));
    }
    config(&with_flags(&[("database.url", "sqlite://x.db")]));
}
