//! What callers must be allowed to do, as the document tells it. The gate asks for it by the types of the handlers; a test
//! calls every operation with its permission alone, and with all others.

use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;

/// What each operation asks for, by its id. One that is neither here nor among the exceptions of the tests fails them.
pub const PERMISSIONS: &[(&str, &str)] = &[
    ("verify", "tokens:verify"),
    ("verify_batch", "tokens:verify"),
    ("introspect_token", "tokens:verify"),
    ("stream_invalidations", "tokens:verify"),
    ("report_usage", "tokens:verify"),
    ("emergency_revoke", "emergency:revoke"),
    ("allow_external", "emergency:revoke"),
    ("list_service_tokens", "tokens:read"),
    ("get_service_token", "tokens:read"),
    ("list_service_token_security_events", "tokens:read"),
    ("get_service_token_analytics", "tokens:read"),
    ("get_service_token_limit_state", "tokens:read"),
    ("get_service_token_locations", "tokens:read"),
    ("get_service_token_blast_radius", "tokens:read"),
    ("get_analytics_summary", "tokens:read"),
    ("report_leaks", "leaks:report"),
    ("create_service_token", "tokens:admin"),
    ("update_service_token", "tokens:admin"),
    ("revoke_service_token", "tokens:admin"),
    ("rotate_service_token", "tokens:admin"),
    ("clean_up_service_tokens", "tokens:admin"),
    ("clean_up", "tokens:admin"),
    ("rotate_own_service_token", "tokens:rotate_self"),
    ("list_authentication_events", "audit:read"),
    ("list_security_events", "audit:read"),
    ("verify_security_events", "audit:read"),
    ("record_cicd_event", "audit_log"),
    ("list_alerts", "monitoring:read"),
    ("get_alert", "monitoring:read"),
    ("acknowledge_alert", "monitoring:admin"),
    ("resolve_alert", "monitoring:admin"),
    ("list_users", "users:read"),
    ("get_user", "users:read"),
    ("invite_user", "users:admin"),
    ("invite_user_again", "users:admin"),
    ("update_user", "users:admin"),
    ("disable_user", "users:admin"),
    ("enable_user", "users:admin"),
    ("delete_user", "users:admin"),
    ("list_service_accounts", "service_accounts:read"),
    ("get_service_account", "service_accounts:read"),
    ("get_service_account_scopes", "service_accounts:read"),
    ("get_service_account_rate_limits", "service_accounts:read"),
    ("get_service_account_ip_allowlist", "service_accounts:read"),
    ("get_service_account_usage", "service_accounts:read"),
    ("get_service_account_limit_state", "service_accounts:read"),
    ("list_service_account_security_events", "service_accounts:read"),
    ("list_service_account_tokens", "service_accounts:read"),
    ("get_service_account_token", "service_accounts:read"),
    ("create_service_account", "service_accounts:admin"),
    ("update_service_account", "service_accounts:admin"),
    ("replace_service_account", "service_accounts:admin"),
    ("delete_service_account", "service_accounts:admin"),
    ("disable_service_account", "service_accounts:admin"),
    ("enable_service_account", "service_accounts:admin"),
    ("replace_service_account_scopes", "service_accounts:admin"),
    ("replace_service_account_rate_limits", "service_accounts:admin"),
    ("replace_service_account_ip_allowlist", "service_accounts:admin"),
    ("create_service_account_token", "service_accounts:admin"),
    ("update_service_account_token", "service_accounts:admin"),
    ("revoke_service_account_token", "service_accounts:admin"),
    ("rotate_service_account_token", "service_accounts:admin"),
    ("rotate_all_service_account_tokens", "service_accounts:admin"),
    ("revoke_all_service_account_tokens", "service_accounts:admin"),
    ("create_personal_token", "personal_tokens:write"),
    ("rotate_personal_token", "personal_tokens:write"),
    ("approve_personal_token", "users:admin"),
    ("list_user_tokens", "users:read"),
    ("get_user_token", "users:read"),
    ("revoke_user_token", "users:admin"),
    ("revoke_user_tokens", "users:admin"),
    ("approve_user_token", "users:admin"),
    ("get_service_account_rotation_policy", "service_accounts:read"),
    ("replace_service_account_rotation_policy", "service_accounts:admin"),
    ("list_maintenance_windows", "monitoring:read"),
    ("get_maintenance_window", "monitoring:read"),
    ("create_maintenance_window", "monitoring:admin"),
    ("update_maintenance_window", "monitoring:admin"),
    ("delete_maintenance_window", "monitoring:admin"),
    ("list_rotation_policies", "monitoring:read"),
    ("get_rotation_policy", "monitoring:read"),
    ("get_effective_rotation_policy", "monitoring:read"),
    ("create_rotation_policy", "monitoring:admin"),
    ("update_rotation_policy", "monitoring:admin"),
    ("delete_rotation_policy", "monitoring:admin"),
    ("list_rotations", "monitoring:read"),
    ("plan_rotations", "monitoring:read"),
    ("get_rotation", "monitoring:read"),
    ("confirm_rotation", "monitoring:admin"),
    ("roll_back_rotation", "monitoring:admin"),
    ("list_publishers", "publishers:admin"),
    ("create_publisher", "publishers:admin"),
    ("get_publisher", "publishers:admin"),
    ("update_publisher", "publishers:admin"),
    ("delete_publisher", "publishers:admin"),
    ("suspend_publisher", "publishers:admin"),
    ("resume_publisher", "publishers:admin"),
    ("get_publisher_settings", "publishers:admin"),
    ("replace_publisher_settings", "publishers:admin"),
    ("update_publisher_settings", "publishers:admin"),
    ("list_members", "users:read"),
    ("get_member", "users:read"),
    ("add_member", "users:admin"),
    ("update_member", "users:admin"),
    ("remove_member", "users:admin"),
    ("list_roles", "users:read"),
    ("get_role", "users:read"),
    ("create_role", "users:admin"),
    ("update_role", "users:admin"),
    ("delete_role", "users:admin"),
    ("get_system_status", "system_status"),
    ("get_metrics", "system_status"),
    ("list_user_sessions", "users:read"),
    ("end_user_sessions", "users:admin"),
    ("list_signing_keys", "keys:admin"),
    ("list_notification_channels", "monitoring:read"),
    ("get_notification_channel", "monitoring:read"),
    ("create_notification_channel", "monitoring:admin"),
    ("update_notification_channel", "monitoring:admin"),
    ("delete_notification_channel", "monitoring:admin"),
    ("test_notification_channel", "monitoring:admin"),
    ("list_notification_channel_deliveries", "monitoring:read"),
    ("retry_notification_channel_delivery", "monitoring:admin"),
    ("list_event_subscriptions", "monitoring:read"),
    ("get_event_subscription", "monitoring:read"),
    ("create_event_subscription", "monitoring:admin"),
    ("update_event_subscription", "monitoring:admin"),
    ("delete_event_subscription", "monitoring:admin"),
    ("list_event_subscription_deliveries", "monitoring:read"),
    ("retry_event_subscription_delivery", "monitoring:admin"),
    ("rotate_signing_key", "keys:admin"),
    ("revoke_signing_key", "keys:admin"),
];

/// What some of these ask for besides: nobody has others told of events who may not read them.
pub const BESIDES: &[(&str, &str)] =
    &[("create_event_subscription", "audit:read"), ("update_event_subscription", "audit:read")];

/// Operations that ask for it only where the body names another credential than that of the caller: the document cannot
/// tell that but in words.
const BY_BODY: [&str; 1] = ["verify"];

/// Operations whose callers may also say who they are as clients of OAuth do.
const BY_CLIENTS: [&str; 1] = ["introspect_token"];

/// Operations about a person's own account, which no other credential can call, whatever it may do; as all below
/// `/users/me`.
pub const USERS: [&str; 3] = ["change_password", "ask_for_email_change", "update_me"];

/// The permissions of an operation.
pub fn of(id: &str) -> impl Iterator<Item = &'static str> {
    PERMISSIONS.iter().chain(BESIDES).filter(move |(own, _)| *own == id).map(|(_, permission)| *permission)
}

/// Tells them in the operation's requirements, whose scopes are roles where the scheme is no OAuth (OpenAPI 3.1, Security
/// Requirement Object).
pub(super) fn tell(operation: &mut Operation) {
    let Some(id) = operation.operation_id.as_deref() else { return };
    if of(id).next().is_some() && !BY_BODY.contains(&id) {
        let requirement = |scheme: &str| SecurityRequirement::new(scheme, of(id));
        let mut schemes = vec!["bearer", "api_key"];
        schemes.extend(BY_CLIENTS.contains(&id).then_some("client_secret_basic"));
        operation.security = Some(schemes.into_iter().map(requirement).collect());
    }
    if USERS.contains(&id) {
        operation
            .extensions
            .get_or_insert_with(Extensions::default)
            .insert("x-only-users".to_owned(), true.into());
    }
}
