use super::{
    CleanupRequest, CreateAccountToken, CreateServiceToken, Expiry, PatchServiceToken, RotateServiceToken,
    ServiceTokenQuery,
};
use crate::{
    bounds::ChangeRateLimits, patch::Patch, problem::Problem, request::FromFields, service_token::TokenStatus,
};
use serde_json::{Value, json};

fn read<T: FromFields>(body: &Value) -> Result<T, Problem> {
    T::from_body(body.to_string().as_bytes(), &|_, _: &str| Ok(()))
}

/// Status and code as a whole, and each field with its own code.
fn refused<T: FromFields>(body: &Value) -> (u16, String, Vec<(String, String)>) {
    let Err(problem) = read::<T>(body) else { panic!("must be refused: {body}") };
    let fields = problem.errors.iter().map(|error| (error.field.clone(), error.code.to_string()));
    (problem.status, problem.code.to_string(), fields.collect())
}

fn field(name: &str, code: &str) -> (String, String) {
    (name.into(), code.into())
}

#[test]
fn scopes_are_permissions_by_another_name_but_not_both() {
    for name in ["permissions", "scopes"] {
        let token: CreateServiceToken = read(&json!({"token_name": "ci", name: ["api_read"]})).unwrap();
        assert_eq!((token.permissions, token.scopes), (Some(vec!["api_read".into()]), None));
        let change: PatchServiceToken = read(&json!({name: []})).unwrap();
        assert_eq!((change.permissions, change.scopes), (Some(vec![]), None));
    }
    let both = json!({"token_name": "ci", "permissions": ["a"], "scopes": ["a"]});
    let expected = (422, "validation_failed".into(), vec![field("scopes", "conflict")]);
    assert_eq!(refused::<CreateServiceToken>(&both), expected);
    let both = json!({"permissions": ["a"], "scopes": ["a"]});
    assert_eq!(refused::<PatchServiceToken>(&both), expected);
    let neither = refused::<CreateServiceToken>(&json!({"token_name": "ci"}));
    assert_eq!(neither.2, [field("permissions", "required")]);
}

#[test]
fn a_life_is_given_once_or_defaulted_and_null_is_for_ever() {
    let with = |life: Value| {
        let mut body = json!({"token_name": "ci", "permissions": []});
        body.as_object_mut().unwrap().extend(life.as_object().unwrap().clone());
        body
    };
    for (life, expiry) in [
        (json!({}), Expiry::Default),
        (json!({"expires_at": null}), Expiry::Never),
        (json!({"expires_in_days": null}), Expiry::Never),
        (json!({"expires_in_days": 30}), Expiry::InDays(30)),
        (json!({"expires_at": "2030-01-01T00:00:00Z"}), Expiry::At("2030-01-01T00:00:00Z")),
    ] {
        assert_eq!(read::<CreateServiceToken>(&with(life)).unwrap().expiry(), expiry);
    }
    for life in [
        json!({"expires_at": "2030-01-01T00:00:00Z", "expires_in_days": 30}),
        json!({"expires_at": null, "expires_in_days": 30}),
        json!({"expires_at": null, "expires_in_days": null}),
    ] {
        let (.., fields) = refused::<CreateServiceToken>(&with(life));
        assert_eq!(fields, [field("expires_in_days", "conflict")]);
    }
}

#[test]
fn bounds_are_read_field_by_field() {
    let limits = json!({"per_minute": 60, "per_hour": null});
    let body =
        json!({"token_name": "ci", "permissions": [], "rate_limits": limits, "ip_allowlist": ["::/0"]});
    let token: CreateServiceToken = read(&body).unwrap();
    let limits = ChangeRateLimits { per_minute: Patch::Value(60), per_hour: Patch::Null };
    assert_eq!((token.rate_limits, token.ip_allowlist), (Patch::Value(limits), Some(vec!["::/0".into()])));
    let change: PatchServiceToken = read(&json!({"rate_limits": null, "ip_allowlist": null})).unwrap();
    assert_eq!((change.rate_limits, change.ip_allowlist), (Patch::Null, Patch::Null));
    let body = json!({"rate_limits": {"per_minute": 0, "per_day": 1}, "ip_allowlist": ["", 1]});
    let (.., fields) = refused::<PatchServiceToken>(&body);
    let expected = [
        field("rate_limits.per_minute", "out_of_range"),
        field("rate_limits.per_day", "unknown_field"),
        field("ip_allowlist[0]", "too_short"),
        field("ip_allowlist[1]", "invalid_type"),
    ];
    assert_eq!(fields, expected);
}

#[test]
fn a_token_of_an_account_need_not_name_permissions() {
    let account = "01980000-0000-7000-8000-000000000001";
    let body = json!({"token_name": "ci", "service_account_id": account});
    let token: CreateServiceToken = read(&body).unwrap();
    assert_eq!((token.permissions, token.service_account_id), (None, account.parse().ok()));
    let token: CreateAccountToken = read(&json!({"token_name": "ci"})).unwrap();
    assert_eq!(CreateServiceToken::from(token).permissions, None);
    assert_eq!(refused::<CreateAccountToken>(&body).2, [field("service_account_id", "forbidden_field")]);
}

#[test]
fn what_a_caller_may_never_set_is_forbidden_not_ignored() {
    let forbidden = [
        "id",
        "token",
        "token_hash",
        "token_hint",
        "status",
        "usage_count",
        "last_used_at",
        "rotated_from_id",
        "superseded_by_id",
        "grace_expires_at",
        "revoked_at",
        "revoked_reason",
        "created_by",
        "created_at",
    ];
    for name in forbidden {
        let expected = (403, "forbidden_field".into(), vec![field(name, "forbidden_field")]);
        let body = json!({"token_name": "ci", "permissions": [], name: null});
        assert_eq!(refused::<CreateServiceToken>(&body), expected);
        assert_eq!(refused::<PatchServiceToken>(&json!({name: 1})), expected);
        assert_eq!(refused::<RotateServiceToken>(&json!({"reason": "r", name: 1})), expected);
    }
    let account = refused::<PatchServiceToken>(&json!({"service_account_id": null}));
    assert_eq!((account.0, account.1.as_str()), (403, "forbidden_field"));
    let off =
        refused::<CreateServiceToken>(&json!({"token_name": "c", "permissions": [], "is_active": false}));
    assert_eq!((off.0, off.1.as_str()), (403, "forbidden_field"));
}

#[test]
fn an_unknown_field_is_said_to_be_one_even_beside_others() {
    let (status, code, fields) = refused::<CreateServiceToken>(&json!({"nmae": "ci", "rate_limits": 1}));
    assert_eq!((status, code.as_str()), (422, "unknown_field"));
    assert_eq!(
        fields,
        [
            field("token_name", "required"),
            field("rate_limits", "invalid_type"),
            field("permissions", "required"),
            field("nmae", "unknown_field"),
        ]
    );
}

#[test]
fn a_change_tells_leaving_alone_from_clearing() {
    let change: PatchServiceToken = read(&json!({})).unwrap();
    assert_eq!(change, PatchServiceToken::default());
    let change: PatchServiceToken =
        read(&json!({"expires_at": null, "metadata": null, "is_active": false})).unwrap();
    assert_eq!((change.expires_at, change.metadata), (Patch::Null, Patch::Null));
    assert_eq!(change.is_active, Some(false));
    let change: PatchServiceToken = read(&json!({"metadata": {"team": null, "env": "x"}})).unwrap();
    let Patch::Value(metadata) = change.metadata else { panic!("it has a value") };
    assert_eq!(Value::Object(metadata), json!({"team": null, "env": "x"}));
    for name in ["token_name", "is_active", "permissions"] {
        let (.., fields) = refused::<PatchServiceToken>(&json!({name: null}));
        assert_eq!(fields, [field(name, "required")]);
    }
}

#[test]
fn what_a_client_writes_the_server_reads_to_the_same_effect() {
    let create = CreateServiceToken {
        token_name: "ci".into(),
        permissions: Some(vec!["api_read".into()]),
        expires_in_days: Patch::Null,
        metadata: json!({"team": "a"}).as_object().cloned(),
        ..CreateServiceToken::default()
    };
    assert_eq!(read::<CreateServiceToken>(&serde_json::to_value(&create).unwrap()).unwrap(), create);
    let change = PatchServiceToken { expires_at: Patch::Null, is_active: Some(true), ..Default::default() };
    assert_eq!(serde_json::to_value(&change).unwrap(), json!({"is_active": true, "expires_at": null}));
    assert_eq!(read::<PatchServiceToken>(&serde_json::to_value(&change).unwrap()).unwrap(), change);
    let rotate = RotateServiceToken {
        reason: "schedule".into(),
        grace_seconds: Some(0),
        expires_at: Patch::Value("2030-01-01T00:00:00Z".into()),
    };
    assert_eq!(read::<RotateServiceToken>(&serde_json::to_value(&rotate).unwrap()).unwrap(), rotate);
    let cleanup = CleanupRequest { deactivate_only: false, older_than_days: 400 };
    assert_eq!(read::<CleanupRequest>(&serde_json::to_value(cleanup).unwrap()).unwrap(), cleanup);
    assert_eq!(read::<CleanupRequest>(&json!({})).unwrap(), CleanupRequest::default());
}

#[test]
fn a_list_is_filtered_by_known_states_only() {
    let read = |name: &str, text: &str| {
        let pair = [(name.to_owned(), text.to_owned())];
        ServiceTokenQuery::from_query(pair, &|_, _: &str| Ok(()))
    };
    assert_eq!(read("status", "superseded").unwrap().status, Some(TokenStatus::Superseded));
    for status in ["", "Active", "deleted"] {
        assert_eq!(read("status", status).unwrap_err().errors[0].code, "invalid_value");
    }
}
