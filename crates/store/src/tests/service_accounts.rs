//! Service accounts, their tokens, and what a raised number takes with it.

use keywright_core::{
    ActorRef, Allowlist, EmailAddress, Epochs, Metadata, Name, PublisherId, PublisherSettings, RateLimits,
    ScopeSet, ServiceAccountId, ServiceType, Status, TokenHash, Wanted,
};
use serde_json::json;

use super::{NOW, change, credential_id, entropy, hash, name, networks, new_token, read};
use crate::publishers::{self, NewPublisher};
use crate::service_accounts::{self, Changes, ListFilter, NewServiceAccount, ServiceAccountRow};
use crate::service_tokens::{self, NewServiceToken, Reach};
use crate::testing::test_stores;
use crate::{Store, StoreError, grants, platform};

fn publisher_id(number: u64) -> PublisherId {
    PublisherId::generate(NOW, entropy(number))
}

fn account_id(number: u64) -> ServiceAccountId {
    ServiceAccountId::generate(NOW, entropy(number))
}

/// An account with a value in every column.
fn new_account(number: u64, publisher: Option<PublisherId>) -> NewServiceAccount {
    let metadata = json!({"team": "Ärger", "tier": 1});
    NewServiceAccount {
        id: account_id(number),
        publisher_id: publisher,
        name: Name::parse(&format!("Account {number}")).unwrap(),
        description: "Delivers".to_owned(),
        service_type: ServiceType::CiCd,
        owner_email: Some(EmailAddress::parse("owner@example.com").unwrap()),
        scopes: ScopeSet::parse(["works:*", "catalog:read"]).unwrap(),
        limits: RateLimits { per_minute: Some(100), per_hour: Some(5_000) },
        allowlist: networks(&["10.0.0.0/8"]),
        metadata: Metadata::new(metadata.as_object().unwrap().clone()).unwrap(),
        created_by: ActorRef::operator(),
        created_at: NOW.plus_micros(i64::try_from(number).unwrap()),
    }
}

async fn insert_publisher(store: &Store, number: u64) -> PublisherId {
    let new = NewPublisher {
        id: publisher_id(number),
        name: Name::parse(&format!("Publisher {number}")).unwrap(),
        settings: PublisherSettings::default(),
        created_by: ActorRef::operator(),
        created_at: NOW,
    };
    change(store, async |c| publishers::insert(c, &new).await).await.id
}

async fn insert(store: &Store, new: &NewServiceAccount) -> ServiceAccountRow {
    change(store, async |c| service_accounts::insert(c, new).await).await
}

async fn found(store: &Store, within: Option<PublisherId>, number: u64) -> Option<ServiceAccountRow> {
    read(store, async |c| service_accounts::by_id(c, within, account_id(number)).await).await
}

/// A token of an account.
fn token_of(account: &ServiceAccountRow, number: u64) -> NewServiceToken {
    NewServiceToken {
        service_account_id: Some(account.id),
        publisher_id: account.publisher_id,
        limits: RateLimits { per_minute: Some(10), per_hour: None },
        allowlist: networks(&["10.1.0.0/16"]),
        ..new_token(number)
    }
}

async fn raise(store: &Store, number: u64) -> u64 {
    change(store, async |mut c| {
        let epoch = platform::next_epoch(c.reborrow()).await?;
        service_accounts::raise_epoch(c, account_id(number), epoch).await.map(|_| epoch)
    })
    .await
}

#[tokio::test]
async fn an_account_is_read_back_as_it_was_written_and_within_its_publisher_alone() {
    for store in test_stores().await {
        let [one, two] = [insert_publisher(&store, 1).await, insert_publisher(&store, 2).await];
        let row = insert(&store, &new_account(1, Some(one))).await;
        let platforms = insert(&store, &new_account(2, None)).await;
        assert_eq!(found(&store, None, 1).await, Some(row.clone()));
        assert_eq!(found(&store, Some(one), 1).await, Some(row.clone()));
        assert_eq!(found(&store, Some(two), 1).await, None);
        assert_eq!(
            (found(&store, None, 2).await, found(&store, Some(one), 2).await),
            (Some(platforms), None)
        );
        let existed = async |within| {
            read(&store, async |c| service_accounts::has_existed(c, within, account_id(1)).await).await
        };
        assert_eq!(
            (existed(None).await, existed(Some(one)).await, existed(Some(two)).await),
            (true, true, false)
        );
        let json = serde_json::to_string(&row).unwrap();
        assert_eq!(serde_json::from_str::<ServiceAccountRow>(&json).unwrap(), row);
    }
}

#[tokio::test]
async fn a_change_needs_the_version_that_was_seen_and_sets_every_field() {
    for store in test_stores().await {
        insert(&store, &new_account(1, None)).await;
        let all = Changes {
            name: Some(Name::parse("Renamed").unwrap()),
            description: Some(String::new()),
            service_type: Some(ServiceType::Partner),
            owner_email: Some(None),
            scopes: Some(ScopeSet::default()),
            limits: Some(RateLimits { per_minute: None, per_hour: Some(7) }),
            allowlist: Some(Allowlist::default()),
            metadata: Some(Metadata::default()),
            updated_at: NOW.plus_days(1),
        };
        let update = async |version, changes: &Changes| {
            change(&store, async |c| service_accounts::update(c, account_id(1), version, changes).await).await
        };
        assert!(!update(2, &all).await);
        assert!(update(1, &all).await);
        let row = found(&store, None, 1).await.unwrap();
        assert_eq!((row.name.as_str(), row.description.as_str(), row.version), ("Renamed", "", 2));
        assert_eq!(
            (row.service_type, &row.owner_email, row.limits),
            (ServiceType::Partner, &None, all.limits.unwrap())
        );
        assert!(row.scopes.is_empty() && row.allowlist.is_empty() && row.metadata.is_empty());
        assert!(update(2, &Changes::none(NOW)).await);
        let after = found(&store, None, 1).await.unwrap();
        assert_eq!(after, ServiceAccountRow { version: 3, updated_at: NOW, ..row });

        let id = account_id(1);
        assert!(change(&store, async |c| service_accounts::disable(c, id, NOW, Some("why")).await).await);
        assert!(!change(&store, async |c| service_accounts::disable(c, id, NOW, None).await).await);
        let off = found(&store, None, 1).await.unwrap();
        assert_eq!((off.disabled_at, off.disabled_reason.as_deref()), (Some(NOW), Some("why")));
        assert!(change(&store, async |c| service_accounts::enable(c, id, NOW).await).await);
        assert!(!change(&store, async |c| service_accounts::enable(c, id, NOW).await).await);
        assert_eq!(found(&store, None, 1).await.unwrap().disabled_at, None);
    }
}

#[tokio::test]
async fn a_name_is_taken_among_live_siblings_and_free_elsewhere_and_afterwards() {
    for store in test_stores().await {
        let publisher = insert_publisher(&store, 1).await;
        for home in [None, Some(publisher)] {
            let number = if home.is_none() { 10 } else { 20 };
            insert(&store, &new_account(number, home)).await;
            let twin = NewServiceAccount {
                name: Name::parse(&format!("Account {number}")).unwrap(),
                ..new_account(number + 1, home)
            };
            let mut tx = store.begin().await.unwrap();
            assert_eq!(service_accounts::insert(tx.conn(), &twin).await, Err(StoreError::NameTaken));
            tx.rollback().await;
            let elsewhere = if home.is_none() { Some(publisher) } else { None };
            insert(
                &store,
                &NewServiceAccount { publisher_id: elsewhere, id: account_id(number + 2), ..twin.clone() },
            )
            .await;
            let delete = async || {
                change(&store, async |c| service_accounts::delete(c, account_id(number), 5, NOW).await).await
            };
            assert_eq!((delete().await, delete().await), (true, false));
            assert_eq!(found(&store, None, number).await, None);
            insert(&store, &twin).await;
        }
    }
}

#[tokio::test]
async fn a_list_is_filtered_and_goes_on_where_it_stopped() {
    for store in test_stores().await {
        let publisher = insert_publisher(&store, 1).await;
        insert(&store, &new_account(1, None)).await;
        insert(&store, &new_account(2, Some(publisher))).await;
        let analytics =
            NewServiceAccount { service_type: ServiceType::Analytics, ..new_account(3, Some(publisher)) };
        insert(&store, &analytics).await;
        change(&store, async |c| service_accounts::disable(c, account_id(2), NOW, None).await).await;
        let all = ListFilter { limit: 10, ..ListFilter::default() };
        let after = NOW.plus_micros(3);
        for (filter, numbers) in [
            (all.clone(), vec![3, 2, 1]),
            (ListFilter { within: Some(publisher), ..all.clone() }, vec![3, 2]),
            (ListFilter { disabled: Some(true), ..all.clone() }, vec![2]),
            (ListFilter { disabled: Some(false), ..all.clone() }, vec![3, 1]),
            (ListFilter { service_type: Some(ServiceType::CiCd), ..all.clone() }, vec![2, 1]),
            (ListFilter { name: Some("Account 1".to_owned()), ..all.clone() }, vec![1]),
            (ListFilter { q: Some("OUNT 2".to_owned()), ..all.clone() }, vec![2]),
            (ListFilter { after: Some((after, account_id(3))), limit: 1, ..all.clone() }, vec![2]),
        ] {
            let rows = read(&store, async |c| service_accounts::list(c, &filter).await).await;
            let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
            let expected: Vec<_> = numbers.into_iter().map(account_id).collect();
            assert_eq!(ids, expected, "{filter:?} on {:?}", store.engine());
        }
    }
}

#[tokio::test]
async fn tokens_of_an_account_are_named_among_themselves_and_found_within_its_publisher() {
    for store in test_stores().await {
        let [one, two] = [insert_publisher(&store, 1).await, insert_publisher(&store, 2).await];
        let account = insert(&store, &new_account(1, Some(one))).await;
        let row = super::insert(&store, &token_of(&account, 1)).await;
        assert_eq!(super::by_id(&store, 1).await, Some(row.clone()));
        let within = async |publisher| {
            read(&store, async |c| service_tokens::by_id(c, publisher, credential_id(1)).await).await
        };
        assert_eq!((within(Some(one)).await, within(Some(two)).await), (Some(row.clone()), None));
        let mut tx = store.begin().await.unwrap();
        let locked = service_tokens::lock_for_change(tx.conn(), Some(two), credential_id(1)).await.unwrap();
        assert_eq!(locked, None);
        let locked = service_tokens::lock_for_change(tx.conn(), Some(one), credential_id(1)).await.unwrap();
        assert_eq!(locked, Some(row.clone()));
        tx.rollback().await;

        // A token that stands alone may bear the same name, another of the account may not.
        super::insert(&store, &NewServiceToken { token_name: name("token-1"), ..new_token(2) }).await;
        let twin = NewServiceToken { token_name: name("token-1"), ..token_of(&account, 3) };
        let mut tx = store.begin().await.unwrap();
        assert_eq!(service_tokens::insert(tx.conn(), &twin).await, Err(StoreError::NameTaken));
        tx.rollback().await;
        let bearer =
            async |of| read(&store, async |c| service_tokens::live_by_name(c, of, "token-1").await).await;
        assert_eq!(bearer(Some(account.id)).await.unwrap().id, credential_id(1));
        assert_eq!(bearer(None).await.unwrap().id, credential_id(2));

        let listed = async |filter: service_tokens::ListFilter| {
            let rows = read(&store, async |c| service_tokens::list(c, &filter).await).await;
            rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
        };
        let all = service_tokens::ListFilter::all(10, NOW, 1);
        let of_account = service_tokens::ListFilter { account: Some(account.id), ..all.clone() };
        assert_eq!(listed(of_account).await, [credential_id(1)]);
        assert_eq!(
            listed(service_tokens::ListFilter { within: Some(one), ..all.clone() }).await,
            [credential_id(1)]
        );
        assert!(listed(service_tokens::ListFilter { within: Some(two), ..all }).await.is_empty());

        let bounds = service_tokens::Changes {
            limits: Some(RateLimits { per_minute: None, per_hour: Some(9) }),
            allowlist: Some(Allowlist::default()),
            ..service_tokens::Changes::none(NOW)
        };
        assert!(
            change(&store, async |c| service_tokens::update(c, credential_id(1), 1, &bounds).await).await
        );
        let after = super::by_id(&store, 1).await.unwrap();
        assert_eq!((after.limits, after.allowlist.is_empty()), (bounds.limits.unwrap(), true));
    }
}

async fn status(store: &Store, number: u64) -> Status {
    super::by_id(store, number).await.unwrap().status(Epochs { service: 1, ..Epochs::default() }, NOW)
}

async fn revoked_by_grant(store: &Store, hash: TokenHash) -> bool {
    let loaded = read(store, async |c| grants::load(c, &Wanted::token(hash)).await).await.unwrap();
    loaded.grant.status(loaded.epochs, NOW) == Status::Revoked
}

#[tokio::test]
async fn a_raised_number_revokes_what_lies_within_its_reach_and_rows_agree_with_grants() {
    for store in test_stores().await {
        let publisher = insert_publisher(&store, 1).await;
        for (number, home) in [(1, None), (2, Some(publisher)), (3, Some(publisher))] {
            let account = insert(&store, &new_account(number, home)).await;
            super::insert(&store, &token_of(&account, number)).await;
        }
        super::insert(&store, &new_token(4)).await;
        let count = async |reach, next| {
            read(&store, async |c| service_tokens::count_reached(c, reach, 1, next).await).await
        };
        let reaches = [Reach::Platform, Reach::Publisher(publisher), Reach::Account(account_id(2))];
        assert_eq!(
            (count(reaches[0], 2).await, count(reaches[1], 2).await, count(reaches[2], 2).await),
            (4, 2, 1)
        );

        let epoch = raise(&store, 2).await;
        assert!(
            !change(&store, async |c| service_accounts::raise_epoch(c, account_id(2), epoch).await).await
        );
        assert_eq!(
            (count(reaches[0], 9).await, count(reaches[1], 9).await, count(reaches[2], 9).await),
            (3, 1, 0)
        );
        let row = change(&store, async |mut c| {
            let epoch = platform::next_epoch(c.reborrow()).await?;
            publishers::raise_service_epoch(c, publisher, epoch).await
        });
        assert!(row.await);
        for (number, revoked) in [(1, false), (2, true), (3, true), (4, false)] {
            assert_eq!(status(&store, number).await == Status::Revoked, revoked, "{number}");
            assert_eq!(revoked_by_grant(&store, hash(number)).await, revoked, "{number}");
        }
        let totals = read(&store, async |c| service_tokens::totals(c, NOW, 1).await).await;
        assert_eq!((totals.total, totals.revoked, totals.active), (4, 2, 2));
        for (wanted, found) in [(Status::Revoked, 2), (Status::Active, 2)] {
            let all = service_tokens::ListFilter::all(10, NOW, 1);
            let filter = service_tokens::ListFilter { status: Some(wanted), ..all };
            assert_eq!(read(&store, async |c| service_tokens::list(c, &filter).await).await.len(), found);
        }

        let mark = async |limit| {
            let reason = Some("with its account");
            change(&store, async |c| service_tokens::mark_revoked_with_account(c, NOW, reason, limit).await)
                .await
        };
        assert_eq!((mark(1).await, mark(10).await, mark(10).await), (1, 1, 0));
        assert_eq!(super::by_id(&store, 3).await.unwrap().revoked_at, Some(NOW));
        assert_eq!(super::by_id(&store, 1).await.unwrap().revoked_at, None);
    }
}

#[tokio::test]
async fn a_deleted_publisher_takes_its_accounts_and_their_tokens_along() {
    for store in test_stores().await {
        let [one, two] = [insert_publisher(&store, 1).await, insert_publisher(&store, 2).await];
        for (number, home) in [(1, one), (2, one), (3, two)] {
            let account = insert(&store, &new_account(number, Some(home))).await;
            super::insert(&store, &token_of(&account, number)).await;
        }
        let mut gone = change(&store, async |mut c| {
            let epoch = platform::next_epoch(c.reborrow()).await?;
            service_accounts::delete_all(c, one, epoch, NOW).await
        })
        .await;
        gone.sort_unstable();
        let mut expected = vec![account_id(1), account_id(2)];
        expected.sort_unstable();
        assert_eq!(gone, expected);
        assert!(found(&store, None, 1).await.is_none() && found(&store, None, 3).await.is_some());
        assert!(revoked_by_grant(&store, hash(1)).await && !revoked_by_grant(&store, hash(3)).await);
        assert_eq!(status(&store, 2).await, Status::Revoked);
    }
}

#[tokio::test]
async fn a_token_carries_what_lies_within_its_account_and_both_their_bounds() {
    for store in test_stores().await {
        let publisher = insert_publisher(&store, 1).await;
        let account = insert(&store, &new_account(1, Some(publisher))).await;
        let mut new = token_of(&account, 1);
        new.permissions = ScopeSet::parse(["works:read", "reports:read"]).unwrap();
        super::insert(&store, &new).await;
        let loaded = read(&store, async |c| grants::load(c, &Wanted::token(hash(1))).await).await.unwrap();
        let grant = loaded.grant;
        assert_eq!(grant.scopes, ScopeSet::parse(["works:read"]).unwrap());
        assert_eq!(grant.home(), Some(publisher));
        assert_eq!(grant.principal_id(), account.id.0);
        let metadata = grant.metadata.as_ref().unwrap().as_map();
        assert_eq!(
            (&metadata["team"], &metadata["n"], &metadata["tier"]),
            (&json!("Ärger"), &json!(1), &json!(1))
        );
        let bounds = grant.bounds.unwrap();
        assert_eq!(bounds.allowlists.as_ref(), [networks(&["10.1.0.0/16"]), networks(&["10.0.0.0/8"])]);
        let keys: Vec<_> = bounds.budgets.iter().map(|budget| (budget.key, budget.limit)).collect();
        let lineage = new.lineage_id.unwrap().0;
        assert_eq!(keys, [(lineage, 10), (account.id.0, 100), (account.id.0, 5_000)]);
    }
}
