use keywright_core::anomalies::Sensitivity;

use super::{Plan, Score, run};

/// Far below what is measured: this fails when detectors break, not when a figure moves.
const LEAST: f64 = 0.8;

fn score(seed: u64, clients: usize) -> Score {
    let mut score = Score::default();
    run(&Plan { seed, clients, sensitivity: Sensitivity::Normal }, &mut score);
    score
}

#[test]
fn detectors_find_most_incidents_and_little_else() {
    let score = score(7, 60);
    assert!(score.recall() > LEAST && score.precision() > LEAST, "{}", score.to_markdown());
}

#[test]
fn a_seed_gives_the_same_figures_again() {
    assert_eq!(score(8, 5).to_markdown(), score(8, 5).to_markdown());
}
