//! What a credential could do, and did: what somebody has to look through after a leak.

use std::collections::BTreeSet;

use keywright_core::usage::OTHER;
use keywright_core::{Account, CredentialId, Epochs, PublisherId, ScopeSet, Timestamp};
use keywright_store::changes_made::{self, ChangeCount, MadeObject};
use keywright_store::leaks::{self, LeakRow};
use keywright_store::service_tokens::{self, ServiceTokenRow};
use keywright_store::usage::{self, GroupCount, HourCount, PlaceCount};
use keywright_store::{Reader, grants, platform};

use crate::analytics::Tally;
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;
use crate::service_tokens as use_cases;

/// Entries of each list.
const MOST: u32 = 100;
/// Rotations that are followed, either way.
const MOST_ROTATIONS: usize = 100;

/// What a token could do, and did from a moment on.
#[derive(Clone, Debug)]
pub struct BlastRadius {
    /// The token.
    pub token: ServiceTokenRow,
    /// The epochs in force.
    pub epochs: Epochs,
    /// What it may do, as verification would grant it were it not over.
    pub permissions: ScopeSet,
    /// The account that it is of.
    pub account: Option<Account>,
    /// The publisher that it acts within; none: all that its permissions reach.
    pub publisher: Option<PublisherId>,
    /// The begin of the first hour that was looked through.
    pub since: Timestamp,
    /// Decisions, by how they ended.
    pub outcomes: Vec<(String, u64)>,
    /// By endpoint, ids in their paths as `{id}`; those asked for most first.
    pub endpoints: Vec<(String, Tally)>,
    /// From where; of the days since.
    pub from: Origins,
    /// The tokens of its line of rotations, itself among them, the oldest first.
    pub lineage: Vec<ServiceTokenRow>,
    /// What its principal changed, by type: of an account, also by other tokens.
    pub changes: Vec<ChangeCount>,
    /// The tokens and accounts that its principal made.
    pub made: Vec<MadeObject>,
    /// Where it was found.
    pub leaks: Vec<LeakRow>,
}

/// From where a token was used, what was seen most first.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    /// Countries.
    pub countries: Vec<PlaceCount>,
    /// Networks.
    pub networks: Vec<PlaceCount>,
    /// Addresses.
    pub addresses: Vec<PlaceCount>,
    /// User agents.
    pub user_agents: Vec<PlaceCount>,
}

/// What a service token could do, and did from `since` on, or since it was made: as far as usage is kept.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:read`; [`Fault::NotFound`].
pub async fn of_service_token(
    authority: &Authority,
    call: &Call,
    id: CredentialId,
    since: Option<Timestamp>,
) -> Result<BlastRadius, Fault> {
    call.require(use_cases::READ)?;
    let mut reader = authority.store().read().await?;
    let token = service_tokens::by_id(reader.conn(), call.within(), id).await?.ok_or(Fault::NotFound)?;
    let epochs = platform::epochs(reader.conn()).await?;
    let grant = grants::of_service_token(reader.conn(), id).await?.ok_or(Fault::NotFound)?;
    let since = since.unwrap_or(token.created_at).start_of_hour();
    let hours = usage::hours(reader.conn(), id.0, since).await?;
    let groups = usage::groups(reader.conn(), id.0, since).await?;
    let from = origins(&mut reader, id, since.start_of_day()).await?;
    let lineage = lineage(&mut reader, call.within(), &token).await?;
    let (principal, within) = (grant.principal_id(), call.within());
    let changes = changes_made::done_by(reader.conn(), principal, since, within, MOST).await?;
    let made = changes_made::made_by(reader.conn(), principal, since, within, MOST).await?;
    let leaks = leaks::of_credential(reader.conn(), id, MOST).await?;
    drop(reader);
    Ok(BlastRadius {
        permissions: grant.effective(None).into_owned(),
        account: grant.account().cloned(),
        publisher: grant.publisher(),
        token,
        epochs,
        since,
        outcomes: outcomes(&hours),
        endpoints: endpoints(&groups),
        from,
        lineage,
        changes,
        made,
        leaks,
    })
}

async fn origins(reader: &mut Reader, id: CredentialId, day: Timestamp) -> Result<Origins, Fault> {
    Ok(Origins {
        countries: usage::places(reader.conn(), id, day, usage::COUNTRY, MOST).await?,
        networks: usage::places(reader.conn(), id, day, usage::NETWORK, MOST).await?,
        addresses: usage::places(reader.conn(), id, day, usage::ADDRESS, MOST).await?,
        user_agents: usage::places(reader.conn(), id, day, usage::USER_AGENT, MOST).await?,
    })
}

/// Follows the rotations both ways, step by step: whoever has one of a line may have learned of the next.
async fn lineage(
    reader: &mut Reader,
    within: Option<PublisherId>,
    token: &ServiceTokenRow,
) -> Result<Vec<ServiceTokenRow>, Fault> {
    let mut line = vec![token.clone()];
    let mut known = BTreeSet::from([token.id]);
    let before: fn(&ServiceTokenRow) -> Option<CredentialId> = |row| row.rotated_from_id;
    let after: fn(&ServiceTokenRow) -> Option<CredentialId> = |row| row.superseded_by_id;
    for next in [before, after] {
        let mut at = next(token);
        while let Some(id) = at.filter(|id| line.len() < MOST_ROTATIONS && known.insert(*id)) {
            let Some(row) = service_tokens::by_id(reader.conn(), within, id).await? else { break };
            at = next(&row);
            line.push(row);
        }
    }
    line.sort_by_key(|row| (row.created_at, row.id));
    Ok(line)
}

fn outcomes(hours: &[HourCount]) -> Vec<(String, u64)> {
    let mut sums: Vec<(String, u64)> = Vec::new();
    for hour in hours {
        match sums.iter_mut().find(|(code, _)| *code == hour.code) {
            Some((_, sum)) => *sum += hour.decisions,
            None => sums.push((hour.code.clone(), hour.decisions)),
        }
    }
    sums.sort_by(|(code, sum), (other_code, other)| other.cmp(sum).then_with(|| code.cmp(other_code)));
    sums
}

/// Those asked for most; what is too many to be told apart stands at the end.
fn endpoints(groups: &[GroupCount]) -> Vec<(String, Tally)> {
    let mut sums: Vec<(String, Tally)> = Vec::new();
    for group in groups {
        let tally = Tally { decisions: group.decisions, denials: group.failures };
        match sums.iter_mut().find(|(name, _)| *name == group.endpoint_group) {
            Some((_, sum)) => {
                sum.decisions += tally.decisions;
                sum.denials += tally.denials;
            }
            None => sums.push((group.endpoint_group.clone(), tally)),
        }
    }
    sums.sort_by(|(name, sum), (other_name, other)| {
        let order = (name == OTHER).cmp(&(other_name == OTHER)).then(other.decisions.cmp(&sum.decisions));
        order.then_with(|| name.cmp(other_name))
    });
    sums
}
