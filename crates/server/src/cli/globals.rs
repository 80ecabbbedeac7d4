//! What every command understands, and the environment it reads.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use reqwest::Url;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::transport::{Remote, base_url};

/// Longest file or text that can hold a credential.
pub(crate) const LONGEST_SECRET: u64 = 64 * 1024;

/// Options of every command.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Globals {
    /// Print what the API answers
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print only what a script needs: the secret, the ids; no notes
    #[arg(short, long, global = true, conflicts_with = "json")]
    pub(crate) quiet: bool,

    /// The server's address; without one, the authority of this machine
    #[arg(long, global = true, value_name = "URL", env = "KEYWRIGHT_URL", hide_env_values = true)]
    pub(crate) url: Option<String>,

    /// A file that holds the caller's token; without it `KEYWRIGHT_TOKEN` is taken. A secret is never an argument: other users could read it
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// The configuration file; without it `KEYWRIGHT_CONFIG`, else `keywright.toml` if it is there
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Override a setting; secrets belong in the environment
    #[arg(long = "set", global = true, value_name = "SECTION.KEY=VALUE")]
    pub(crate) settings: Vec<String>,
}

/// The environment variables of the command line. Empty ones count as missing.
pub(crate) struct Environment<'a>(pub(crate) &'a dyn Fn(&str) -> Option<String>);

impl Environment<'_> {
    /// The first of these that is set.
    pub(crate) fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| (self.0)(name).filter(|value| !value.trim().is_empty()))
    }
}

/// The environment of this process.
pub(crate) fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Globals {
    /// The server elsewhere, when one is named.
    pub(crate) fn server(&self, environment: &Environment<'_>) -> Result<Option<Url>, Failure> {
        let given = self.url.clone().filter(|url| !url.trim().is_empty());
        match given.or_else(|| environment.first(&["PROMPTCRAFT_API_URL"])) {
            None => Ok(None),
            Some(url) => {
                base_url(&url).map(Some).map_err(|why| Failure::Usage(format!("KEYWRIGHT_URL: {why}")))
            }
        }
    }

    /// The caller's token, when one is given.
    pub(crate) fn token(&self, environment: &Environment<'_>) -> Result<Option<Zeroizing<String>>, Failure> {
        if let Some(file) = &self.token_file {
            return read_secret_file("--token-file", file).map(Some);
        }
        if let Some(text) = environment.first(&["KEYWRIGHT_TOKEN"]) {
            return Ok(Some(trimmed(&Zeroizing::new(text))));
        }
        if let Some(file) = environment.first(&["KEYWRIGHT_TOKEN_FILE"]) {
            return read_secret_file("KEYWRIGHT_TOKEN_FILE", file.as_ref()).map(Some);
        }
        Ok(environment.first(&["PROMPTCRAFT_SERVICE_TOKEN"]).map(|text| trimmed(&Zeroizing::new(text))))
    }

    /// The server elsewhere with the caller's token; `None` means the authority of this machine.
    pub(crate) fn remote(
        &self,
        environment: &Environment<'_>,
        caller: Caller,
    ) -> Result<Option<Remote>, Failure> {
        let Some(base) = self.server(environment)? else { return Ok(None) };
        let token = match caller {
            Caller::Nobody => None,
            Caller::Itself(credential) => self.token(environment)?.or(Some(credential)),
            Caller::Token | Caller::Person => Some(self.token(environment)?.ok_or_else(|| {
                Failure::Usage(format!(
                    "no token for {base}: set KEYWRIGHT_TOKEN, name a file that holds it with --token-file, or keywright login"
                ))
            })?),
        };
        Ok(Some(Remote { base, token }))
    }
}

/// Who asks a server elsewhere. On this machine it is always the local operator.
pub(crate) enum Caller {
    /// The bearer of the token, or whoever has logged in to that server; without either the command cannot be done.
    Token,
    /// The same, and with no server named, whoever has logged in last.
    Person,
    /// The bearer of the token, and without one this credential, about itself.
    Itself(Zeroizing<String>),
    /// Nobody: what is asked is public.
    Nobody,
}

/// Reads a file that holds a secret.
pub(crate) fn read_secret_file(source: &str, path: &Path) -> Result<Zeroizing<String>, Failure> {
    let wrong = |why: &dyn std::fmt::Display| Failure::Usage(format!("{source} {}: {why}", path.display()));
    let file = File::open(path).map_err(|error| wrong(&error))?;
    let mut text = Zeroizing::new(String::new());
    file.take(LONGEST_SECRET).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    let secret = trimmed(&text);
    if secret.is_empty() { Err(wrong(&"is empty")) } else { Ok(secret) }
}

fn trimmed(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: (&str, &str) = ("PROMPTCRAFT_API_URL", "https://fallback.example.com/api/v1/");

    fn remote(
        globals: &Globals,
        variables: &[(&str, &str)],
        caller: Caller,
    ) -> Result<Option<Remote>, Failure> {
        let look_up =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        globals.remote(&Environment(&look_up), caller)
    }

    fn secret(remote: Option<Remote>) -> Option<String> {
        remote.and_then(|remote| remote.token).map(|token| token.to_string())
    }

    #[test]
    fn without_an_address_it_is_the_authority_of_this_machine() {
        let token = [("KEYWRIGHT_TOKEN", "sk_x"), ("PROMPTCRAFT_API_URL", " ")];
        assert!(remote(&Globals::default(), &token, Caller::Token).unwrap().is_none());
        let empty = Globals { url: Some(String::new()), ..Globals::default() };
        assert!(remote(&empty, &[], Caller::Token).unwrap().is_none());
    }

    #[test]
    fn an_address_without_a_token_says_what_to_set() {
        let failure = remote(&Globals::default(), &[ADDRESS], Caller::Token).err().unwrap();
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.to_string().contains("set KEYWRIGHT_TOKEN"), "{failure}");
        assert!(
            remote(&Globals::default(), &[ADDRESS], Caller::Nobody)
                .unwrap()
                .is_some_and(|r| r.token.is_none())
        );
    }

    #[test]
    fn our_own_names_win_over_the_ones_of_the_reference_texts() {
        let both = [ADDRESS, ("PROMPTCRAFT_SERVICE_TOKEN", "sk_old"), ("KEYWRIGHT_TOKEN", "sk_new\n")];
        assert_eq!(
            secret(remote(&Globals::default(), &both, Caller::Token).unwrap()).as_deref(),
            Some("sk_new")
        );
        assert_eq!(
            secret(remote(&Globals::default(), &both[..2], Caller::Token).unwrap()).as_deref(),
            Some("sk_old")
        );
        let named = Globals { url: Some("http://here:8080".to_owned()), ..Globals::default() };
        let base = remote(&named, &both, Caller::Token).unwrap().unwrap().base;
        assert_eq!(base.as_str(), "http://here:8080/api/v1");
    }

    #[test]
    fn a_token_file_wins_and_loses_its_newline() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        std::fs::write(&file, "sk_file\n").unwrap();
        let globals = Globals { token_file: Some(file.clone()), ..Globals::default() };
        let variables = [ADDRESS, ("KEYWRIGHT_TOKEN", "sk_env")];
        assert_eq!(secret(remote(&globals, &variables, Caller::Token).unwrap()).as_deref(), Some("sk_file"));

        let by_name = [
            ADDRESS,
            ("KEYWRIGHT_TOKEN_FILE", file.to_str().unwrap()),
            ("PROMPTCRAFT_SERVICE_TOKEN", "sk_old"),
        ];
        assert_eq!(
            secret(remote(&Globals::default(), &by_name, Caller::Token).unwrap()).as_deref(),
            Some("sk_file")
        );

        std::fs::write(&file, "\n").unwrap();
        assert_eq!(remote(&globals, &variables, Caller::Token).err().unwrap().exit_code(), 2);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(remote(&globals, &variables, Caller::Token).err().unwrap().exit_code(), 2);
    }

    #[test]
    fn a_credential_asks_about_itself_only_when_no_token_is_given() {
        let itself = || Caller::Itself(Zeroizing::new("sk_itself".to_owned()));
        assert_eq!(
            secret(remote(&Globals::default(), &[ADDRESS], itself()).unwrap()).as_deref(),
            Some("sk_itself")
        );
        let variables = [ADDRESS, ("KEYWRIGHT_TOKEN", "sk_caller")];
        assert_eq!(
            secret(remote(&Globals::default(), &variables, itself()).unwrap()).as_deref(),
            Some("sk_caller")
        );
    }
}
