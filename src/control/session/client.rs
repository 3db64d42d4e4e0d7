//! The proxy's end of the stream. It outlives connections: what is held is told to the next
//! operator, so that only what differs is sent.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;

use super::{Error, TYPES, known_type};
use crate::control::proto::{
    self, Any, CertificateReport, DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node, Report,
    Status,
};
use crate::control::resource::{Change, Refusal, Resource, ShownCertificate, Snapshot, TypeUrl};

/// Longest refusal that is sent, in characters.
const MAX_REFUSAL: usize = 1000;
/// Longest reason of one resource: ten thousand of them fit into a request.
const MAX_REASON: usize = 500;
/// gRPC's `INVALID_ARGUMENT`.
const INVALID_ARGUMENT: i32 = 3;

/// The proxy's end of the stream: responses in, requests out.
#[derive(Debug)]
pub struct ClientSession {
    node: Node,
    held: BTreeMap<TypeUrl, BTreeMap<String, String>>,
    /// Types that the operator says are complete on this stream.
    complete: BTreeSet<TypeUrl>,
}

/// A response that has been read.
#[derive(Debug)]
pub struct Received {
    kind: TypeUrl,
    nonce: String,
    complete: bool,
    /// What to apply; empty when the operator only says that everything is as it should be.
    pub change: Change,
    /// Why the response cannot be applied at all; to be handed to [`ClientSession::settle`].
    pub fault: Option<String>,
}

impl ClientSession {
    /// A session of a proxy that holds these resources (from its last good state, or none).
    #[must_use]
    pub fn new(node: Node, known: &Snapshot) -> Self {
        let versions = |resources: &BTreeMap<String, Resource>| {
            let version =
                |(name, resource): (&String, &Resource)| (name.clone(), resource.version.clone());
            resources.iter().map(version).collect()
        };
        let held = |kind| {
            (
                kind,
                known.types.get(kind).map(versions).unwrap_or_default(),
            )
        };
        Self {
            node,
            held: TYPES.map(held).into(),
            complete: BTreeSet::new(),
        }
    }

    /// The first requests of a new stream: all of each type, and what is held already.
    pub fn hello(&mut self) -> Vec<DeltaDiscoveryRequest> {
        self.complete.clear();
        let request = |(index, kind): (usize, TypeUrl)| DeltaDiscoveryRequest {
            node: (index == 0).then(|| self.node.clone()),
            type_url: kind.to_owned(),
            resource_names_subscribe: vec!["*".to_owned()],
            initial_resource_versions: self.held.get(kind).cloned().unwrap_or_default(),
            ..DeltaDiscoveryRequest::default()
        };
        TYPES.into_iter().enumerate().map(request).collect()
    }

    /// Of every type, all that the operator published has been applied or refused.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.complete.len() == TYPES.len()
    }

    /// Reads a response. It is applied by the caller and then settled.
    pub fn receive(&mut self, response: DeltaDiscoveryResponse) -> Result<Received, Error> {
        let unusable = |reason| Error::Response {
            type_url: response.type_url.clone(),
            reason,
        };
        let kind = known_type(&response.type_url).ok_or_else(|| unusable("unknown type"))?;
        if response.nonce.is_empty() {
            return Err(unusable("it has no nonce, so it cannot be answered"));
        }
        self.complete.remove(kind);
        let mut received = Received {
            kind,
            nonce: response.nonce,
            complete: !response.system_version_info.is_empty(),
            change: Change {
                type_url: kind.to_owned(),
                upserts: BTreeMap::new(),
                removed: response.removed_resources,
            },
            fault: None,
        };
        for item in response.resources {
            if let Err(fault) = insert(&mut received.change, kind, item) {
                received.fault = Some(fault);
            }
        }
        let upserts = &received.change.upserts;
        if let Some(name) = received
            .change
            .removed
            .iter()
            .find(|n| upserts.contains_key(*n))
        {
            received.fault = Some(format!("resource `{name}` of {kind} both came and went"));
        }
        // To forget a name that was never held is harmless, but nobody needs to hear of it.
        let held = &self.held[kind];
        received
            .change
            .removed
            .retain(|name| held.contains_key(name));
        Ok(received)
    }

    /// The answer to a response: acknowledged, or refused with the reason.
    pub fn settle(
        &mut self,
        received: Received,
        outcome: Result<(), Refusal>,
    ) -> DeltaDiscoveryRequest {
        let Received {
            kind,
            nonce,
            complete,
            change,
            fault,
        } = received;
        let outcome = fault.map_or(outcome, |fault| Err(Refusal::from(fault)));
        let refused = outcome.as_ref().err().map(|refusal| &refusal.parts);
        if refused.is_none_or(|parts| !parts.is_empty()) {
            let held = self.held.entry(kind).or_default();
            for (name, resource) in change.upserts {
                if refused.is_none_or(|parts| !parts.contains_key(&name)) {
                    held.insert(name, resource.version);
                }
            }
            for name in &change.removed {
                held.remove(name);
            }
        }
        if outcome.is_ok() && complete {
            self.complete.insert(kind);
        }
        DeltaDiscoveryRequest {
            type_url: kind.to_owned(),
            response_nonce: nonce,
            error_detail: outcome.err().map(|refusal| Status {
                code: INVALID_ARGUMENT,
                message: refusal.message.chars().take(MAX_REFUSAL).collect(),
                details: refusal.parts.into_iter().map(detail).collect(),
            }),
            ..DeltaDiscoveryRequest::default()
        }
    }
}

fn detail((name, reason): (String, String)) -> Any {
    let reason = reason.chars().take(MAX_REASON).collect();
    Any {
        type_url: proto::FAULT.to_owned(),
        value: proto::Fault { name, reason }.encode_to_vec().into(),
    }
}

/// What a proxy sees of its certificates, for its operator.
#[must_use]
pub fn report(certificates: &[ShownCertificate]) -> DeltaDiscoveryRequest {
    let certificates = certificates.iter().map(|shown| CertificateReport {
        name: shown.name.clone(),
        not_after: shown.not_after,
        uncovered: shown.uncovered.clone(),
    });
    DeltaDiscoveryRequest {
        type_url: proto::REPORT.to_owned(),
        report: Some(Report {
            certificates: certificates.collect(),
        }),
        ..DeltaDiscoveryRequest::default()
    }
}

fn insert(
    change: &mut Change,
    kind: TypeUrl,
    item: crate::control::proto::Item,
) -> Result<(), String> {
    let name = item.name;
    let Some(any) = item.resource else {
        return Err(format!("resource `{name}` of {kind} has no content"));
    };
    if any.type_url != kind {
        return Err(format!(
            "resource `{name}` is not of type {kind} but of {}",
            any.type_url
        ));
    }
    if name.is_empty() || item.version.is_empty() {
        return Err(format!(
            "resource `{name}` of {kind} has no name or no version"
        ));
    }
    let resource = Resource {
        version: item.version,
        body: any.value,
    };
    match change.upserts.insert(name.clone(), resource) {
        None => Ok(()),
        Some(_) => Err(format!("resource `{name}` of {kind} came twice")),
    }
}
