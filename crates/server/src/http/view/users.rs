//! Users.

use keywright_api::WireEnum;
use keywright_api::user::{Belonging, Locale, PlatformRole, User, UserStatus};
use keywright_authority::mail;
use keywright_authority::users;
use keywright_core::Name;
use keywright_store::users as stored;

use super::{actor, optional_time, time};

/// A user, with the publishers that the caller may know of.
pub fn user(user: &users::User) -> User {
    let row = &user.row;
    User {
        id: row.id.0,
        email: row.email.as_str().to_owned(),
        email_verified_at: optional_time(row.email_verified_at),
        display_name: row.display_name.as_ref().map(|name| name.as_str().to_owned()),
        status: UserStatus::from_word(row.status().as_str()).unwrap_or(UserStatus::Disabled),
        platform_role: row.platform_role.as_deref().and_then(PlatformRole::from_word),
        publishers: user.publishers.iter().map(belonging).collect(),
        default_publisher_id: row.default_publisher_id.map(|id| id.0),
        preferences: row.preferences.as_map().clone(),
        last_login_at: optional_time(row.last_login_at),
        disabled_at: optional_time(row.disabled_at),
        disabled_reason: row.disabled_reason.clone(),
        created_by: actor(&row.created_by),
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    }
}

fn belonging(own: &stored::Belonging) -> Belonging {
    let text = |name: &Name| name.as_str().to_owned();
    Belonging {
        publisher_id: own.publisher_id.0,
        name: text(&own.publisher_name),
        role_id: own.role_id.0,
        role: text(&own.role_name),
    }
}

/// A status that is asked for.
pub fn stored_status(status: UserStatus) -> stored::UserStatus {
    match status {
        UserStatus::Invited => stored::UserStatus::Invited,
        UserStatus::Active => stored::UserStatus::Active,
        UserStatus::Disabled => stored::UserStatus::Disabled,
    }
}

/// A language that is asked for.
pub fn spoken(locale: Locale) -> mail::Locale {
    match locale {
        Locale::English => mail::Locale::English,
        Locale::German => mail::Locale::German,
    }
}
