//! The configuration, as the command line asks for it.

use super::failure::Failure;
use super::globals::Globals;
use super::output::Output;
use crate::config::{self, Config, LoadInput, Loaded};

/// Loads the configuration with the overrides of `--set` and of flags of their own. It never fails:
/// mistakes are findings within it.
pub(crate) fn load(globals: &Globals, flags: &[(&str, Option<&str>)], dev: bool) -> Result<Loaded, Failure> {
    let mut overrides = Vec::new();
    for assignment in &globals.settings {
        let (key, value) = assignment.split_once('=').ok_or_else(|| {
            Failure::Usage("--set wants SECTION.KEY=VALUE, such as server.listen=127.0.0.1:9000".to_owned())
        })?;
        overrides.push((key.trim().to_owned(), value.to_owned()));
    }
    let given = flags.iter().filter_map(|(key, value)| Some(((*key).to_owned(), (*value)?.to_owned())));
    overrides.extend(given);
    Ok(config::load(&LoadInput::of_process(overrides, globals.config.clone(), dev)))
}

/// A sound configuration, or all that is wrong with it.
pub(crate) fn require(loaded: &Loaded) -> Result<&Config, Failure> {
    loaded.config.as_ref().ok_or_else(|| {
        let mistakes: Vec<String> = loaded.errors().map(ToString::to_string).collect();
        Failure::Failed(format!("the configuration is not right\n{}", mistakes.join("\n")))
    })
}

/// Tells what the operator should know before something starts with it.
pub(crate) fn tell_warnings(loaded: &Loaded, output: &Output) {
    for warning in loaded.warnings() {
        output.note(&warning.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(settings: &[&str], database_url: Option<&str>) -> Result<Loaded, Failure> {
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        load(&Globals { settings, ..Globals::default() }, &[("database.url", database_url)], true)
    }

    #[test]
    fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
        for (settings, database_url) in [
            (&["keys.master_key=canary"][..], None),
            (&["database.url=postgres://app:canary@db/kw"], None),
            (&[], Some("postgres://app:canary@db/kw")),
        ] {
            let loaded = given(settings, database_url).unwrap();
            let refusal = require(&loaded).err().unwrap().to_string();
            assert!(!refusal.contains("canary"), "{refusal}");
        }
        assert!(require(&given(&[], Some("postgres://app@db/kw")).unwrap()).is_ok());
    }

    #[test]
    fn an_override_without_a_value_is_usage() {
        assert_eq!(given(&["server.listen"], None).err().unwrap().exit_code(), 2);
    }

    #[test]
    fn a_flag_wins_over_set_and_both_over_the_rest() {
        let globals = Globals {
            settings: vec!["database.pool_size=7".to_owned(), "server.listen=127.0.0.1:1".to_owned()],
            ..Globals::default()
        };
        let loaded = load(&globals, &[("server.listen", Some("127.0.0.1:2"))], true).unwrap();
        let row = |key: &str| loaded.rows.iter().find(|row| row.key == key).unwrap().value.clone();
        assert_eq!(
            (row("database.pool_size"), row("server.listen")),
            ("7".to_owned(), "127.0.0.1:2".to_owned())
        );
    }
}
