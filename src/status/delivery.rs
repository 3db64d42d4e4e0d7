//! Which running proxies have the routes in force. Those that have all of it are not named, so that
//! the status of five hundred proxies stays small.

use super::ProxyReport;
use crate::api::status::{DeliveryStatus, ProxyStatus};
use crate::names;

/// So many proxies are named.
const MOST: usize = 20;
/// The longest reason.
const REASON: usize = 200;

/// From the running proxies of a cluster, each with what it reports, to what the status tells.
pub(super) fn delivery<'a>(
    running: impl Iterator<Item = (&'a str, Option<&'a ProxyReport>)>,
    wanted: &str,
) -> DeliveryStatus {
    if wanted.is_empty() {
        return DeliveryStatus::default();
    }
    let running: Vec<_> = running.collect();
    let of = of(running.iter().map(|(task, _)| *task));
    let mut behind: Vec<(u8, ProxyStatus)> = running
        .into_iter()
        .filter_map(|(task, report)| behind(task, report, wanted))
        .collect();
    behind.sort_by(|a, b| (a.0, &a.1.task).cmp(&(b.0, &b.1.task)));
    DeliveryStatus {
        version: wanted.to_owned(),
        of,
        more: behind.len().saturating_sub(MOST) as u64,
        behind: behind.into_iter().take(MOST).map(|(_, one)| one).collect(),
    }
}

/// Which proxies a status tells of, from the ids of their tasks in any order: those of another
/// moment may be as many, and yet others.
#[must_use]
pub fn of<'a>(running: impl Iterator<Item = &'a str>) -> String {
    let mut ids: Vec<&str> = running.collect();
    ids.sort_unstable();
    names::content_hash(ids.join("\n").as_bytes())
}

/// What a proxy lacks, with how soon somebody should look at it; `None`: nothing.
fn behind(task: &str, report: Option<&ProxyReport>, wanted: &str) -> Option<(u8, ProxyStatus)> {
    let with = |rank: u8, state: &str, version: Option<&String>, message: &str| {
        let one = ProxyStatus {
            task: task.to_owned(),
            state: state.to_owned(),
            version: version.cloned().unwrap_or_default(),
            message: message.chars().take(REASON).collect(),
        };
        Some((rank, one))
    };
    let Some(report) = report else {
        return with(1, "NotConnected", None, "");
    };
    if report.acked.as_deref() == Some(wanted) {
        return None;
    }
    let last = report.settled.as_ref().or(report.acked.as_ref());
    if report.settled.as_deref() == Some(wanted) {
        let mut reasons = report.refused.iter().map(|one| one.reason.as_str());
        let first = reasons.next().unwrap_or_default();
        let message = match reasons.count() + report.more {
            0 => first.to_owned(),
            more => format!("{first}; {more} more"),
        };
        return with(3, "PartlyRefused", last, &message);
    }
    match &report.refused_whole {
        Some(reason) => with(0, "Refused", last, reason),
        None => with(2, "Waiting", last, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Part, Refusal};

    fn report(acked: &str, settled: &str) -> ProxyReport {
        ProxyReport {
            acked: Some(acked.to_owned()),
            settled: Some(settled.to_owned()),
            ..ProxyReport::default()
        }
    }

    #[test]
    fn each_proxy_that_lacks_something_is_told_with_what_it_has_and_why() {
        let done = report("v2", "v2");
        let late = report("v1", "v1");
        let refusing = ProxyReport {
            refused_whole: Some("bad route".to_owned()),
            ..report("v1", "v1")
        };
        let refusal = Refusal {
            part: Part::Route,
            name: "r".to_owned(),
            reason: "no such secret".to_owned(),
        };
        let partly = ProxyReport {
            refused: vec![refusal.clone(), refusal],
            ..report("v1", "v2")
        };
        let fleet = [
            ("t1", Some(&done)),
            ("t2", Some(&partly)),
            ("t3", Some(&late)),
            ("t4", None),
            ("t5", Some(&refusing)),
        ];
        let told = delivery(fleet.into_iter(), "v2");
        let told: Vec<String> = told
            .behind
            .iter()
            .map(|one| format!("{} {} {} {}", one.task, one.state, one.version, one.message))
            .collect();
        let wanted = [
            "t5 Refused v1 bad route",
            "t4 NotConnected  ",
            "t3 Waiting v1 ",
            "t2 PartlyRefused v2 no such secret; 1 more",
        ];
        assert_eq!(told, wanted);
    }

    #[test]
    fn other_proxies_are_told_apart_though_they_are_as_many() {
        let of = |tasks: &[&str], version| {
            let fleet = tasks.iter().map(|task| (*task, None));
            delivery(fleet, version).of
        };
        assert_eq!(of(&["t1", "t2"], "v1"), of(&["t2", "t1"], "v2"));
        assert_ne!(of(&["t1", "t2"], "v1"), of(&["t1", "t3"], "v1"));
        // Where nothing is in force there is nothing to tell of anybody.
        assert_eq!(of(&["t1"], ""), "");
    }

    #[test]
    fn five_hundred_proxies_fit_whatever_they_say() {
        let refusing = ProxyReport {
            refused_whole: Some("x".repeat(5000)),
            ..report("v1", "v1")
        };
        let tasks: Vec<String> = (0..500).map(|i| format!("{i:025}")).collect();
        let fleet = tasks.iter().map(|task| (task.as_str(), Some(&refusing)));
        let told = delivery(fleet, "v2");
        assert_eq!((told.behind.len(), told.more), (20, 480));
        assert!(serde_json::to_string(&told).unwrap().len() < 8 << 10);
    }
}
