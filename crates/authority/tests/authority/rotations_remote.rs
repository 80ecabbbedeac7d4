//! Deliveries to receivers elsewhere: each by its own protocol, and shown to nobody else.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::SecretKey;
use keywright_authority::connector::{Connector, Names, Resolved, SystemNames};
use keywright_authority::rotation_policies::{self, Create, DeliveryChange, PolicySubject, Update};
use keywright_authority::service_tokens::{self, Holder};
use keywright_authority::{Call, Fault, Settings, notifications, rekey, roles, rotations, service_accounts};
use keywright_core::rotation::{Delivery, Policy, RotationState};
use keywright_core::{BuiltInRole, Name, PlainToken, PublisherId, RotationPolicyId, TokenHash};
use keywright_store::testing::test_stores;
use keywright_verify::Clock;
use serde_json::json;
use zeroize::Zeroizing;

use crate::people::{Person, join, member, publisher};
use crate::place::{HOME, Place, rotating};
use crate::service_accounts::new_account;
use crate::stand_in::{Github, KEY, Kept, Model, StandIn, Vault, Way};
use crate::world::{Made, World, authority_with, keys, made, operator, scopes, wanted};

/// With calls that are given up soon: a receiver that hangs is to be seen hanging.
pub(crate) fn calling(names: Arc<dyn Names>, allowed: &[&str], patience: Duration) -> Connector {
    let allowed: Vec<_> = allowed.iter().map(|network| network.parse().unwrap()).collect();
    Connector::with_names(&allowed, names, patience).unwrap()
}

pub(crate) fn here(patience: Duration) -> Connector {
    calling(Arc::new(SystemNames), &["127.0.0.0/8"], patience)
}

pub(crate) async fn places_with(connector: &Connector) -> Vec<Place> {
    let mut places = Vec::new();
    for store in test_stores().await {
        let folder = tempfile::tempdir().unwrap();
        let world = World::with(store, remote(&folder, connector));
        places.push(Place { world, folder });
    }
    places
}

fn remote(folder: &tempfile::TempDir, connector: &Connector) -> Settings {
    let mut settings = Settings { connector: connector.clone(), ..rotating(folder.path().to_owned()) };
    settings.rotation.max_at_once = 1_000;
    settings
}

async fn places() -> Vec<Place> {
    places_with(&here(Duration::from_secs(10))).await
}

/// A policy that has come to be, and what its deliveries are signed with where that is new.
pub(crate) struct Told {
    id: RotationPolicyId,
    pub(crate) secret: Option<PlainToken>,
}

fn change(delivery: Delivery, secret: Option<&str>) -> DeliveryChange {
    DeliveryChange { delivery, secret: secret.map(|text| Zeroizing::new(text.to_owned())) }
}

fn on(token: &Made, delivery: DeliveryChange) -> Create {
    Create {
        subject: PolicySubject::ServiceToken(token.row.id),
        terms: Policy { max_age_days: Some(30), ..Policy::default() },
        delivery: Some(delivery),
    }
}

/// What lets a delivery in; a webhook is given its own.
pub(crate) fn key_for(delivery: &Delivery) -> Option<&'static str> {
    (!matches!(delivery, Delivery::Webhook { .. })).then_some(KEY)
}

impl Place {
    /// A token that is used from home, with a policy that delivers so.
    pub(crate) async fn watched(&self, name: &str, delivery: &Delivery) -> (Made, Told) {
        let token = self.world.token(name, &["works:read"]).await;
        let wanted = on(&token, change(delivery.clone(), key_for(delivery)));
        let told = rotation_policies::create(&self.world.authority, operator(), wanted).await.unwrap();
        self.used(token.row.id, HOME).await;
        (token, Told { id: told.token.id, secret: told.secret })
    }

    /// The same, and it is due.
    pub(crate) async fn due_to(&self, delivery: &Delivery) -> (Made, Told) {
        let watched = self.watched("api", delivery).await;
        self.days(30);
        watched
    }

    /// The next run, by whichever node.
    pub(crate) async fn next(&self) {
        self.world.raw().await.run("DELETE FROM leases").await;
        self.run().await;
    }

    async fn change(
        &self,
        id: RotationPolicyId,
        delivery: DeliveryChange,
    ) -> Result<Option<PlainToken>, Fault> {
        let update = Update { delivery: Some(Some(delivery)), ..Update::default() };
        let told = rotation_policies::update(&self.world.authority, operator(), id, update).await?;
        Ok(told.secret)
    }

    pub(crate) async fn verdict_on(&self, secret: &str) -> &'static str {
        self.known(TokenHash::of(secret.as_bytes())).await
    }
}

#[tokio::test]
async fn each_receiver_is_brought_a_secret_that_works_and_nothing_of_it_stays() {
    for place in places().await {
        let each = StandIn::each().await;
        let mut tokens = Vec::new();
        for (number, (_, delivery)) in each.iter().enumerate() {
            tokens.push(place.watched(&format!("api-{number}"), delivery).await.0);
        }
        place.days(30);
        place.run().await;
        for rotation in place.all().await {
            assert_eq!(rotation.state, RotationState::AwaitingConfirmation, "{rotation:?}");
            assert_eq!((rotation.attempts, &rotation.sealed_secret), (1, &None));
            assert!(rotation.last_answer.unwrap().starts_with("answered 20"));
        }
        let dump = place.world.raw().await.dump(&[]).await;
        assert!(!dump.contains(KEY), "what lets deliveries in");
        for ((receiver, _), token) in each.iter().zip(&tokens) {
            let secret = receiver.kept().unwrap();
            assert_eq!((place.verdict_on(&secret).await, place.old(token).await), ("valid", "valid"));
            assert!(!dump.contains(&secret));
            assert_eq!(receiver.carried().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_webhook_is_signed_with_a_secret_that_is_told_once() {
    for place in places().await {
        let receiver = StandIn::start(Model::Webhook).await;
        let (token, told) = place.due_to(&receiver.delivery()).await;
        let secret = told.secret.unwrap();
        place.run().await;
        let rotation = place.only().await;
        let request = receiver.carried().remove(0);
        assert_eq!(request.line, "POST /in?from=keywright");
        assert_eq!(request.id(), rotation.id.to_string());
        let at: i64 = request.headers["webhook-timestamp"].parse().unwrap();
        let at = keywright_core::Timestamp::from_micros(at * 1_000_000);
        let signature = notifications::sign(secret.reveal(), request.id(), at, &request.bytes).unwrap();
        assert_eq!(request.headers["webhook-signature"], signature);
        let body = request.json();
        assert_eq!(body["type"], "token.delivered");
        let data = json!({
            "rotation_id": rotation.id, "replaces_id": token.row.id, "credential_id": rotation.successor_id,
            "lineage_id": token.row.id, "token_name": "api", "token": receiver.kept(),
        });
        assert_eq!(body["data"], data);
        // The same receiver keeps its secret; another one has one of its own.
        assert!(place.change(told.id, change(receiver.delivery(), None)).await.unwrap().is_none());
        let other = Delivery::Webhook { url: format!("{}/other", receiver.url), public_key: None };
        let anew = place.change(told.id, change(other, None)).await.unwrap().unwrap();
        assert_ne!(anew.reveal(), secret.reveal());
        let own = notifications::new_secret();
        let given = place.change(told.id, change(receiver.delivery(), Some(own.reveal()))).await.unwrap();
        assert!(given.is_none(), "nobody is told what they said");
        let wrong = place.change(told.id, change(receiver.delivery(), Some("hunter2"))).await;
        assert!(matches!(wrong, Err(Fault::Invalid(_))), "{wrong:?}");
        let dump = place.world.raw().await.dump(&[]).await;
        for secret in [&secret, &anew, &own] {
            assert!(!dump.contains(&secret.reveal()[6..]));
        }
    }
}

#[tokio::test]
async fn what_is_sealed_to_the_receiver_is_never_known_here_again() {
    for place in places().await {
        let receiver = StandIn::start(Model::Webhook).await;
        let own = SecretKey::from([9; 32]);
        let delivery = Delivery::Webhook {
            url: format!("{}/in", receiver.url),
            public_key: Some(STANDARD.encode(own.public_key().as_bytes())),
        };
        receiver.carrying(Way::Fails(503));
        place.due_to(&delivery).await;
        place.run().await;
        // Until it is delivered it is kept in the box: the master key opens no more than that.
        let rotation = place.only().await;
        let kept = rotation.sealed_secret.unwrap();
        let opened = keys(&[1]).open("keywright rotation v1", rotation.id.0.as_bytes(), &kept).unwrap();
        let boxed = STANDARD.decode(opened.as_slice()).unwrap();
        let secret = String::from_utf8(own.unseal(&boxed).unwrap()).unwrap();
        assert_eq!(place.verdict_on(&secret).await, "valid");
        receiver.carrying(Way::Well);
        place.hours(1);
        place.next().await;
        assert_eq!(place.only().await.state, RotationState::AwaitingConfirmation);
        for request in receiver.carried() {
            let body = request.json();
            assert_eq!(body["data"]["sealed_token"], STANDARD.encode(&boxed));
            assert_eq!(body["data"].get("token"), None);
        }
        assert_eq!(receiver.carried().len(), 2);
        // A key that everybody could open is none.
        let weak = Some(STANDARD.encode([0; 32]));
        let token = place.world.token("weak", &[]).await;
        for public_key in [weak, Some("AAAA".to_owned()), Some("none".to_owned())] {
            let delivery = Delivery::Webhook { url: receiver.url.clone(), public_key };
            let made = rotation_policies::create(
                &place.world.authority,
                operator(),
                on(&token, change(delivery, None)),
            );
            let Err(Fault::Invalid(faults)) = made.await else { panic!("a weak key") };
            assert_eq!(faults[0].field, "delivery.public_key");
        }
    }
}

#[tokio::test]
async fn github_is_sealed_to_the_key_of_the_moment_in_a_repository_or_its_environment() {
    for place in places().await {
        let github = StandIn::start(Model::Github(Github::new())).await;
        let in_environment = Delivery::GithubActionsSecret {
            url: format!("{}/", github.url),
            repository: "acme/api".to_owned(),
            environment: Some("live / eu".to_owned()),
            secret_name: "T_{lineage_id}".to_owned(),
        };
        let token = place.due_to(&in_environment).await.0;
        place.run().await;
        let name = format!("T_{}", token.row.id.to_string().to_uppercase().replace('-', "_"));
        let at = format!("environments/live%20%2F%20eu/secrets/{name}");
        let kept = github.model(|model| {
            let Model::Github(github) = model else { panic!() };
            github.secrets.get(&at).cloned()
        });
        assert_eq!(place.verdict_on(&kept.unwrap()).await, "valid");
        // A key that was replaced in between is told so, and the next try asks for the new one.
        github.model(|model| {
            let Model::Github(github) = model else { panic!() };
            github.turns = true;
        });
        place.watched("other", &github.delivery()).await;
        place.days(30);
        place.next().await;
        let of = |rotations: Vec<keywright_store::rotations::RotationRow>| {
            rotations.into_iter().find(|row| row.token_name.as_str() == "other").unwrap()
        };
        let rotation = of(place.all().await);
        assert_eq!(rotation.last_answer.as_deref(), Some("answered 422"));
        assert!(rotation.may_have_sent);
        github.model(|model| {
            let Model::Github(github) = model else { panic!() };
            github.turns = false;
        });
        place.hours(1);
        place.next().await;
        assert_eq!(of(place.all().await).state, RotationState::AwaitingConfirmation);
        assert_eq!(place.verdict_on(&github.kept().unwrap()).await, "valid");
    }
}

#[tokio::test]
async fn kubernetes_keeps_what_else_is_in_the_secret() {
    for place in places().await {
        let kubernetes = StandIn::each().await.remove(2).0;
        let with = |look: &mut dyn FnMut(&mut std::collections::BTreeMap<String, String>)| {
            kubernetes.model(|model| {
                let Model::Kubernetes(all) = model else { panic!() };
                look(all.0.get_mut("api").unwrap());
            });
        };
        with(&mut |secret| drop(secret.insert("other".to_owned(), "theirs".to_owned())));
        place.due_to(&kubernetes.delivery()).await;
        place.run().await;
        let mut all = std::collections::BTreeMap::new();
        with(&mut |secret| all.clone_from(secret));
        assert_eq!((all.len(), all["other"].as_str()), (2, "theirs"));
        assert_eq!(place.verdict_on(&all["token"]).await, "valid");
        // One that is not there is not made: whoever deploys says what it is.
        let missing = Delivery::KubernetesSecret {
            url: kubernetes.url.clone(),
            namespace: "live".to_owned(),
            secret_name: "missing".to_owned(),
            key: "token".to_owned(),
        };
        place.watched("missing", &missing).await;
        place.days(30);
        place.next().await;
        let answers: Vec<_> = place.all().await.into_iter().filter_map(|row| row.last_answer).collect();
        assert!(answers.contains(&"answered 404".to_owned()), "{answers:?}");
    }
}

fn in_vault<T>(vault: &StandIn, look: impl FnOnce(&mut Vault) -> T) -> T {
    vault.model(|model| {
        let Model::Vault(vault) = model else { panic!() };
        look(vault)
    })
}

#[tokio::test]
async fn vault_is_written_by_check_and_set_over_nothing_that_somebody_else_wrote() {
    for place in places().await {
        let vault = StandIn::start(Model::Vault(Vault::default())).await;
        let api = |vault: &StandIn| in_vault(vault, |vault| vault.secrets["api/live"].clone());
        place.due_to(&vault.delivery()).await;
        // Nothing is there: it is made. Somebody adds to it.
        place.run().await;
        assert_eq!(api(&vault).version, 1);
        in_vault(&vault, |vault| {
            let kept = vault.secrets.get_mut("api/live").unwrap();
            kept.data.insert("other".to_owned(), json!("theirs"));
            kept.version = 2;
            vault.raced = true;
        });
        // Somebody writes between the question and the answer: theirs is not overwritten.
        place.used(place.only().await.successor_id.unwrap(), HOME).await;
        place.next().await;
        place.days(31);
        place.next().await;
        let first = api(&vault);
        assert_eq!((first.version, &first.data["other"]), (3, &json!("theirs, newer")));
        let newest = place.all().await.remove(0);
        assert_eq!(newest.last_answer.as_deref(), Some("answered 400"));
        in_vault(&vault, |vault| vault.raced = false);
        place.hours(1);
        place.next().await;
        let second = api(&vault);
        assert_eq!((second.version, &second.data["other"]), (4, &json!("theirs, newer")));
        assert_ne!(second.data["token"], first.data["token"]);
        assert_eq!(place.verdict_on(second.data["token"].as_str().unwrap()).await, "valid");
        // Deleted, there is nothing to add to.
        in_vault(&vault, |vault| {
            let kept = Kept { version: 5, data: serde_json::Map::new(), deleted: true };
            vault.secrets.insert("api/live".to_owned(), kept);
        });
        place.used(place.all().await[0].successor_id.unwrap(), HOME).await;
        place.next().await;
        place.days(31);
        place.next().await;
        assert_eq!((api(&vault).version, api(&vault).deleted), (6, false));
        assert_eq!(place.verdict_on(api(&vault).data["token"].as_str().unwrap()).await, "valid");
    }
}

#[tokio::test]
async fn what_lets_one_receiver_in_is_shown_to_no_other() {
    for place in places().await {
        let (first, second) = (
            StandIn::start(Model::Vault(Vault::default())).await,
            StandIn::start(Model::Vault(Vault::default())).await,
        );
        let (token, told) = place.due_to(&first.delivery()).await;
        let elsewhere = place.change(told.id, change(second.delivery(), None)).await;
        let Err(Fault::Invalid(faults)) = elsewhere else { panic!("{elsewhere:?}") };
        assert_eq!(faults[0].field, "delivery.secret");
        let Delivery::VaultKv { url, mount, key, .. } = first.delivery() else { panic!() };
        let deeper = Delivery::VaultKv { url, mount, key, path: "admin/root".to_owned() };
        assert!(place.change(told.id, change(deeper, None)).await.is_err(), "nor used for another place");
        // What has begun goes to where it was decided, or nowhere.
        first.asking(Way::Fails(503));
        place.run().await;
        place.change(told.id, change(second.delivery(), Some("of-the-second"))).await.unwrap();
        first.asking(Way::Well);
        place.hours(1);
        place.next().await;
        let rotation = place.only().await;
        assert_eq!(rotation.state, RotationState::Delivering);
        assert!(rotation.last_answer.unwrap().contains("the policy that knew"), "{:?}", rotation.state);
        assert_eq!((first.received().len(), second.received().len()), (1, 0));
        // Said again as it was, it goes on.
        place.change(told.id, change(first.delivery(), Some(KEY))).await.unwrap();
        place.hours(2);
        place.next().await;
        assert_eq!(place.only().await.state, RotationState::AwaitingConfirmation);
        assert_eq!((first.carried().len(), place.old(&token).await), (1, "valid"));
    }
}

#[tokio::test]
async fn another_master_key_opens_what_lets_deliveries_in_once_it_is_sealed_anew() {
    let connector = here(Duration::from_secs(10));
    for mut place in places_with(&connector).await {
        let vault = StandIn::start(Model::Vault(Vault::default())).await;
        place.due_to(&vault.delivery()).await;
        let with = |seeds: &[u8], place: &Place| {
            let settings = remote(&place.folder, &connector);
            authority_with(&place.world.store, Clock::manual(place.world.now()), keys(seeds), settings)
        };
        place.world.authority = with(&[3], &place);
        place.next().await;
        let lost = place.only().await;
        assert!(!lost.may_have_sent && lost.last_answer.unwrap().contains("no master key"), "not its key");
        // What was made under the key that is gone goes with it; the policy does not.
        let both = with(&[2, 1, 3], &place);
        assert_eq!(rekey::rekey(&both).await.unwrap().rotations, 2);
        place.world.authority = with(&[2], &place);
        place.hours(1);
        place.next().await;
        assert_eq!(place.only().await.state, RotationState::AwaitingConfirmation);
        assert_eq!(place.verdict_on(&vault.kept().unwrap()).await, "valid");
    }
}

/// Says that every name stands for this machine.
struct Inside;

impl Names for Inside {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolved<'a> {
        Box::pin(async { Ok(vec!["127.0.0.1".parse().unwrap()]) })
    }
}

/// A delivery of each kind to this address.
fn each_to(url: &str) -> [Delivery; 4] {
    let (url, text) = (url.to_owned(), str::to_owned);
    [
        Delivery::Webhook { url: url.clone(), public_key: None },
        Delivery::GithubActionsSecret {
            url: url.clone(),
            repository: text("acme/api"),
            environment: None,
            secret_name: text("TOKEN"),
        },
        Delivery::KubernetesSecret {
            url: url.clone(),
            namespace: text("live"),
            secret_name: text("api"),
            key: text("token"),
        },
        Delivery::VaultKv { url, mount: text("secret"), path: text("api"), key: text("token") },
    ]
}

#[tokio::test]
async fn addresses_inside_are_refused_when_they_are_said_and_when_they_are_called() {
    let connector = calling(Arc::new(Inside), &[], Duration::from_secs(10));
    for place in places_with(&connector).await {
        let token = place.world.token("api", &["works:read"]).await;
        for url in [
            "http://127.0.0.1:8200",
            "https://127.0.0.1:8200",
            "https://2130706433",
            "https://[::ffff:127.0.0.1]",
            "https://169.254.169.254",
            "https://100.64.0.1",
            "https://[64:ff9b::7f00:1]",
            "http://vault.example.com",
            "https://token@vault.example.com",
            "vault.example.com",
        ] {
            for delivery in each_to(url) {
                let wanted = on(&token, change(delivery.clone(), key_for(&delivery)));
                let made = rotation_policies::create(&place.world.authority, operator(), wanted).await;
                let Err(Fault::Invalid(faults)) = made else { panic!("{url}: {made:?}") };
                assert_eq!(faults[0].field, "delivery.url", "{url}");
            }
        }
        for delivery in each_to("https://vault.example.com/?a=b").into_iter().skip(1) {
            let wanted = on(&token, change(delivery.clone(), Some(KEY)));
            let made = rotation_policies::create(&place.world.authority, operator(), wanted).await;
            assert!(matches!(made, Err(Fault::Invalid(_))), "{made:?}");
        }
        // A name is judged when it is called.
        for (number, delivery) in each_to("https://vault.example.com").into_iter().enumerate() {
            place.watched(&format!("api-{number}"), &delivery).await;
        }
        place.days(30);
        place.run().await;
        let all = place.all().await;
        assert_eq!(all.len(), 4);
        for rotation in all {
            assert!(rotation.last_answer.unwrap().contains("may not be called"));
            assert!(!rotation.may_have_sent && rotation.state == RotationState::Delivering);
        }
        place.hours(73);
        place.next().await;
        assert!(place.all().await.iter().all(|row| row.state == RotationState::Failed));
    }
}

async fn account(world: &World, publisher: PublisherId, name: &str, of: &[&str]) -> Made {
    let new = service_accounts::Create { publisher: Some(publisher), ..new_account(name, of) };
    let id = service_accounts::create(&world.authority, operator(), new).await.unwrap().object.id;
    let new = service_tokens::Create { holder: Holder::Above(id), permissions: None, ..wanted(name, &[]) };
    made(service_tokens::create(&world.authority, operator(), new).await)
}

#[tokio::test]
async fn who_administers_a_publisher_is_brought_what_they_could_make_and_no_more() {
    for place in places().await {
        let world = &place.world;
        let (own, others) = (publisher(world, "songtrust").await, publisher(world, "spirit").await);
        let receiver = StandIn::start(Model::Webhook).await;
        let role = roles::Create {
            name: Name::parse("rotator").unwrap(),
            description: String::new(),
            permissions: scopes(&["monitoring:admin", "tokens:admin", "works:read"]),
        };
        let acting = Call { publisher: Some(own), ..operator() };
        let role = roles::create(&world.authority, acting, role).await.unwrap().object.id;
        let person = Person::of(world, "ada@example.com", own).await;
        join(world, &person, role).await;
        let [reads, writes] = [
            account(world, own, "reads", &["works:read"]).await,
            account(world, own, "writes", &["works:*"]).await,
        ];
        let foreign = account(world, others, "foreign", &["works:read"]).await;
        let webhook = || change(receiver.delivery(), None);
        // Of what they could not make, and of another's, nothing.
        for (token, refused) in [(&writes, "scope"), (&foreign, "field")] {
            let made = rotation_policies::create(&world.authority, person.call(), on(token, webhook())).await;
            match (&made, refused) {
                (Err(Fault::ScopeExceedsGrantor { .. }), "scope") | (Err(Fault::Invalid(_)), "field") => {}
                _ => panic!("{refused}: {made:?}"),
            }
        }
        let program = change(Delivery::Command { command: "keep".to_owned() }, None);
        let made = rotation_policies::create(&world.authority, person.call(), on(&reads, program)).await;
        assert!(matches!(made, Err(Fault::ScopeExceedsGrantor { .. })), "{made:?}");
        let viewer = member(world, "eve@example.com", own, BuiltInRole::PublisherViewer).await;
        let made = rotation_policies::create(&world.authority, viewer.call(), on(&reads, webhook())).await;
        assert!(matches!(made, Err(Fault::Denied(_))), "{made:?}");
        // Of all tokens of their publisher, those that they could make.
        let all = Create { subject: PolicySubject::Everything, ..on(&reads, webhook()) };
        let made = rotation_policies::create(&world.authority, person.call(), all).await.unwrap();
        assert_eq!(made.token.publisher_id, Some(own));
        assert!(made.secret.unwrap().reveal().starts_with("whsec_"));
        for token in [&reads, &writes, &foreign] {
            place.used(token.row.id, HOME).await;
        }
        place.days(30);
        place.run().await;
        let rotation = place.only().await;
        assert_eq!(rotation.credential_id, reads.row.id);
        assert_eq!(receiver.carried().len(), 1);
        let plan = rotations::plan(&world.authority, &operator(), 1).await.unwrap();
        let of_writes = plan.items.iter().find(|one| one.credential_id == writes.row.id).unwrap();
        assert!(of_writes.obstacle.as_deref().unwrap().contains("can do more"), "{of_writes:?}");
    }
}
