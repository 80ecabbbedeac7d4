//! Where the store is.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;
use zeroize::Zeroizing;

use super::{Fault, Raw, Settable, Shape};
use crate::config::finding::{HIDDEN, printable};
use crate::config::setting::Setting;

const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
const PARAMETERS: [&str; 12] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "statement-cache-capacity",
];

/// Where the store is; a password within is never shown.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// One file.
    Sqlite {
        /// The file, relative to the working directory if it is not absolute.
        path: PathBuf,
    },
    /// A PostgreSQL server.
    Postgres {
        /// The URL in the form `postgres://…`, password included.
        url: Zeroizing<String>,
        /// The same without the password.
        shown: String,
    },
}

impl DatabaseUrl {
    /// The file, if the store is SQLite.
    pub fn sqlite_path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite { path } => Some(path),
            Self::Postgres { .. } => None,
        }
    }

    /// The URL as `sqlite://PATH` or `postgres://…`, password included. Every call of this is a place
    /// to look at in a review.
    pub fn reveal(&self) -> Zeroizing<String> {
        match self {
            Self::Sqlite { path } => Zeroizing::new(format!("sqlite://{}", path.display())),
            Self::Postgres { url, .. } => url.clone(),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({})", self.show())
    }
}

impl Settable for DatabaseUrl {
    const SHAPE: Shape = Shape::Text;

    fn parse(raw: &Raw, _: &Setting) -> Result<Self, Fault> {
        let text = raw.text()?;
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(Fault::new("has no scheme"));
        };
        let (engine, driver) = match scheme.split_once('+') {
            Some((engine, driver)) => (engine, Some(driver)),
            None => (scheme, None),
        };
        match engine.to_ascii_lowercase().as_str() {
            "postgres" | "postgresql" => postgres(rest),
            "sqlite" => sqlite(rest, driver.is_some()),
            _ => Err(Fault::new("names neither SQLite nor PostgreSQL")),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Sqlite { path } => printable(&format!("sqlite://{}", path.display())),
            Self::Postgres { shown, .. } => shown.clone(),
        }
    }

    fn expects(_: &Setting) -> String {
        "`sqlite://PATH` or `postgres://USER:PASSWORD@HOST/NAME`".to_owned()
    }

    fn holds_secret(&self) -> bool {
        matches!(self, Self::Postgres { shown, .. } if shown.contains(HIDDEN))
    }
}

/// `sqlite://PATH` and `sqlite:PATH`; with a driver, as `SQLAlchemy` writes it, three slashes stand
/// before a relative path and four before an absolute one.
fn sqlite(rest: &str, sqlalchemy: bool) -> Result<DatabaseUrl, Fault> {
    let path = if sqlalchemy {
        rest.strip_prefix("///").ok_or_else(|| Fault::new("does not have three slashes before the path"))?
    } else {
        rest.strip_prefix("//").unwrap_or(rest)
    };
    let path = path.strip_suffix("?mode=rwc").unwrap_or(path);
    if path.contains('?') {
        return Err(Fault::with_fix("has parameters", "leave them out: the store chooses them"));
    }
    if path.is_empty() || path.starts_with(":memory:") {
        return Err(Fault::with_fix(
            "names no file",
            "give a file: what is kept in memory alone would be lost",
        ));
    }
    if path.ends_with('/') {
        return Err(Fault::with_fix("names a directory", "give a file within it"));
    }
    if path.chars().any(char::is_control) {
        return Err(Fault::new("contains a control character"));
    }
    Ok(DatabaseUrl::Sqlite { path: PathBuf::from(path) })
}

fn postgres(rest: &str) -> Result<DatabaseUrl, Fault> {
    let text = Zeroizing::new(format!("postgres:{rest}"));
    let mut url = Url::parse(&text).map_err(|_| {
        Fault::with_fix(
            "is not a URL",
            "in a password write `%`, `/`, `?`, `#`, `:` and `@` as `%25`, `%2F`, `%3F`, `%23`, `%3A` and `%40`",
        )
    })?;
    if !rest.starts_with("//") || url.path().contains('@') || url.path().matches('/').count() > 1 {
        return Err(Fault::with_fix(
            "is not of the form postgres://USER:PASSWORD@HOST/NAME",
            "in a password write `/`, `?`, `#` and `@` as `%2F`, `%3F`, `%23` and `%40`",
        ));
    }
    if url.fragment().is_some() {
        return Err(Fault::with_fix("has a `#`", "in a password write it as `%23`"));
    }
    let parameters = parameters(&url)?;
    if url.host_str().is_none_or(str::is_empty)
        && !parameters.iter().any(|(name, _)| name.starts_with("host"))
    {
        return Err(Fault::new("names no host"));
    }
    set_parameters(&mut url, &parameters);
    let complete = Zeroizing::new(String::from(url.as_str()));
    if url.password().is_some() {
        // A URL with a host, which was checked, takes a password.
        let _ = url.set_password(Some(HIDDEN));
    }
    let shown: Vec<_> = parameters
        .into_iter()
        .map(|(name, value)| if name == "password" { (name, HIDDEN.to_owned()) } else { (name, value) })
        .collect();
    set_parameters(&mut url, &shown);
    Ok(DatabaseUrl::Postgres { url: complete, shown: url.into() })
}

/// The parameters, under the names that the driver knows. One that it does not know is refused
/// rather than ignored, and not repeated: it may be the rest of a password.
fn parameters(url: &Url) -> Result<Vec<(String, String)>, Fault> {
    let mut known = Vec::new();
    for (at, (name, value)) in url.query_pairs().enumerate() {
        // asyncpg's spelling.
        let name = if name == "ssl" || name == "ssl-mode" { "sslmode" } else { &*name };
        if !PARAMETERS.contains(&name) {
            let fault = format!("has an unknown parameter, number {}", at + 1);
            return Err(Fault::with_fix(fault, format!("known are {}", PARAMETERS.join(", "))));
        }
        let right = match name {
            "sslmode" => SSL_MODES.contains(&&*value),
            "port" => value.parse::<u16>().is_ok(),
            "hostaddr" => value.parse::<std::net::IpAddr>().is_ok(),
            "statement-cache-capacity" => value.parse::<u32>().is_ok(),
            _ => !value.is_empty(),
        };
        if !right {
            return Err(Fault::new(format!("has a wrong value for the parameter {name}")));
        }
        known.push((name.to_owned(), value.into_owned()));
    }
    Ok(known)
}

fn set_parameters(url: &mut Url, parameters: &[(String, String)]) {
    if parameters.is_empty() {
        url.set_query(None);
    } else {
        url.query_pairs_mut().clear().extend_pairs(parameters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table::find;

    fn parse(text: &str) -> Result<DatabaseUrl, Fault> {
        DatabaseUrl::parse(&Raw::Text(text.to_owned()), find("database.url").unwrap())
    }

    #[test]
    fn every_spelling_of_a_sqlite_file_is_understood() {
        for (text, path) in [
            ("sqlite://./data/keywright.db", "./data/keywright.db"),
            ("sqlite://data/keywright.db", "data/keywright.db"),
            ("sqlite:///var/lib/keywright.db", "/var/lib/keywright.db"),
            ("sqlite:keywright.db", "keywright.db"),
            ("sqlite:/var/lib/keywright.db", "/var/lib/keywright.db"),
            ("sqlite://keywright.db?mode=rwc", "keywright.db"),
            ("sqlite+aiosqlite:///keywright.db", "keywright.db"),
            ("sqlite+aiosqlite:////var/lib/keywright.db", "/var/lib/keywright.db"),
        ] {
            let url = parse(text).unwrap();
            assert_eq!(url.sqlite_path(), Some(Path::new(path)), "{text}");
            assert_eq!(*url.reveal(), format!("sqlite://{path}"));
        }
    }

    #[test]
    fn what_is_no_sqlite_file_is_refused() {
        for bad in [
            "sqlite:",
            "sqlite://",
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite://data/",
            "sqlite+aiosqlite://x",
            "sqlite://x?a",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_spelling_of_a_postgres_server_is_understood_and_its_password_masked() {
        for scheme in ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg2", "PostgreSQL"] {
            let url = parse(&format!("{scheme}://app:can%40ary@192.168.1.16:5432/promptcraft")).unwrap();
            assert_eq!(*url.reveal(), "postgres://app:can%40ary@192.168.1.16:5432/promptcraft");
            assert_eq!(url.show(), "postgres://app:***@192.168.1.16:5432/promptcraft");
            assert_eq!(format!("{url:?}"), "DatabaseUrl(postgres://app:***@192.168.1.16:5432/promptcraft)");
        }
    }

    #[test]
    fn parameters_are_checked_translated_and_masked() {
        let url = parse("postgresql+asyncpg://app@db/keywright?ssl=require&password=canary").unwrap();
        assert_eq!(*url.reveal(), "postgres://app@db/keywright?sslmode=require&password=canary");
        assert_eq!(url.show(), "postgres://app@db/keywright?sslmode=require&password=***");
        assert!(url.holds_secret());
        assert!(parse("postgres:///keywright?host=/run/postgresql").is_ok());
        for bad in ["?sslmode=on", "?port=99999", "?pool=5", "?host=", "?hostaddr=db"] {
            assert!(parse(&format!("postgres://db/keywright{bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_that_breaks_the_url_apart_is_refused_and_never_repeated() {
        for broken in ["can/ary", "12/34canary", "12?34canary", "12#34canary", "can:ary/x", "can@ary/x"] {
            let fault = parse(&format!("postgres://app:{broken}@db/keywright")).unwrap_err();
            assert!(!format!("{fault:?}").contains("ary"), "{broken}: {fault:?}");
        }
    }

    #[test]
    fn other_engines_and_shapes_are_refused() {
        for bad in [
            "",
            "keywright.db",
            "mysql://db/x",
            "postgres:db",
            "postgres://",
            "postgres:///x",
            "postgres://db/a/b",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
