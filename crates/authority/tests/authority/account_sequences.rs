//! A token of an account never does more than the account allows at that moment, by whatever sequence of calls;
//! and all that it may do it can.

use std::net::IpAddr;

use keywright_authority::publishers::{self, SettingsChange};
use keywright_authority::service_accounts::{self, Create, Update};
use keywright_authority::service_tokens::{self, Expiry, Holder, Rotate, RotateAll, Target};
use keywright_authority::{Call, RateLimitsChange};
use keywright_core::{
    Actor, ActorKind, ActorRef, Allowlist, Bearing, CredentialId, Facts, Metadata, Name, PlainToken,
    PublisherId, RateLimits, Scope, ScopeSet, ServiceAccountId, ServiceType, Timestamp, Wanted, Window,
};
use keywright_store::service_tokens::ServiceTokenRow;
use keywright_verify::{Known, Lookup};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::world::{World, name, operator, worlds};

const CASES: u32 = 24;
/// The first one belongs to the publisher, the second one to the platform.
const ACCOUNTS: usize = 2;
/// What tokens are asked about: enough to tell any two of the scopes below apart.
const PROBES: [&str; 6] = ["a", "w:a", "w:b", "w:x:a", "v:a", "service_accounts:admin"];
/// From where they are used: each lies in one more of the networks below.
const ADDRESSES: [&str; 3] = ["192.0.2.1", "10.0.0.1", "10.1.0.1"];
const NETWORKS: [&str; 3] = ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16"];

/// One call. Whoever makes it is the operator, or a token of the account.
#[derive(Clone, Debug)]
enum Step {
    Scopes(usize, Vec<String>),
    Limit(usize, Option<u32>),
    Networks(usize, Option<usize>),
    Enabled(usize, bool),
    RotateAll(usize, u32),
    RevokeAll(usize),
    Delete(usize),
    Suspend(bool),
    Wait(i64),
    Make {
        account: usize,
        scopes: Option<Vec<String>>,
        limit: Option<u32>,
        networks: Option<usize>,
        days: u32,
    },
    Change {
        token: usize,
        scopes: Vec<String>,
        limit: Option<u32>,
        networks: Option<usize>,
        on: bool,
    },
    Rotate(usize, u32),
    Revoke(usize),
}

fn some_scopes() -> impl Strategy<Value = Vec<String>> {
    let scope = "(\\*|a|w:(\\*|a|b|admin|x:\\*)|v:a|service_accounts:(admin|\\*)|tokens:rotate_self)";
    proptest::collection::vec(scope, 0..5)
}

fn step() -> impl Strategy<Value = Step> {
    let (account, token) = (0..ACCOUNTS, any::<usize>());
    let limit = || proptest::option::of(1u32..4);
    let networks = || proptest::option::of(0..NETWORKS.len());
    let grace = || prop_oneof![Just(0u32), Just(7_200), Just(86_400)];
    prop_oneof![
        3 => (account.clone(), some_scopes()).prop_map(|(account, scopes)| Step::Scopes(account, scopes)),
        2 => (account.clone(), limit()).prop_map(|(account, limit)| Step::Limit(account, limit)),
        2 => (account.clone(), networks()).prop_map(|(account, list)| Step::Networks(account, list)),
        2 => (account.clone(), any::<bool>()).prop_map(|(account, on)| Step::Enabled(account, on)),
        1 => (account.clone(), grace()).prop_map(|(account, grace)| Step::RotateAll(account, grace)),
        1 => account.clone().prop_map(Step::RevokeAll),
        1 => account.clone().prop_map(Step::Delete),
        1 => any::<bool>().prop_map(Step::Suspend),
        2 => (1i64..40).prop_map(Step::Wait),
        6 => (account, proptest::option::of(some_scopes()), limit(), networks(), 1u32..5).prop_map(
            |(account, scopes, limit, networks, days)| Step::Make { account, scopes, limit, networks, days }
        ),
        4 => (token, some_scopes(), limit(), networks(), any::<bool>()).prop_map(
            |(token, scopes, limit, networks, on)| Step::Change { token, scopes, limit, networks, on }
        ),
        2 => (token, grace()).prop_map(|(token, grace)| Step::Rotate(token, grace)),
        1 => token.prop_map(Step::Revoke),
    ]
}

fn set(texts: &[String]) -> ScopeSet {
    ScopeSet::parse(texts).unwrap()
}

fn limits(per_minute: Option<u32>) -> RateLimits {
    RateLimits { per_minute, per_hour: None }
}

fn list(networks: Option<usize>) -> Allowlist {
    Allowlist::new(networks.map(|number| NETWORKS[number].parse().unwrap())).unwrap()
}

/// An account, by what was done to it.
struct Account {
    id: ServiceAccountId,
    publisher: Option<PublisherId>,
    scopes: ScopeSet,
    limits: RateLimits,
    allowlist: Allowlist,
    is_enabled: bool,
    is_deleted: bool,
}

/// A token, by what was done to it.
struct Token {
    id: CredentialId,
    secret: PlainToken,
    account: usize,
    own: ScopeSet,
    limits: RateLimits,
    allowlist: Allowlist,
    is_active: bool,
    is_revoked: bool,
    ends: Vec<Timestamp>,
}

impl Token {
    fn new(row: &ServiceTokenRow, secret: PlainToken, account: usize) -> Self {
        Self {
            id: row.id,
            secret,
            account,
            own: row.permissions.clone(),
            limits: row.limits,
            allowlist: row.allowlist.clone(),
            is_active: row.is_active,
            is_revoked: false,
            ends: row.expires_at.into_iter().collect(),
        }
    }
}

struct Play<'a> {
    world: &'a World,
    publisher: PublisherId,
    is_suspended: bool,
    accounts: Vec<Account>,
    tokens: Vec<Token>,
    made: u32,
}

impl<'a> Play<'a> {
    async fn begin(world: &'a World, round: u32) -> Self {
        let wanted = publishers::Create {
            name: Name::parse(&format!("publisher {round}")).unwrap(),
            settings: SettingsChange::default(),
        };
        let publisher = publishers::create(&world.authority, operator(), wanted).await.unwrap().object.id;
        let mut accounts = Vec::new();
        for (number, publisher) in [Some(publisher), None].into_iter().enumerate() {
            let wanted = Create {
                publisher,
                name: Name::parse(&format!("account {round} {number}")).unwrap(),
                description: String::new(),
                service_type: ServiceType::Partner,
                owner_email: None,
                scopes: ScopeSet::all(),
                limits: RateLimits::UNLIMITED,
                allowlist: Allowlist::default(),
                metadata: Metadata::default(),
            };
            let made = service_accounts::create(&world.authority, operator(), wanted).await.unwrap();
            accounts.push(Account {
                id: made.object.id,
                publisher,
                scopes: ScopeSet::all(),
                limits: RateLimits::UNLIMITED,
                allowlist: Allowlist::default(),
                is_enabled: true,
                is_deleted: false,
            });
        }
        Self { world, publisher, is_suspended: false, accounts, tokens: Vec::new(), made: 0 }
    }

    /// The operator, or a token of the account as the door would let it in, with all permissions.
    fn caller(&self, account: usize, by: Option<usize>) -> (Call, Option<&Token>) {
        let own: Vec<_> = self.tokens.iter().filter(|token| token.account == account).collect();
        let Some(token) = by.filter(|_| !own.is_empty()).map(|by| own[by % own.len()]) else {
            return (operator(), None);
        };
        let Account { id, publisher, .. } = self.accounts[account];
        let bearing = Bearing {
            wanted: Wanted::Token { hash: token.secret.hash(), publisher },
            credential_id: token.id,
            credential_name: "caller".to_owned(),
            principal: ActorRef { kind: ActorKind::ServiceAccount, id: Some(id.0), name: String::new() },
            home: publisher,
            claimed: None,
            address: ADDRESSES[2].parse().ok(),
        };
        let actor = Actor::Bearer(Box::new(bearing));
        (Call { actor, permissions: ScopeSet::all(), publisher, ..operator() }, Some(token))
    }

    async fn take(&mut self, step: &Step, by: Option<usize>) {
        match step {
            Step::Make { .. } => self.make(step, by).await,
            Step::Change { token, .. } | Step::Rotate(token, _) | Step::Revoke(token) => {
                if !self.tokens.is_empty() {
                    let token = token % self.tokens.len();
                    self.change(step, token, by).await;
                }
            }
            Step::Scopes(account, _) | Step::Limit(account, _) | Step::Networks(account, _) => {
                self.bound(step, *account, by).await;
            }
            _ => self.govern(step, by).await,
        }
    }

    /// Another bound of an account. What a token does to its own account widens nothing.
    async fn bound(&mut self, step: &Step, number: usize, by: Option<usize>) {
        let (call, token) = self.caller(number, by);
        let account = &self.accounts[number];
        let mut update = Update::default();
        let (mut scopes, mut limit, mut allowlist) =
            (account.scopes.clone(), account.limits, account.allowlist.clone());
        match step {
            Step::Scopes(_, wanted) => {
                scopes = set(wanted);
                update.scopes = Some(scopes.clone());
            }
            Step::Limit(_, wanted) => {
                limit = limits(*wanted);
                update.limits = Some(RateLimitsChange { per_minute: Some(*wanted), per_hour: None });
            }
            Step::Networks(_, wanted) => {
                allowlist = list(*wanted);
                update.allowlist = Some(allowlist.clone());
            }
            _ => return,
        }
        if service_accounts::update(&self.world.authority, call, account.id, update).await.is_err() {
            return;
        }
        if token.is_some() {
            assert!(account.scopes.covers_all(&scopes), "a token widened its own account");
            assert!(limit.are_within(&account.limits) && allowlist.is_within(&account.allowlist));
        }
        let account = &mut self.accounts[number];
        (account.scopes, account.limits, account.allowlist) = (scopes, limit, allowlist);
    }

    async fn govern(&mut self, step: &Step, by: Option<usize>) {
        let authority = &self.world.authority;
        match step {
            Step::Enabled(number, on) => {
                let (call, id) = (self.caller(*number, by).0, self.accounts[*number].id);
                let done = if *on {
                    service_accounts::enable(authority, call, id, None).await
                } else {
                    service_accounts::disable(authority, call, id, None).await
                };
                if done.is_ok() {
                    self.accounts[*number].is_enabled = *on;
                }
            }
            Step::RotateAll(number, grace) => {
                let (call, id) = (self.caller(*number, by).0, self.accounts[*number].id);
                let how = RotateAll { reason: "r".to_owned(), grace_seconds: Some(*grace) };
                if let Ok(rotated) = service_tokens::rotate_all(authority, call, id, how).await {
                    for (row, secret) in rotated.tokens {
                        self.replaced(&row, secret, *number, *grace);
                    }
                }
            }
            Step::RevokeAll(number) => {
                let (call, id) = (self.caller(*number, by).0, self.accounts[*number].id);
                if service_accounts::revoke_tokens(authority, call, id, None).await.is_ok() {
                    let own = self.tokens.iter_mut().filter(|token| token.account == *number);
                    own.for_each(|token| token.is_revoked = true);
                }
            }
            Step::Delete(number) => {
                let (call, id) = (self.caller(*number, by).0, self.accounts[*number].id);
                if service_accounts::delete(authority, call, id, None).await.is_ok() {
                    self.accounts[*number].is_deleted = true;
                }
            }
            Step::Suspend(on) => {
                let done = if *on {
                    publishers::suspend(authority, operator(), self.publisher, None).await
                } else {
                    publishers::resume(authority, operator(), self.publisher, None).await
                };
                done.unwrap();
                self.is_suspended = *on;
            }
            Step::Wait(hours) => self.world.advance_seconds(hours * 3_600),
            _ => {}
        }
    }

    async fn make(&mut self, step: &Step, by: Option<usize>) {
        let Step::Make { account: number, scopes, limit, networks, days } = step else { return };
        self.made += 1;
        let wanted = service_tokens::Create {
            holder: Holder::Above(self.accounts[*number].id),
            token_name: name(&format!("token {}", self.made)),
            permissions: scopes.as_deref().map(set),
            limits: limits(*limit),
            allowlist: list(*networks),
            metadata: Metadata::default(),
            expiry: Expiry::InDays(*days),
        };
        let (call, token) = self.caller(*number, by);
        let Ok(minted) = service_tokens::create(&self.world.authority, call, wanted).await else { return };
        let made = Token::new(&minted.token, minted.secret.unwrap(), *number);
        if let Some(maker) = token {
            assert!(maker.own.covers_all(&made.own), "a token made one that may more");
            assert!(maker.ends.iter().all(|end| made.ends[0] <= *end), "a token made one that lives longer");
        }
        self.tokens.push(made);
    }

    async fn change(&mut self, step: &Step, number: usize, by: Option<usize>) {
        let authority = &self.world.authority;
        let token = &self.tokens[number];
        let (account, call) = (token.account, self.caller(token.account, by).0);
        let target = Target::OfAccount(self.accounts[account].id, token.id);
        match step {
            Step::Change { scopes, limit, networks, on, .. } => {
                let update = service_tokens::Update {
                    permissions: Some(set(scopes)),
                    limits: Some(RateLimitsChange { per_minute: Some(*limit), per_hour: None }),
                    allowlist: Some(list(*networks)),
                    is_active: Some(*on),
                    ..service_tokens::Update::default()
                };
                if service_tokens::update(authority, call, target, update).await.is_ok() {
                    let token = &mut self.tokens[number];
                    (token.own, token.limits) = (set(scopes), limits(*limit));
                    (token.allowlist, token.is_active) = (list(*networks), *on);
                }
            }
            Step::Rotate(_, grace) => {
                let how = Rotate { reason: "r".to_owned(), grace_seconds: Some(*grace), expires_at: None };
                if let Ok(minted) = service_tokens::rotate(authority, call, target, how).await {
                    self.replaced(&minted.token, minted.secret, account, *grace);
                }
            }
            _ => {
                if service_tokens::revoke(authority, call, target, None).await.is_ok() {
                    self.tokens[number].is_revoked = true;
                }
            }
        }
    }

    fn replaced(&mut self, row: &ServiceTokenRow, secret: Option<PlainToken>, account: usize, grace: u32) {
        let grace_end = self.world.now().plus_seconds(grace.into());
        let old = self.tokens.iter_mut().find(|token| Some(token.id) == row.rotated_from_id).unwrap();
        old.ends.push(grace_end);
        self.tokens.push(Token::new(row, secret.unwrap(), account));
    }

    /// Whether a token is good for a publisher, as far as no scope is asked for.
    fn is_good(&self, token: &Token, asked: Option<PublisherId>, address: Option<IpAddr>) -> bool {
        let account = &self.accounts[token.account];
        let acts_for = asked.or(account.publisher);
        let lives =
            !token.is_revoked && token.ends.iter().all(|end| !self.world.now().has_reached(Some(*end)));
        lives
            && token.is_active
            && account.is_enabled
            && !account.is_deleted
            && !(self.is_suspended && acts_for.is_some())
            && token.allowlist.admits(address)
            && account.allowlist.admits(address)
    }

    async fn check(&self) {
        for token in &self.tokens {
            for publisher in [None, Some(self.publisher)] {
                let wanted = Wanted::Token { hash: token.secret.hash(), publisher };
                let Lookup::Known(known) = self.world.authority.verifier().resolve(&wanted, None).await
                else {
                    panic!("a token that was made is not known");
                };
                self.check_limits(token, &known);
                for address in ADDRESSES.map(|text| text.parse().ok()).into_iter().chain([None]) {
                    let facts = Facts { now: self.world.now(), address };
                    let good = known.admit(facts);
                    let expected = self.is_good(token, publisher, address);
                    assert_eq!(good.is_ok(), expected, "{publisher:?} from {address:?}: {good:?}");
                }
                for probe in PROBES {
                    let probe: Scope = probe.parse().unwrap();
                    let may = token.own.covers(&probe) && self.accounts[token.account].scopes.covers(&probe);
                    assert_eq!(known.scopes().covers(&probe), may, "{probe}");
                }
            }
        }
    }

    /// All tokens of an account take from what it has, and none has more for itself.
    fn check_limits(&self, token: &Token, known: &Known) {
        let account = &self.accounts[token.account];
        let bounds = known.grant().bounds.as_deref();
        let own = bounds.map(|bounds| bounds.limits).unwrap_or_default();
        assert_eq!(own, token.limits.tightest(account.limits));
        let of_account = bounds.into_iter().flat_map(|bounds| &*bounds.budgets);
        let of_account = of_account.filter(|budget| budget.key == account.id.0);
        let told: Vec<_> = of_account.map(|budget| (budget.window, budget.limit)).collect();
        let expected = account.limits.of(Window::Minute).map(|limit| (Window::Minute, limit));
        assert_eq!(told, expected.into_iter().collect::<Vec<_>>());
    }
}

async fn play(world: &World, steps: &[(Step, Option<usize>)], round: u32) {
    let mut play = Play::begin(world, round).await;
    for (step, by) in steps {
        play.take(step, *by).await;
        play.check().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sequence_of_calls_gives_a_token_more_than_its_account_allows() {
    for world in worlds().await {
        let runtime = tokio::runtime::Handle::current();
        let round = std::sync::atomic::AtomicU32::new(0);
        let mut runner =
            TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
        let steps = proptest::collection::vec((step(), proptest::option::of(any::<usize>())), 4..30);
        let outcome = tokio::task::block_in_place(|| {
            runner.run(&steps, |steps| {
                let round = round.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                runtime.block_on(play(&world, &steps, round));
                Ok(())
            })
        });
        outcome.unwrap_or_else(|failure| panic!("{:?}: {failure}", world.engine()));
    }
}
