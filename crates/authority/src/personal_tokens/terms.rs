//! What terms a token may have: nothing that its owner lacks, and nothing that a publisher forbids.

use keywright_core::{PersonalTokenPolicy, PublisherId, Scope, ScopeSet, Timestamp};
use keywright_store::Conn;
use keywright_store::personal_tokens::Terms;

use super::WRITE;
use super::owner::{Owner, confined_to};
use crate::call::{Call, Grantor};
use crate::fault::{Fault, FieldFault};
use crate::service_tokens::Expiry;

/// A publisher that a token is to be used in, as far as it is asked about before it is made.
struct Asked {
    /// None at platform level.
    publisher: Option<PublisherId>,
    permissions: ScopeSet,
    policy: PersonalTokenPolicy,
}

/// Those who are asked: the publishers that a token names, or, where it is for all of its owner's, the one that
/// the caller acts for. The others bound it at each use.
pub(super) struct Askeds(Vec<Asked>);

impl Askeds {
    /// # Errors
    /// [`Fault::Invalid`] naming each publisher that is none of the owner's; [`Fault::PublisherRequired`].
    pub(super) async fn read(
        conn: Conn<'_>,
        call: &Call,
        owner: &mut Owner,
        publishers: Option<&[PublisherId]>,
    ) -> Result<Self, Fault> {
        let confined = confined_to(call);
        let acting = call.publisher;
        let Some(named) = publishers else {
            if confined.is_some() {
                let detail =
                    "must be named: the issuer by whose word you call speaks for some publishers only";
                return Err(Fault::field("publisher_ids", detail));
            }
            return Self::of_acting(owner, acting);
        };
        owner.learn(conn, named).await?;
        let mut faults = Vec::new();
        let mut askeds = Vec::new();
        for (index, id) in named.iter().enumerate() {
            match owner.scope(*id).filter(|_| confined.is_none_or(|ids| ids.contains(id))) {
                Some(scope) => askeds.push(Asked {
                    publisher: Some(*id),
                    permissions: scope.permissions.clone(),
                    policy: scope.personal_tokens,
                }),
                None => faults.push(FieldFault {
                    field: format!("publisher_ids[{index}]"),
                    detail: "is none of your publishers".to_owned(),
                }),
            }
        }
        if faults.is_empty() { Ok(Self(askeds)) } else { Err(Fault::Invalid(faults)) }
    }

    fn of_acting(owner: &Owner, acting: Option<PublisherId>) -> Result<Self, Fault> {
        let asked = match acting {
            Some(id) => owner.scope(id).map(|scope| Asked {
                publisher: Some(id),
                permissions: scope.permissions.clone(),
                policy: scope.personal_tokens,
            }),
            None => None,
        };
        let of_platform = || {
            let permissions = owner.of_platform().cloned()?;
            Some(Asked { publisher: acting, permissions, policy: PersonalTokenPolicy::default() })
        };
        let asked = asked.or_else(of_platform).ok_or(Fault::PublisherRequired)?;
        Ok(Self(vec![asked]))
    }

    /// The latest end that a token born at this moment may have.
    pub(super) fn longest(&self, born: Timestamp) -> Option<Timestamp> {
        let days = self.0.iter().filter_map(|asked| asked.policy.max_days);
        days.min().map(|days| born.plus_days(days.into()))
    }

    /// Nobody grants what they lack, and no publisher takes what it does not want.
    ///
    /// # Errors
    /// [`Fault::PersonalTokensNotAllowed`]; [`Fault::ScopeExceedsGrantor`]; [`Fault::Invalid`] for a life that
    /// is too long.
    pub(super) fn accept(
        &self,
        call: &Call,
        grantor: &Grantor,
        terms: &Terms,
        born: Timestamp,
    ) -> Result<(), Fault> {
        let write: Scope = WRITE.parse().map_err(|_| Fault::Internal("no permission".to_owned()))?;
        for asked in &self.0 {
            if !asked.policy.allowed {
                return Err(Fault::PersonalTokensNotAllowed);
            }
            if !asked.permissions.covers(&write) {
                return Err(lacking(asked.publisher, [write]));
            }
            let missing = asked.permissions.missing(&terms.scopes);
            if !missing.is_empty() {
                return Err(lacking(asked.publisher, missing.into_iter().cloned()));
            }
            // What is presented may carry less than its owner may.
            if asked.publisher == call.publisher && !terms.inherit_user_permissions {
                grantor.may_grant(&terms.scopes)?;
            }
        }
        if let Some(longest) = self.longest(born)
            && terms.expires_at.is_none_or(|end| end > longest)
        {
            let detail = format!("is later than {longest}, the latest that the publisher lets a token live");
            return Err(Fault::field("expires_at", detail));
        }
        grantor.may_bound(terms.expires_at, terms.rate_limits, &terms.ip_allowlist)
    }
}

fn lacking(publisher: Option<PublisherId>, missing: impl IntoIterator<Item = Scope>) -> Fault {
    let missing = ScopeSet::new(missing).unwrap_or_default();
    let names: Vec<_> = missing.iter().map(Scope::as_str).collect();
    let place = publisher.map_or_else(String::new, |id| format!(" in the publisher {id}"));
    let detail = format!("your own permissions{place} do not cover {}", names.join(", "));
    Fault::ScopeExceedsGrantor { missing, detail }
}

/// The end of a new life: by default the configured one, or the longest that is allowed, if that is sooner.
pub(super) fn end_of_life(
    expiry: Expiry,
    now: Timestamp,
    default_days: u32,
    longest: Option<Timestamp>,
) -> Result<Option<Timestamp>, Fault> {
    let end = expiry.resolve(now, default_days)?;
    Ok(match (expiry, end, longest) {
        (Expiry::Default, Some(end), Some(longest)) => Some(end.min(longest)),
        _ => end,
    })
}

/// Whether `after` lets its bearer do, in any respect, what `before` does not: that is approved anew.
pub(super) fn widens(before: &Terms, after: &Terms) -> bool {
    let more_rights = match (before.inherit_user_permissions, after.inherit_user_permissions) {
        (true, _) => false,
        (false, true) => true,
        (false, false) => !before.scopes.covers_all(&after.scopes),
    };
    let longer = match (before.expires_at, after.expires_at) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(old), Some(new)) => new > old,
    };
    more_rights
        || longer
        || elsewhere(before, after)
        || !after.rate_limits.are_within(&before.rate_limits)
        || !after.ip_allowlist.is_within(&before.ip_allowlist)
}

/// Whether `after` is for a publisher that `before` is not for.
fn elsewhere(before: &Terms, after: &Terms) -> bool {
    if let Some(ids) = &after.publisher_ids {
        return ids.iter().any(|id| after.is_for(*id) && !before.is_for(*id));
    }
    let returned = |id: &PublisherId| !after.excluded_publisher_ids.contains(id);
    before.publisher_ids.is_some() || before.excluded_publisher_ids.iter().any(returned)
}

/// Whether `after` has rights that must be looked at, though nothing was added: those chosen anew.
pub(super) fn chooses(before: &Terms, after: &Terms) -> bool {
    before.inherit_user_permissions && !after.inherit_user_permissions
}

#[cfg(test)]
mod tests {
    use super::*;
    use keywright_core::{Allowlist, CredentialName, RateLimits};

    fn publisher(number: u128) -> PublisherId {
        PublisherId(uuid::Uuid::from_u128(number))
    }

    fn terms() -> Terms {
        Terms {
            name: CredentialName::parse("deploy").unwrap(),
            scopes: ScopeSet::parse(["works:*"]).unwrap(),
            inherit_user_permissions: false,
            publisher_ids: Some(vec![publisher(1), publisher(2)]),
            excluded_publisher_ids: vec![publisher(2)],
            rate_limits: RateLimits { per_minute: Some(10), per_hour: None },
            ip_allowlist: Allowlist::new(["10.0.0.0/8".parse().unwrap()]).unwrap(),
            is_active: true,
            expires_at: Some(Timestamp::from_micros(100)),
        }
    }

    #[test]
    fn what_adds_nothing_widens_nothing() {
        let narrower = [
            terms(),
            Terms { scopes: ScopeSet::parse(["works:read"]).unwrap(), ..terms() },
            Terms { publisher_ids: Some(vec![publisher(1)]), ..terms() },
            Terms { rate_limits: RateLimits { per_minute: Some(9), per_hour: Some(1) }, ..terms() },
            Terms { expires_at: Some(Timestamp::from_micros(99)), ..terms() },
            Terms { ip_allowlist: Allowlist::new(["10.1.0.0/16".parse().unwrap()]).unwrap(), ..terms() },
        ];
        for after in narrower {
            assert!(!widens(&terms(), &after), "{after:?}");
        }
        let inheriting = Terms { inherit_user_permissions: true, scopes: ScopeSet::default(), ..terms() };
        assert!(!widens(&inheriting, &terms()) && chooses(&inheriting, &terms()));
    }

    #[test]
    fn whatever_adds_something_widens() {
        let wider = [
            Terms { scopes: ScopeSet::parse(["works:*", "x"]).unwrap(), ..terms() },
            Terms { inherit_user_permissions: true, scopes: ScopeSet::default(), ..terms() },
            Terms { publisher_ids: None, ..terms() },
            Terms { publisher_ids: Some(vec![publisher(3)]), ..terms() },
            Terms { excluded_publisher_ids: Vec::new(), ..terms() },
            Terms { rate_limits: RateLimits::UNLIMITED, ..terms() },
            Terms { ip_allowlist: Allowlist::default(), ..terms() },
            Terms { expires_at: None, ..terms() },
            Terms { expires_at: Some(Timestamp::from_micros(101)), ..terms() },
        ];
        for after in wider {
            assert!(widens(&terms(), &after), "{after:?}");
        }
        let all = Terms { publisher_ids: None, ..terms() };
        assert!(widens(&all, &Terms { excluded_publisher_ids: Vec::new(), ..all.clone() }));
        assert!(!widens(&all, &Terms { publisher_ids: Some(vec![publisher(7)]), ..all.clone() }));
    }
}
