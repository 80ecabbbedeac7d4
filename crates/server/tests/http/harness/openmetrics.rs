//! A strict reader of OpenMetrics 1.0 text: what it does not expect fails the test.

use std::collections::{BTreeMap, BTreeSet};

/// Metrics of one scrape.
#[derive(Debug, Default)]
pub(crate) struct Scrape {
    pub(crate) families: BTreeMap<String, Family>,
}

/// One family.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) samples: Vec<Sample>,
}

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Scrape {
    /// Reads it all.
    #[track_caller]
    pub(crate) fn read(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("it ends with EOF");
        let mut scrape = Self::default();
        let mut current: Option<(String, Family)> = None;
        let mut lines = body.lines();
        while let Some(line) = lines.next() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                scrape.close(current.take());
                let (name, help) = rest.split_once(' ').expect(line);
                assert!(help.len() > 5 && is_name(name), "{line}");
                let kind =
                    lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} "))).expect(line);
                assert!(matches!(kind, "counter" | "gauge" | "histogram" | "info"), "{line}: {kind}");
                current = Some((name.to_owned(), Family { kind: kind.to_owned(), samples: Vec::new() }));
            } else {
                let (name, family) = current.as_mut().unwrap_or_else(|| panic!("no family before {line}"));
                family.samples.push(sample(line, name, &family.kind));
            }
        }
        scrape.close(current);
        scrape
    }

    fn close(&mut self, family: Option<(String, Family)>) {
        let Some((name, family)) = family else { return };
        let mut seen = BTreeSet::new();
        for sample in &family.samples {
            assert!(seen.insert(format!("{}{:?}", sample.name, sample.labels)), "twice: {sample:?}");
            assert!(family.kind == "gauge" || sample.value >= 0.0, "{sample:?}");
        }
        if family.kind == "histogram" {
            check_histogram(&name, &family);
        }
        assert!(self.families.insert(name.clone(), family).is_none(), "{name} twice");
    }

    /// The names by which Prometheus will know the samples.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.families.values().flat_map(|family| &family.samples).map(|sample| sample.name.clone()).collect()
    }

    /// The sum of all samples of this name that have these labels.
    #[track_caller]
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |sample: &&Sample| {
            labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|own| own == value))
        };
        let all = self.families.values().flat_map(|family| &family.samples);
        all.filter(|sample| sample.name == name).filter(has).map(|sample| sample.value).sum()
    }
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn sample(line: &str, family: &str, kind: &str) -> Sample {
    let end = line.find(['{', ' ']).expect(line);
    let (name, mut rest) = line.split_at(end);
    let suffixes: &[&str] = match kind {
        "counter" => &["_total"],
        "histogram" => &["_bucket", "_sum", "_count"],
        "info" => &["_info"],
        _ => &[""],
    };
    assert!(suffixes.iter().any(|suffix| name.strip_suffix(suffix) == Some(family)), "{line} in {family}");
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").expect(line);
            assert!(is_name(label), "{line}");
            let (value, after) = quoted(after);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').expect(line);
    Sample { name: name.to_owned(), labels, value: value.parse().expect(line) }
}

fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                other => panic!("{other:?} escaped in {text}"),
            },
            c => value.push(c),
        }
    }
    panic!("no end of {text}")
}

/// Buckets add up, ever more, to the count.
fn check_histogram(name: &str, family: &Family) {
    let mut series: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    let mut counts = BTreeMap::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        let bound = labels.remove("le");
        let key = format!("{labels:?}");
        if sample.name.ends_with("_bucket") {
            series.entry(key).or_default().push((bound.unwrap().parse().unwrap(), sample.value));
        } else if sample.name.ends_with("_count") {
            counts.insert(key, sample.value);
        }
    }
    assert_eq!(series.keys().collect::<Vec<_>>(), counts.keys().collect::<Vec<_>>(), "{name}");
    for (key, buckets) in series {
        assert!(buckets.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1), "{name} {key}");
        let last = buckets.last().unwrap();
        assert!(last.0.is_infinite() && last.1.to_bits() == counts[&key].to_bits(), "{name} {key}");
    }
}
