//! The bounds of a token that belongs to an account: what it says of itself must lie within them, and what it
//! does not say is theirs.
//!
//! The account is not held while a token of it changes, but for where its live tokens are counted: each
//! verification goes by what lies within the account at that moment, whatever was seen here.

use keywright_core::{Allowlist, PublisherId, RateLimits, ScopeSet, ServiceAccountId, Timestamp, Window};
use keywright_store::service_accounts::{self, ServiceAccountRow};
use keywright_store::{Conn, publishers, service_tokens};

use crate::authority::Authority;
use crate::call::Grantor;
use crate::fault::{Fault, FieldFault};

/// An account, as far as it bounds its tokens.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) account: ServiceAccountRow,
    /// What its publisher gives to tokens that have no limits of their own.
    default_limits: RateLimits,
}

/// What is asked for a token; `None` is not asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked<'a> {
    pub(crate) permissions: Option<&'a ScopeSet>,
    pub(crate) limits: Option<RateLimits>,
    pub(crate) allowlist: Option<&'a Allowlist>,
}

impl Home {
    /// The account with this id; `None` when there is none within the publisher.
    pub(crate) async fn of(
        mut conn: Conn<'_>,
        within: Option<PublisherId>,
        id: ServiceAccountId,
    ) -> Result<Option<Self>, Fault> {
        let Some(account) = service_accounts::by_id(conn.reborrow(), within, id).await? else {
            return Ok(None);
        };
        let publisher = match account.publisher_id {
            Some(publisher) => publishers::by_id(conn, publisher).await?,
            None => None,
        };
        let settings = publisher.map(|publisher| publisher.settings);
        let default_limits = settings.and_then(|settings| settings.default_rate_limits).unwrap_or_default();
        Ok(Some(Self { account, default_limits }))
    }

    /// Refuses one more live token than the account may have. The account is held.
    pub(super) async fn must_have_room(
        &self,
        authority: &Authority,
        conn: Conn<'_>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let most = authority.settings().max_per_account;
        if service_tokens::count_live(conn, self.account.id, now, most).await? >= most.into() {
            return Err(Fault::TooManyTokens(most));
        }
        Ok(())
    }

    /// Refuses what does not lie within the account, every field of it.
    pub(crate) fn admits(&self, asked: Asked<'_>) -> Result<(), Fault> {
        let mut faults = Vec::new();
        let mut fault = |field: &str, detail| faults.push(FieldFault { field: field.to_owned(), detail });
        let account = &self.account;
        let missing = asked.permissions.map(|wanted| account.scopes.missing(wanted)).unwrap_or_default();
        if !missing.is_empty() {
            let (missing, own) = (listed(missing), listed(account.scopes.iter()));
            fault("permissions", format!("{missing} is more than the account may do: {own}"));
        }
        for window in Window::ALL {
            let own = asked.limits.and_then(|limits| limits.of(window));
            if let (Some(own), Some(most)) = (own, account.limits.of(window))
                && own > most
            {
                let name = window.as_str();
                fault(&format!("rate_limits.per_{name}"), format!("is above the account's {most} a {name}"));
            }
        }
        let wider = |list: &&Allowlist| !list.is_empty() && !list.is_within(&account.allowlist);
        if asked.allowlist.is_some_and(|list| wider(&list)) {
            let own = listed(account.allowlist.iter());
            fault("ip_allowlist", format!("is not within the account's {own}"));
        }
        if faults.is_empty() { Ok(()) } else { Err(Fault::Invalid(faults)) }
    }
}

fn listed<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    if texts.is_empty() { "nothing".to_owned() } else { texts.join(", ") }
}

/// Nobody gives a token more than they have themselves: a longer life, wider limits or a wider allowlist, as
/// they are once its account's are counted in.
pub(crate) fn may_bound(
    grantor: &Grantor,
    home: Option<&Home>,
    expires_at: Option<Timestamp>,
    limits: RateLimits,
    allowlist: &Allowlist,
) -> Result<(), Fault> {
    grantor.may_last_until(expires_at)?;
    match home {
        None => grantor.may_reach(limits, &[allowlist]),
        Some(home) => {
            let limits = limits.or(home.default_limits).tightest(home.account.limits);
            grantor.may_reach(limits, &[allowlist, &home.account.allowlist])
        }
    }
}

/// A life without an end is given by those alone who manage tokens at platform level.
pub(crate) fn may_never_end(grantor: &Grantor, expires_at: Option<Timestamp>) -> Result<(), Fault> {
    if expires_at.is_some() || (grantor.home.is_none() && grantor.holds(super::ADMIN)) {
        return Ok(());
    }
    let detail = "a token that never expires is made with tokens:admin at platform level only".to_owned();
    Err(Fault::ScopeExceedsGrantor { missing: ScopeSet::default(), detail })
}
