//! Refresh tokens as a state machine: whatever is done in whichever order, what comes of it is what the rules
//! say (api.md, `POST /auth/refresh`).

use keywright_authority::accounts;
use keywright_authority::sessions::{self, Login, Visitor};
use keywright_authority::{Fault, SessionSettings, Settings, entropy};
use keywright_core::{EmailAddress, PlainPassword, PlainToken, SessionId, Timestamp, UserId};
use keywright_store::mailed_tokens::{self, NewMailedToken, Purpose};
use keywright_store::testing::{insert_user, test_stores};
use keywright_store::{refresh_tokens, users};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use zeroize::Zeroizing;

use crate::people::Person;
use crate::world::{World, settings};

const CASES: u32 = 48;
const PASSWORD: &str = "correct horse battery staple";
/// So short that a session that is used all the while comes to its end within a few steps.
const SESSIONS: SessionSettings =
    SessionSettings { access_token_minutes: 15, refresh_token_days: 7, session_days: 10 };
/// The one used last gives the same successor for so long.
const REPEATED_SECONDS: i64 = 10;

#[derive(Clone, Debug)]
enum Step {
    /// Uses a token of the family, counted back from the newest.
    Refresh(usize),
    /// Time passes.
    Seconds(i64),
    /// It is so many seconds past the end of a session that is not used.
    IdleEnd(i64),
    /// It is so many seconds past the end of the session.
    End(i64),
    LogOut,
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Refresh(0)),
        5 => Just(Step::Refresh(1)),
        2 => (2usize..6).prop_map(Step::Refresh),
        4 => (0i64..=20).prop_map(Step::Seconds),
        2 => (9i64..=11).prop_map(Step::Seconds),
        1 => (-1i64..=1).prop_map(Step::IdleEnd),
        1 => (-1i64..=1).prop_map(Step::End),
        1 => Just(Step::LogOut),
        1 => Just(Step::Reset),
    ]
}

/// What is to come of the use of a token.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// A token that there was not before.
    Next,
    /// This token of the family.
    Again(usize),
    /// It was used before, and the session ends.
    Reused,
    Denied(&'static str),
}

struct Token {
    text: String,
    used_at: Option<Timestamp>,
}

/// A session, as the rules say that it is.
struct Model {
    tokens: Vec<Token>,
    ended: bool,
    idle_end: Timestamp,
    end: Timestamp,
}

impl Model {
    fn of(tokens: &sessions::Tokens) -> Self {
        let (first, began) = (text(tokens), tokens.now);
        let (idle_end, end) = (
            began.plus_days(SESSIONS.refresh_token_days.into()),
            began.plus_days(SESSIONS.session_days.into()),
        );
        Self { tokens: vec![Token { text: first, used_at: None }], ended: false, idle_end, end }
    }

    fn expected(&self, number: usize, now: Timestamp) -> Outcome {
        if self.ended {
            return Outcome::Denied("revoked");
        }
        if now >= self.end || now >= self.idle_end {
            return Outcome::Denied("expired");
        }
        let Some(used_at) = self.tokens[number].used_at else { return Outcome::Next };
        let is_last = self.tokens[number + 1].used_at.is_none();
        if is_last && now < used_at.plus_seconds(REPEATED_SECONDS) {
            return Outcome::Again(number + 1);
        }
        Outcome::Reused
    }

    fn followed(&mut self, number: usize, next: String, now: Timestamp) {
        assert!(self.tokens.iter().all(|token| token.text != next), "no token is given twice");
        self.tokens[number].used_at = Some(now);
        self.tokens.push(Token { text: next, used_at: None });
        self.idle_end = now.plus_days(SESSIONS.refresh_token_days.into()).min(self.end);
    }
}

fn text(tokens: &sessions::Tokens) -> String {
    tokens.refresh_token.as_ref().unwrap().reveal().to_owned()
}

fn denial(fault: &Fault) -> &'static str {
    match fault {
        Fault::Denied(denial) => denial.code.as_str(),
        other => panic!("not denied: {other:?}"),
    }
}

struct Play<'a> {
    world: &'a World,
    email: EmailAddress,
    person: Person,
    model: Model,
}

impl Play<'_> {
    async fn take(&mut self, step: &Step) {
        let now = self.world.now();
        match step {
            Step::Refresh(back) => {
                let number = self.model.tokens.len() - 1 - back % self.model.tokens.len();
                self.refresh(number).await;
            }
            Step::Seconds(seconds) => self.world.advance_seconds(*seconds),
            Step::IdleEnd(past) => self.advance_to(self.model.idle_end.plus_seconds(*past)),
            Step::End(past) => self.advance_to(self.model.end.plus_seconds(*past)),
            Step::LogOut => {
                let outcome = sessions::log_out(&self.world.authority, self.person.call()).await;
                match (self.model.ended, now >= self.model.end) {
                    (true, _) => assert_eq!(denial(&outcome.unwrap_err()), "revoked"),
                    (_, true) => assert_eq!(denial(&outcome.unwrap_err()), "expired"),
                    _ => {
                        assert_eq!(outcome.unwrap(), 1);
                        self.model.ended = true;
                    }
                }
            }
            Step::Reset => {
                self.reset().await;
                self.model.ended = true;
            }
        }
    }

    fn advance_to(&self, moment: Timestamp) {
        self.world.authority.clock().advance(moment.micros_since(self.world.now()).max(0));
    }

    async fn refresh(&mut self, number: usize) {
        let now = self.world.now();
        let presented = Zeroizing::new(self.model.tokens[number].text.clone());
        let attempt = sessions::refresh(&self.world.authority, Visitor::default(), presented).await;
        match (self.model.expected(number, now), attempt.outcome) {
            (Outcome::Next, Ok(tokens)) => self.model.followed(number, text(&tokens), now),
            (Outcome::Again(next), Ok(tokens)) => assert_eq!(text(&tokens), self.model.tokens[next].text),
            (Outcome::Reused, Err(Fault::RefreshReused)) => self.model.ended = true,
            (Outcome::Denied(code), Err(fault)) => assert_eq!(denial(&fault), code),
            (expected, outcome) => panic!("{expected:?} was expected, and not {outcome:?}"),
        }
    }

    /// Sets the password by a link, the same one again.
    async fn reset(&self) {
        let (token, now) = (PlainToken::mailed(&entropy::token()), self.world.now());
        let new = NewMailedToken {
            token_hash: token.hash(),
            purpose: Purpose::PasswordReset,
            user_id: self.person.user,
            email: self.email.clone(),
            created_at: now,
            expires_at: now.plus_seconds(3_600),
        };
        let mut tx = self.world.store.begin().await.unwrap();
        mailed_tokens::insert(tx.conn(), &new).await.unwrap();
        tx.commit().await.unwrap();
        let authority = &self.world.authority;
        accounts::confirm_reset(authority, Visitor::default(), token.reveal(), PASSWORD).await.unwrap();
    }

    async fn check(&self) {
        let mut reader = self.world.store.read().await.unwrap();
        let unused = refresh_tokens::count_unused(reader.conn(), self.person.session).await.unwrap();
        assert_eq!(unused, 1, "a family has one leaf");
        drop(reader);
        // The access tokens live and die with the session.
        let expected = match (self.model.ended, self.world.now() >= self.model.end) {
            (true, _) => "revoked",
            (_, true) => "expired",
            _ => "insufficient_scope",
        };
        assert_eq!(self.person.verdict(self.world, "works:read").await, expected);
    }
}

/// A user who belongs nowhere, and has logged in.
async fn log_in(
    world: &World,
    number: usize,
    password_hash: &keywright_core::PasswordHash,
) -> (Person, Model) {
    let email = format!("user{number}@example.com");
    let user = UserId::generate(world.now(), entropy::id());
    let mut tx = world.store.begin().await.unwrap();
    insert_user(tx.conn(), user, &email, None, world.now()).await.unwrap();
    assert!(users::set_password(tx.conn(), user, password_hash, world.now()).await.unwrap());
    tx.commit().await.unwrap();
    let login = Login { email, password: PlainPassword::presented(PASSWORD), publisher: None };
    let tokens = sessions::login(&world.authority, Visitor::default(), login).await.outcome.unwrap();
    let session: SessionId = tokens.session.id;
    (Person { user, session, publisher: None }, Model::of(&tokens))
}

async fn play(world: &World, number: usize, hash: &keywright_core::PasswordHash, steps: Vec<Step>) {
    let (person, model) = log_in(world, number, hash).await;
    let email = EmailAddress::parse(&format!("user{number}@example.com")).unwrap();
    let mut play = Play { world, email, person, model };
    play.check().await;
    for step in &steps {
        play.take(step).await;
        play.check().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_done_with_a_family_of_tokens_one_leaf_lives_and_any_other_reuse_ends_the_session() {
    for store in test_stores().await {
        let world = World::with(store, Settings { sessions: SESSIONS, ..settings() });
        let password = PlainPassword::presented(PASSWORD);
        let hash = world.authority.passwords().hash(password).await.unwrap();
        let runtime = tokio::runtime::Handle::current();
        let number = std::cell::Cell::new(0);
        let mut runner =
            TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
        let outcome = tokio::task::block_in_place(|| {
            runner.run(&proptest::collection::vec(step(), 1..24), |steps| {
                number.set(number.get() + 1);
                runtime.block_on(play(&world, number.get(), &hash, steps));
                Ok(())
            })
        });
        outcome.unwrap_or_else(|failure| panic!("{:?}: {failure}", world.engine()));
    }
}
