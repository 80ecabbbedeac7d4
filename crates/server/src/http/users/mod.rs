//! `/users`: people.

pub mod delete;
pub mod disable;
pub mod get;
pub mod invite;
pub mod list;
pub mod remind;
pub mod update;

use keywright_api::secret::Secret;
use keywright_api::user::InvitationLink;
use keywright_authority::users::Link;

use super::view;

fn link(link: &Link) -> InvitationLink {
    InvitationLink {
        token: Secret::new(link.token.reveal()),
        url: link.url.as_deref().map(Secret::new),
        expires_at: view::time(link.expires_at),
    }
}
