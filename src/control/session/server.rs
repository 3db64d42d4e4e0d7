//! The operator's end of one stream.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message as _;

use super::subscription::{Gate, Subscription};
use super::{BACKEND, Error, TYPES, USERS, known_type};
use crate::control::proto::{
    self, DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node, Report, Status,
};
use crate::control::published::Published;
use crate::control::resource::{Refusal, Refused, ShownCertificate, TypeUrl};

/// Longest refusal that is remembered, in characters.
const MAX_REFUSAL: usize = 1000;
/// So many certificates of one proxy are remembered; it tells those first that need attention.
const MAX_REPORTED: usize = 1000;
/// Longest name that is taken from a proxy, in characters, and the most hosts of a certificate.
const MAX_NAME: usize = 300;
const MAX_HOSTS: usize = 8;

/// The operator's end of one stream: requests and published snapshots in, responses out.
///
/// Backends are only removed, and what names them only sent, when the client has subscribed to all of
/// these types.
#[derive(Debug, Default)]
pub struct ServerSession {
    node: Option<Node>,
    published: Option<Arc<Published>>,
    subscriptions: BTreeMap<TypeUrl, Subscription>,
    nonces: u64,
    acked: Option<String>,
    settled: Option<String>,
    certificates: Arc<[ShownCertificate]>,
}

impl ServerSession {
    /// A stream on which nothing has been said yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Who asks; known after the first request.
    #[must_use]
    pub fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    /// The version of the last snapshot that the client has wholly acknowledged on this stream.
    #[must_use]
    pub fn acked(&self) -> Option<&str> {
        self.acked.as_deref()
    }

    /// What the client refused and is not told name by name in [`refused`](Self::refused), until
    /// that is mended.
    #[must_use]
    pub fn refused_whole(&self) -> Option<String> {
        let published = self.published.as_ref()?;
        let all = self.subscriptions.values();
        let whole = all.filter(|one| one.standing(published).next().is_none());
        let refused: Vec<&str> = whole.filter_map(|one| one.refused.as_deref()).collect();
        (!refused.is_empty()).then(|| refused.join("; "))
    }

    /// The version of the last snapshot of which the client has taken or refused everything.
    #[must_use]
    pub fn settled(&self) -> Option<&str> {
        self.settled.as_deref()
    }

    /// What of the published snapshot the client does not take.
    #[must_use]
    pub fn refused(&self) -> Vec<Refused> {
        let Some(published) = &self.published else {
            return Vec::new();
        };
        let all = self.subscriptions.values();
        all.flat_map(|one| one.standing(published)).collect()
    }

    /// The certificates that the client has from files, as it told last.
    #[must_use]
    pub fn certificates(&self) -> &Arc<[ShownCertificate]> {
        &self.certificates
    }

    /// Takes a request; gives back what is to be sent now. Types that are not ours and answers to
    /// responses of the past are passed over, as the protocol wants.
    pub fn request(
        &mut self,
        request: DeltaDiscoveryRequest,
    ) -> Result<Vec<DeltaDiscoveryResponse>, Error> {
        if self.node.is_none() {
            let node = request.node.clone().filter(is_named).ok_or(Error::NoNode)?;
            self.node = Some(node);
        }
        if let Some(report) = request.report {
            self.certificates = shown(report);
            return Ok(Vec::new());
        }
        let Some(kind) = known_type(&request.type_url) else {
            return Ok(Vec::new());
        };
        self.answer(kind, &request);
        self.subscribe(kind, request)?;
        Ok(self.respond())
    }

    /// Takes a newly published snapshot; gives back what is to be sent now.
    pub fn publish(&mut self, new: Arc<Published>) -> Vec<DeltaDiscoveryResponse> {
        if let Some(old) = &self.published {
            let delta = new.since(old);
            for (&kind, subscription) in &mut self.subscriptions {
                let changes = delta.get(kind).map_or(&[][..], Vec::as_slice);
                subscription.publish(changes, &new);
            }
        } else {
            for (&kind, subscription) in &mut self.subscriptions {
                let empty = Subscription::new(kind, BTreeMap::new(), None);
                let held = std::mem::replace(subscription, empty).into_held();
                *subscription = Subscription::new(kind, held, Some(&new));
            }
        }
        self.published = Some(new);
        self.respond()
    }

    fn answer(&mut self, kind: TypeUrl, request: &DeltaDiscoveryRequest) {
        if let (Some(published), Some(subscription)) =
            (&self.published, self.subscriptions.get_mut(kind))
        {
            let refusal = request.error_detail.as_ref().map(refusal);
            subscription.answer(&request.response_nonce, refusal, published);
        }
    }

    fn subscribe(&mut self, kind: TypeUrl, request: DeltaDiscoveryRequest) -> Result<(), Error> {
        let all = |name: &String| name == "*";
        if let Some(name) = request.resource_names_subscribe.iter().find(|n| !all(n)) {
            return Err(Error::NotAll {
                type_url: kind.to_owned(),
                name: name.clone(),
            });
        }
        if request.resource_names_unsubscribe.iter().any(all) {
            self.subscriptions.remove(kind);
            return Ok(());
        }
        // The first request of a type subscribes to all, also when it names nothing.
        if !self.subscriptions.contains_key(kind) && request.response_nonce.is_empty() {
            let held = request.initial_resource_versions;
            let subscription = Subscription::new(kind, held, self.published.as_deref());
            self.subscriptions.insert(kind, subscription);
        }
        Ok(())
    }

    fn respond(&mut self) -> Vec<DeltaDiscoveryResponse> {
        let Some(published) = self.published.clone() else {
            return Vec::new();
        };
        let mut responses = Vec::new();
        for kind in TYPES {
            let gate = self.gate(kind, &published);
            if let Some(subscription) = self.subscriptions.get_mut(kind) {
                let nonce = (self.nonces + 1).to_string();
                if let Some(response) = subscription.respond(nonce, &published, gate) {
                    self.nonces += 1;
                    responses.push(response);
                }
            }
        }
        let synced = |kind| {
            self.subscriptions
                .get(kind)
                .is_some_and(Subscription::is_synced)
        };
        if TYPES.into_iter().all(synced) {
            self.acked = Some(published.version.clone());
        }
        let settled = |kind| {
            let gate = self.gate(kind, &published);
            let subscription = self.subscriptions.get(kind);
            subscription.is_some_and(|one| one.is_settled(&published, gate))
        };
        if TYPES.into_iter().all(settled) {
            self.settled = Some(published.version.clone());
        }
        responses
    }

    /// Make before break: backends come before the routes that need them and go after.
    fn gate(&self, kind: TypeUrl, published: &Published) -> Gate {
        if USERS.contains(&kind) {
            let backends = self.subscriptions.get(BACKEND);
            return Gate {
                upserts_below: backends.map_or(0, |backends| {
                    backends.first_upsert(published).unwrap_or(u64::MAX)
                }),
                removals: true,
            };
        }
        if kind != BACKEND {
            return Gate::OPEN;
        }
        let is_equal = |user| {
            let user = self.subscriptions.get(user);
            user.is_some_and(Subscription::is_equal)
        };
        Gate {
            upserts_below: u64::MAX,
            removals: USERS.into_iter().all(is_equal),
        }
    }
}

/// A refusal as it was told.
fn refusal(status: &Status) -> Refusal {
    let cut = |text: &str| text.chars().take(MAX_REFUSAL).collect::<String>();
    let faults = status
        .details
        .iter()
        .filter(|any| any.type_url == proto::FAULT);
    let faults = faults.filter_map(|any| proto::Fault::decode(any.value.clone()).ok());
    Refusal {
        message: cut(&status.message),
        parts: faults
            .map(|fault| (fault.name, cut(&fault.reason)))
            .collect(),
    }
}

fn shown(report: Report) -> Arc<[ShownCertificate]> {
    let short = |text: &String| text.chars().count() <= MAX_NAME;
    let all = report
        .certificates
        .into_iter()
        .filter(|one| short(&one.name));
    all.take(MAX_REPORTED)
        .map(|one| ShownCertificate {
            name: one.name,
            not_after: one.not_after,
            uncovered: (one.uncovered.into_iter().filter(short).take(MAX_HOSTS)).collect(),
        })
        .collect()
}

fn is_named(node: &Node) -> bool {
    !node.id.is_empty() && !node.cluster.is_empty()
}
