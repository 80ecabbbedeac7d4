//! What each target of the fuzzer holds, as a function. The suite feeds them as well
//! (`crates/server/tests/http/fuzz_targets.rs`), with the lints of the workspace, so that none falls behind the code.

pub mod bearer;
pub mod configuration;
pub mod cursor;
pub mod export_lines;
pub mod forwarded_headers;
pub mod forwarded_request;
pub mod import_csv;
pub mod journal;
pub mod json_body;
pub mod jwt;
pub mod name_and_time;
pub mod networks;
pub mod node_message;
pub mod oauth_form;
pub mod query;
pub mod schedule;
pub mod scope;
