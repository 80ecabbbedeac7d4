//! Whom an alert concerns is written to once, whoever writes and whoever dies meanwhile, and never in a flood.

use std::fs;

use keywright_authority::alerts::{self, NewAlert, write_letters};
use keywright_authority::mail::{self, MailSettings, Post};
use keywright_authority::service_tokens::{self, Holder};
use keywright_authority::{Settings, service_accounts};
use keywright_core::{AlertSubjectKind, BuiltInRole, EmailAddress, PublisherId, Severity};
use keywright_store::alerts::{AlertRow, AlertSubject};
use keywright_store::testing::{disable_user, test_stores};
use uuid::Uuid;

use crate::alerts::new_alert;
use crate::people::{Person, member, publisher};
use crate::service_accounts::new_account;
use crate::world::{World, at_once, authority_with, keys, made, operator, settings, wanted};

/// A world whose mail ends in a folder.
struct Mailbox {
    world: World,
    folder: tempfile::TempDir,
}

fn mailing(folder: &std::path::Path) -> Settings {
    let post = Post::new(&MailSettings {
        base_url: "https://auth.example.com".to_owned(),
        from: "keywright@example.com".to_owned(),
        smtp_url: None,
        folder: Some(folder.to_owned()),
        background: true,
    });
    Settings { post: Some(post.unwrap()), ..settings() }
}

async fn mailboxes() -> Vec<Mailbox> {
    let mut all = Vec::new();
    for store in test_stores().await {
        let folder = tempfile::tempdir().unwrap();
        let world = World::with(store, mailing(folder.path()));
        all.push(Mailbox { world, folder });
    }
    all
}

impl Mailbox {
    async fn open(&self, key: &str, about: AlertSubject, publisher: Option<PublisherId>) -> AlertRow {
        self.open_as(NewAlert { subject: about, publisher_id: publisher, ..new_alert(key) }).await
    }

    async fn open_as(&self, new: NewAlert) -> AlertRow {
        let mut tx = self.world.store.begin().await.unwrap();
        let alert = alerts::open(&self.world.authority, &mut tx, new).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        alert
    }

    /// The letters of a round, each as recipient and text, in the order of the recipients.
    async fn round(&self) -> Vec<(String, String)> {
        write_letters(&self.world.authority).await.unwrap();
        mail::deliver(&self.world.authority).await.unwrap();
        let mut letters = Vec::new();
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap().replace("=\r\n", "");
            let to = text.lines().find_map(|line| line.strip_prefix("To: ")).unwrap();
            let address = to.rsplit('<').next().unwrap().trim_end_matches('>').to_owned();
            letters.push((address, text));
            fs::remove_file(path).unwrap();
        }
        letters.sort();
        letters
    }

    async fn readers(&self) -> Vec<String> {
        self.round().await.into_iter().map(|(to, _)| to).collect()
    }
}

fn about(kind: AlertSubjectKind, id: Option<Uuid>) -> AlertSubject {
    AlertSubject { kind, id, name: None }
}

#[tokio::test]
async fn the_owner_is_written_to_or_else_administrators() {
    for mailbox in mailboxes().await {
        let world = &mailbox.world;
        let tenant = publisher(world, "Songtrust").await;
        let owner_email = Some(EmailAddress::parse("owner@songtrust.example").unwrap());
        let new =
            service_accounts::Create { publisher: Some(tenant), owner_email, ..new_account("api", &["a"]) };
        let account = service_accounts::create(&world.authority, operator(), new).await.unwrap().object.id;
        let of_account =
            service_tokens::Create { holder: Holder::Above(account), permissions: None, ..wanted("t", &[]) };
        let token = made(service_tokens::create(&world.authority, operator(), of_account).await);
        let alone = world.token("alone", &["a"]).await;
        let boss = member(world, "boss@example.com", tenant, BuiltInRole::PublisherAdmin).await;
        let ada = member(world, "ada@example.com", tenant, BuiltInRole::PublisherViewer).await;
        Person::of_platform(world, "root@example.com").await;
        let credential = |id: Uuid| about(AlertSubjectKind::Credential, Some(id));
        let told = async |key: &str, subject, publisher| {
            mailbox.open(key, subject, publisher).await;
            mailbox.readers().await
        };
        let of_token = credential(token.row.id.0);
        assert_eq!(told("1", of_token.clone(), Some(tenant)).await, ["owner@songtrust.example"]);
        let of_account = about(AlertSubjectKind::ServiceAccount, Some(account.0));
        assert_eq!(told("2", of_account, Some(tenant)).await, ["owner@songtrust.example"]);
        let of_user = about(AlertSubjectKind::User, Some(ada.user.0));
        assert_eq!(told("3", of_user.clone(), Some(tenant)).await, ["ada@example.com"]);
        assert_eq!(told("4", credential(alone.row.id.0), None).await, ["root@example.com"]);
        assert_eq!(told("5", about(AlertSubjectKind::Node, None), None).await, ["root@example.com"]);
        // Who is locked out is told nothing, and what nobody owns is the administrators'.
        let mut tx = world.store.begin().await.unwrap();
        disable_user(tx.conn(), ada.user, world.now()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(told("6", of_user, Some(tenant)).await, ["boss@example.com"]);
        let nobody = service_accounts::Update { owner_email: Some(None), ..Default::default() };
        service_accounts::update(&world.authority, operator(), account, nobody).await.unwrap();
        assert_eq!(told("7", of_token.clone(), Some(tenant)).await, ["boss@example.com"]);
        service_accounts::delete(&world.authority, operator(), account, None).await.unwrap();
        assert_eq!(told("8", of_token, Some(tenant)).await, ["boss@example.com"]);
        assert_eq!(told("9", credential(boss.user.0), Some(tenant)).await, ["boss@example.com"]);
    }
}

#[tokio::test]
async fn a_flood_of_alerts_is_one_letter_with_the_most_severe_in_it() {
    for mailbox in mailboxes().await {
        Person::of_platform(&mailbox.world, "root@example.com").await;
        for number in 0..2_500 {
            let (severity, summary) = match number {
                1_700 => (Severity::Critical, "The house burns.".to_owned()),
                _ => (Severity::Low, format!("Dust, {number}.")),
            };
            mailbox.open_as(NewAlert { severity, summary, ..new_alert(&format!("{number}")) }).await;
        }
        let letters = mailbox.round().await;
        let [(to, text)] = letters.as_slice() else { panic!("{} letters", letters.len()) };
        assert_eq!(to, "root@example.com");
        for expected in ["2500 alerts", "Critical: The house burns.", "And 2480 more."] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        // Once as text, and once as HTML.
        assert_eq!(text.matches("Low: Dust, ").count(), 2 * 19, "{text}");
        assert_eq!(mailbox.readers().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn each_alert_is_told_once_however_many_write() {
    for mailbox in mailboxes().await {
        Person::of_platform(&mailbox.world, "root@example.com").await;
        for number in 0..3 {
            mailbox.open(&format!("{number}"), about(AlertSubjectKind::Node, None), None).await;
        }
        let (store, now) = (mailbox.world.store.clone(), mailbox.world.now());
        let nodes: Vec<_> = (0..8)
            .map(|_| {
                let clock = keywright_verify::Clock::manual(now);
                authority_with(&store, clock, keys(&[1]), mailing(mailbox.folder.path()))
            })
            .collect();
        let done = at_once(8, move |number| {
            let node = nodes[number].clone();
            async move { write_letters(&node).await }
        });
        for outcome in done.await {
            outcome.unwrap();
        }
        let mut raw = mailbox.world.raw().await;
        assert_eq!(raw.number("SELECT COUNT(*) FROM outbox").await, 1);
    }
}

#[tokio::test]
async fn what_is_over_or_old_is_not_told() {
    for mailbox in mailboxes().await {
        let world = &mailbox.world;
        Person::of_platform(world, "root@example.com").await;
        let over = mailbox.open("over", about(AlertSubjectKind::Node, None), None).await;
        alerts::resolve(&world.authority, operator(), over.id, None).await.unwrap();
        mailbox.open("old", about(AlertSubjectKind::Node, None), None).await;
        world.advance_seconds(25 * 3_600);
        assert_eq!(mailbox.readers().await, Vec::<String>::new());
        mailbox.open("new", about(AlertSubjectKind::Node, None), None).await;
        assert_eq!(mailbox.readers().await, ["root@example.com"]);
    }
}
