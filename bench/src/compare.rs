//! Side by side: the same load on two servers in turn, so that whatever else the machine does meets
//! both alike.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Result, ensure};

use crate::load::{self, Load, Outcome};
use crate::process::Process;
use crate::report::{Bound, Row, Section, Unit};
use crate::script::Script;

/// One of the servers, and what it is asked.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) process: &'a Process,
    pub(crate) script: &'a Arc<Script>,
}

/// One slice of load on one server.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    pub(crate) outcome: Outcome,
    /// CPU time that the server's process used for each request, in microseconds.
    pub(crate) cpu_micros: f64,
    /// That, and what the load itself used.
    pub(crate) both_micros: f64,
}

/// Slices of the bare server and of Keywright, round by round.
pub(crate) struct Rounds(pub(crate) Vec<(Slice, Slice)>);

impl Side<'_> {
    /// One slice.
    pub(crate) fn slice(&self, load: Load) -> Result<Slice> {
        let before = self.process.used()?.cpu;
        let outcome = load::run(self.address, self.script, load)?;
        let cpu = self.process.used()?.cpu.saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let sent = outcome.sent.max(1) as f64;
        let cpu_micros = cpu.as_secs_f64() * 1e6 / sent;
        let both_micros = (cpu + outcome.cpu).as_secs_f64() * 1e6 / sent;
        Ok(Slice { outcome, cpu_micros, both_micros })
    }
}

/// Loads both in turn; who comes first changes from round to round.
pub(crate) fn interleave(bare: Side<'_>, keywright: Side<'_>, load: Load, rounds: usize) -> Result<Rounds> {
    let mut slices = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let pair = if round % 2 == 0 {
            let first = bare.slice(load)?;
            (first, keywright.slice(load)?)
        } else {
            let first = keywright.slice(load)?;
            (bare.slice(load)?, first)
        };
        slices.push(pair);
    }
    Ok(Rounds(slices))
}

impl Rounds {
    /// What went wrong with Keywright; with the bare server nothing may.
    fn errors(&self) -> Result<BTreeMap<&str, u64>> {
        let mut all = BTreeMap::new();
        for (bare, keywright) in &self.0 {
            ensure!(bare.outcome.errors() == 0, "the bare server failed: {:?}", bare.outcome.bad);
            for (what, count) in &keywright.outcome.bad {
                *all.entry(what.as_str()).or_default() += count;
            }
        }
        Ok(all)
    }

    /// A figure of both, round by round.
    pub(crate) fn pairs(&self, figure: impl Fn(&Slice) -> f64) -> Vec<(f64, f64)> {
        self.0.iter().map(|(bare, keywright)| (figure(bare), figure(keywright))).collect()
    }

    /// Rows for throughput, median and 99th percentile, and the server's CPU time for each request.
    pub(crate) fn rows(
        &self,
        section: &mut Section,
        what: &str,
        rate: Bound,
        latency: [Bound; 2],
    ) -> Result<()> {
        let errors = self.errors()?;
        if !errors.is_empty() {
            #[expect(clippy::cast_precision_loss, reason = "few")]
            let count = errors.values().sum::<u64>() as f64;
            let none = Bound::AtMost(0.0, 0.0);
            section.row(Row::absolute(format!("{what}: errors {errors:?}"), Unit::Count, count, none));
        }
        let percentile = |percent: f64| move |slice: &Slice| slice.outcome.latency.percentile_micros(percent);
        let throughput = self.pairs(|slice| slice.outcome.rate());
        section.row(Row::beside(what, Unit::PerSecond, &throughput, rate));
        section.row(Row::beside(
            format!("{what}: p50"),
            Unit::Micros,
            &self.pairs(percentile(50.0)),
            latency[0],
        ));
        section.row(Row::beside(
            format!("{what}: p99"),
            Unit::Micros,
            &self.pairs(percentile(99.0)),
            latency[1],
        ));
        let cpu = self.pairs(|slice| slice.cpu_micros);
        section.row(Row::beside(format!("{what}: server CPU a request"), Unit::Micros, &cpu, Bound::None));
        let both = self.pairs(|slice| slice.both_micros);
        section.row(Row::beside(format!("{what}: with that of the load"), Unit::Micros, &both, Bound::None));
        Ok(())
    }
}
