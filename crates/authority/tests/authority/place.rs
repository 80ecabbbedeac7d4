//! A world in which tokens are rotated automatically, with somewhere for their secrets to go to.

use std::fs;
use std::path::PathBuf;

use keywright_authority::rotation_policies::{self, Create, DeliveryChange, PolicySubject};
use keywright_authority::rotations::{self, RotationSettings};
use keywright_authority::service_tokens;
use keywright_authority::{Settings, alerts};
use keywright_core::id::SegmentId;
use keywright_core::rotation::{Delivery, Policy};
use keywright_core::{CredentialId, EventId, NodeId, TokenHash};
use keywright_store::alerts::{AlertRow, ListFilter as AlertFilter};
use keywright_store::rotations::{ListFilter, RotationRow};
use keywright_store::service_tokens::ServiceTokenRow;
use keywright_store::testing::test_stores;
use keywright_verify::{Appended, DecisionRecord, EventKind, EventSink as _, Piece, RecordCode};
use uuid::Uuid;

use crate::world::{Made, World, operator, settings, until, verdict};

/// A world whose deliveries write into a folder of its own, on each engine.
pub(crate) struct Place {
    pub(crate) world: World,
    pub(crate) folder: tempfile::TempDir,
}

const HOUR: i64 = 3_600;
/// Where tokens are used from.
pub(crate) const HOME: &str = "192.0.2.7";

pub(crate) async fn places() -> Vec<Place> {
    let mut places = Vec::new();
    for store in test_stores().await {
        let folder = tempfile::tempdir().unwrap();
        let settings = rotating(folder.path().to_owned());
        places.push(Place { world: World::with(store, settings), folder });
    }
    places
}

pub(crate) fn rotating(folder: PathBuf) -> Settings {
    let commands = [
        ("keep", vec!["/bin/sh".to_owned(), "-c".to_owned(), format!("cat > {}/kept", folder.display())]),
        ("refuse", vec!["/bin/sh".to_owned(), "-c".to_owned(), "cat > /dev/null; exit 3".to_owned()]),
        (
            "hang",
            vec![
                "/bin/sh".to_owned(),
                "-c".to_owned(),
                format!("cat > {}/hung; sleep 600", folder.display()),
            ],
        ),
        ("missing", vec!["/no/such/program".to_owned()]),
    ];
    let rotation = RotationSettings {
        enabled: true,
        file_directories: vec![folder],
        commands: commands.map(|(name, argv)| (name.to_owned(), argv)).into(),
        ..RotationSettings::default()
    };
    Settings { rotation, ..settings() }
}

impl Place {
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    pub(crate) fn to_file(&self) -> Delivery {
        Delivery::File { path: self.file().display().to_string() }
    }

    /// A policy on the token that wants it replaced after thirty days.
    pub(crate) async fn policy(&self, token: &Made, delivery: Delivery) -> rotation_policies::Create {
        let wanted = Create {
            subject: PolicySubject::ServiceToken(token.row.id),
            terms: Policy { max_age_days: Some(30), ..Policy::default() },
            delivery: Some(DeliveryChange { delivery, secret: None }),
        };
        rotation_policies::create(&self.world.authority, operator(), wanted.clone()).await.unwrap();
        wanted
    }

    pub(crate) fn days(&self, days: i64) {
        self.world.advance_seconds(days * 24 * HOUR);
    }

    pub(crate) fn hours(&self, hours: i64) {
        self.world.advance_seconds(hours * HOUR);
    }

    pub(crate) async fn run(&self) {
        rotations::run(&self.world.authority).await.unwrap();
    }

    pub(crate) async fn all(&self) -> Vec<RotationRow> {
        let filter = ListFilter { limit: 50, ..ListFilter::default() };
        rotations::list(&self.world.authority, &operator(), filter).await.unwrap()
    }

    pub(crate) async fn only(&self) -> RotationRow {
        let mut all = self.all().await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// The alerts, oldest first: kind, severity, state.
    pub(crate) async fn told(&self) -> Vec<String> {
        let filter = AlertFilter { limit: 50, ..AlertFilter::default() };
        let mut all = alerts::list(&self.world.authority, &operator(), filter).await.unwrap();
        all.sort_by_key(|alert| (alert.opened_at, alert.id));
        let word = |alert: &AlertRow| {
            let state = alert.state().as_str();
            format!("{} {} {state}", alert.kind.as_str(), alert.severity.as_str())
        };
        all.iter().map(word).collect()
    }

    pub(crate) async fn token(&self, id: CredentialId) -> ServiceTokenRow {
        service_tokens::get(&self.world.authority, &operator(), id).await.unwrap().0
    }

    /// The secret that stands in a file, as its consumer reads it.
    pub(crate) async fn read(&self, file: &str) -> &'static str {
        let secret = fs::read_to_string(self.folder.path().join(file)).unwrap();
        self.known(TokenHash::of(secret.as_bytes())).await
    }

    pub(crate) async fn old(&self, token: &Made) -> &'static str {
        self.known(token.secret.hash()).await
    }

    /// A decision: a store that was slow for a moment knows it the next.
    pub(crate) async fn known(&self, hash: TokenHash) -> &'static str {
        let mut decided = "unavailable";
        until("the store answers", async || {
            decided = verdict(&self.world.authority, hash).await;
            decided != "unavailable"
        })
        .await;
        decided
    }

    /// What the journals moved: a use of a token.
    pub(crate) async fn used(&self, id: CredentialId, from: &str) {
        self.seen(id, from, EventKind::Verify).await;
    }

    pub(crate) async fn seen(&self, id: CredentialId, from: &str, kind: EventKind) {
        let now = self.world.now();
        let event = EventId::generate(now, keywright_authority::entropy::id());
        let record = DecisionRecord {
            credential_id: Some(id),
            ip_address: from.parse().ok(),
            user_agent: Some("curl/8".into()),
            endpoint: Some("/works".into()),
            request_id: "r".into(),
            latency_micros: 7,
            ..DecisionRecord::bare(event, now, kind, RecordCode::Valid)
        };
        let (node, segment) = (NodeId(Uuid::from_u128(1)), SegmentId(event.0));
        let piece = Piece { node, segment, from: 0, to: 1, records: vec![record] };
        assert_eq!(self.world.store.append(&[piece]).await.unwrap(), Appended::Done);
    }

    /// A token that is used from home and due, with a policy that delivers so.
    pub(crate) async fn due(&self, delivery: Delivery) -> Made {
        let token = self.world.token("api", &["works:read"]).await;
        self.policy(&token, delivery).await;
        self.used(token.row.id, HOME).await;
        self.days(30);
        token
    }
}
