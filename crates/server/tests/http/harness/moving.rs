//! An old system, AUTH-2 as its reference text describes it, and a store that it moves into.

use std::path::PathBuf;

use keywright_store::testing::{TestStore, foreign_database, store_on};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use super::child::{Printed, Server, keywright, run};
use super::{Database, Engine, sha256};

/// The tables of the reference text, as it has them.
const SCHEMA: [&str; 2] = [
    "CREATE TABLE service_tokens (
        id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
        token_name VARCHAR(255) UNIQUE NOT NULL,
        token_hash VARCHAR(64) UNIQUE NOT NULL,  -- SHA-256 hash
        token_metadata JSONB NOT NULL DEFAULT '{}',
        expires_at TIMESTAMP WITH TIME ZONE,
        is_active BOOLEAN NOT NULL DEFAULT TRUE,
        usage_count INTEGER NOT NULL DEFAULT 0,
        last_used TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
    )",
    "CREATE TABLE authentication_events (
        id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
        user_email VARCHAR(255),
        service_token_name VARCHAR(255),
        event_type VARCHAR(100) NOT NULL,
        success BOOLEAN NOT NULL,
        ip_address INET,
        user_agent TEXT,
        endpoint VARCHAR(255),
        cloudflare_ray_id VARCHAR(50),
        error_details JSONB,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
    )",
];
const INDEXES: [&str; 3] = [
    "CREATE INDEX idx_service_tokens_active_expires ON service_tokens (is_active, expires_at)",
    "CREATE INDEX idx_auth_events_service_token ON authentication_events (service_token_name)",
    "CREATE INDEX idx_auth_events_created_at ON authentication_events (created_at)",
];

/// A token of the old system.
pub(crate) fn secret(number: usize) -> String {
    format!("sk_{number:064x}")
}

/// An old system, and a store that it moves into.
pub(crate) struct Move {
    old: TestStore,
    new: TestStore,
    folder: TempDir,
}

impl Move {
    pub(crate) async fn begin(engine: Engine) -> Option<Self> {
        let (old, new) = (foreign_database().await?, store_on(engine).await?);
        let place = Self { old, new, folder: tempfile::tempdir().unwrap() };
        let mut database = place.old().await;
        for statement in SCHEMA.iter().chain(&INDEXES) {
            database.execute(statement).await;
        }
        Some(place)
    }

    /// Where the old system is, with the password.
    pub(crate) fn old_url(&self) -> &str {
        &self.old.options().url
    }

    pub(crate) async fn old(&self) -> Database {
        Database::connect(&self.old.options().url).await
    }

    pub(crate) async fn target(&self) -> Database {
        Database::connect(&self.new.options().url).await
    }

    pub(crate) async fn serve(&self) -> Server {
        Server::start(self.folder.path(), &self.new.options().url).await
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut all = vec!["import", "auth2", "--json"];
        all.extend(arguments);
        let mut command = keywright(self.folder.path(), &self.new.options().url, &all);
        command.env("KEYWRIGHT_IMPORT_FROM", &self.old.options().url);
        command
    }

    pub(crate) async fn import(&self, arguments: &[&str]) -> Printed {
        run(self.command(arguments)).await
    }

    /// A command of the operator of the new one.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Printed {
        run(keywright(self.folder.path(), &self.new.options().url, arguments)).await
    }

    /// An import that takes everything.
    pub(crate) async fn imported(&self, arguments: &[&str]) -> Value {
        let printed = self.import(arguments).await;
        assert_eq!(printed.code, 0, "{printed:?}");
        printed.json()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A token of the old system.
    pub(crate) async fn add(&self, number: usize, name: &str, metadata: &Value, rest: &str) {
        let (hash, metadata) =
            (hex::encode(sha256(&secret(number))), metadata.to_string().replace('\'', "''"));
        let id = Uuid::from_u128(number as u128);
        let sql = format!(
            "INSERT INTO service_tokens (id, token_name, token_hash, token_metadata, expires_at, is_active, \
             usage_count, last_used, created_at) VALUES ('{id}', '{name}', '{hash}', '{metadata}', {rest})"
        );
        self.old().await.execute(&sql).await;
    }

    pub(crate) async fn add_active(&self, number: usize, name: &str) {
        let rest = "NULL, TRUE, 3, NOW() - INTERVAL '1 day', NOW() - INTERVAL '100 days'";
        self.add(number, name, &serde_json::json!({"permissions": ["api_read"], "team": "core"}), rest).await;
    }

    /// Many tokens and events, over some days.
    pub(crate) async fn fill(&self, tokens: usize, events: usize) {
        let mut old = self.old().await;
        old.execute(&format!(
            "INSERT INTO service_tokens (token_name, token_hash, token_metadata, usage_count, last_used, created_at) \
             SELECT 'token-' || n, encode(sha256(('sk_' || n)::bytea), 'hex'), '{{\"permissions\": [\"works:read\"]}}', \
             n, NOW() - INTERVAL '1 hour', NOW() - INTERVAL '50 days' FROM generate_series(1, {tokens}) n"
        ))
        .await;
        old.execute(&format!(
            "INSERT INTO authentication_events (service_token_name, event_type, success, ip_address, user_agent, \
             endpoint, error_details, created_at) \
             SELECT 'token-' || (n % {tokens} + 1), 'service_token_auth', n % 7 > 0, '203.0.113.7', 'curl/8', \
             '/works/' || n % 5, CASE WHEN n % 7 = 0 THEN '{{\"error\": \"token_expired\"}}'::jsonb END, \
             NOW() - INTERVAL '40 days' + n * INTERVAL '15 minutes' FROM generate_series(1, {events}) n"
        ))
        .await;
    }
}

/// That roll-ups say what the rows do, in all and for each credential.
pub(crate) async fn must_add_up(database: &mut Database) {
    let all = database.uuid(Uuid::max());
    let of_each = "SELECT COUNT(*) FROM (SELECT u.credential_id, SUM(u.decisions) AS decisions FROM usage_hourly u \
                   GROUP BY u.credential_id) u JOIN (SELECT credential_id, SUM(occurrences) AS rows \
                   FROM authentication_events GROUP BY credential_id) e ON e.credential_id = u.credential_id \
                   WHERE u.decisions <> e.rows";
    assert_eq!(database.number(of_each).await, 0);
    let rows = database.number("SELECT CAST(SUM(occurrences) AS BIGINT) FROM authentication_events").await;
    for table in ["usage_hourly", "usage_daily"] {
        for condition in [format!("= {all}"), format!("<> {all}")] {
            let sql =
                format!("SELECT CAST(SUM(decisions) AS BIGINT) FROM {table} WHERE credential_id {condition}");
            assert_eq!(database.number(&sql).await, rows, "{sql}");
        }
    }
}
