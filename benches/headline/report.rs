//! `target/bench/*.json` and the tables of `docs/performance.md`.

use std::fmt::Write as _;

use super::change::{Change, Took};
use super::cost::Cost;
use super::lab::package;
use super::load::Count;
use super::rolling::Rolled;

const BEGIN: &str = "<!-- make bench: begin -->\n";
const END: &str = "<!-- make bench: end -->\n";

/// Writes and prints what was measured. A part that was not measured keeps its old figures.
pub fn write(changes: &[Change], costs: &[Cost], rolled: &[Rolled]) {
    keep("change", changes);
    keep("cost", costs);
    keep("rolling", rolled);
    let tables = [
        change_table(changes),
        cost_table(costs),
        rolling_table(rolled),
    ]
    .concat();
    println!("\n{tables}");
    if changes.is_empty() || costs.is_empty() || rolled.is_empty() {
        println!("Only a part was measured: docs/performance.md stays as it is.");
        return;
    }
    let page = package().join("docs/performance.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (_, tail) = rest.split_once(END).unwrap();
    std::fs::write(page, format!("{head}{BEGIN}{tables}{END}{tail}")).unwrap();
}

fn keep<T: serde::Serialize>(name: &str, figures: &[T]) {
    if figures.is_empty() {
        return;
    }
    let folder = package().join("target/bench");
    std::fs::create_dir_all(&folder).unwrap();
    let text = serde_json::to_string_pretty(figures).unwrap();
    std::fs::write(folder.join(format!("{name}.json")), text).unwrap();
}

/// The value below which that share of the (sorted) values lies.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A rank is a small count.
    let at = (rank as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

fn change_table(changes: &[Change]) -> String {
    let mut text = String::from(
        "From a changed label, accepted by the engine, to the first 200 on the new route (milliseconds):\n\n\
         | networks | skep p50 | p99 | changes | failed of | config swap p50 | worst | changes | failed of |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    let failed = |took: &Took| format!("{} of {}", took.load.failed, took.load.requests);
    for Change {
        networks,
        skep,
        swap,
    } in changes
    {
        let _ = writeln!(
            text,
            "| {networks} | {:.0} | {:.0} | {} | {} | {:.0} | {:.0} | {} | {} |",
            percentile(&skep.milliseconds, 0.5),
            percentile(&skep.milliseconds, 0.99),
            skep.milliseconds.len(),
            failed(skep),
            percentile(&swap.milliseconds, 0.5),
            percentile(&swap.milliseconds, 1.0),
            swap.milliseconds.len(),
            failed(swap),
        );
    }
    text.push('\n');
    text
}

fn cost_table(costs: &[Cost]) -> String {
    let mut text = String::from(
        "One core, 10,000 routes, 64 kept connections, the middle of three rounds:\n\n\
         | proxy | CPU us a request | requests a second | memory MB | beside nginx |\n|---|---|---|---|---|\n",
    );
    let nginx = costs
        .iter()
        .find(|cost| cost.proxy == "nginx")
        .map_or(f64::NAN, |cost| cost.microseconds);
    for cost in costs {
        let _ = writeln!(
            text,
            "| {} | {:.1} | {:.0} | {:.0} | {:.2} x |",
            cost.proxy,
            cost.microseconds,
            cost.requests_per_second,
            cost.memory,
            cost.microseconds / nginx
        );
    }
    text.push('\n');
    text
}

fn rolling_table(rolled: &[Rolled]) -> String {
    let mut text = String::from(
        "An application of four tasks that end at once on SIGTERM, some 200 requests a second through each proxy:\n\n\
         | what | skep, failed of | Traefik, failed of |\n|---|---|---|\n",
    );
    let failed = |count: &Count| format!("{} of {}", count.failed, count.requests);
    for Rolled {
        what,
        skep,
        traefik,
    } in rolled
    {
        let _ = writeln!(text, "| {what} | {} | {} |", failed(skep), failed(traefik));
    }
    text
}
