//! Personal tokens.

use keywright_api::personal_token::{ApprovalState, PersonalToken, TokenApproval};
use keywright_authority::personal_tokens::{self, Approval, PublisherWord};
use keywright_core::{Epochs, PublisherId, Timestamp};

use super::{actor, allowlist, optional_time, rate_limits, scopes, status, time};

/// A personal token, with the status that it has at `now`.
pub fn personal_token(
    token: &personal_tokens::PersonalToken,
    epochs: Epochs,
    now: Timestamp,
) -> PersonalToken {
    let (row, terms) = (&token.row, &token.row.terms);
    let ids = |ids: &Vec<PublisherId>| ids.iter().map(|id| id.0).collect();
    PersonalToken {
        id: row.id.0,
        user_id: row.user_id.0,
        name: terms.name.as_str().to_owned(),
        token_hint: row.token_hint.0.clone(),
        scopes: scopes(&terms.scopes),
        inherit_user_permissions: terms.inherit_user_permissions,
        publisher_ids: terms.publisher_ids.as_ref().map(ids),
        excluded_publisher_ids: ids(&terms.excluded_publisher_ids),
        approvals: token.publishers.iter().map(approval).collect(),
        status: status(token.status(epochs, now)),
        is_active: terms.is_active,
        rate_limits: rate_limits(terms.rate_limits),
        ip_allowlist: allowlist(&terms.ip_allowlist),
        expires_at: optional_time(terms.expires_at),
        usage_count: row.usage_count,
        last_used_at: optional_time(row.last_used_at),
        rotated_from_id: row.rotated_from_id.map(|id| id.0),
        superseded_by_id: row.superseded_by_id.map(|id| id.0),
        grace_expires_at: optional_time(row.grace_expires_at),
        revoked_at: optional_time(row.revoked_at),
        revoked_reason: row.revoked_reason.clone(),
        created_by: actor(&row.created_by),
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    }
}

fn approval(word: &PublisherWord) -> TokenApproval {
    let (approval, approved_at) = match word.approval {
        Approval::NotRequired => (ApprovalState::NotRequired, None),
        Approval::Pending => (ApprovalState::Pending, None),
        Approval::Given(at) => (ApprovalState::Approved, Some(at)),
    };
    TokenApproval { publisher_id: word.publisher.0, approval, approved_at: optional_time(approved_at) }
}
