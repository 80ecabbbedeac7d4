//! The known name that somebody may have meant.

/// Below this likeness a suggestion confuses more than it helps.
const LEAST_LIKENESS: f64 = 0.6;
/// Longer names are not compared: a comparison takes the product of the lengths.
const LONGEST_NAME: usize = 128;

/// The most alike of the candidates, without regard to case, dots and underscores.
pub(crate) fn nearest(name: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    let bare = bare(name);
    candidates
        .map(|candidate| (likeness(&bare, &candidate), candidate))
        .filter(|(likeness, _)| *likeness >= LEAST_LIKENESS)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// A name that lacks its section is nearly as alike as the whole.
fn likeness(bare_name: &str, candidate: &str) -> f64 {
    let whole = strsim::normalized_damerau_levenshtein(bare_name, &bare(candidate));
    let tail = candidate
        .split_once('.')
        .map_or(0.0, |(_, tail)| strsim::normalized_damerau_levenshtein(bare_name, &bare(tail)) * 0.95);
    whole.max(tail)
}

fn bare(name: &str) -> String {
    let lower = name.to_lowercase();
    lower.strip_prefix("keywright_").unwrap_or(&lower).replace(['.', '_', '-'], "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table;

    fn key(name: &str) -> Option<String> {
        nearest(name, table::all().map(|setting| setting.key.to_owned()))
    }

    #[test]
    fn a_slip_finds_the_key_that_was_meant() {
        for (slip, meant) in [
            ("server.listn", "server.listen"),
            ("listen", "server.listen"),
            ("server.trustedProxies", "server.trusted_proxies"),
            ("database.poolsize", "database.pool_size"),
            ("jurnal.dir", "journal.dir"),
            ("verify.stale-grace-seconds", "verify.stale_grace_seconds"),
        ] {
            assert_eq!(key(slip).as_deref(), Some(meant), "{slip}");
        }
    }

    #[test]
    fn what_resembles_nothing_suggests_nothing() {
        assert_eq!(key("zzzzqqqq"), None);
        assert_eq!(key(&"server.listen".repeat(100)), None);
    }
}
