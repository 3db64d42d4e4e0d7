//! What others say in words, without what they quote. Proxies quote values of labels when they
//! refuse a route, and the operator hands that on. Pure.

use super::redact::{GONE, hidden, names_user};
use crate::api::status::RouteFault;
use crate::api::{ConditionType, Status};
use crate::cli::session::View;

/// Everything that is told of clusters: the other files of a bundle are made of it.
pub(super) fn view(view: &mut View) {
    let statuses = view.declared.values_mut();
    statuses
        .filter_map(|declared| declared.status.as_mut())
        .for_each(status);
    for orphan in &mut view.routing.orphans {
        if hidden(&orphan.label, &orphan.value) {
            GONE.clone_into(&mut orphan.value);
            GONE.clone_into(&mut orphan.message);
        }
    }
}

/// A status in which no proxy is quoted, but in faults of labels that are not delicate.
pub(super) fn status(status: &mut Status) {
    let mut quoted = status.routes.refused > 0;
    for fault in status.routes.faults.iter_mut().filter(|one| delicate(one)) {
        quoted = true;
        GONE.clone_into(&mut fault.value);
        GONE.clone_into(&mut fault.message);
    }
    // These do not say which label they speak of.
    let behind = status.delivery.behind.iter_mut();
    for proxy in behind.filter(|proxy| !proxy.message.is_empty()) {
        quoted = true;
        GONE.clone_into(&mut proxy.message);
    }
    for condition in &mut status.conditions {
        if quoted || condition.reason.contains("Refused") {
            let message = &condition.message;
            condition.message = match (condition.kind, message.strip_prefix(PROGRAMMED)) {
                (ConditionType::Programmed, _) => head(message),
                (ConditionType::Ready, Some(message)) => format!("{PROGRAMMED}{}", head(message)),
                _ => continue,
            };
        }
    }
}

/// How `Ready` repeats what `Programmed` says.
const PROGRAMMED: &str = "Programmed: ";

/// Whether the fault quotes what may be secret. One that names no label may quote anything, save
/// the one that only counts others.
fn delicate(fault: &RouteFault) -> bool {
    let nameless = fault.label.is_empty() && fault.reason != "MoreRefused";
    nameless || hidden(&fault.label, &fault.value) || names_user(&fault.message)
}

/// The operator's own words, which come first; others follow a colon or a semicolon.
fn head(message: &str) -> String {
    let end = [": ", "; "].into_iter().filter_map(|end| message.find(end));
    match end.min().and_then(|end| message.get(..end)) {
        Some(head) => format!("{head}: {GONE}"),
        None => message.to_owned(),
    }
}

/// A text that may quote a URL with a user in it.
pub(super) fn plain(text: &mut String) {
    if names_user(text) {
        GONE.clone_into(text);
    }
}

#[cfg(test)]
mod tests {
    use super::super::resources;
    use super::*;
    use crate::api::{Condition, ConditionStatus};
    use crate::cli::args::Report;
    use crate::cli::{doctor, events, get};

    #[test]
    fn what_a_proxy_quotes_of_a_delicate_label_stands_in_no_file_that_tells_of_the_cluster() {
        let mut east = get::tests::east();
        let quoted = "route: `hunter2` cannot be in a header";
        let status = east.status.as_mut().unwrap();
        status.routes.faults = vec![crate::api::status::RouteFault {
            label: "skep.headers".into(),
            value: "X-Api-Key=hunter2".into(),
            reason: "RouteRefused".into(),
            message: format!("a proxy cannot serve the route: {quoted}"),
            ..Default::default()
        }];
        status.delivery.behind = vec![crate::api::status::ProxyStatus {
            task: "t1".into(),
            state: "PartlyRefused".into(),
            message: quoted.into(),
            ..Default::default()
        }];
        let said = format!(
            "1 of 1 proxies have the routes in force, save what they refuse; service shop (skep.headers=X-Api-Key=hunter2): {quoted}"
        );
        let ready = status.conditions[0].clone();
        for (kind, message) in [
            (ConditionType::Programmed, said.clone()),
            (ConditionType::Ready, format!("Programmed: {said}")),
        ] {
            status.conditions.push(Condition {
                kind,
                status: ConditionStatus::False,
                reason: "RoutesRefused".into(),
                message,
                ..ready.clone()
            });
        }
        status.conditions.remove(0);
        let mut patient = doctor::tests::healthy();
        let declared = patient.view.declared.get_mut("east").unwrap();
        declared.status.clone_from(&east.status);
        view(&mut patient.view);
        let checks = doctor::render(&doctor::checks(&patient), Report::Json).unwrap();
        let events = get::json(&events::history::rows(
            &patient.view,
            &std::collections::BTreeMap::default(),
        ));
        let cluster = get::yaml(&resources::cluster(&east)).unwrap();
        for text in [&checks, &events, &cluster] {
            assert!(!text.contains("hunter2"), "{text}");
            let kept = "have the routes in force, save what they refuse: [redacted]";
            assert!(text.contains(kept), "{text}");
        }
        assert!(cluster.contains("PartlyRefused"), "{cluster}");
    }
}
