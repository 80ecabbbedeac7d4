//! Automated rotation: no consumer is ever without a secret that works.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use keywright_authority::rotation_policies::{self, Create, DeliveryChange, PolicySubject, Update};
use keywright_authority::rotations::{self, RotationSettings, confirm, roll_back};
use keywright_authority::service_tokens::{self, Rotate, Target};
use keywright_authority::{Authority, Fault, Settings, alerts, maintenance_windows};
use keywright_core::id::{JournalId, SegmentId};
use keywright_core::rotation::{Delivery, Policy, RotationState};
use keywright_core::{CredentialId, EventId, Name, NodeId, TokenHash};
use keywright_store::alerts::{AlertRow, ListFilter as AlertFilter};
use keywright_store::journals;
use keywright_store::rotations::{ListFilter, RotationRow};
use keywright_store::service_tokens::ServiceTokenRow;
use keywright_store::testing::test_stores;
use keywright_verify::{Appended, DecisionRecord, EventKind, EventSink, Piece, RecordCode};
use uuid::Uuid;

use crate::world::{Made, World, at_once, by, keys, operator, scopes, settings, until, verdict};

/// A world whose deliveries write into a folder of its own, on each engine.
pub(crate) struct Place {
    pub(crate) world: World,
    pub(crate) folder: tempfile::TempDir,
}

const HOUR: i64 = 3_600;
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
        all(&self.world.authority).await
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

    async fn seen(&self, id: CredentialId, from: &str, kind: EventKind) {
        let now = self.world.now();
        let event = EventId::generate(now, keywright_authority::entropy::id());
        let record = DecisionRecord {
            id: event,
            occurred_at: now,
            kind,
            code: RecordCode::Valid,
            credential_id: Some(id),
            token_name: None,
            principal_kind: None,
            principal_id: None,
            asked_by: None,
            publisher_id: None,
            user_email: None,
            ip_address: from.parse().ok(),
            user_agent: Some("curl/8".into()),
            method: None,
            endpoint: Some("/works".into()),
            cloudflare_ray_id: None,
            request_id: "r".into(),
            latency_micros: 7,
            stale: false,
            error_details: None,
            occurrences: 1,
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

pub(crate) async fn all(authority: &Authority) -> Vec<RotationRow> {
    let filter = ListFilter { limit: 50, ..ListFilter::default() };
    rotations::list(authority, &operator(), filter).await.unwrap()
}

#[tokio::test]
async fn a_new_secret_is_delivered_used_and_only_then_the_old_one_ends() {
    for place in places().await {
        let token = place.due(place.to_file()).await;
        place.run().await;
        let rotation = place.only().await;
        assert_eq!(rotation.state, RotationState::AwaitingConfirmation);
        assert_eq!((place.read("secret").await, place.old(&token).await), ("valid", "valid"));
        let mode = fs::metadata(place.file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let successor = rotation.successor_id.unwrap();
        let (old, new) = (place.token(token.row.id).await, place.token(successor).await);
        assert_eq!((old.superseded_by_id, old.grace_expires_at), (Some(successor), None));
        assert_eq!((new.token_name.as_str(), new.rotated_from_id), ("api", Some(token.row.id)));
        assert_eq!(new.permissions, token.row.permissions);
        // Settled, the secret is kept nowhere.
        let dump = place.world.raw().await.dump(&[]).await;
        assert!(!dump.contains(fs::read_to_string(place.file()).unwrap().as_str()));
        assert_eq!(rotation.sealed_secret, None);

        // Waiting, and looking at it for nothing, confirms nothing.
        place.hours(1);
        place.seen(successor, HOME, EventKind::Look).await;
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::AwaitingConfirmation);
        place.used(successor, HOME).await;
        place.run().await;
        let rotation = place.only().await;
        assert_eq!(rotation.state, RotationState::Confirmed);
        assert_eq!(rotation.grace_expires_at, Some(place.world.now().plus_days(1)));
        assert_eq!(place.old(&token).await, "valid");

        // It lives on as long as somebody uses it.
        place.hours(20);
        place.used(token.row.id, HOME).await;
        place.hours(10);
        place.run().await;
        assert_eq!((place.only().await.state, place.old(&token).await), (RotationState::Confirmed, "valid"));
        place.hours(14);
        place.run().await;
        assert_eq!((place.only().await.state, place.old(&token).await), (RotationState::Closed, "expired"));
        assert_eq!(place.read("secret").await, "valid");

        let told = rotations::get(&place.world.authority, &operator(), rotation.id).await.unwrap();
        let steps: Vec<_> = told.steps.iter().map(|step| step.kind.as_str()).collect();
        assert_eq!(steps, ["scheduled", "minted", "attempt", "delivered", "confirmed", "closed"]);
        let [caller] = told.callers.as_slice() else { panic!("{:?}", told.callers) };
        assert_eq!(caller.ip_address, HOME.parse().ok());
        assert_eq!((caller.endpoint.as_deref(), caller.occurrences), (Some("/works"), 1));
        // The next one follows when the new one is old, under the same policy.
        place.days(29);
        place.run().await;
        assert_eq!(place.all().await[0].credential_id, successor);
    }
}

#[tokio::test]
async fn a_use_from_elsewhere_confirms_nothing_and_one_from_home_does() {
    for place in places().await {
        let token = place.due(place.to_file()).await;
        place.run().await;
        let successor = place.only().await.successor_id.unwrap();
        place.used(successor, "203.0.113.9").await;
        place.run().await;
        let rotation = place.only().await;
        assert_eq!((rotation.state, rotation.told_of_use), (RotationState::AwaitingConfirmation, true));
        place.run().await;
        assert_eq!(place.only().await.version, rotation.version, "it is told once");
        assert_eq!(place.told().await, ["rotation_new_network critical open"]);
        place.used(successor, "192.0.2.200").await;
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::Confirmed);
        assert_eq!(place.old(&token).await, "valid");
    }
}

#[tokio::test]
async fn what_never_left_is_revoked_by_itself_and_the_old_one_is_as_it_was() {
    for place in places().await {
        let path = place.folder.path().join("missing/secret").display().to_string();
        let token = place.due(Delivery::File { path }).await;
        place.run().await;
        let rotation = place.only().await;
        assert_eq!((rotation.state, rotation.attempts), (RotationState::Delivering, 1));
        assert!(!rotation.may_have_sent && rotation.sealed_secret.is_some());
        // Pauses grow; in between nothing is tried.
        place.run().await;
        assert_eq!(place.only().await.attempts, 1);
        place.world.advance_seconds(20);
        place.run().await;
        assert_eq!(place.only().await.attempts, 2);
        place.hours(73);
        place.run().await;
        let rotation = place.only().await;
        assert_eq!((rotation.state, rotation.sealed_secret), (RotationState::Failed, None));
        let old = place.token(token.row.id).await;
        assert_eq!((old.token_name.as_str(), old.superseded_by_id, old.superseded_at), ("api", None, None));
        assert_eq!(place.old(&token).await, "valid");
        assert!(place.token(rotation.successor_id.unwrap()).await.revoked_at.is_some());
        assert_eq!(place.told().await, ["rotation_failed high open"]);
        // Not at once again.
        place.run().await;
        assert_eq!(place.all().await.len(), 1);
        fs::create_dir(place.folder.path().join("missing")).unwrap();
        place.hours(25);
        place.run().await;
        let again = place.all().await;
        assert_eq!(again.len(), 2);
        let successor = again.iter().find_map(|row| row.delivered_at.and(row.successor_id)).unwrap();
        place.used(successor, HOME).await;
        place.run().await;
        assert_eq!(place.told().await, ["rotation_failed high resolved"], "its cause has gone");
    }
}

#[tokio::test]
async fn what_may_have_left_keeps_both_alive_until_somebody_decides() {
    for place in places().await {
        let token = place.due(Delivery::Command { command: "refuse".to_owned() }).await;
        place.run().await;
        let rotation = place.only().await;
        assert!(rotation.may_have_sent);
        assert_eq!(rotation.last_answer.as_deref(), Some("the program ended with 3"));
        place.hours(73);
        place.run().await;
        let rotation = place.only().await;
        assert_eq!((rotation.state, rotation.sealed_secret.as_ref()), (RotationState::Unconfirmed, None));
        let successor = rotation.successor_id.unwrap();
        assert_eq!(place.old(&token).await, "valid");
        assert_eq!(place.token(successor).await.revoked_at, None);
        place.days(30);
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::Unconfirmed, "time decides nothing");
        assert_eq!(place.told().await, ["rotation_unconfirmed high open"]);

        let told = roll_back(&place.world.authority, operator(), rotation.id, None).await.unwrap();
        assert_eq!(told.row.state, RotationState::RolledBack);
        assert!(place.token(successor).await.revoked_at.is_some());
        assert_eq!(place.told().await, ["rotation_unconfirmed high resolved"]);
        assert_eq!(place.token(token.row.id).await.token_name.as_str(), "api");
        assert_eq!(place.old(&token).await, "valid");
        // Saying it again changes nothing; the other way is past.
        roll_back(&place.world.authority, operator(), rotation.id, None).await.unwrap();
        let confirmed = confirm(&place.world.authority, operator(), rotation.id, None).await;
        assert!(matches!(confirmed, Err(Fault::RotationOver)), "{confirmed:?}");
    }
}

#[tokio::test]
async fn a_late_use_confirms_what_was_left_unconfirmed() {
    for place in places().await {
        let token = place.due(place.to_file()).await;
        place.run().await;
        place.hours(73);
        place.run().await;
        let rotation = place.only().await;
        assert_eq!(rotation.state, RotationState::Unconfirmed);
        place.used(rotation.successor_id.unwrap(), HOME).await;
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::Confirmed);
        assert_eq!(place.old(&token).await, "valid");
    }
}

#[tokio::test]
async fn who_is_to_rotate_by_hand_is_told_once_and_until_it_is_done() {
    for place in places().await {
        let token = place.due(Delivery::None).await;
        for _ in 0..3 {
            place.run().await;
        }
        assert_eq!(
            (place.told().await, place.all().await),
            (vec!["rotation_due low open".to_owned()], vec![])
        );
        // Another start tells nobody again.
        let settings = rotating(place.folder.path().to_owned());
        let clock = keywright_verify::Clock::manual(place.world.now());
        let again = crate::world::authority_with(&place.world.store, clock, keys(&[1]), settings);
        place.world.raw().await.run("DELETE FROM leases").await;
        rotations::run(&again).await.unwrap();
        assert_eq!(place.told().await, ["rotation_due low open"]);
        let wanted = Rotate { reason: "due".to_owned(), grace_seconds: None, expires_at: None };
        let target = Target::Id(token.row.id);
        service_tokens::rotate(&place.world.authority, operator(), target, wanted).await.unwrap();
        place.world.raw().await.run("DELETE FROM leases").await;
        place.run().await;
        assert_eq!(place.told().await, ["rotation_due low resolved"]);
    }
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_until_it_is_cleared() {
    for place in places().await {
        let token = place.world.token("api", &["works:read", "works:admin"]).await;
        let all = ["monitoring:admin", "tokens:admin", "works:*"];
        let caller = place.world.token("enough", &all).await;
        let wanted = Create {
            subject: PolicySubject::ServiceToken(token.row.id),
            terms: Policy { max_age_days: Some(30), ..Policy::default() },
            delivery: Some(DeliveryChange {
                delivery: Delivery::Command { command: "keep".to_owned() },
                secret: None,
            }),
        };
        let policy = rotation_policies::create(&place.world.authority, by(&caller), wanted).await.unwrap();
        let update = service_tokens::Update {
            permissions: Some(scopes(&["works:read", "catalog:read"])),
            ..service_tokens::Update::default()
        };
        place.world.update(operator(), &token, update).await.unwrap();
        place.days(30);
        place.run().await;
        assert_eq!(place.told().await, ["rotation_due medium open"]);
        rotation_policies::delete(&place.world.authority, operator(), policy.token.id).await.unwrap();
        place.run().await;
        assert_eq!(place.told().await, ["rotation_due medium resolved"]);
    }
}

#[tokio::test]
async fn by_hand_it_is_confirmed_or_rolled_back_as_long_as_there_is_something_to_go_back_to() {
    for place in places().await {
        let token = place.due(place.to_file()).await;
        place.run().await;
        let id = place.only().await.id;
        let told = confirm(&place.world.authority, operator(), id, Some("seen".to_owned())).await.unwrap();
        assert_eq!(told.row.state, RotationState::Confirmed);
        assert!(told.row.grace_expires_at.is_some());
        place.world.revoke(&token).await;
        let refused = roll_back(&place.world.authority, operator(), id, None).await;
        assert!(matches!(refused, Err(Fault::NothingToRollBackTo)), "{refused:?}");
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::Closed);
        let nobody = keywright_core::RotationId(Uuid::from_u128(9));
        let unknown = confirm(&place.world.authority, operator(), nobody, None).await;
        assert!(matches!(unknown, Err(Fault::NotFound)), "{unknown:?}");
    }
}

#[tokio::test]
async fn without_a_time_of_quiet_the_old_one_ends_with_its_grace_on_every_node_by_itself() {
    for place in places().await {
        let token = place.world.token("api", &["works:read"]).await;
        let wanted = Create {
            subject: PolicySubject::ServiceToken(token.row.id),
            terms: Policy {
                max_age_days: Some(30),
                quiet_hours: Some(0),
                grace_seconds: Some(600),
                ..Policy::default()
            },
            delivery: Some(DeliveryChange { delivery: place.to_file(), secret: None }),
        };
        rotation_policies::create(&place.world.authority, operator(), wanted).await.unwrap();
        place.used(token.row.id, HOME).await;
        place.days(30);
        place.run().await;
        place.used(place.only().await.successor_id.unwrap(), HOME).await;
        place.run().await;
        assert_eq!(place.old(&token).await, "valid");
        place.world.advance_seconds(599);
        assert_eq!(place.old(&token).await, "valid");
        place.world.advance_seconds(1);
        assert_eq!(place.old(&token).await, "expired");
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::Closed);
    }
}

#[tokio::test]
async fn nothing_is_retired_before_the_journals_of_all_nodes_have_moved_past_it() {
    for place in places().await {
        let token = place.due(place.to_file()).await;
        place.run().await;
        place.used(place.only().await.successor_id.unwrap(), HOME).await;
        let (journal, node) = (JournalId(Uuid::from_u128(5)), NodeId(Uuid::from_u128(6)));
        let mut tx = place.world.store.begin().await.unwrap();
        journals::open(tx.conn(), journal, node, "there", "/there", place.world.now()).await.unwrap();
        tx.commit().await.unwrap();
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::Confirmed, "what is known is known");
        place.days(3);
        place.run().await;
        assert_eq!(place.old(&token).await, "valid", "a node has never said how far it is");
        let moved = async |hours: i64| {
            let mut tx = place.world.store.begin().await.unwrap();
            let now = place.world.now();
            let through = now.plus_seconds(-hours * HOUR);
            assert!(journals::beat(tx.conn(), journal, node, now, through).await.unwrap());
            tx.commit().await.unwrap();
        };
        moved(2 * 24 + 1).await;
        place.run().await;
        assert_eq!(place.old(&token).await, "valid");
        moved(1).await;
        place.run().await;
        assert_eq!((place.only().await.state, place.old(&token).await), (RotationState::Closed, "expired"));
    }
}

#[tokio::test]
async fn who_decides_where_secrets_go_to_gets_none_that_they_could_not_make() {
    for place in places().await {
        let token = place.world.token("api", &["works:read", "works:admin"]).await;
        let wanted = |delivery| Create {
            subject: PolicySubject::ServiceToken(token.row.id),
            terms: Policy { max_age_days: Some(30), ..Policy::default() },
            delivery: Some(DeliveryChange { delivery, secret: None }),
        };
        let command = || Delivery::Command { command: "keep".to_owned() };
        for permissions in [&["monitoring:admin"][..], &["monitoring:admin", "tokens:admin", "works:read"]] {
            let caller = place.world.token(&format!("{permissions:?}"), permissions).await;
            let made =
                rotation_policies::create(&place.world.authority, by(&caller), wanted(command())).await;
            assert!(matches!(made, Err(Fault::ScopeExceedsGrantor { .. })), "{made:?}");
        }
        let all = ["monitoring:admin", "tokens:admin", "works:*"];
        let caller = place.world.token("enough", &all).await;
        let made = rotation_policies::create(&place.world.authority, by(&caller), wanted(command())).await;
        assert_eq!(made.unwrap().token.reach, scopes(&all));
        // The token learns to do more than they could: it is not rotated under their policy.
        let update = service_tokens::Update {
            permissions: Some(scopes(&["works:read", "catalog:read"])),
            ..service_tokens::Update::default()
        };
        place.world.update(operator(), &token, update).await.unwrap();
        place.days(30);
        place.run().await;
        assert_eq!(place.all().await, []);
        let plan = rotations::plan(&place.world.authority, &operator(), 1).await.unwrap();
        assert!(plan.items[0].obstacle.as_deref().unwrap().contains("can do more"), "{plan:?}");
        // What is not on the list of the configuration is nowhere.
        let nowhere = Delivery::File { path: "/etc/passwd".to_owned() };
        let other = place.world.token("other", &["works:read"]).await;
        let wanted = Create { subject: PolicySubject::ServiceToken(other.row.id), ..wanted(nowhere) };
        let made = rotation_policies::create(&place.world.authority, operator(), wanted).await;
        assert!(matches!(made, Err(Fault::Invalid(_))), "{made:?}");
    }
}

#[tokio::test]
async fn one_place_is_for_one_token() {
    for place in places().await {
        let platform = |delivery| Create {
            subject: PolicySubject::Everything,
            terms: Policy { max_age_days: Some(30), ..Policy::default() },
            delivery: Some(DeliveryChange { delivery, secret: None }),
        };
        let shared = rotation_policies::create(&place.world.authority, operator(), platform(place.to_file()));
        let shared = shared.await;
        assert!(matches!(shared, Err(Fault::Invalid(_))), "{shared:?}");
        let path = place.folder.path().join("{lineage_id}").display().to_string();
        let wanted = platform(Delivery::File { path });
        rotation_policies::create(&place.world.authority, operator(), wanted.clone()).await.unwrap();
        let again = rotation_policies::create(&place.world.authority, operator(), wanted).await;
        assert!(matches!(again, Err(Fault::PolicyExists)), "{again:?}");
        let tokens = [place.world.token("a", &["works:read"]).await, place.world.token("b", &[]).await];
        place.days(30);
        place.run().await;
        for token in &tokens {
            assert_eq!(place.read(&token.row.id.to_string()).await, "valid");
            assert_eq!(place.old(token).await, "valid");
        }
    }
}

#[tokio::test]
async fn rotations_begin_inside_their_window_the_oldest_first_and_not_too_many_at_once() {
    for mut place in places().await {
        let window = maintenance_windows::Create {
            publisher: None,
            name: Name::parse("nights").unwrap(),
            cron: "0 2 * * *".to_owned(),
            duration_minutes: 60,
            time_zone: "UTC".to_owned(),
        };
        let window = maintenance_windows::create(&place.world.authority, operator(), window).await.unwrap();
        let path = place.folder.path().join("{lineage_id}").display().to_string();
        let wanted = Create {
            subject: PolicySubject::Everything,
            terms: Policy {
                max_age_days: Some(30),
                maintenance_window_id: Some(window.object.id),
                ..Policy::default()
            },
            delivery: Some(DeliveryChange { delivery: Delivery::File { path }, secret: None }),
        };
        let mut settings = rotating(place.folder.path().to_owned());
        settings.rotation.max_at_once = 2;
        let authority = crate::world::authority_with(
            &place.world.store,
            keywright_verify::Clock::manual(place.world.now()),
            keys(&[1]),
            settings,
        );
        place.world.authority = authority;
        rotation_policies::create(&place.world.authority, operator(), wanted).await.unwrap();
        let mut tokens = Vec::new();
        for name in ["first", "second", "third"] {
            tokens.push(place.world.token(name, &["works:read"]).await);
            place.world.advance_seconds(1);
        }
        // Noon: outside.
        place.days(31);
        place.run().await;
        assert_eq!(place.all().await, []);
        let plan = rotations::plan(&place.world.authority, &operator(), 1).await.unwrap();
        let begins = plan.items.iter().map(|one| one.begins_at.unwrap().to_string()[11..16].to_owned());
        assert_eq!(begins.collect::<Vec<_>>(), ["02:00", "02:00", "02:00"]);
        place.hours(14);
        place.run().await;
        let names = |rotations: &[RotationRow]| {
            let mut names: Vec<_> = rotations.iter().map(|row| row.token_name.as_str().to_owned()).collect();
            names.sort();
            names
        };
        let begun = place.all().await;
        assert_eq!(names(&begun), ["first", "second"]);
        place.run().await;
        assert_eq!(place.all().await.len(), 2, "no other begins before one of them is used");
        roll_back(&place.world.authority, operator(), begun[0].id, None).await.unwrap();
        place.run().await;
        assert_eq!(names(&place.all().await), ["first", "second", "third"]);
    }
}

#[tokio::test]
async fn of_two_schedulers_each_token_is_rotated_once() {
    for place in places().await {
        place.due(place.to_file()).await;
        let settings = rotating(place.folder.path().to_owned());
        let now = place.world.now();
        let nodes: Vec<Authority> = (0..8)
            .map(|_| {
                let clock = keywright_verify::Clock::manual(now);
                crate::world::authority_with(&place.world.store, clock, keys(&[1]), settings.clone())
            })
            .collect();
        for _ in 0..3 {
            let nodes = nodes.clone();
            // A lease keeps most of them out; without it the same holds.
            place.world.raw().await.run("DELETE FROM leases").await;
            let done = at_once(8, move |number| {
                let node = nodes[number].clone();
                async move { rotations::run(&node).await }
            });
            for outcome in done.await {
                outcome.unwrap();
            }
        }
        let rotation = place.only().await;
        assert_eq!((rotation.state, rotation.attempts), (RotationState::AwaitingConfirmation, 1));
        let minted = "SELECT COUNT(*) FROM service_tokens";
        assert_eq!(place.world.raw().await.number(minted).await, 2);
        assert_eq!(place.read("secret").await, "valid");
    }
}

#[tokio::test]
async fn a_stepped_clock_ends_nothing_early() {
    for place in places().await {
        let token = place.due(place.to_file()).await;
        place.run().await;
        place.hours(-2);
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::AwaitingConfirmation);
        place.hours(4);
        place.run().await;
        place.used(place.only().await.successor_id.unwrap(), HOME).await;
        place.run().await;
        place.hours(-2);
        place.run().await;
        assert_eq!((place.only().await.state, place.old(&token).await), (RotationState::Confirmed, "valid"));
        place.hours(25);
        place.run().await;
        assert_eq!(place.old(&token).await, "valid", "24 hours from its confirmation are not over");
        place.hours(1);
        place.run().await;
        assert_eq!((place.only().await.state, place.old(&token).await), (RotationState::Closed, "expired"));
    }
}

#[tokio::test]
async fn a_token_whose_secret_is_on_its_way_is_not_rotated_by_hand() {
    for place in places().await {
        let token = place.due(place.to_file()).await;
        place.run().await;
        let successor = place.only().await.successor_id.unwrap();
        for id in [token.row.id, successor] {
            let wanted = Rotate { reason: "now".to_owned(), grace_seconds: None, expires_at: None };
            let outcome =
                service_tokens::rotate(&place.world.authority, operator(), Target::Id(id), wanted).await;
            assert!(matches!(outcome, Err(Fault::RotationInProgress)), "{outcome:?}");
        }
        // Revoked by somebody, the new one gives way to the old one.
        let reason = Some("leaked".to_owned());
        let target = Target::Id(successor);
        service_tokens::revoke(&place.world.authority, operator(), target, reason).await.unwrap();
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::RolledBack);
        let old = place.token(token.row.id).await;
        assert_eq!((old.token_name.as_str(), old.superseded_by_id), ("api", None));
        assert_eq!(place.old(&token).await, "valid");
    }
}

#[tokio::test]
async fn switched_off_nothing_begins_and_what_has_begun_goes_on() {
    for mut place in places().await {
        let token = place.due(place.to_file()).await;
        place.run().await;
        let (now, mut settings) = (place.world.now(), rotating(place.folder.path().to_owned()));
        settings.rotation.enabled = false;
        let clock = keywright_verify::Clock::manual(now);
        let off = crate::world::authority_with(&place.world.store, clock, keys(&[1]), settings);
        place.world.raw().await.run("DELETE FROM leases").await;
        place.world.authority = off;
        let other = place.world.token("other", &["works:read"]).await;
        place.policy(&other, place.to_file()).await;
        place.used(place.only().await.successor_id.unwrap(), HOME).await;
        place.days(31);
        place.run().await;
        place.run().await;
        let rotation = place.only().await;
        assert_eq!(rotation.credential_id, token.row.id);
        assert_eq!(rotation.state, RotationState::Confirmed);
    }
}

#[tokio::test]
async fn another_master_key_opens_what_is_under_way_once_it_is_sealed_anew() {
    for mut place in places().await {
        let path = place.folder.path().join("later/secret").display().to_string();
        let token = place.due(Delivery::File { path }).await;
        place.run().await;
        let with = |seeds: &[u8], place: &Place| {
            let clock = keywright_verify::Clock::manual(place.world.now());
            let settings = rotating(place.folder.path().to_owned());
            crate::world::authority_with(&place.world.store, clock, keys(seeds), settings)
        };
        let both = with(&[2, 1], &place);
        assert_eq!(keywright_authority::rekey::rekey(&both).await.unwrap().rotations, 1);
        place.world.authority = with(&[2], &place);
        place.world.raw().await.run("DELETE FROM leases").await;
        fs::create_dir(place.folder.path().join("later")).unwrap();
        place.hours(1);
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::AwaitingConfirmation);
        assert_eq!((place.read("later/secret").await, place.old(&token).await), ("valid", "valid"));
    }
}

#[tokio::test]
async fn a_policy_that_changes_leaves_what_has_begun_as_it_was_decided() {
    for place in places().await {
        let token = place.due(place.to_file()).await;
        place.run().await;
        let rotation = place.only().await;
        let policy = keywright_core::RotationPolicyId(rotation.policy_id.0);
        let update = Update { quiet_hours: Some(Some(0)), grace_seconds: Some(Some(0)), ..Update::default() };
        rotation_policies::update(&place.world.authority, operator(), policy, update).await.unwrap();
        rotation_policies::delete(&place.world.authority, operator(), policy).await.unwrap();
        rotation_policies::delete(&place.world.authority, operator(), policy).await.unwrap();
        place.used(rotation.successor_id.unwrap(), HOME).await;
        place.run().await;
        assert_eq!(place.old(&token).await, "valid");
        assert_eq!(place.only().await.grace_expires_at, Some(place.world.now().plus_days(1)));
    }
}
