//! What people say of themselves.

use keywright_core::{Metadata, Name, PublisherId};
use keywright_store::memberships;
use keywright_store::users::{self, Changes};
use serde_json::{Map, Value};

use super::myself;
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, Needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::mail::Locale;
use crate::users::{User, subject};

/// A change of one's own profile; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// Another name; `Some(None)` is none.
    pub display_name: Option<Option<Name>>,
    /// Merged into the preferences; `Some(None)` empties them.
    pub preferences: Option<Option<Map<String, Value>>>,
    /// Another publisher to act for by default.
    pub default_publisher_id: Option<Option<PublisherId>>,
}

/// Changes the caller's own profile (RFC 7396).
///
/// # Errors
/// [`Fault::UserRequired`]; [`Fault::Invalid`]; [`Fault::PreconditionFailed`]; [`Fault::Denied`].
pub async fn update_profile(authority: &Authority, call: Call, wanted: Profile) -> Result<User, Fault> {
    let (id, _) = myself(&call)?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            let change = Change::begin_with(&own, &call, &Needs::nothing(), &[], &[id.0]).await?;
            let Change { mut tx, grantor, now, .. } = change;
            let before = users::by_id(tx.conn(), id, None).await?.ok_or(Fault::NotFound)?;
            call.expects(before.version)?;
            if let Some(Some(publisher)) = wanted.default_publisher_id {
                let mine = memberships::get(tx.conn(), publisher, id).await?;
                mine.ok_or_else(|| Fault::field("default_publisher_id", "is none of your publishers"))?;
            }
            let changes = Changes {
                display_name: wanted.display_name.clone(),
                preferences: preferences(&before.preferences, wanted.preferences.as_ref())?,
                default_publisher_id: wanted.default_publisher_id,
                ..Changes::none(now)
            };
            if !users::update(tx.conn(), id, before.version, &changes).await? {
                return Err(Fault::PreconditionFailed);
            }
            let after = users::by_id(tx.conn(), id, None).await?.ok_or(Fault::NotFound)?;
            let event = Event::new("user.profile_changed", grantor.actor, Some(&call), subject(id));
            event.before(&before).after(&after).write(&own, tx.conn()).await?;
            let user = User::of(tx.conn(), after, None).await?;
            own.commit(tx, Invalidation::Of(vec![id.0]), call.confirm).await?;
            Ok(user)
        })
        .await
}

fn preferences(
    before: &Metadata,
    wanted: Option<&Option<Map<String, Value>>>,
) -> Result<Option<Metadata>, Fault> {
    let after = match wanted {
        None => return Ok(None),
        Some(None) => Metadata::default(),
        Some(Some(patch)) => {
            before.merged(patch).map_err(|error| Fault::field("preferences", error.to_string()))?
        }
    };
    let locale = after.as_map().get("locale");
    if locale.is_some_and(|locale| locale.as_str().and_then(Locale::parse).is_none()) {
        return Err(Fault::field("preferences.locale", "is none of: en, de"));
    }
    Ok(Some(after))
}
