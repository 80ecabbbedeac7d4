//! Identities of other issuers: pinned once, and what they may do as it is read by one query.

use std::sync::Arc;

use keywright_core::{
    CredentialKind, ExternalIdentity, Mapping, PrincipalKind, PublisherId, ScopeSet, Standing, UserId, Wanted,
};
use keywright_verify::Loaded;

use super::people::{at, creator, publisher};
use super::{NOW, change, entropy, read};
use crate::memberships::{self, NewMembership};
use crate::roles::RoleRow;
use crate::testing::{insert_user, test_stores};
use crate::{Store, external_identities, grants, publishers};

fn user_id(number: u64) -> UserId {
    UserId::generate(NOW, entropy(number + 700))
}

async fn user(store: &Store, number: u64, platform_role: Option<&str>) -> UserId {
    let (id, email) = (user_id(number), format!("x{number}@example.com"));
    change(store, async |c| insert_user(c, id, &email, platform_role, at(number)).await).await;
    id
}

async fn join(store: &Store, user_id: UserId, role: &RoleRow) {
    let new = NewMembership {
        user_id,
        publisher_id: role.publisher_id,
        role_id: role.id,
        session_epoch: 1,
        created_by: creator(),
        created_at: at(1),
    };
    change(store, async |c| memberships::insert(c, &new).await).await;
}

fn identity(number: u64, publishers: Option<&[PublisherId]>) -> ExternalIdentity {
    let email = format!("x{number}@example.com").into();
    let mapping = Mapping::User { email, publishers: publishers.map(Into::into) };
    ExternalIdentity { issuer: "https://idp".into(), subject: number.to_string().into(), mapping }
}

async fn load(store: &Store, identity: &ExternalIdentity, publisher: Option<PublisherId>) -> Option<Loaded> {
    let wanted = Wanted::External { identity: Arc::new(identity.clone()), publisher };
    read(store, async |c| grants::load(c, &wanted).await).await
}

async fn standing(
    store: &Store,
    identity: &ExternalIdentity,
    publisher: Option<PublisherId>,
) -> Option<(PublisherId, Standing)> {
    let loaded = load(store, identity, publisher).await.unwrap();
    loaded.grant.tenancy().map(|tenancy| (tenancy.id, tenancy.standing))
}

async fn pin(store: &Store, identity: &ExternalIdentity, user: UserId) {
    change(store, async |c| external_identities::pin(c, identity, user, at(9)).await).await;
}

#[tokio::test]
async fn an_identity_is_the_user_that_it_is_pinned_to() {
    for store in test_stores().await {
        let (one, roles) = publisher(&store, 1, "one").await;
        let ada = user(&store, 1, None).await;
        join(&store, ada, &roles[1]).await;
        let somebody = identity(1, None);
        let pinned = async || read(&store, async |c| external_identities::pinned(c, &somebody).await).await;
        assert!(load(&store, &somebody, None).await.is_none());
        assert_eq!(pinned().await, None);
        pin(&store, &somebody, ada).await;
        assert_eq!(pinned().await, Some(ada));
        let grant = load(&store, &somebody, None).await.unwrap().grant;
        assert_eq!((grant.kind, grant.principal), (CredentialKind::External, PrincipalKind::User));
        assert_eq!((grant.credential_id, grant.publisher()), (somebody.id(), Some(one.id)));
        assert_eq!((grant.principal_id(), &*grant.name), (ada.0, "x1@example.com"));
        assert_eq!(grant.scopes, roles[1].permissions);
        let other = ExternalIdentity { issuer: "https://other".into(), ..identity(1, None) };
        assert!(load(&store, &other, None).await.is_none());
        // Pinned anew once its user is gone, which the caller looks at.
        let eve = user(&store, 2, None).await;
        pin(&store, &somebody, eve).await;
        assert_eq!(pinned().await, Some(eve));
    }
}

#[tokio::test]
async fn it_acts_where_its_user_does_and_its_issuer_may() {
    for store in test_stores().await {
        let (one, roles) = publisher(&store, 1, "one").await;
        let (two, roles_of_two) = publisher(&store, 2, "two").await;
        let ada = user(&store, 1, None).await;
        join(&store, ada, &roles[0]).await;
        join(&store, ada, &roles_of_two[2]).await;
        pin(&store, &identity(1, None), ada).await;
        let good = |id| Some((id, Standing::Good));
        assert_eq!(standing(&store, &identity(1, None), None).await, None, "two, and no default");
        assert_eq!(standing(&store, &identity(1, None), Some(two.id)).await, good(two.id));
        let only_one = identity(1, Some(&[one.id]));
        assert_eq!(standing(&store, &only_one, Some(one.id)).await, good(one.id));
        assert_eq!(standing(&store, &only_one, Some(two.id)).await, Some((two.id, Standing::Foreign)));
        assert_eq!(load(&store, &only_one, Some(two.id)).await.unwrap().grant.scopes, ScopeSet::default());

        let root = user(&store, 3, Some("platform_admin")).await;
        join(&store, root, &roles[0]).await;
        pin(&store, &identity(3, None), root).await;
        let grant = load(&store, &identity(3, None), None).await.unwrap().grant;
        assert_eq!((grant.publisher(), grant.scopes), (None, ScopeSet::all()));
        let bound = load(&store, &identity(3, Some(&[one.id, two.id])), None).await.unwrap().grant;
        assert_eq!((bound.publisher(), bound.scopes), (None, ScopeSet::default()));
    }
}

#[tokio::test]
async fn a_principal_of_a_rule_needs_no_row() {
    for store in test_stores().await {
        let (one, _) = publisher(&store, 1, "one").await;
        let scopes = ScopeSet::parse(["works:read"]).unwrap();
        let mapping =
            Mapping::Principal { name: "ingest".into(), scopes: scopes.clone(), publisher: Some(one.id) };
        let robot = ExternalIdentity { mapping, ..identity(7, None) };
        let grant = load(&store, &robot, Some(one.id)).await.unwrap().grant;
        assert_eq!((&*grant.name, grant.principal), ("ingest", PrincipalKind::External));
        assert_eq!((grant.principal_id(), grant.scopes), (robot.id().0, scopes));
        assert_eq!(standing(&store, &robot, Some(one.id)).await, Some((one.id, Standing::Good)));
        assert_eq!(standing(&store, &robot, None).await, None);
        change(&store, async |c| publishers::suspend(c, one.id, NOW, None).await).await;
        assert_eq!(standing(&store, &robot, Some(one.id)).await, Some((one.id, Standing::Suspended)));
        change(&store, async |c| publishers::delete(c, one.id, NOW).await).await;
        assert_eq!(standing(&store, &robot, Some(one.id)).await, Some((one.id, Standing::Foreign)));
    }
}
