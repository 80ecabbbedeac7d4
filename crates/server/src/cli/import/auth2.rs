//! `keywright import auth2`.

use std::path::PathBuf;

use clap::Args;
use keywright_authority::imports::{Auth2Options, MOST_EVENTS, MOST_TOKENS, Permissions, WhichEvents};
use zeroize::Zeroizing;

use super::report::Report;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::globals::read_secret_file;
use crate::cli::output::Output;
use crate::config::Loaded;

/// The variable that may hold the whole URL.
const FROM: &str = "KEYWRIGHT_IMPORT_FROM";

/// Take over an AUTH-2 database.
///
/// Its tokens go on working, as they are found by the same hash. Nothing is written there. Killed at any moment, the
/// same command goes on; run again, it takes over what changed there since, and never revives what was revoked here.
/// Exit code 1 when a token was refused: the report says why.
#[derive(Args, Debug)]
pub(crate) struct Auth2 {
    /// The database, without a password: `postgres://USER@HOST/NAME?sslmode=verify-full`. The password is taken from
    /// `PGPASSWORD`; or the whole URL is read from `KEYWRIGHT_IMPORT_FROM`
    #[arg(long, value_name = "URL")]
    from: Option<String>,

    /// A file that holds the whole URL, password included
    #[arg(long, value_name = "PATH", conflicts_with = "from")]
    from_file: Option<PathBuf>,

    /// Which authentication events: `all` that are kept here, `none`, or from a moment on: `since=2026-01-31T00:00:00Z`
    #[arg(long, value_name = "WHICH", default_value = "all", value_parser = which_events)]
    events: WhichEvents,

    /// What a permission of the old system is here: `OLD=NEW,NEW`; with nothing behind the `=` it is left away. May be
    /// given again
    #[arg(long, value_name = "OLD=NEW")]
    map: Vec<String>,

    /// Rows of one transaction; events up to 20000, tokens up to 5000
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    batch_size: Option<u32>,

    /// Change nothing, only tell what would be done
    #[arg(long)]
    dry_run: bool,

    /// A file for what became of each token, one JSON object on each line
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn which_events(text: &str) -> Result<WhichEvents, String> {
    match text {
        "all" => Ok(WhichEvents::All),
        "none" => Ok(WhichEvents::None),
        _ => match text.strip_prefix("since=") {
            Some(moment) => Ok(WhichEvents::Since(moment.parse().map_err(|error| format!("{error}"))?)),
            None => Err("is neither all, none nor since=MOMENT".to_owned()),
        },
    }
}

impl Auth2 {
    pub(super) async fn run(&self, loaded: &Loaded, output: &Output) -> Outcome {
        let url = self.url()?;
        let permissions =
            Permissions::parse(&self.map).map_err(|error| Failure::Usage(format!("--map: {error}")))?;
        let rows = self.batch_size.unwrap_or(MOST_EVENTS);
        let options = Auth2Options {
            events: self.events,
            permissions,
            tokens_at_once: rows.min(MOST_TOKENS),
            events_at_once: rows.min(MOST_EVENTS),
            dry_run: self.dry_run,
        };
        let mut report = Report::open(self.report.as_deref(), output)?;
        let done = crate::import::auth2(loaded, &url, &options, &mut report).await;
        report.finish(done, output)
    }

    /// Where it is, with the password.
    fn url(&self) -> Result<Zeroizing<String>, Failure> {
        if let Some(path) = &self.from_file {
            return read_secret_file("--from-file", path);
        }
        let Some(from) = &self.from else {
            let set = std::env::var(FROM).ok().filter(|url| !url.trim().is_empty());
            return set.map(Zeroizing::new).ok_or_else(|| {
                Failure::Usage(format!("which database? Give --from URL, --from-file PATH, or set {FROM}"))
            });
        };
        if holds_password(from) {
            return Err(Failure::Usage(format!(
                "--from: a password does not belong on the command line, where every user of this machine can \
                 read it: set PGPASSWORD or {FROM}, or name a file with --from-file"
            )));
        }
        Ok(Zeroizing::new(from.clone()))
    }
}

/// Whether a URL holds a password, also where it cannot be read as one.
fn holds_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // Whatever stands before the last @ may be part of one.
    let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
    let in_user =
        user.contains(':') || authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    in_user || url.to_lowercase().contains("password=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_on_the_command_line_is_seen() {
        for url in [
            "postgres://app:canary@db/promptcraft",
            "postgresql+asyncpg://app:canary@192.168.1.16:5432/promptcraft",
            "postgres://db/promptcraft?password=canary",
            "postgres://app:can/ary@db/promptcraft",
            "app:canary@db",
        ] {
            assert!(holds_password(url), "{url}");
        }
        for url in ["postgres://app@db:5432/promptcraft?sslmode=require", "postgres://db/promptcraft", ""] {
            assert!(!holds_password(url), "{url}");
        }
    }

    #[test]
    fn which_events_are_meant_is_said_in_three_ways() {
        assert_eq!(which_events("all"), Ok(WhichEvents::All));
        assert_eq!(which_events("none"), Ok(WhichEvents::None));
        let moment = "2026-01-31T00:00:00Z";
        assert_eq!(which_events(&format!("since={moment}")), Ok(WhichEvents::Since(moment.parse().unwrap())));
        for bad in ["", "some", "since=", "since=yesterday"] {
            assert!(which_events(bad).is_err(), "{bad}");
        }
    }
}
