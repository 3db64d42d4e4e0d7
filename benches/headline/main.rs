//! The headline measurements: how fast a change of a route is served, and what a request costs.
//!
//! Writes `target/bench/*.json` and the tables of `docs/performance.md`. Run it with `make bench`.

// This crate is all bench: a failure is best told at once.
#![allow(clippy::unwrap_used, clippy::panic)]

mod change;
mod cost;
mod report;
mod rolling;
mod swap;

// Shared with the lab tests, which use more of them.
#[path = "../../tests/lab/engine.rs"]
mod engine;
#[allow(dead_code)]
#[path = "../../tests/lab/http.rs"]
mod http;
#[allow(dead_code)]
#[path = "../../tests/lab/lab.rs"]
mod lab;
#[path = "../../tests/lab/load.rs"]
mod load;
#[allow(dead_code)]
#[path = "../../tests/lab/wait.rs"]
mod wait;

use std::time::Duration;

/// What to measure.
pub struct Plan {
    /// Numbers of attached networks.
    networks: Vec<usize>,
    /// Changes by Skep, for each number.
    changes: usize,
    /// Changes by swapping a config, for each number: each takes seconds.
    swaps: usize,
    /// Length of each of three rounds of load.
    round: Duration,
    /// Whether rolling updates are measured.
    rolling: bool,
}

fn main() {
    let mut plan = Plan {
        networks: vec![1, 5, 10, 20],
        changes: 50,
        swaps: 5,
        round: Duration::from_secs(5),
        rolling: true,
    };
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(flag) = args.next() {
        let value = args.next().unwrap_or_default();
        let number = || {
            value
                .parse()
                .unwrap_or_else(|_| panic!("{flag} wants a number, not {value:?}"))
        };
        match flag.as_str() {
            "--networks" => {
                plan.networks = value.split(',').filter_map(|n| n.parse().ok()).collect();
            }
            "--changes" => plan.changes = number(),
            "--swaps" => plan.swaps = number(),
            "--seconds" => plan.round = Duration::from_secs(number() as u64),
            "--rolling" => plan.rolling = number() > 0,
            other => panic!("unknown flag {other}"),
        }
    }
    let costs = if plan.round.is_zero() {
        Vec::new()
    } else {
        cost::measure(plan.round)
    };
    let changes = if plan.networks.is_empty() {
        Vec::new()
    } else {
        change::measure(&plan)
    };
    let rolled = if plan.rolling {
        rolling::measure()
    } else {
        Vec::new()
    };
    report::write(&changes, &costs, &rolled);
}
