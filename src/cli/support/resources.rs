//! Clusters and sources as they stand in a support bundle. Pure.

use std::collections::BTreeMap;

use super::redact::{GONE, hidden};
use super::words;
use crate::api::{Metadata, ServiceCluster, Source};

/// A cluster without the values of its environment.
pub(super) fn cluster(cluster: &ServiceCluster) -> ServiceCluster {
    let mut cluster = cluster.clone();
    let spec = &mut cluster.spec;
    for value in spec.proxy.env.values_mut() {
        GONE.clone_into(value);
    }
    if let Some(logging) = &mut spec.proxy.logging {
        for value in logging.options.values_mut() {
            GONE.clone_into(value);
        }
    }
    pairs(&mut spec.proxy.labels);
    pairs(&mut spec.proxy.container_labels);
    metadata(&mut cluster.metadata);
    cluster.status.iter_mut().for_each(words::status);
    cluster
}

/// A source without the content of certificates, and without whose keys it trusts: the comment of
/// a key is somebody's address.
pub(super) fn source(source: &Source) -> Source {
    let mut source = source.clone();
    metadata(&mut source.metadata);
    let spec = &mut source.spec;
    words::plain(&mut spec.url);
    if let Some(authorities) = &mut spec.ca {
        GONE.clone_into(authorities);
    }
    for key in spec
        .verify
        .iter_mut()
        .flat_map(|verify| &mut verify.ssh_keys)
    {
        let mut words = key.split_whitespace();
        *key = match (words.next(), words.next(), words.next()) {
            (Some(kind), Some(body), None) => format!("{kind} {body}"),
            (Some(kind), Some(body), Some(_)) => format!("{kind} {body} {GONE}"),
            _ => GONE.to_owned(),
        };
    }
    if let Some(status) = &mut source.status {
        for condition in &mut status.conditions {
            words::plain(&mut condition.message);
        }
        for fault in &mut status.faults {
            // Names of files and unknown fields are the repository's own words too.
            words::plain(&mut fault.file);
            words::plain(&mut fault.field);
            words::plain(&mut fault.message);
            words::plain(&mut fault.hint);
        }
    }
    source
}

fn metadata(metadata: &mut Metadata) {
    pairs(&mut metadata.labels);
    pairs(&mut metadata.annotations);
}

fn pairs(map: &mut BTreeMap<String, String>) {
    for (key, value) in map.iter_mut() {
        if hidden(key, value) {
            GONE.clone_into(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::get::tests::east;

    #[test]
    fn a_cluster_keeps_its_shape_and_loses_its_environment() {
        let mut given = east();
        given.spec.proxy.env.insert("A".into(), "hunter2".into());
        given
            .metadata
            .annotations
            .insert("api-token".into(), "hunter2".into());
        let fault = crate::api::status::RouteFault {
            label: "com.docker.lb.request_headers.set.X-Api-Key".into(),
            value: "hunter2".into(),
            message: "hunter2 is none".into(),
            ..Default::default()
        };
        let status = given.status.get_or_insert_default();
        status.routes.faults.push(fault);
        let text = crate::cli::get::yaml(&cluster(&given)).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(
            text.contains("A: '[redacted]'") || text.contains("A: \"[redacted]\""),
            "{text}"
        );
    }

    #[test]
    fn a_source_tells_no_certificate_no_delicate_label_and_nobodys_address() {
        let text = r#"{apiVersion: skep.dev/v1, kind: Source, metadata: {name: shop,
            labels: {team: web, api-token: hunter2}, annotations: {note: "https://a:hunter2@b/"}},
            spec: {url: "https://a:hunter2@git.a/shop", ca: hunter2, verify: {sshKeys: [
                ssh-ed25519 AAAA hunter2@example.com, ssh-rsa BBBB, hunter2]}}}"#;
        let mut given: Source = serde_saphyr::from_str(text).unwrap();
        let delicate = || "`https://a:hunter2@b/`".to_owned();
        let fault = crate::api::SourceFault {
            file: delicate(),
            field: delicate(),
            message: delicate(),
            hint: delicate(),
            ..Default::default()
        };
        given.status.get_or_insert_default().faults.push(fault);
        let text = crate::cli::get::yaml(&source(&given)).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        for kept in ["team: web", "ssh-ed25519 AAAA [redacted]", "ssh-rsa BBBB"] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
    }
}
