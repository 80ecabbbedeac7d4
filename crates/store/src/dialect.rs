//! Static SQL, once for both engines, and the few places where they truly differ.

use sqlx::{Database, Postgres, Sqlite};

/// A statement as each engine is given it.
#[derive(Debug)]
pub(crate) struct Statement {
    #[cfg(test)]
    pub(crate) name: &'static str,
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

impl Statement {
    /// The text for the engine `DB`.
    pub(crate) fn text<DB: Dialect>(&self) -> &'static str {
        DB::pick(self)
    }
}

/// An engine.
pub(crate) trait Dialect: Database {
    /// Its text of a statement.
    fn pick(statement: &Statement) -> &'static str;
}

impl Dialect for Sqlite {
    fn pick(statement: &Statement) -> &'static str {
        statement.sqlite
    }
}

impl Dialect for Postgres {
    fn pick(statement: &Statement) -> &'static str {
        statement.postgres
    }
}

/// Declares the statements of a module and its part of the registry, `STATEMENTS`.
///
/// `+ "…"` adds a clause on PostgreSQL only: the row locks, which SQLite has no need of, as its one
/// writer holds the whole database.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = [$($text:expr),+ $(,)?] $(+ $lock:literal)?;)+) => {
        $(
            $(#[$doc])*
            const $name: $crate::dialect::Statement = $crate::dialect::Statement {
                #[cfg(test)]
                name: concat!(module_path!(), "::", stringify!($name)),
                sqlite: concat!($($text),+),
                postgres: concat!($($text),+ $(, " ", $lock)?),
            };
        )+
        /// All of them.
        #[cfg(test)]
        pub(crate) const STATEMENTS: &[&$crate::dialect::Statement] = &[$(&$name),+];
    };
}

pub(crate) use statements;

/// All static statements, for the test that prepares each on both engines.
#[cfg(test)]
pub(crate) fn registry() -> Vec<&'static Statement> {
    [
        crate::alerts::STATEMENTS,
        crate::alerts::untold::STATEMENTS,
        crate::anomalies::STATEMENTS,
        crate::authentication_events::STATEMENTS,
        crate::deliveries::STATEMENTS,
        crate::event_subscriptions::STATEMENTS,
        crate::expiry::STATEMENTS,
        crate::changes_made::STATEMENTS,
        crate::external_identities::STATEMENTS,
        crate::external_refusals::STATEMENTS,
        crate::grants::STATEMENTS,
        crate::holdings::STATEMENTS,
        crate::idempotency::STATEMENTS,
        crate::imports::STATEMENTS,
        crate::journal::STATEMENTS,
        crate::journals::STATEMENTS,
        crate::leaks::STATEMENTS,
        crate::leases::STATEMENTS,
        crate::leftovers::STATEMENTS,
        crate::login_networks::STATEMENTS,
        crate::login_throttles::STATEMENTS,
        crate::memberships::STATEMENTS,
        crate::memberships::scopes::STATEMENTS,
        crate::mailed_tokens::STATEMENTS,
        crate::maintenance_windows::STATEMENTS,
        crate::nodes::STATEMENTS,
        crate::notification_channels::STATEMENTS,
        crate::outbox::STATEMENTS,
        crate::personal_tokens::STATEMENTS,
        crate::personal_tokens::approvals::STATEMENTS,
        crate::personal_tokens::sweep::STATEMENTS,
        crate::platform::STATEMENTS,
        crate::publishers::STATEMENTS,
        crate::refresh_tokens::STATEMENTS,
        crate::reported_decisions::STATEMENTS,
        crate::roles::STATEMENTS,
        crate::rotation_policies::STATEMENTS,
        crate::rotations::STATEMENTS,
        crate::rotations::evidence::STATEMENTS,
        crate::schema::STATEMENTS,
        crate::security_events::STATEMENTS,
        crate::service_accounts::STATEMENTS,
        crate::service_tokens::STATEMENTS,
        crate::service_tokens::accounts::STATEMENTS,
        crate::service_tokens::due::STATEMENTS,
        crate::service_tokens::list::STATEMENTS,
        crate::service_tokens::sweep::STATEMENTS,
        crate::sessions::STATEMENTS,
        crate::sessions::ends::STATEMENTS,
        crate::signing_keys::STATEMENTS,
        crate::testing::STATEMENTS,
        crate::usage::LABEL_STATEMENTS,
        crate::usage::accounts::STATEMENTS,
        crate::usage::read::STATEMENTS,
        crate::usage::retention::STATEMENTS,
        crate::users::STATEMENTS,
    ]
    .concat()
}

/// A pattern for `LIKE … ESCAPE '\'` that finds `text` anywhere, taken literally.
pub(crate) fn contains_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// The form of a name that is searched: lower case by Unicode, which neither engine's `LOWER` does
/// alike.
pub(crate) fn fold(text: &str) -> String {
    text.to_lowercase()
}
