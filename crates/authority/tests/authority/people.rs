//! Publishers, and users who have a session.

use keywright_authority::memberships::{self, Add};
use keywright_authority::publishers::{self, SettingsChange};
use keywright_authority::{Authority, Call, entropy};
use keywright_core::decision::code_of;
use keywright_core::{
    Actor, ActorKind, ActorRef, Bearing, BuiltInRole, CredentialId, Name, PublisherId, Requirements, RoleId,
    ScopeSet, SessionId, UserId, Wanted,
};
use keywright_store::testing::{accept_invitation, insert_session, insert_user};
use keywright_store::{platform, roles, sessions};
use keywright_verify::Lookup;

use crate::world::{World, operator};

/// A user with a session, who acts for a publisher, or for the platform.
pub(crate) struct Person {
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
    pub(crate) publisher: Option<PublisherId>,
}

impl Person {
    pub(crate) async fn of(world: &World, email: &str, publisher: PublisherId) -> Self {
        Self::with(world, email, Some(publisher), None).await
    }

    /// An administrator of the platform.
    pub(crate) async fn of_platform(world: &World, email: &str) -> Self {
        Self::with(world, email, None, Some(BuiltInRole::PlatformAdmin)).await
    }

    async fn with(
        world: &World,
        email: &str,
        publisher: Option<PublisherId>,
        role: Option<BuiltInRole>,
    ) -> Self {
        let user = UserId::generate(world.now(), entropy::id());
        let session = SessionId::generate(world.now(), entropy::id());
        let mut tx = world.store.begin().await.unwrap();
        let epoch = platform::epochs(tx.conn()).await.unwrap().counter;
        insert_user(tx.conn(), user, email, role.map(BuiltInRole::as_str), world.now()).await.unwrap();
        accept_invitation(tx.conn(), user).await.unwrap();
        insert_session(tx.conn(), session, user, epoch, world.now()).await.unwrap();
        assert!(sessions::set_publisher(tx.conn(), session, publisher).await.unwrap());
        tx.commit().await.unwrap();
        Self { user, session, publisher }
    }

    fn wanted(&self) -> Wanted {
        Wanted::Session { id: self.session, publisher: self.publisher }
    }

    /// A call as the door let it in, with all permissions.
    pub(crate) fn call(&self) -> Call {
        let actor = Actor::Bearer(Box::new(Bearing {
            wanted: self.wanted(),
            credential_id: CredentialId(self.session.0),
            credential_name: "person".to_owned(),
            principal: ActorRef { kind: ActorKind::User, id: Some(self.user.0), name: "person".to_owned() },
            home: self.publisher,
            claimed: None,
            address: None,
        }));
        Call { actor, permissions: ScopeSet::all(), publisher: self.publisher, ..operator() }
    }

    /// Whether the session carries a scope, by what this node knows.
    pub(crate) async fn verdict(&self, world: &World, scope: &str) -> &'static str {
        self.verdict_of(&world.authority, scope).await
    }

    /// The same on another node.
    pub(crate) async fn verdict_of(&self, authority: &Authority, scope: &str) -> &'static str {
        let verifier = authority.verifier();
        let wanted = Requirements::scope(scope.parse().unwrap());
        match verifier.resolve(&self.wanted(), None).await {
            Lookup::Known(known) => code_of(&verifier.decide(&known, &wanted)),
            Lookup::Unknown => "not_found",
            Lookup::Unavailable => "unavailable",
        }
    }
}

pub(crate) async fn publisher(world: &World, name: &str) -> PublisherId {
    let wanted = publishers::Create { name: Name::parse(name).unwrap(), settings: SettingsChange::default() };
    publishers::create(&world.authority, operator(), wanted).await.unwrap().object.id
}

pub(crate) async fn built_in(world: &World, publisher: PublisherId, role: BuiltInRole) -> RoleId {
    let mut reader = world.store.read().await.unwrap();
    roles::by_name(reader.conn(), publisher, role.as_str()).await.unwrap().unwrap().id
}

pub(crate) async fn join(world: &World, person: &Person, role: RoleId) {
    let wanted = Add { user: person.user, role };
    memberships::add(&world.authority, operator(), person.publisher.unwrap(), wanted).await.unwrap();
}

pub(crate) async fn member(world: &World, email: &str, publisher: PublisherId, role: BuiltInRole) -> Person {
    let person = Person::of(world, email, publisher).await;
    join(world, &person, built_in(world, publisher, role).await).await;
    person
}
