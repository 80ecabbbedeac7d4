//! The nouns of the command line. A noun that is not here does not exist yet.

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use super::bootstrap::Bootstrap;
use super::cleanup::Cleanup;
use super::emergency::EmergencyRevoke;
use super::globals::Globals;
use super::login::Login;
use super::man::Man;
use super::scanner_rules::ScannerRules;
use super::serve::Serve;
use super::verify::Verify;
use super::{
    account, alert, channel, ci_event::CiEvent, configuration, events, import, journal, keys, leak, pat,
    policy, publisher, role, rotation, sessions, subscription, token, user, window,
};

/// What is said below the list of commands.
const AFTER_HELP: &str = "\
A server elsewhere is named by --url or KEYWRIGHT_URL, and asked with the token in KEYWRIGHT_TOKEN or \
--token-file. A secret is never an argument: every user of a machine can read its command lines. \
Without an address, the authority of this machine is asked: through its running server, or directly.

Exit codes: 0 done, 1 failed, 2 usage, 3 denied.";

/// Keywright: issues, verifies, rotates, revokes and audits the credentials that an API accepts
#[derive(Parser, Debug)]
#[command(name = "keywright", version, after_help = AFTER_HELP, propagate_version = true, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,

    #[command(subcommand)]
    pub(crate) noun: Noun,
}

/// The nouns.
#[derive(Subcommand, Debug)]
pub(crate) enum Noun {
    /// Service tokens: create, list, show, update, rotate, revoke, analytics, blast-radius, cleanup
    Token {
        #[command(subcommand)]
        verb: token::Command,
    },
    /// Service accounts, the identities of external systems: create, list, show, update, disable, enable, delete,
    /// tokens, rotate-tokens, revoke-tokens, usage
    Account {
        #[command(subcommand)]
        verb: account::Command,
    },
    /// Alerts, what somebody should look at: list, show, acknowledge, resolve
    Alert {
        #[command(subcommand)]
        verb: alert::Command,
    },
    /// Publishers, the tenants: create, list, show, update, suspend, resume, delete, settings, member
    Publisher {
        #[command(subcommand)]
        verb: publisher::Command,
    },
    /// Personal access tokens, mine or those of a user: create, list, show, update, rotate, revoke, revoke-all, approve, usage, scopes, cleanup
    Pat {
        #[command(subcommand)]
        verb: pat::Command,
    },
    /// Log in to a server; it is remembered until logout
    Login(Login),
    /// End the login that is remembered
    Logout,
    /// Print rules with which scanners find Keywright's secrets in code
    ScannerRules(ScannerRules),
    /// Roles of publishers: create, list, show, update, delete
    Role {
        #[command(subcommand)]
        verb: role::Command,
    },
    /// Ways by which alerts leave: create, list, show, update, delete, test, deliveries, retry
    Channel {
        #[command(subcommand)]
        verb: channel::Command,
    },
    /// Who is told of which events: create, list, show, update, delete, deliveries, retry
    Subscription {
        #[command(subcommand)]
        verb: subscription::Command,
    },
    /// Policies of automated rotation: create, list, show, update, delete, effective
    Policy {
        #[command(subcommand)]
        verb: policy::Command,
    },
    /// Automated rotations: list, show, plan, confirm, rollback
    Rotation {
        #[command(subcommand)]
        verb: rotation::Command,
    },
    /// Maintenance windows, in which rotations begin: create, list, show, update, delete
    Window {
        #[command(subcommand)]
        verb: window::Command,
    },
    /// Logins of users: list, end, end-all
    Session {
        #[command(subcommand)]
        verb: sessions::Command,
    },
    /// People: invite, create, remind, list, show, update, disable, enable, delete
    User {
        #[command(subcommand)]
        verb: user::Command,
    },
    /// Revoke every credential within a reach, at once
    EmergencyRevoke(EmergencyRevoke),
    /// Credentials that were found where they should not be: report
    Leak {
        #[command(subcommand)]
        verb: leak::Command,
    },
    /// Decide on a credential, read from standard input or `KEYWRIGHT_CREDENTIAL`; exit code 3 when it is denied
    Verify(Verify),
    /// The audit trail and the record of decisions: list, tail, export, verify
    Events {
        #[command(subcommand)]
        verb: events::Command,
    },
    /// Record what a pipeline did in the audit trail
    CiEvent(CiEvent),
    /// Switch off, remove and forget at once what is over, as jobs do in their time; --dry-run only tells what
    Cleanup(Cleanup),
    /// Who I am to the API, and what I may do
    Me,
    /// How the authority fares, in detail
    Status,
    /// Whether verification is able to answer; needs no token
    Health,
    /// Run the server
    Serve(Serve),
    /// Bring the store's schema up to this version
    Migrate,
    /// Make the first token, with all permissions
    Bootstrap(Bootstrap),
    /// Journals of decisions: inspect, replay
    Journal {
        #[command(subcommand)]
        verb: journal::Command,
    },
    /// Moving in from other systems: auth2, csv
    Import {
        #[command(subcommand)]
        verb: import::Command,
    },
    /// Look at this deployment, and say what to do about what is wrong
    Doctor,
    /// Keys that sign access tokens, and that follow from the master key: list, rotate, rekey, audit-key
    Keys {
        #[command(subcommand)]
        verb: keys::Command,
    },
    /// The configuration: show, check
    Config {
        #[command(subcommand)]
        verb: configuration::Command,
    },
    /// Write the manual: pages for man, one for each command
    Man(Man),
    /// Print the API's OpenAPI document
    Openapi,
    /// Print a shell's completions
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_does_not_contradict_itself() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does() {
        fn look(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(look);
        }
        look(&Cli::command());
    }

    #[test]
    fn no_option_takes_a_secret() {
        fn look(command: &clap::Command) {
            for argument in command.get_arguments() {
                let name = argument.get_long().unwrap_or_default();
                // A name or an id; what looks like a secret is refused there.
                if (command.get_name(), name) == ("analytics", "token") {
                    continue;
                }
                assert!(
                    !matches!(name, "token" | "password" | "secret" | "credential-value" | "api-key"),
                    "{name}"
                );
            }
            command.get_subcommands().for_each(look);
        }
        look(&Cli::command());
    }

    #[test]
    fn the_commands_of_the_reference_text_work_as_they_stand() {
        for line in [
            "token create --name ci-cd-token --permissions api_read,system_status",
            "token rotate --identifier ci-cd-token --reason scheduled_rotation",
            "token revoke --identifier old-token --reason security_incident",
            "emergency-revoke --reason security_breach",
            "token analytics --token ci-cd-token --days 30",
            "token cleanup --deactivate-only",
        ] {
            let words = std::iter::once("keywright").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
    }

    #[test]
    fn options_of_every_command_may_stand_anywhere() {
        let cli = Cli::try_parse_from(["keywright", "token", "list", "--json", "--url", "http://a"]).unwrap();
        assert!(cli.globals.json && cli.globals.url.as_deref() == Some("http://a"));
        assert!(Cli::try_parse_from(["keywright", "--json", "token", "list"]).unwrap().globals.json);
        assert!(Cli::try_parse_from(["keywright", "--json", "--quiet", "token", "list"]).is_err());
    }
}
