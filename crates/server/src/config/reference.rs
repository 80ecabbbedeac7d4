//! What is written from the table: the example file and the reference page.

use std::fmt::Write as _;

use super::issuers::ISSUER_SETTINGS;
use super::kinds::Shape;
use super::setting::Setting;
use super::table::SECTIONS;

/// `keywright.example.toml`: every setting, commented out, with its default.
pub fn example_file() -> String {
    let mut text = String::from(
        "# Keywright's configuration. Copy this file to keywright.toml and take away the `#` before what you change.\n\
         # Lines with a default show it; the others show an example. The environment comes before this file, and a\n\
         # flag before both: `[server] listen` is KEYWRIGHT_SERVER__LISTEN. `keywright config check` finds mistakes.\n\
         # This file is generated from the code, as docs/configuration.md is.\n",
    );
    for section in SECTIONS {
        text.push('\n');
        comment(&mut text, section.description);
        push(&mut text, format_args!("[{}]\n", section.name));
        for setting in section.settings {
            text.push('\n');
            comment(&mut text, setting.description);
            if let Some(alias) = setting.alias {
                push(&mut text, format_args!("# In the environment also {alias}.\n"));
            }
            push(&mut text, format_args!("# {} = {}\n", setting.name(), example_value(setting)));
        }
    }
    example_issuer(&mut text);
    text
}

/// The name is the operator's: what is shown cannot be taken into use as it stands.
fn example_issuer(text: &mut String) {
    text.push_str("\n# Other issuers whose tokens count, each in a section of its own; see docs/external-identities.md.\n");
    text.push_str("#   [issuers.example]\n");
    for setting in ISSUER_SETTINGS {
        let name = setting.key.rsplit('.').next().unwrap_or(setting.key);
        push(text, format_args!("#   {name} = {}\n", example_value(setting)));
    }
    text.push_str(
        "#   [[issuers.example.rules]]\n#   claim = \"repository\"\n#   value = \"example/catalogue\"\n\
         #   principal = \"ci\"\n#   scopes = [\"works:read\"]\n",
    );
}

/// `docs/configuration.md`: every setting with its names, kind, default and meaning.
pub fn reference_page() -> String {
    let mut text = String::from(INTRODUCTION);
    for section in SECTIONS {
        push(&mut text, format_args!("\n## `[{}]`\n\n", section.name));
        for line in section.description.lines() {
            push(&mut text, format_args!("{}\n", line.trim()));
        }
        text.push_str("\n| key | default | in the environment | meaning |\n|---|---|---|---|\n");
        for setting in section.settings {
            let names = [setting.alias.map(str::to_owned), Some(setting.environment_name())];
            let names: Vec<String> = names.into_iter().flatten().map(|name| format!("`{name}`")).collect();
            let default = match setting.default {
                "" => "–".to_owned(),
                default => format!("`{default}`"),
            };
            let mut meaning: Vec<String> =
                setting.description.lines().map(|line| line.trim().to_owned()).collect();
            meaning.push(format!("Takes {}.", setting.expectation()));
            if let Some(flag) = setting.flag {
                meaning.push(format!("Flag `{flag}`."));
            }
            let (key, names, meaning) = (setting.key, names.join(" "), meaning.join(" "));
            push(
                &mut text,
                format_args!("| `{key}` | {default} | {names} | {} |\n", meaning.replace('|', "\\|")),
            );
        }
    }
    reference_of_issuers(&mut text);
    text
}

fn reference_of_issuers(text: &mut String) {
    text.push_str(
        "\n## `[issuers.NAME]`\n\nOther issuers whose tokens count, each under a name of your own (lower-case letters, digits, \
         `-`, `_`): [external-identities.md](external-identities.md) tells how.\nIn the environment a key is \
         `KEYWRIGHT_ISSUERS__NAME__KEY`; rules can only be written in the file.\n\n| key | default | meaning |\n|---|---|---|\n",
    );
    for setting in ISSUER_SETTINGS {
        let default = match setting.default {
            "" => "–".to_owned(),
            default => format!("`{default}`"),
        };
        let (key, meaning) = (setting.key, setting.description.trim());
        push(text, format_args!("| `{key}` | {default} | {meaning} Takes {}. |\n", setting.expectation()));
    }
    text.push_str(
        "| `issuers.NAME.rules` | – | `[[issuers.NAME.rules]]`, each with `claim`, `value`, `principal`, `scopes` and, if it is \
         one's, `publisher`: whoever has that claim is that principal. Rules of Cloudflare Access are `[[cloudflare.rules]]`. |\n",
    );
}

const INTRODUCTION: &str = "\
# Configuration

<!-- Generated from the code; a test compares it. Write it anew with
KEYWRIGHT_TEST_WRITE_REFERENCE=1 cargo test -p keywright-server --lib config::tests::reference -->

Defaults come first, then `keywright.toml`, then the environment, then flags; what comes later wins. The file is the one
that `--config` names, else `KEYWRIGHT_CONFIG`, else `keywright.toml` in the working directory if there is one.

- `keywright config show` prints the effective value of every key and where it came from, secrets masked.
- `keywright config check` validates everything and names every mistake at once.
- An unknown key in the file, and an unknown variable that begins with `KEYWRIGHT_`, is an error. (Variables that Kubernetes
  makes for a service named `keywright…`, such as `KEYWRIGHT_SERVICE_HOST`, are left alone.)
- In the environment a list is written with commas; an empty value is an empty list, or takes an optional value away.
- Where a key has two names in the environment, setting both to different values is an error.
- A secret is never taken from the command line. `--set KEY=VALUE` sets any other key; some have a flag of their own.
";

fn example_value(setting: &Setting) -> String {
    let value = if setting.default.is_empty() { setting.example } else { setting.default };
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let list = |element: &dyn Fn(&str) -> String| {
        let elements: Vec<String> = value.split(',').map(|text| element(text.trim())).collect();
        format!("[{}]", elements.join(", "))
    };
    match setting.shape {
        Shape::Flag | Shape::Number | Shape::Fraction => value.to_owned(),
        Shape::Numbers => list(&str::to_owned),
        Shape::Texts if value.contains(',') => list(&quoted),
        Shape::Size | Shape::Text | Shape::Texts => quoted(value),
    }
}

fn comment(text: &mut String, description: &str) {
    for line in description.lines() {
        push(text, format_args!("# {}\n", line.trim()));
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("a String takes whatever is written to it");
}
