//! One `[Extensions.NAME]`: its networks and its proxy service.

use std::collections::BTreeSet;

use super::draft::{Draft, Left};
use super::given::{Faults, Given, Setting};
use super::naming::Name;
use super::options;
use super::units::{clean, go_duration};
use super::{placement, traffic};
use crate::api::grammar::nearest;
use crate::api::service_cluster::{Drain, NetworkRef, PublishMode};
use crate::api::value::{Span, StringMap};

/// What UCP publishes when nobody says otherwise.
const UCP_PORTS: (u16, u16) = (8080, 8443);
/// Replicas of the configuration that UCP writes.
const UCP_REPLICAS: u64 = 2;
/// Up to here a grace period is the one UCP writes, or one of its manual's examples.
const SHORT_GRACE: Span = Span::from_secs(5);
const REPLICAS: &str = "spec.proxy.replicas";
/// UCP knows its own services by it.
const UCP_INSTANCE: &str = "com.docker.ucp.InstanceID";

/// The document of one extension.
pub(super) fn draft(given: &Given, name: Name, faults: &mut Faults) -> Draft {
    let path = format!("Extensions.{}", clean(given.name));
    let mut draft = Draft::new(given.name, given.at, path.clone());
    draft.left = given.left();
    naming(&mut draft, given, name);
    networks(&mut draft, given);
    placement::constraints(&mut draft, given, faults);
    placement::preferences(&mut draft, given);
    image(&mut draft, given);
    replicas(&mut draft, given);
    publish(&mut draft, given, faults);
    ending(&mut draft, given, faults);
    update(&mut draft, given, faults);
    labels(&mut draft, given);
    let section = given.section("Config");
    let empty = super::tree::Table::default();
    let table = section.as_ref().map_or(&empty, |section| section.value);
    let path = format!("{path}.Config");
    let config = Given::read(&path, "Config.", table, &options::CONFIG, faults);
    draft.left.extend(config.left());
    traffic::fill(&mut draft, given, &config, faults);
    draft.check(faults);
    for setting in given.used().iter().chain(&config.used()) {
        draft.account(setting);
    }
    draft.left.sort_by_key(|left| left.line);
    draft
}

fn naming(draft: &mut Draft, given: &Given, name: Name) {
    let setting = given.text("ServiceCluster");
    if let Some(setting) = &setting {
        draft.origin("metadata", setting.at, &setting.path);
    }
    if name.is_default {
        draft.cluster.spec.default = true;
        match &setting {
            Some(setting) => draft.from("spec.default", setting),
            None => draft.say("spec.default", "ServiceCluster is not given"),
        }
        draft.say(
            "spec.default",
            "takes the services without a label service_cluster",
        );
    } else if let (Some(setting), Some(was)) = (&setting, &name.was) {
        draft.left.push(Left::look(
            setting,
            format!(
                "`{}` cannot name a service cluster, it is called {} here: change the label to service_cluster={} on its services",
                clean(was),
                name.text,
                name.text
            ),
        ));
    }
    draft.cluster.metadata.name = name.text;
}

fn networks(draft: &mut Draft, given: &Given) {
    let Some(setting) = given.texts("Networks") else {
        return;
    };
    let mut networks: Vec<NetworkRef> = Vec::new();
    let mut known = BTreeSet::new();
    for (at, name) in &setting.value {
        if known.insert(*name) {
            let field = format!("spec.networks[{}]", networks.len());
            draft.origin(&field, *at, &setting.path);
            networks.push(NetworkRef {
                name: (*name).to_owned(),
                create: None,
            });
        }
    }
    // An empty list means no list to Interlock: the proxies follow the services.
    if !networks.is_empty() {
        draft.cluster.spec.networks = Some(networks);
        draft.from("spec.networks", &setting);
    }
}

fn image(draft: &mut Draft, given: &Given) {
    let Some(setting) = given.text("ProxyImage").filter(|s| !s.value.is_empty()) else {
        return;
    };
    let left = if setting.value.contains("ucp-interlock-proxy") {
        let why =
            "the proxies run Skep's own image, that of the operator; one of nginx cannot be used";
        Left::needless(&setting, why)
    } else {
        let why = format!(
            "`{}` cannot be used: the proxies run Skep's own image. What it has beyond the usual one must become labels or fields",
            clean(setting.value)
        );
        Left::look(&setting, why)
    };
    draft.left.push(left);
}

fn replicas(draft: &mut Draft, given: &Given) {
    if let Some(setting) = given.count("ProxyReplicas") {
        draft.cluster.spec.proxy.replicas = Some(setting.value);
        draft.from(REPLICAS, &setting);
    } else {
        draft.cluster.spec.proxy.replicas = Some(UCP_REPLICAS);
        draft.say(REPLICAS, "ProxyReplicas is not given; UCP writes 2");
    }
}

fn publish(draft: &mut Draft, given: &Given, faults: &mut Faults) {
    const MODE: &str = "spec.proxy.publish.mode";
    let setting = given.text("PublishMode").filter(|s| !s.value.is_empty());
    let mode = match &setting {
        None => PublishMode::Ingress,
        Some(setting) => match setting.value.to_ascii_lowercase().as_str() {
            "ingress" => PublishMode::Ingress,
            "host" => PublishMode::Host,
            word => {
                let hint = match nearest(word, ["host", "ingress"]) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => "write \"ingress\" or \"host\"".to_owned(),
                };
                let message = format!("`{}` is no way to publish", clean(word));
                faults.at(setting.at, setting.path.as_str(), message, hint);
                PublishMode::Ingress
            }
        },
    };
    draft.cluster.spec.proxy.publish.mode = mode;
    match &setting {
        Some(setting) => draft.from(MODE, setting),
        None => draft.say(
            MODE,
            "PublishMode is not given; this is Interlock's default",
        ),
    }
    draft.cluster.spec.proxy.publish.http = port(
        draft,
        given.count("PublishedPort"),
        "http",
        UCP_PORTS.0,
        faults,
    );
    draft.cluster.spec.proxy.publish.https = port(
        draft,
        given.count("PublishedSSLPort"),
        "https",
        UCP_PORTS.1,
        faults,
    );
}

fn port(
    draft: &mut Draft,
    setting: Option<Setting<u64>>,
    name: &str,
    usual: u16,
    faults: &mut Faults,
) -> u16 {
    let field = format!("spec.proxy.publish.{name}");
    let Some(setting) = setting else {
        draft.say(&field, "no port is given; this is the one UCP proposes");
        return usual;
    };
    draft.from(&field, &setting);
    if setting.value == 0 {
        draft.say(&field, "0 publishes none here");
    }
    u16::try_from(setting.value).unwrap_or_else(|_| {
        let message = format!("{} is not a port", setting.value);
        faults.at(
            setting.at,
            setting.path.as_str(),
            message,
            "write 1 to 65535",
        );
        usual
    })
}

/// A Go duration of an option that is not empty.
fn duration(setting: Option<Setting<&str>>, faults: &mut Faults) -> Option<Setting<Span>> {
    let setting = setting.filter(|setting| !setting.value.is_empty())?;
    match go_duration(setting.value) {
        Ok(span) => Some(setting.with(span)),
        Err(message) => {
            faults.at(setting.at, setting.path.as_str(), message, "");
            None
        }
    }
}

fn ending(draft: &mut Draft, given: &Given, faults: &mut Faults) {
    const FIELD: &str = "spec.proxy.stopGracePeriod";
    let Some(setting) = duration(given.text("ProxyStopGracePeriod"), faults) else {
        return;
    };
    if setting.value <= SHORT_GRACE {
        draft.left.push(Left::needless(
            &setting,
            "Interlock cut what was still under way after this time; Skep's proxies finish it, up to drain.timeout (60s)",
        ));
        return;
    }
    let proxy = &mut draft.cluster.spec.proxy;
    let millis = u64::try_from(setting.value.get().as_millis()).unwrap_or(u64::MAX);
    proxy.stop_grace_period = setting.value;
    // The share that Skep's own defaults have.
    proxy.drain.timeout = Span::from_millis(millis / 5 * 4);
    draft.from(FIELD, &setting);
    draft.from("spec.proxy.drain.timeout", &setting);
    draft.say("spec.proxy.drain.timeout", "4/5 of it");
    if draft.cluster.spec.proxy.drain.timeout < Drain::default().minimum {
        draft.cluster.spec.proxy.drain.minimum = draft.cluster.spec.proxy.drain.timeout;
        draft.say("spec.proxy.drain.minimum", "at most drain.timeout");
    }
}

fn update(draft: &mut Draft, given: &Given, faults: &mut Faults) {
    if let Some(setting) = duration(given.text("ProxyUpdateDelay"), faults) {
        draft.cluster.spec.proxy.update.delay = setting.value;
        draft.from("spec.proxy.update.delay", &setting);
    }
}

fn labels(draft: &mut Draft, given: &Given) {
    if let Some(labels) = kept(draft, given.map("ProxyLabels"), "spec.proxy.labels") {
        draft.cluster.spec.proxy.labels = labels;
    }
    let setting = given.map("ProxyContainerLabels");
    if let Some(labels) = kept(draft, setting, "spec.proxy.containerLabels") {
        draft.cluster.spec.proxy.container_labels = labels;
    }
}

/// The labels without UCP's own mark; none when nothing else is there.
fn kept(draft: &mut Draft, setting: Option<Setting<StringMap>>, field: &str) -> Option<StringMap> {
    let mut setting = setting?;
    if setting.value.remove(UCP_INSTANCE).is_some() {
        let why = format!("{UCP_INSTANCE} in it marks services that UCP itself runs");
        draft.left.push(Left::needless(&setting, why));
    }
    if setting.value.is_empty() {
        return None;
    }
    draft.from(field, &setting);
    Some(setting.value)
}
