//! A personal token never carries more than its owner may do at that moment, by whatever sequence of calls.

use std::collections::BTreeMap;

use keywright_authority::memberships::{self, Add};
use keywright_authority::personal_tokens::{self, Create, Rights, Update};
use keywright_authority::publishers::{self, PersonalTokensChange, SettingsChange, SettingsUpdate};
use keywright_authority::service_tokens::{Expiry, Rotate};
use keywright_authority::{Call, entropy, roles, users};
use keywright_core::{
    Actor, ActorKind, ActorRef, Allowlist, Bearing, BuiltInRole, CredentialId, Name, PlainToken, PublisherId,
    RateLimits, Requirements, RoleId, ScopeSet, SessionId, UserId, Wanted,
};
use keywright_store::testing::{accept_invitation, insert_session, insert_user};
use keywright_store::{platform, roles as role_rows};
use keywright_verify::{Known, Lookup};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::world::{World, name, operator, worlds};

const CASES: u32 = 24;
const USERS: usize = 2;
const PUBLISHERS: usize = 2;
/// A built-in role that grants all, one that grants some, and one of the publisher's own.
const ROLES: usize = 3;
/// What tokens are asked about.
const PROBES: [&str; 6] = ["a", "w:a", "w:b", "users:admin", "personal_tokens:write", "tokens:read"];

#[derive(Clone, Debug)]
enum Step {
    /// A user gets a role in a publisher, or leaves it.
    Role(usize, usize, Option<usize>),
    /// The own role of a publisher grants something else.
    Grants(usize, Vec<String>),
    Policy(usize, bool, bool),
    Suspend(usize, bool),
    Lock(usize, bool),
    /// A user who acts for a publisher makes a token for some of them, or for all.
    Make {
        user: usize,
        acting: usize,
        scopes: Option<Vec<String>>,
        publishers: Option<Vec<usize>>,
    },
    Change {
        token: usize,
        acting: usize,
        scopes: Option<Vec<String>>,
        #[expect(clippy::option_option, reason = "left as they are, all of them, or these")]
        publishers: Option<Option<Vec<usize>>>,
    },
    Rotate {
        token: usize,
        acting: usize,
    },
    /// Whoever approves is the other user.
    Approve {
        token: usize,
        acting: usize,
    },
    Revoke(usize),
    /// A token tries to make another one, for all that its owner may.
    Breed(usize),
}

fn some_scopes() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("(\\*|a|w:(\\*|a|b|admin)|users:admin|tokens:read|personal_tokens:write)", 0..4)
}

fn some_publishers() -> impl Strategy<Value = Option<Vec<usize>>> {
    proptest::option::of(proptest::collection::vec(0..PUBLISHERS, 1..3))
}

fn step() -> impl Strategy<Value = Step> {
    let (user, publisher, token) = (0..USERS, 0..PUBLISHERS, any::<usize>());
    let rights = || proptest::option::of(some_scopes());
    prop_oneof![
        3 => (user.clone(), publisher.clone(), proptest::option::of(0..ROLES))
            .prop_map(|(user, publisher, role)| Step::Role(user, publisher, role)),
        2 => (publisher.clone(), some_scopes()).prop_map(|(publisher, scopes)| Step::Grants(publisher, scopes)),
        1 => (publisher.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(publisher, allowed, approve)| Step::Policy(publisher, allowed, approve)),
        1 => (publisher.clone(), any::<bool>()).prop_map(|(publisher, on)| Step::Suspend(publisher, on)),
        1 => (user.clone(), any::<bool>()).prop_map(|(user, on)| Step::Lock(user, on)),
        4 => (user, publisher.clone(), rights(), some_publishers())
            .prop_map(|(user, acting, scopes, publishers)| Step::Make { user, acting, scopes, publishers }),
        3 => (token, publisher.clone(), rights(), proptest::option::of(some_publishers()))
            .prop_map(|(token, acting, scopes, publishers)| Step::Change { token, acting, scopes, publishers }),
        1 => (token, publisher.clone()).prop_map(|(token, acting)| Step::Rotate { token, acting }),
        1 => (token, publisher).prop_map(|(token, acting)| Step::Approve { token, acting }),
        1 => token.prop_map(Step::Revoke),
        2 => token.prop_map(Step::Breed),
    ]
}

/// A token that was made.
struct Token {
    id: CredentialId,
    owner: usize,
    secret: PlainToken,
}

/// What is so, told by what was done and not by what the store says.
struct Play<'a> {
    world: &'a World,
    users: Vec<UserId>,
    publishers: Vec<PublisherId>,
    roles: Vec<[RoleId; ROLES]>,
    /// What the own role of each publisher grants.
    own: Vec<ScopeSet>,
    members: BTreeMap<(usize, usize), usize>,
    suspended: Vec<bool>,
    locked: Vec<bool>,
    tokens: Vec<Token>,
    number: u32,
}

fn set(texts: &[String]) -> ScopeSet {
    ScopeSet::parse(texts).unwrap()
}

impl<'a> Play<'a> {
    async fn begin(world: &'a World, round: u32) -> Self {
        let mut play = Self {
            world,
            users: Vec::new(),
            publishers: Vec::new(),
            roles: Vec::new(),
            own: vec![ScopeSet::default(); PUBLISHERS],
            members: BTreeMap::new(),
            suspended: vec![false; PUBLISHERS],
            locked: vec![false; USERS],
            tokens: Vec::new(),
            number: 0,
        };
        for number in 0..USERS {
            let user = UserId::generate(world.now(), entropy::id());
            let mut tx = world.store.begin().await.unwrap();
            insert_user(tx.conn(), user, &format!("user{round}x{number}@example.com"), None, world.now())
                .await
                .unwrap();
            accept_invitation(tx.conn(), user).await.unwrap();
            tx.commit().await.unwrap();
            play.users.push(user);
        }
        for number in 0..PUBLISHERS {
            let wanted = publishers::Create {
                name: Name::parse(&format!("publisher {round} {number}")).unwrap(),
                settings: SettingsChange::default(),
            };
            let id = publishers::create(&world.authority, operator(), wanted).await.unwrap().object.id;
            let wanted = roles::Create {
                name: name("own"),
                description: String::new(),
                permissions: ScopeSet::default(),
            };
            let call = Call { publisher: Some(id), ..operator() };
            let own = roles::create(&world.authority, call, wanted).await.unwrap().object.id;
            let mut reader = world.store.read().await.unwrap();
            let mut ids = [own; ROLES];
            for (place, role) in
                [BuiltInRole::PublisherAdmin, BuiltInRole::PublisherEditor].into_iter().enumerate()
            {
                ids[place] = role_rows::by_name(reader.conn(), id, role.as_str()).await.unwrap().unwrap().id;
            }
            play.publishers.push(id);
            play.roles.push(ids);
        }
        play
    }

    /// What a user may do in a publisher now.
    fn rights(&self, user: usize, publisher: usize) -> ScopeSet {
        if self.locked[user] || self.suspended[publisher] {
            return ScopeSet::default();
        }
        match self.members.get(&(user, publisher)) {
            None => ScopeSet::default(),
            Some(0) => BuiltInRole::PublisherAdmin.permissions(),
            Some(1) => BuiltInRole::PublisherEditor.permissions(),
            Some(_) => self.own[publisher].clone(),
        }
    }

    /// A call by a user with a new session, as the door would let it in, with all permissions.
    async fn call(&self, user: usize, acting: usize) -> Call {
        let session = SessionId::generate(self.world.now(), entropy::id());
        let mut tx = self.world.store.begin().await.unwrap();
        let epochs = platform::epochs(tx.conn()).await.unwrap();
        insert_session(tx.conn(), session, self.users[user], epochs.counter, self.world.now()).await.unwrap();
        tx.commit().await.unwrap();
        let wanted = Wanted::Session { id: session, publisher: Some(self.publishers[acting]) };
        self.bearing(user, acting, CredentialId(session.0), wanted)
    }

    fn bearing(&self, user: usize, acting: usize, id: CredentialId, wanted: Wanted) -> Call {
        let bearing = Bearing {
            wanted,
            credential_id: id,
            credential_name: "person".to_owned(),
            principal: ActorRef { kind: ActorKind::User, id: Some(self.users[user].0), name: String::new() },
            home: Some(self.publishers[acting]),
            claimed: None,
            address: None,
        };
        let publisher = Some(self.publishers[acting]);
        Call {
            actor: Actor::Bearer(Box::new(bearing)),
            permissions: ScopeSet::all(),
            publisher,
            ..operator()
        }
    }

    fn ids(&self, publishers: &[usize]) -> Vec<PublisherId> {
        publishers.iter().map(|number| self.publishers[*number]).collect()
    }

    fn create(&mut self, scopes: Option<&[String]>, publishers: Option<&[usize]>) -> Create {
        self.number += 1;
        Create {
            name: name(&format!("token {}", self.number)),
            scopes: scopes.map(set).unwrap_or_default(),
            inherit_user_permissions: scopes.is_none(),
            publisher_ids: publishers.map(|publishers| self.ids(publishers)),
            rate_limits: RateLimits::UNLIMITED,
            ip_allowlist: Allowlist::default(),
            expiry: Expiry::Default,
        }
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Role(..) | Step::Grants(..) | Step::Policy(..) | Step::Suspend(..) | Step::Lock(..) => {
                self.govern(step).await;
            }
            Step::Make { user, acting, scopes, publishers } => {
                let call = self.call(*user, *acting).await;
                let wanted = self.create(scopes.as_deref(), publishers.as_deref());
                let made = personal_tokens::create(&self.world.authority, call, wanted).await;
                if let Ok(minted) = made {
                    let secret = minted.secret.unwrap();
                    self.tokens.push(Token { id: minted.token.row.id, owner: *user, secret });
                }
            }
            _ if self.tokens.is_empty() => {}
            step => self.use_token(step).await,
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of step")]
    async fn govern(&mut self, step: &Step) {
        let authority = &self.world.authority;
        match step {
            Step::Role(user, publisher, role) => {
                let (of, id) = (self.users[*user], self.publishers[*publisher]);
                match (role, self.members.contains_key(&(*user, *publisher))) {
                    (None, _) => {
                        if memberships::remove(authority, operator(), id, of, None).await.is_ok() {
                            self.members.remove(&(*user, *publisher));
                        }
                    }
                    (Some(role), member) => {
                        let role_id = self.roles[*publisher][*role];
                        let done = if member {
                            memberships::update(authority, operator(), id, of, Some(role_id)).await.is_ok()
                        } else {
                            memberships::add(authority, operator(), id, Add { user: of, role: role_id })
                                .await
                                .is_ok()
                        };
                        if done {
                            self.members.insert((*user, *publisher), *role);
                        }
                    }
                }
            }
            Step::Grants(publisher, scopes) => {
                let update = roles::Update { permissions: Some(set(scopes)), ..roles::Update::default() };
                let role = self.roles[*publisher][2];
                roles::update(authority, operator(), role, update).await.unwrap();
                self.own[*publisher] = set(scopes);
            }
            Step::Policy(publisher, allowed, require_approval) => {
                let personal_tokens = PersonalTokensChange {
                    allowed: Some(*allowed),
                    require_approval: Some(*require_approval),
                    ..PersonalTokensChange::default()
                };
                let settings =
                    SettingsUpdate::Merge(SettingsChange { personal_tokens, ..SettingsChange::default() });
                let update = publishers::Update { name: None, settings: Some(settings) };
                publishers::update(authority, operator(), self.publishers[*publisher], update).await.unwrap();
            }
            Step::Suspend(publisher, on) => {
                let id = self.publishers[*publisher];
                if *on {
                    publishers::suspend(authority, operator(), id, None).await.unwrap();
                } else {
                    publishers::resume(authority, operator(), id, None).await.unwrap();
                }
                self.suspended[*publisher] = *on;
            }
            Step::Lock(user, on) => {
                let done = if *on {
                    users::disable(authority, operator(), self.users[*user], None).await.is_ok()
                } else {
                    users::enable(authority, operator(), self.users[*user], None).await.is_ok()
                };
                if done {
                    self.locked[*user] = *on;
                }
            }
            _ => {}
        }
    }

    /// Refused or not: what counts is what is so afterwards.
    async fn use_token(&mut self, step: &Step) {
        let authority = self.world.authority.clone();
        match step {
            Step::Change { token, acting, scopes, publishers } => {
                let token = token % self.tokens.len();
                let (id, owner) = (self.tokens[token].id, self.tokens[token].owner);
                let update = Update {
                    rights: Some(
                        scopes.as_deref().map_or(Rights::Inherited, |scopes| Rights::Chosen(set(scopes))),
                    ),
                    publisher_ids: publishers.as_ref().map(|some| some.as_deref().map(|some| self.ids(some))),
                    ..Update::default()
                };
                let call = self.call(owner, *acting).await;
                let _ = personal_tokens::update(&authority, call, id, update).await;
            }
            Step::Rotate { token, acting } => {
                let token = token % self.tokens.len();
                let (id, owner) = (self.tokens[token].id, self.tokens[token].owner);
                let how = Rotate { reason: "r".to_owned(), grace_seconds: None, expires_at: None };
                let call = self.call(owner, *acting).await;
                if let Ok(minted) = personal_tokens::rotate(&authority, call, id, how).await {
                    let secret = minted.secret.unwrap();
                    self.tokens.push(Token { id: minted.token.row.id, owner, secret });
                }
            }
            Step::Approve { token, acting } => {
                let token = &self.tokens[token % self.tokens.len()];
                let (id, owner) = (token.id, token.owner);
                let call = self.call((owner + 1) % USERS, *acting).await;
                let _ = personal_tokens::approve_of_user(&authority, call, self.users[owner], id).await;
            }
            Step::Revoke(token) => {
                let token = token % self.tokens.len();
                let (id, owner) = (self.tokens[token].id, self.tokens[token].owner);
                let call = self.call(owner, 0).await;
                let _ = personal_tokens::revoke(&authority, call, id, None).await;
            }
            Step::Breed(token) => {
                let token = &self.tokens[token % self.tokens.len()];
                let publisher = Some(self.publishers[0]);
                let wanted = Wanted::Personal { hash: token.secret.hash(), publisher };
                let call = self.bearing(token.owner, 0, token.id, wanted);
                let create = self.create(None, None);
                assert!(personal_tokens::create(&authority, call, create).await.is_err(), "a token made one");
            }
            _ => {}
        }
    }

    async fn known(&self, token: &Token, publisher: Option<usize>) -> Option<Known> {
        let publisher = publisher.map(|number| self.publishers[number]);
        let wanted = Wanted::Personal { hash: token.secret.hash(), publisher };
        match self.world.authority.verifier().resolve(&wanted, None).await {
            Lookup::Known(known) => Some(known),
            Lookup::Unknown | Lookup::Unavailable => None,
        }
    }

    /// No verdict gives more than its owner may do there.
    async fn check(&self) {
        let verifier = self.world.authority.verifier();
        for token in &self.tokens {
            for publisher in [None, Some(0), Some(1)] {
                let Some(known) = self.known(token, publisher).await else { continue };
                let valid = verifier.decide(&known, &Requirements::none()).is_ok();
                let there = known.grant().publisher();
                let there = there.and_then(|id| self.publishers.iter().position(|known| *known == id));
                let rights = there.map(|there| self.rights(token.owner, there)).unwrap_or_default();
                if valid && let Some(there) = there {
                    let member = self.members.contains_key(&(token.owner, there));
                    assert!(member && !self.locked[token.owner] && !self.suspended[there], "{publisher:?}");
                }
                assert!(!valid || rights.covers_all(&known.grant().scopes), "{publisher:?}");
                for probe in PROBES {
                    let wanted = Requirements::scope(probe.parse().unwrap());
                    let carried = verifier.decide(&known, &wanted).is_ok();
                    assert!(!carried || rights.covers(&probe.parse().unwrap()), "{probe} in {publisher:?}");
                }
            }
        }
    }
}

async fn play(world: &World, steps: &[Step], round: u32) {
    let mut play = Play::begin(world, round).await;
    for step in steps {
        play.take(step).await;
        play.check().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sequence_of_calls_gives_a_token_more_than_its_owner_may() {
    for world in worlds().await {
        let runtime = tokio::runtime::Handle::current();
        let round = std::sync::atomic::AtomicU32::new(0);
        let mut runner =
            TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
        // Nothing can be made before somebody may make it.
        let begin = || (0..USERS, 0..PUBLISHERS, 0..2usize).prop_map(|(u, p, r)| Step::Role(u, p, Some(r)));
        let steps = (proptest::collection::vec(begin(), 2..4), proptest::collection::vec(step(), 4..24));
        let outcome = tokio::task::block_in_place(|| {
            runner.run(&steps, |(begin, steps)| {
                let round = round.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                runtime.block_on(play(&world, &[begin, steps].concat(), round));
                Ok(())
            })
        });
        outcome.unwrap_or_else(|failure| panic!("{:?}: {failure}", world.engine()));
    }
}
