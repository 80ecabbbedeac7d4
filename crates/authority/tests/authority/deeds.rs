//! What administrators begin by their sessions, and what there must be for it.

use keywright_authority::emergency::{self, EmergencyRevoke, Kinds, Scope};
use keywright_authority::signing_keys::{self, Rotate};
use keywright_authority::users::{self, Invite, RoleRef};
use keywright_authority::{Authority, Call, Fault, memberships, publishers, roles, service_tokens, sessions};
use keywright_core::{BuiltInRole, EmailAddress, Name, PublisherId, RoleId, UserId};

use crate::people::{Person, built_in, join, member, publisher};
use crate::world::{World, operator, scopes, wanted};

/// What whoever acts had begun.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Doing {
    MintToken,
    RotateKey,
    CreatePublisher,
    InviteAdministrator,
    CreateRole,
    WidenRole,
    Invite,
    PromoteMember,
    RemoveMember,
    DisableUser,
    DeleteUser,
    EndSessions,
    Emergency,
}

impl Doing {
    pub(crate) const OF_PLATFORM: [Self; 4] =
        [Self::MintToken, Self::RotateKey, Self::CreatePublisher, Self::InviteAdministrator];
    pub(crate) const OF_PUBLISHER: [Self; 9] = [
        Self::CreateRole,
        Self::WidenRole,
        Self::Invite,
        Self::PromoteMember,
        Self::RemoveMember,
        Self::DisableUser,
        Self::DeleteUser,
        Self::EndSessions,
        Self::Emergency,
    ];

    pub(crate) async fn carry_out(self, here: Authority, call: Call, about: About) -> Result<(), Fault> {
        let About { publisher, target, chief, admin, .. } = about;
        match self {
            Self::MintToken => service_tokens::create(&here, call, wanted("late", &["a"])).await.map(drop),
            Self::RotateKey => {
                let wanted = Rotate { reason: Some("late".to_owned()), revoke: true };
                signing_keys::rotate(&here, call, wanted).await.map(drop)
            }
            Self::CreatePublisher => {
                let settings = publishers::SettingsChange::default();
                let wanted = publishers::Create { name: named("late"), settings };
                publishers::create(&here, call, wanted).await.map(drop)
            }
            Self::InviteAdministrator => {
                let wanted = Invite { platform_role: Some(BuiltInRole::PlatformAdmin), ..invitation() };
                users::invite(&here, call, wanted).await.map(drop)
            }
            Self::CreateRole => {
                let permissions = scopes(&["*"]);
                let wanted = roles::Create { name: named("late"), description: String::new(), permissions };
                roles::create(&here, call, wanted).await.map(drop)
            }
            Self::WidenRole => {
                let wider = roles::Update { permissions: Some(scopes(&["*"])), ..roles::Update::default() };
                roles::update(&here, call, about.narrow, wider).await.map(drop)
            }
            Self::Invite => {
                let wanted = Invite { role: Some(RoleRef::Id(admin)), ..invitation() };
                users::invite(&here, call, wanted).await.map(drop)
            }
            Self::PromoteMember => {
                memberships::update(&here, call, publisher, target, Some(chief)).await.map(drop)
            }
            Self::RemoveMember => memberships::remove(&here, call, publisher, target, None).await,
            Self::DisableUser => users::disable(&here, call, target, None).await.map(drop),
            Self::DeleteUser => users::delete(&here, call, target, None).await,
            Self::EndSessions => sessions::end_of_user(&here, call, target).await.map(drop),
            Self::Emergency => {
                emergency::revoke(&here, call, revocation(Scope::Publisher(publisher))).await.map(drop)
            }
        }
    }
}

fn named(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn invitation() -> Invite {
    Invite {
        email: EmailAddress::parse("late@example.com").unwrap(),
        display_name: None,
        locale: None,
        publisher: None,
        role: None,
        platform_role: None,
        password: None,
        show_link: false,
    }
}

pub(crate) fn revocation(scope: Scope) -> EmergencyRevoke {
    let kinds = Kinds { sessions: true, ..Kinds::default() };
    EmergencyRevoke { reason: "drill".to_owned(), scope, kinds, keep_caller: false }
}

/// What they act upon: a publisher of their own for each of them.
#[derive(Clone, Copy)]
pub(crate) struct About {
    pub(crate) publisher: PublisherId,
    /// The role of whoever acts, which may do everything.
    pub(crate) chief: RoleId,
    /// A role that may do nothing.
    narrow: RoleId,
    pub(crate) viewer: RoleId,
    admin: RoleId,
    /// Another member.
    target: UserId,
}

/// Everybody of a case, newly made; `number` tells them from those of others.
pub(crate) async fn settle(world: &World, number: usize, of_platform: bool) -> (Person, About) {
    let publisher = publisher(world, &format!("publisher {number}")).await;
    let boss = format!("boss{number}@example.com");
    member(world, &boss, publisher, BuiltInRole::PublisherAdmin).await;
    let target = format!("target{number}@example.com");
    let target = member(world, &target, publisher, BuiltInRole::PublisherViewer).await.user;
    let role = async |text: &str, permissions: &[&str]| {
        let permissions = scopes(permissions);
        let wanted = roles::Create { name: named(text), description: String::new(), permissions };
        let acting = Call { publisher: Some(publisher), ..operator() };
        roles::create(&world.authority, acting, wanted).await.unwrap().object.id
    };
    let (chief, narrow) = (role("chief", &["*"]).await, role("narrow", &[]).await);
    let email = format!("actor{number}@example.com");
    let actor = if of_platform {
        Person::of_platform(world, &email).await
    } else {
        let actor = Person::of(world, &email, publisher).await;
        join(world, &actor, chief).await;
        actor
    };
    let viewer = built_in(world, publisher, BuiltInRole::PublisherViewer).await;
    let admin = built_in(world, publisher, BuiltInRole::PublisherAdmin).await;
    (actor, About { publisher, chief, narrow, viewer, admin, target })
}
