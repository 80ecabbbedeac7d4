//! Personal tokens: the rows through their lives, and what verification makes of them.

use keywright_core::{
    ActorRef, Allowlist, BuiltInRole, CredentialId, CredentialName, Epochs, PlainToken, PublisherId,
    RateLimits, ScopeSet, Standing, Status, UserId, Wanted,
};

use super::members::{join, user};
use super::people::{at, publisher};
use super::{NOW, change, entropy, read};
use crate::personal_tokens::{self, ListFilter, NewPersonalToken, Place, Terms};
use crate::platform::{self, Reached};
use crate::sessions::Reach;
use crate::testing::test_stores;
use crate::{Store, grants, memberships, publishers, users};

fn token_id(number: u64) -> CredentialId {
    CredentialId::generate(NOW, entropy(700 + number))
}

fn secret(number: u8) -> PlainToken {
    PlainToken::personal(&[number; 32].into())
}

fn new_token(number: u8, user: UserId, publisher_ids: Option<Vec<PublisherId>>) -> NewPersonalToken {
    let secret = secret(number);
    let id = token_id(number.into());
    NewPersonalToken {
        id,
        user_id: user,
        token_hash: secret.hash(),
        token_hint: secret.hint(),
        terms: Terms {
            name: CredentialName::parse(&format!("Token {number}")).unwrap(),
            scopes: ScopeSet::parse(["tokens:read", "works:write"]).unwrap(),
            inherit_user_permissions: false,
            publisher_ids,
            excluded_publisher_ids: Vec::new(),
            rate_limits: RateLimits { per_minute: Some(6), per_hour: Some(60) },
            ip_allowlist: Allowlist::new(["10.0.0.0/8".parse().unwrap()]).unwrap(),
            is_active: true,
            expires_at: Some(NOW.plus_days(90)),
        },
        epoch: 5,
        lineage_id: id.0,
        rotated_from_id: Some(token_id(99)),
        created_by: ActorRef::operator(),
        created_at: at(number.into()),
    }
}

async fn insert(store: &Store, new: &NewPersonalToken) -> personal_tokens::PersonalTokenRow {
    change(store, async |c| personal_tokens::insert(c, new).await).await
}

fn filter(user: UserId) -> ListFilter {
    ListFilter {
        user,
        within: None,
        status: None,
        name: None,
        q: None,
        publisher: None,
        expiring_before: None,
        never_used: None,
        after: None,
        limit: 20,
        now: NOW,
        places: Vec::new(),
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, told once")]
async fn a_token_is_read_back_as_it_was_written_through_its_life() {
    for store in test_stores().await {
        let (one, _) = publisher(&store, 1, "one").await;
        let (two, _) = publisher(&store, 2, "two").await;
        let [ada, bob] = [user(&store, 1, None).await, user(&store, 2, None).await];
        let new = new_token(1, ada, Some(vec![one.id]));
        let row = insert(&store, &new).await;
        let of = async |user, within| {
            read(&store, async |c| personal_tokens::of_user(c, user, new.id, within).await).await
        };
        assert_eq!(of(ada, None).await.as_ref(), Some(&row), "{:?}", store.engine());
        assert_eq!((of(ada, Some(one.id)).await.is_some(), of(ada, Some(two.id)).await), (true, None));
        assert_eq!(of(bob, None).await, None);
        let taken =
            NewPersonalToken { id: token_id(8), token_hash: secret(8).hash(), ..new_token(1, ada, None) };
        let mut tx = store.begin().await.unwrap();
        assert_eq!(personal_tokens::insert(tx.conn(), &taken).await, Err(crate::StoreError::NameTaken));
        tx.rollback().await;

        let terms = Terms {
            name: CredentialName::parse("other").unwrap(),
            scopes: ScopeSet::default(),
            inherit_user_permissions: true,
            publisher_ids: None,
            excluded_publisher_ids: vec![two.id],
            rate_limits: RateLimits::UNLIMITED,
            ip_allowlist: Allowlist::default(),
            is_active: false,
            expires_at: None,
        };
        let update = async |version| {
            change(&store, async |c| personal_tokens::update(c, new.id, version, &terms, at(50)).await).await
        };
        assert!(!update(2).await && update(1).await);
        let changed =
            change(&store, async |c| personal_tokens::of_user_for_change(c, ada, new.id, Some(one.id)).await)
                .await
                .unwrap();
        assert_eq!((&changed.terms, changed.version, changed.updated_at), (&terms, 2, at(50)));
        assert_eq!(of(ada, Some(two.id)).await, None, "it was taken out there");
        let by_name = async |name| {
            read(&store, async |c| personal_tokens::live_by_name(c, ada, name).await).await.is_some()
        };
        assert!(by_name("other").await && !by_name("Token 1").await);

        let supersede = async || {
            let name = terms.name.superseded(new.id);
            change(&store, async |c| {
                personal_tokens::supersede(c, new.id, token_id(2), &name, at(99), at(60)).await
            })
            .await
        };
        assert!(supersede().await && !supersede().await);
        let revoke = async |user| {
            change(&store, async |c| personal_tokens::revoke(c, user, new.id, at(70), Some("done")).await)
                .await
        };
        assert!(!revoke(bob).await && revoke(ada).await && !revoke(ada).await);
        let dead = of(ada, None).await.unwrap();
        assert_eq!((dead.superseded_by_id, dead.superseded_at), (Some(token_id(2)), Some(at(60))));
        assert_eq!((dead.grace_expires_at, dead.revoked_at), (Some(at(99)), Some(at(70))));
        assert_eq!((dead.revoked_reason.as_deref(), dead.version), (Some("done"), 4));
        assert!(!update(4).await, "what is revoked stays as it is");
        let removed = change(&store, async |c| personal_tokens::delete_dead(c, ada, at(70), 10).await).await;
        assert_eq!((removed, of(ada, None).await), (vec![new.id], None));
    }
}

#[tokio::test]
async fn whoever_lies_in_a_raised_reach_is_revoked_there_and_marked() {
    for store in test_stores().await {
        let (one, roles) = publisher(&store, 1, "one").await;
        let (two, other) = publisher(&store, 2, "two").await;
        let ada = user(&store, 1, None).await;
        join(&store, ada, &roles[0], 1).await;
        join(&store, ada, &other[0], 1).await;
        let here = insert(&store, &new_token(1, ada, Some(vec![one.id]))).await;
        let all = insert(&store, &new_token(2, ada, None)).await;
        let reached =
            async |reach| read(&store, async |c| personal_tokens::count_reached(c, reach, NOW).await).await;
        let revoked = async |id| {
            let row = read(&store, async |c| personal_tokens::of_user(c, ada, id, None).await).await.unwrap();
            row.status(Epochs::default(), NOW) == Status::Revoked
        };
        assert_eq!((reached(Reach::Platform).await, reached(Reach::Publisher(one.id)).await), (2, 2));
        assert_eq!(reached(Reach::Membership(ada, two.id)).await, 1);
        change(&store, async |c| memberships::raise_personal_epoch(c, one.id, ada, 6).await).await;
        assert_eq!((reached(Reach::Membership(ada, one.id)).await, reached(Reach::User(ada)).await), (0, 2));
        assert!(revoked(here.id).await && !revoked(all.id).await, "the other is of use elsewhere");
        for _ in 0..8 {
            change(&store, async |c| platform::next_epoch(c).await.map(drop)).await;
        }
        let mark = async || {
            change(&store, async |c| personal_tokens::mark_revoked_by_epoch(c, at(9), Some("all"), 10).await)
                .await
        };
        assert_eq!((mark().await, mark().await), (1, 0));
        change(&store, async |c| publishers::raise_personal_epoch(c, two.id, 6).await).await;
        assert_eq!(reached(Reach::Publisher(two.id)).await, 0);
        assert!(!revoked(all.id).await);
        change(&store, async |c| users::end_personal_tokens(c, ada, 6).await).await;
        assert!(revoked(all.id).await);
        assert!(change(&store, async |c| personal_tokens::set_epoch(c, all.id, 7).await).await);
        assert!(!revoked(all.id).await);
        change(&store, async |c| {
            platform::raise(c, 8, Reached { personal: true, ..Reached::default() }).await
        })
        .await;
        assert_eq!(reached(Reach::Platform).await, 0);
        assert_eq!(change(&store, async |c| personal_tokens::erase_of_user(c, ada, at(9)).await).await, 2);
    }
}

#[tokio::test]
async fn a_token_carries_what_its_owner_may_in_the_publisher_now() {
    for store in test_stores().await {
        let (one, roles) = publisher(&store, 1, "one").await;
        let (two, _) = publisher(&store, 2, "two").await;
        let ada = user(&store, 1, None).await;
        join(&store, ada, &roles[0], 1).await;
        let new = new_token(1, ada, Some(vec![one.id, two.id]));
        insert(&store, &new).await;
        let load = async |publisher| {
            let wanted = Wanted::Personal { hash: new.token_hash, publisher };
            read(&store, async |c| grants::load(c, &wanted).await).await.unwrap().grant
        };
        let scopes = async || load(Some(one.id)).await.scopes;
        assert_eq!(scopes().await, new.terms.scopes);
        let standing = async |publisher| load(Some(publisher)).await.tenancy().unwrap().standing;
        assert_eq!((standing(one.id).await, standing(two.id).await), (Standing::Good, Standing::Foreign));
        change(&store, async |c| memberships::set_role(c, one.id, ada, 1, roles[2].id, at(2)).await).await;
        assert_eq!(scopes().await, ScopeSet::parse(["tokens:read"]).unwrap());
        let scopes_of = read(&store, async |c| memberships::scopes_of_user(c, ada).await).await;
        assert_eq!(scopes_of.len(), 1);
        assert_eq!(scopes_of[0].permissions, BuiltInRole::PublisherViewer.permissions());
        let terms = Terms { excluded_publisher_ids: vec![one.id], ..new.terms.clone() };
        change(&store, async |c| personal_tokens::update(c, new.id, 1, &terms, at(3)).await).await;
        assert_eq!(standing(one.id).await, Standing::Foreign);
        assert!(scopes().await.is_empty());
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, told once")]
async fn lists_say_what_rows_and_approvals_say() {
    for store in test_stores().await {
        let (one, _) = publisher(&store, 1, "one").await;
        let (two, _) = publisher(&store, 2, "two").await;
        let ada = user(&store, 1, None).await;
        for (number, publishers) in
            [(1, Some(vec![one.id])), (2, None), (3, Some(vec![two.id])), (4, Some(vec![one.id]))]
        {
            insert(&store, &new_token(number, ada, publishers)).await;
        }
        let approve = async || {
            change(&store, async |c| {
                personal_tokens::approve(c, token_id(4).0, one.id, &ActorRef::operator(), at(5)).await
            })
            .await
        };
        assert!(approve().await && !approve().await);
        let places = vec![
            Place { publisher: one.id, needs_approval: true, if_named: false },
            Place { publisher: two.id, needs_approval: false, if_named: false },
        ];
        let list = async |filter: ListFilter| -> Vec<CredentialId> {
            let filter = ListFilter { places: places.clone(), ..filter };
            let rows = read(&store, async |c| personal_tokens::list(c, &filter).await).await;
            rows.into_iter().map(|row| row.id).collect()
        };
        let ids = |numbers: &[u64]| numbers.iter().map(|number| token_id(*number)).collect::<Vec<_>>();
        let status = async |status| list(ListFilter { status: Some(status), ..filter(ada) }).await;
        assert_eq!(list(filter(ada)).await, ids(&[4, 3, 2, 1]));
        assert_eq!(status(Status::Active).await, ids(&[4, 3, 2]));
        assert_eq!(status(Status::Inactive).await, ids(&[1]));
        // Of somebody who belongs to neither, only tokens that name one are for it.
        let named = [one.id, two.id]
            .map(|publisher| Place { publisher, needs_approval: true, if_named: true })
            .to_vec();
        let waiting = ListFilter { status: Some(Status::Inactive), places: named, ..filter(ada) };
        let waiting = read(&store, async |c| personal_tokens::list(c, &waiting).await).await;
        assert_eq!(waiting.iter().map(|row| row.id).collect::<Vec<_>>(), ids(&[3, 1]));
        let publishers = read(&store, async |c| personal_tokens::named_publishers(c, ada).await).await;
        assert_eq!(publishers.into_iter().collect::<Vec<_>>(), [one.id, two.id]);
        for none in [Status::Superseded, Status::Expired, Status::Revoked] {
            assert!(status(none).await.is_empty());
        }
        let within = ListFilter { within: Some(one.id), publisher: Some(two.id), ..filter(ada) };
        assert_eq!(list(within).await, ids(&[2]));
        let named = ListFilter { name: Some("Token 3".to_owned()), q: Some("KEN".to_owned()), ..filter(ada) };
        assert_eq!(list(named).await, ids(&[3]));
        let soon =
            ListFilter { expiring_before: Some(NOW.plus_days(91)), never_used: Some(true), ..filter(ada) };
        assert_eq!(list(soon).await, ids(&[4, 3, 2, 1]));
        assert!(list(ListFilter { never_used: Some(false), ..filter(ada) }).await.is_empty());
        let after = ListFilter { after: Some((at(3), token_id(3))), limit: 1, ..filter(ada) };
        assert_eq!(list(after).await, ids(&[2]));
        let of = [token_id(4).0, token_id(1).0];
        let given = read(&store, async |c| personal_tokens::approvals_of(c, &of).await).await;
        assert_eq!(
            given.iter().map(|one| (one.lineage_id, one.approved_at)).collect::<Vec<_>>(),
            [(token_id(4).0, at(5))]
        );
        let lineage =
            read(&store, async |c| personal_tokens::ids_of_lineage(c, ada, token_id(4).0).await).await;
        assert_eq!(lineage, [token_id(4).0]);
        assert_eq!(
            change(&store, async |c| personal_tokens::forget_approvals(c, token_id(4).0).await).await,
            1
        );
        assert_eq!(status(Status::Inactive).await, ids(&[4, 1]));
        let swept = change(&store, async |c| {
            personal_tokens::deactivate_expired(c, ada, NOW.plus_days(91), at(9), 10).await
        })
        .await;
        assert_eq!(swept.len(), 4);
    }
}
