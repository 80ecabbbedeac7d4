//! Letters to those whom alerts concern. A round tells each of them all that is new, in one letter: a flood of alerts
//! is one letter for each round, not a flood of letters.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use keywright_core::{AlertId, EmailAddress, PublisherId, Timestamp, UserId};
use keywright_store::alerts::{Untold, mark_told, untold};
use keywright_store::{Tx, memberships, users};
use uuid::Uuid;

use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;
use crate::jobs::Lease;
use crate::mail::{self, AlertLine, Content, Letter, Locale};

/// The job, and its lease.
pub(crate) const LETTERS: &str = "owner_letters";
/// Between two rounds, in seconds.
pub(crate) const ROUND_SECONDS: u64 = 60;
/// Alerts read at once.
const PAGE: u32 = 1_000;
/// Alerts of one round.
const MOST: usize = 20_000;
/// Alerts that a letter names: the most severe.
const NAMED: usize = 20;
/// What is older is not told any more, in hours: mail was off, or stuck.
const STALE_HOURS: i64 = 24;

/// Whom a letter is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reader {
    User(UserId),
    Address(String),
}

/// What a reader is told.
#[derive(Default)]
struct News {
    all: u64,
    lines: Vec<AlertLine>,
}

impl News {
    fn add(&mut self, alert: &Untold) {
        self.all += 1;
        self.lines.push(AlertLine { severity: alert.severity, summary: alert.summary.clone() });
        if self.lines.len() >= 2 * NAMED {
            self.keep_most_severe();
        }
    }

    fn keep_most_severe(&mut self) {
        // Those that came first stay first among their like.
        self.lines.sort_by_key(|line| std::cmp::Reverse(line.severity as u8));
        self.lines.truncate(NAMED);
    }

    fn into_content(mut self) -> Content {
        self.keep_most_severe();
        let more = self.all - self.lines.len() as u64;
        Content::Alerts { alerts: self.lines, more }
    }
}

/// Writes to the owners of what alerts are about, as far as they were not written to; tells how many letters. One
/// node does it at a time, and a round is one transaction: who is killed in it has written nothing.
///
/// # Errors
/// As the store.
pub async fn write_letters(authority: &Authority) -> Result<u64, Fault> {
    if authority.post().is_none() {
        return Ok(0);
    }
    let nothing = (Timestamp::EPOCH, AlertId(Uuid::nil()));
    if untold(authority.store().read().await?.conn(), nothing, 1).await?.is_empty() {
        return Ok(0);
    }
    let Some(lease) = Lease::take(authority, LETTERS).await? else { return Ok(0) };
    let Some(mut tx) = lease.begin(authority).await? else { return Ok(0) };
    let now = authority.now();
    let (news, told) = gather(&mut tx, now, nothing).await?;
    let mut written = 0;
    for (reader, news) in news {
        written += u64::from(write(authority, &mut tx, reader, news, now).await?);
    }
    mark_told(tx.conn(), &told, now).await?;
    authority.commit(tx, Invalidation::None, false).await?;
    authority.mail_wanted().notify_one();
    lease.release(authority).await?;
    Ok(written)
}

/// What each reader is to be told, and of which alerts that is all.
async fn gather(
    tx: &mut Tx,
    now: Timestamp,
    mut after: (Timestamp, AlertId),
) -> Result<(BTreeMap<Reader, News>, Vec<AlertId>), Fault> {
    let (mut news, mut told) = (BTreeMap::<Reader, News>::new(), Vec::new());
    let mut administrators: HashMap<Option<PublisherId>, Vec<Reader>> = HashMap::new();
    let since = now.plus_seconds(-STALE_HOURS * 3_600);
    while told.len() < MOST {
        let page = untold(tx.conn(), after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = (last.opened_at, last.id);
        for alert in &page {
            told.push(alert.id);
            if !alert.lasts || alert.opened_at < since {
                continue;
            }
            let readers = match owner(alert) {
                Some(owner) => vec![owner],
                None => administrators_of(tx, &mut administrators, alert.publisher_id).await?,
            };
            for reader in readers {
                news.entry(reader).or_default().add(alert);
            }
        }
    }
    Ok((news, told))
}

/// Those of a publisher, or of the platform; asked for once.
async fn administrators_of(
    tx: &mut Tx,
    known: &mut HashMap<Option<PublisherId>, Vec<Reader>>,
    publisher: Option<PublisherId>,
) -> Result<Vec<Reader>, Fault> {
    Ok(match known.entry(publisher) {
        Entry::Occupied(known) => known.get().clone(),
        Entry::Vacant(unknown) => {
            let found = memberships::administrators(tx.conn(), publisher).await?;
            unknown.insert(found.into_iter().map(|(user, _)| Reader::User(user)).collect()).clone()
        }
    })
}

/// The user of a personal token, or the address that a service account names; administrators are written to where
/// there is neither.
fn owner(alert: &Untold) -> Option<Reader> {
    match (alert.user_id, &alert.owner_email) {
        (Some(user), _) => Some(Reader::User(user)),
        (None, Some(email)) => Some(Reader::Address(email.clone())),
        (None, None) => None,
    }
}

async fn write(
    authority: &Authority,
    tx: &mut Tx,
    reader: Reader,
    news: News,
    now: Timestamp,
) -> Result<bool, Fault> {
    let content = news.into_content();
    let (letter, user) = match reader {
        Reader::User(id) => match users::by_id(tx.conn(), id, None).await? {
            Some(user) => (Letter::to(&user, content), Some(id)),
            None => return Ok(false),
        },
        Reader::Address(address) => match EmailAddress::parse(&address) {
            Ok(to) => (Letter { to, name: None, locale: Locale::default(), content }, None),
            Err(_) => return Ok(false),
        },
    };
    mail::send_about(authority, tx.conn(), user, &letter, now, None).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keywright_core::Severity;

    fn alert(severity: Severity, number: usize) -> Untold {
        Untold {
            id: AlertId(Uuid::nil()),
            publisher_id: None,
            severity,
            summary: format!("{number}"),
            opened_at: Timestamp::EPOCH,
            lasts: true,
            owner_email: None,
            user_id: None,
        }
    }

    #[test]
    fn a_letter_names_the_most_severe_and_counts_the_rest() {
        let mut news = News::default();
        for number in 0..99 {
            news.add(&alert(if number == 70 { Severity::Critical } else { Severity::Low }, number));
        }
        let Content::Alerts { alerts, more } = news.into_content() else { panic!("no alerts") };
        let named: Vec<_> = alerts.iter().map(|line| line.summary.as_str()).collect();
        assert_eq!((named.len(), more), (NAMED, 79));
        assert_eq!(named[..3], ["70", "0", "1"]);
    }
}
