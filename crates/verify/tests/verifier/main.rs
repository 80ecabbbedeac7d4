//! The verifier against a store that a test holds, fails and changes at will.

#![expect(clippy::unwrap_used, reason = "a test ends where something goes wrong")]

mod accounts;
mod bounds;
mod epochs;
mod freshness;
mod hits;
mod outage;
mod overtaken;
mod store;
mod tenants;
mod together;
mod unknown;
