//! The HTTP surface of a real node, on both engines. The modules mirror the paths of the API; those
//! that speak of more than one path say what they hold against it.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as it does")]
#![allow(
    clippy::duration_suboptimal_units,
    clippy::format_collect,
    clippy::large_futures,
    clippy::match_same_arms,
    clippy::needless_for_each,
    clippy::similar_names,
    clippy::single_match_else,
    clippy::too_many_lines,
    reason = "a test is read once from top to bottom, and its speed is nobody's"
)]

mod harness;

mod access_ends;
mod accounts;
mod alerts;
mod analytics;
mod audit;
mod audit_authentication_events;
mod audit_cicd_event;
mod audit_exports;
mod auth_emergency_revoke;
mod auth_forward;
mod auth_login;
mod auth_me;
mod auth_refresh;
mod auth_sessions;
mod auth_tokens_cleanup;
mod auth_tokens_create;
mod auth_tokens_list;
mod auth_tokens_revoke;
mod auth_tokens_rotate;
mod auth_tokens_update;
mod auth_verify;
mod auth_verify_batch;
mod auth_verify_stream;
mod auth_verify_stream_slow;
mod auth_verify_usage;
mod authorization;
mod ci_cd_pipeline;
mod cli;
mod cli_cleanup;
mod cli_events;
mod cli_pat;
mod cli_publishers;
mod credentials;
mod dashboard;
mod embedded;
mod embedded_nodes;
mod event_subscriptions;
mod examples;
mod faults;
mod forward_proxies;
mod fuzz_targets;
mod idempotency;
mod import_auth2;
mod import_auth2_exports;
mod import_auth2_killed;
mod import_csv;
mod input_bodies;
mod input_requests;
mod isolation;
mod journals;
mod jwt_access;
mod jwt_external;
mod jwt_foreign;
mod leaks;
mod leaks_ends;
mod leaks_github;
mod locations;
mod logs;
mod mail_server;
mod metrics;
mod not_configured;
mod notification_channels;
mod oauth_foreign;
mod oauth_introspect;
mod oauth_introspect_signed;
mod oauth_revoke;
mod oauth_token;
mod openapi;
mod pages;
mod processes;
mod publishers;
mod publishers_members;
mod publishers_settings;
mod rate_limits;
mod rate_limits_shared;
mod records;
mod reference;
mod reference_lines;
mod rekey;
mod roles;
mod room;
mod rotations;
mod rotations_cli;
mod rotations_remote;
mod rust_cache;
mod rust_client;
mod rust_grpc;
mod secrets;
mod secrets_of_people;
mod service_accounts;
mod service_accounts_tokens;
mod signing_keys;
mod songtrust_platform;
mod spirit_partner;
mod sqlite_operator;
mod starts;
mod system;
mod traces;
mod two_nodes;
mod users;
mod users_enable;
mod users_me_tokens;
mod users_me_tokens_limits;
mod users_me_tokens_policy;
mod users_tokens;
mod words;
