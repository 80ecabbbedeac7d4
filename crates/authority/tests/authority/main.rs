//! The use cases on real stores: each guarantee on both engines, those of several nodes on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "what a test needs is there, or the test fails")]

mod account_sequences;
mod actors;
mod actors_sessions;
mod alerts;
mod anomalies;
mod bootstrap;
mod ceilings;
mod chain;
mod chain_keys;
mod cleanup;
mod cleanup_all;
mod deeds;
mod emergency;
mod emergency_races;
mod event_keeping;
mod events;
mod faults;
mod grants;
mod grants_sequences;
mod health;
mod idempotency;
mod journals;
mod letters;
mod members;
mod monitor;
mod names;
mod nodes;
mod nodes_gaps;
mod notifying;
mod passwords;
mod people;
mod personal_sequences;
mod proxy;
mod raw;
mod receiver;
mod refreshing;
mod revocation;
mod rotation;
mod rotation_races;
mod rotations;
mod rotations_crashes;
mod service_accounts;
mod subscribing;
mod world;
