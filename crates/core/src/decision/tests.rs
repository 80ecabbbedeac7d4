use super::*;
use crate::allowlist::Allowlist;
use crate::grant::{Account, Bonds, Bounds, Owner, Tenancy};
use crate::id::{CredentialId, PublisherId, ServiceAccountId, UserId};
use crate::principal::{CredentialKind, PrincipalKind};
use proptest::prelude::*;

fn grant() -> Grant {
    Grant {
        credential_id: CredentialId::generate(Timestamp::EPOCH, [1; 10]),
        kind: CredentialKind::Service,
        name: "ci".into(),
        principal: PrincipalKind::ServiceToken,
        scopes: ScopeSet::parse(["works:*"]).unwrap(),
        metadata: None,
        expires_at: Some(Timestamp::from_micros(100)),
        is_active: true,
        revoked: false,
        superseded: false,
        grace_expires_at: None,
        epoch: 1,
        bonds: None,
        bounds: None,
    }
}

/// An access token's grant: of a user, within a publisher.
fn of_user(standing: Standing, enabled: bool) -> Grant {
    let bonds = Bonds {
        user: Some(Owner {
            id: UserId::generate(Timestamp::EPOCH, [2; 10]),
            email: "ada@example.com".into(),
            enabled,
        }),
        publisher: Some(Tenancy {
            id: PublisherId::generate(Timestamp::EPOCH, [3; 10]),
            standing,
            role: None,
        }),
        ..Bonds::default()
    };
    Grant {
        kind: CredentialKind::User,
        principal: PrincipalKind::User,
        bonds: Some(Box::new(bonds)),
        ..grant()
    }
}

fn code(grant: &Grant, epochs: Epochs, wanted: &Requirements, now: i64) -> &'static str {
    code_of(&decide(grant, None, epochs, wanted, Facts::at(Timestamp::from_micros(now))))
}

#[test]
fn the_first_reason_in_the_documented_order_is_told() {
    let wanted = Requirements::scope("catalog:read".parse().unwrap());
    let raised = Epochs { service: 2, ..Epochs::default() };
    let now_or_then = Epochs { service: 1, ..Epochs::default() };
    let mut grant = grant();
    assert_eq!(code(&grant, now_or_then, &Requirements::none(), 1), "valid");
    assert_eq!(code(&grant, now_or_then, &wanted, 1), "insufficient_scope");
    grant.is_active = false;
    assert_eq!(code(&grant, now_or_then, &wanted, 1), "inactive");
    assert_eq!(code(&grant, now_or_then, &wanted, 100), "expired");
    assert_eq!(code(&grant, raised, &wanted, 100), "revoked");
    grant.revoked = true;
    assert_eq!(code(&grant, now_or_then, &wanted, 100), "revoked");
}

#[test]
fn what_befell_the_user_is_told_before_the_publisher_and_that_before_the_scopes() {
    let wanted = Requirements::scope("catalog:read".parse().unwrap());
    let code = |grant: &Grant, epochs| code(grant, epochs, &wanted, 1);
    let none = Epochs::default();
    assert_eq!(code(&of_user(Standing::Good, true), none), "insufficient_scope");
    assert_eq!(code(&of_user(Standing::Foreign, true), none), "wrong_publisher");
    assert_eq!(code(&of_user(Standing::Suspended, true), none), "publisher_suspended");
    assert_eq!(code(&of_user(Standing::Suspended, false), none), "principal_disabled");
    let mut grant = of_user(Standing::Suspended, false);
    assert_eq!(code(&grant, Epochs { session: 2, ..none }), "revoked");
    assert_eq!(code(&grant, Epochs { service: 2, ..none }), "principal_disabled", "of another kind");
    grant.bonds.as_mut().unwrap().floor = 2;
    assert_eq!(code(&grant, none), "revoked");
    grant.kind = CredentialKind::External;
    assert_eq!(code(&grant, none), "principal_disabled", "an external token is made elsewhere");
    grant.bonds.as_mut().unwrap().refused = true;
    assert_eq!(code(&grant, none), "revoked");
}

#[test]
fn every_allowlist_must_let_the_address_in() {
    let list = |text: &str| Allowlist::new([text.parse().unwrap()]).unwrap();
    let bounds =
        Bounds { allowlists: Box::new([list("10.0.0.0/8"), list("10.1.0.0/16")]), ..Bounds::default() };
    let mut grant =
        Grant { bounds: Some(Box::new(bounds)), expires_at: None, ..of_user(Standing::Foreign, true) };
    let code = |grant: &Grant, address: &str| {
        let facts = Facts { address: address.parse().ok(), ..Facts::at(Timestamp::from_micros(1)) };
        code_of(&decide(grant, None, Epochs::default(), &Requirements::none(), facts))
    };
    assert_eq!(code(&grant, "10.1.0.1"), "wrong_publisher");
    assert_eq!(code(&grant, "::ffff:10.1.0.1"), "wrong_publisher");
    for refused in ["10.2.0.1", "192.0.2.1", "::1", "unknown", ""] {
        assert_eq!(code(&grant, refused), "ip_not_allowed", "before the publisher: {refused}");
    }
    grant.bonds.as_mut().unwrap().publisher.as_mut().unwrap().standing = Standing::Suspended;
    assert_eq!(code(&grant, "192.0.2.1"), "publisher_suspended", "before the address");
}

#[test]
fn a_token_of_an_account_ends_with_it() {
    let account = Account {
        id: ServiceAccountId::generate(Timestamp::EPOCH, [4; 10]),
        name: "songtrust-api".into(),
        publisher: None,
        enabled: true,
    };
    let mut grant = grant();
    grant.bonds = Some(Box::new(Bonds { account: Some(account), ..Bonds::default() }));
    let code = |grant: &Grant| code(grant, Epochs::default(), &Requirements::none(), 1);
    assert_eq!(code(&grant), "valid");
    grant.bonds.as_mut().unwrap().account.as_mut().unwrap().enabled = false;
    assert_eq!(code(&grant), "principal_disabled");
    grant.bonds.as_mut().unwrap().floor = 2;
    assert_eq!(code(&grant), "revoked");
    assert_eq!(grant.principal_id(), grant.account().unwrap().id.0);
    assert_eq!(grant.principal_ref().name, "songtrust-api");
}

#[test]
fn a_token_never_carries_more_than_it_claims_nor_than_its_owner_may() {
    let grant = Grant { expires_at: None, ..of_user(Standing::Good, true) };
    let claims = |texts: &[&str]| Claimed {
        expires_at: Some(Timestamp::from_micros(50)),
        scopes: Some(ScopeSet::parse(texts).unwrap()),
    };
    let code = |claimed: &Claimed, scope: &str, now| {
        let wanted = Requirements::scope(scope.parse().unwrap());
        let now = Timestamp::from_micros(now).plus_seconds(crate::grant::LEEWAY_SECONDS);
        code_of(&decide(&grant, Some(claimed), Epochs::default(), &wanted, Facts::at(now)))
    };
    assert_eq!(code(&claims(&["works:read"]), "works:read", 49), "valid");
    assert_eq!(code(&claims(&["works:read"]), "works:write", 49), "insufficient_scope");
    assert_eq!(code(&claims(&["*"]), "works:write", 49), "valid");
    assert_eq!(code(&claims(&["*"]), "catalog:read", 49), "insufficient_scope");
    assert_eq!(code(&claims(&["*"]), "works:write", 50), "expired");
}

#[test]
fn grace_ends_a_superseded_credential() {
    let mut grant = grant();
    grant.superseded = true;
    grant.grace_expires_at = Some(Timestamp::from_micros(50));
    let epochs = Epochs { service: 1, ..Epochs::default() };
    assert_eq!(grant.status(epochs, Timestamp::from_micros(49)), Status::Superseded);
    assert_eq!(code(&grant, epochs, &Requirements::none(), 49), "valid");
    assert_eq!(code(&grant, epochs, &Requirements::none(), 50), "expired");
}

#[test]
fn one_of_the_alternatives_is_enough() {
    let any = |texts: &[&str]| Requirements {
        required_scopes: ScopeSet::default(),
        any_scopes: ScopeSet::parse(texts).unwrap(),
    };
    let grant = grant();
    assert_eq!(code(&grant, Epochs::default(), &any(&["x:y", "works:read"]), 1), "valid");
    assert_eq!(code(&grant, Epochs::default(), &any(&["x:y", "x:z"]), 1), "insufficient_scope");
}

fn any_grant() -> impl Strategy<Value = Grant> {
    let end = proptest::option::of(0i64..20);
    (any::<bool>(), any::<bool>(), any::<bool>(), end.clone(), end, 0u64..3).prop_map(
        |(active, revoked, superseded, expires, grace, epoch)| Grant {
            is_active: active,
            revoked,
            superseded,
            expires_at: expires.map(Timestamp::from_micros),
            grace_expires_at: grace.filter(|_| superseded).map(Timestamp::from_micros),
            epoch,
            ..grant()
        },
    )
}

proptest! {
    #[test]
    fn time_only_takes_away(grant in any_grant(), now in 0i64..20, later in 0i64..20, epoch in 0u64..3) {
        let epochs = Epochs { service: epoch, ..Epochs::default() };
        let usable = |at| code(&grant, epochs, &Requirements::none(), at) == "valid";
        prop_assert!(usable(now) || !usable(now + later));
    }

    #[test]
    fn a_raised_epoch_spares_nobody(grant in any_grant(), now in 0i64..20) {
        let raised = Epochs { service: grant.epoch + 1, ..Epochs::default() };
        prop_assert_eq!(code(&grant, raised, &Requirements::none(), now), "revoked");
    }

    #[test]
    fn more_wanted_is_never_easier(grant in any_grant(), now in 0i64..20, scope in "(works|x):[ab]") {
        let wanted = Requirements::scope(scope.parse().unwrap());
        let bare = code(&grant, Epochs::default(), &Requirements::none(), now);
        let asked = code(&grant, Epochs::default(), &wanted, now);
        prop_assert!(asked != "valid" || bare == "valid");
    }
}
