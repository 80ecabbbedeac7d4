//! The configuration: defaults < file < environment < flags, or what a program says that opens a node in its own process.
//!
//! One [table](SECTIONS) of settings drives everything: the typed [`Config`], the validation that names every
//! mistake at once, `config show`, `keywright.example.toml` and `docs/configuration.md`. Nothing that is set is
//! ever ignored: an unknown name is an error, and a setting whose feature does not exist yet is a [`Finding`].
//!
//! [`load`] looks only at its [`LoadInput`] and the configuration file; [`check_files`] looks at the files and
//! directories that the configuration names, and [`Keys::resolve`] reads the master keys.

mod checks;
mod environment;
mod file;
mod files;
mod finding;
mod issuers;
mod kinds;
mod layer;
mod load;
mod master_key_source;
mod nearest;
mod read;
mod reference;
mod setting;
mod table;

#[cfg(test)]
mod tests;

pub use files::check_files;
pub use finding::{Finding, HIDDEN, Severity, ShowRow};
pub use issuers::{ISSUER_SETTINGS, IssuerConfig, RuleConfig};
pub use kinds::{
    Algorithms, Argv, ByteSize, DatabaseUrl, Directories, Domains, JwtAlgorithm, LogFormat, LogLevel,
    MasterKeyError, MasterKeys, Networks, Programs, PublicUrl, PublisherIds, RateLimitBackend, Ratio,
    SecretUrl, SuccessEvents, Words,
};
pub use load::{DEFAULT_FILE, LoadInput, Loaded, load};
pub use master_key_source::MasterKeySourceError;
pub use reference::{example_file, reference_page};
pub use setting::{Section, Setting};
pub use table::{
    Audit, Cloudflare, Config, Database, Geoip, Journal, Jwt, Keys, Log, Mail, Monitoring, RateLimit,
    Rotation, SECTIONS, Server, Telemetry, Tokens, Verify, all, find,
};
