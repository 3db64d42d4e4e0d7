//! Lab tests: Skep on a real Swarm of three engines on this machine (see `lab.sh`).
//!
//! One lab serves all tests of the run, so each test uses names and ports of its own. `SKEP_LAB=off` leaves them
//! out, `SKEP_LAB=on` (or `CI=true`) makes it a failure when the lab cannot be had. The lab goes away with this
//! process, however it ends.

// This crate is all tests, but has a `main` of its own, so that clippy cannot see it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod apps;
mod bad_input;
mod converge;
mod curl;
mod edits;
mod engine;
mod folder;
mod gitops;
mod harness;
mod http;
mod install;
mod interlock;
mod itself;
mod lab;
mod load;
mod look;
mod proxies;
#[path = "../repo/mod.rs"]
mod repo;
mod rolling;
mod seed;
mod shown;
mod terminal;
mod transcript;
mod wait;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    // A scenario waits most of its time.
    args.test_threads = args.test_threads.or(Some(4));
    let trials = [
        itself::trials(),
        seed::trials(),
        converge::trials(),
        bad_input::trials(),
        proxies::trials(),
        install::trials(),
        rolling::trials(),
        edits::trials(),
        folder::trials(),
        transcript::trials(),
        interlock::trials(),
        look::trials(),
        gitops::trials(),
    ];
    let trials = trials.into_iter().flatten().collect();
    if args.list {
        return libtest_mimic::run(&args, trials).exit_code();
    }
    match harness::gate() {
        harness::Gate::Open => {}
        harness::Gate::Leave(reason) => {
            println!("\nlab tests LEFT OUT: {reason}\n");
            return ExitCode::SUCCESS;
        }
        harness::Gate::Fail(reason) => {
            println!("\nthe lab tests cannot run: {reason}\n");
            return ExitCode::FAILURE;
        }
    }
    let conclusion = libtest_mimic::run(&args, trials);
    harness::end();
    conclusion.exit_code()
}
