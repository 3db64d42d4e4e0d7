//! What one client holds of one type, and what it still has to be told.
//!
//! Only differences are kept: a client that is up to date costs nothing but the shared snapshot.

use std::collections::BTreeMap;

use crate::control::proto::{Any, DeltaDiscoveryResponse, Item};
use crate::control::published::Published;
use crate::control::resource::{Refusal, Refused as Told, Resource, TypeUrl};

/// So many refusals in a row end the search for the resource at fault: then the client refuses
/// everything, and telling it one resource at a time would only be noise.
const MAX_REFUSALS: u32 = 32;
/// The most resources in one response, whatever their size.
const MAX_BATCH: usize = 10_000;

#[derive(Debug)]
pub(super) struct Subscription {
    kind: TypeUrl,
    /// Names whose version at the client is not the published one.
    differs: BTreeMap<String, Difference>,
    outstanding: Option<Outstanding>,
    /// Resources in the next response at most; halved on refusal, doubled on acceptance.
    batch: usize,
    refusals: u32,
    /// The last response said that nothing more is to come. False at first: a client that is up
    /// to date hears so.
    concluded: bool,
    /// The last refusal, until what was refused has been mended.
    pub(super) refused: Option<String>,
}

/// One name that the client must still be told about.
#[derive(Debug)]
struct Difference {
    /// The version that the client has.
    held: Option<String>,
    /// Sequence of the first snapshot that the client may lack for this name.
    first: u64,
    /// Sequence of the last snapshot that changed this name.
    last: u64,
    /// What was sent and refused.
    refused: Option<Refused>,
}

/// A published version (`None`: its absence) that the client does not want, and why.
#[derive(Debug)]
struct Refused {
    version: Option<String>,
    reason: String,
    /// The refused response held others too, so nothing is known of this one.
    whole: bool,
}

#[derive(Debug)]
struct Outstanding {
    nonce: String,
    /// Sequence of the snapshot that the response was built from.
    sequence: u64,
    sent: BTreeMap<String, Option<String>>,
}

/// What other types allow to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    /// Upserts last changed in a snapshot with this sequence or a later one wait.
    pub(super) upserts_below: u64,
    /// Removals may be sent.
    pub(super) removals: bool,
}

impl Gate {
    pub(super) const OPEN: Self = Self {
        upserts_below: u64::MAX,
        removals: true,
    };
}

impl Subscription {
    /// A client that says it holds these versions.
    pub(super) fn new(
        kind: TypeUrl,
        held: BTreeMap<String, String>,
        published: Option<&Published>,
    ) -> Self {
        let sequence = published.map_or(0, |published| published.sequence);
        let mut differs: BTreeMap<_, _> = held
            .into_iter()
            .map(|(name, version)| (name, Difference::new(Some(version), sequence)))
            .collect();
        if let Some(published) = published {
            for (name, resource) in published.snapshot.types.get(kind).into_iter().flatten() {
                match differs.get(name).map(|difference| &difference.held) {
                    Some(Some(held)) if *held == resource.version => {
                        differs.remove(name);
                    }
                    Some(_) => {}
                    None => {
                        differs.insert(name.clone(), Difference::new(None, sequence));
                    }
                }
            }
        }
        Self {
            kind,
            differs,
            outstanding: None,
            batch: MAX_BATCH,
            refusals: 0,
            concluded: false,
            refused: None,
        }
    }

    /// The versions that the client holds, given the snapshot that the differences refer to.
    /// For the first snapshot only: then the differences are all that is held.
    pub(super) fn into_held(self) -> BTreeMap<String, String> {
        self.differs
            .into_iter()
            .filter_map(|(name, difference)| Some((name, difference.held?)))
            .collect()
    }

    /// Takes note of what changed between two snapshots.
    pub(super) fn publish(&mut self, changes: &[(String, Option<String>)], new: &Published) {
        for (name, before) in changes {
            let now = version(new.get(self.kind, name));
            let sequence = new.sequence;
            let difference = self
                .differs
                .entry(name.clone())
                .or_insert_with(|| Difference::new(before.clone(), sequence));
            difference.last = sequence;
            // An outstanding name stays: what the client holds is not known before it answers.
            if difference.held == now && !self.is_outstanding(name) {
                self.differs.remove(name);
            }
        }
        self.settle(new);
    }

    /// Takes the answer to a response. Returns false for an answer to another one.
    pub(super) fn answer(
        &mut self,
        nonce: &str,
        refusal: Option<Refusal>,
        published: &Published,
    ) -> bool {
        let Some(outstanding) = self.outstanding.take_if(|sent| sent.nonce == nonce) else {
            return false;
        };
        match refusal {
            None => self.accept(outstanding, published),
            Some(refusal) if names_parts(&refusal, &outstanding) => {
                self.take_rest(outstanding, refusal, published);
            }
            Some(refusal) => self.refuse(outstanding, &refusal.message, published),
        }
        self.settle(published);
        true
    }

    /// The client says of each resource whether it took it.
    fn take_rest(&mut self, mut sent: Outstanding, refusal: Refusal, published: &Published) {
        let refused = refusal.parts.into_iter();
        let refused: Vec<_> = refused
            .filter_map(|(name, reason)| {
                let version = sent.sent.remove(&name)?;
                let refused = Refused {
                    version,
                    reason,
                    whole: false,
                };
                Some((name, refused))
            })
            .collect();
        self.accept(sent, published);
        for (name, refused) in refused {
            let now = version(published.get(self.kind, &name));
            let Some(difference) = self.differs.get_mut(&name) else {
                continue;
            };
            if difference.held == now {
                self.differs.remove(&name);
            } else {
                difference.refused = Some(refused);
            }
        }
        self.refused = Some(refusal.message);
        // A client that refused something is told once more that nothing follows.
        self.concluded = false;
    }

    fn accept(&mut self, outstanding: Outstanding, published: &Published) {
        self.refusals = 0;
        self.batch = self.batch.saturating_mul(2).min(MAX_BATCH);
        for (name, sent) in outstanding.sent {
            if sent == version(published.get(self.kind, &name)) {
                self.differs.remove(&name);
            } else if let Some(difference) = self.differs.get_mut(&name) {
                difference.held = sent;
                difference.first = outstanding.sequence + 1;
                difference.refused = None;
            }
        }
    }

    fn refuse(&mut self, outstanding: Outstanding, message: &str, published: &Published) {
        self.refusals += 1;
        self.refused = Some(message.to_owned());
        let size = outstanding.sent.len();
        // Whoever refuses to hear that there is nothing more is not told again.
        self.concluded &= size == 0;
        // One resource at fault must not hold up the others: they are tried in smaller parts.
        let search = size > 1 && self.refusals <= MAX_REFUSALS;
        self.batch = match size {
            _ if search => size / 2,
            _ if self.refusals > MAX_REFUSALS => MAX_BATCH,
            _ => self.batch,
        };
        for (name, sent) in outstanding.sent {
            let now = version(published.get(self.kind, &name));
            let Some(difference) = self.differs.get_mut(&name) else {
                continue;
            };
            if difference.held == now {
                self.differs.remove(&name);
            } else if !search {
                let own = message.strip_prefix(&format!("{name}: "));
                difference.refused = Some(Refused {
                    version: sent,
                    reason: own.unwrap_or(message).to_owned(),
                    whole: size > 1,
                });
            }
        }
    }

    /// The next response, if there is something to say and nothing is outstanding.
    pub(super) fn respond(
        &mut self,
        nonce: String,
        published: &Published,
        gate: Gate,
    ) -> Option<DeltaDiscoveryResponse> {
        if self.outstanding.is_some() {
            return None;
        }
        let (sent, resources) = self.select(published, gate);
        // An empty response tells a client that was already up to date, or waited for more, or
        // refused the last part, that there is nothing more.
        if sent.is_empty() && (self.concluded || !self.is_told(published)) {
            return None;
        }
        let remaining = self.waiting(published).count();
        let removed_resources = sent
            .iter()
            .filter(|(_, version)| version.is_none())
            .map(|(name, _)| name.clone())
            .collect();
        self.concluded = remaining == sent.len();
        self.outstanding = Some(Outstanding {
            nonce: nonce.clone(),
            sequence: published.sequence,
            sent,
        });
        Some(DeltaDiscoveryResponse {
            system_version_info: if self.concluded {
                published.version.clone()
            } else {
                String::new()
            },
            resources,
            type_url: self.kind.to_owned(),
            nonce,
            removed_resources,
        })
    }

    fn select(
        &self,
        published: &Published,
        gate: Gate,
    ) -> (BTreeMap<String, Option<String>>, Vec<Item>) {
        let (mut sent, mut items, mut bytes) = (BTreeMap::new(), Vec::new(), 0);
        for (name, difference) in self.waiting(published) {
            let resource = published.get(self.kind, name);
            let open = match resource {
                Some(_) => difference.last < gate.upserts_below,
                None => gate.removals,
            };
            if !open {
                continue;
            }
            let size = name.len() + resource.map_or(8, |resource| resource.body.len() + 96);
            if !sent.is_empty() && (bytes + size > super::MAX_RESPONSE || sent.len() >= self.batch)
            {
                break;
            }
            bytes += size;
            sent.insert(name.clone(), version(resource));
            items.extend(resource.map(|resource| self.item(name, resource)));
        }
        (sent, items)
    }

    fn item(&self, name: &str, resource: &Resource) -> Item {
        Item {
            version: resource.version.clone(),
            resource: Some(Any {
                type_url: self.kind.to_owned(),
                value: resource.body.clone(),
            }),
            name: name.to_owned(),
        }
    }

    /// Differences that the client has not refused as they are.
    fn waiting<'a>(
        &'a self,
        published: &'a Published,
    ) -> impl Iterator<Item = (&'a String, &'a Difference)> {
        self.differs.iter().filter(|(name, difference)| {
            difference
                .refused
                .as_ref()
                .is_none_or(|refused| refused.version != version(published.get(self.kind, name)))
        })
    }

    /// The earliest snapshot of which an upsert is not yet acknowledged (refused ones are not
    /// waited for).
    pub(super) fn first_upsert(&self, published: &Published) -> Option<u64> {
        self.waiting(published)
            .filter(|(name, _)| {
                published.get(self.kind, name).is_some() || self.is_outstanding(name)
            })
            .map(|(_, difference)| difference.first)
            .min()
    }

    /// The client has exactly what is published, and has said so.
    pub(super) fn is_synced(&self) -> bool {
        self.concluded && self.differs.is_empty() && self.outstanding.is_none()
    }

    /// The client has taken all that may be sent to it, or refused it by name.
    pub(super) fn is_settled(&self, published: &Published, gate: Gate) -> bool {
        let mut waiting = self.waiting(published);
        let kept = |name| !gate.removals && published.get(self.kind, name).is_none();
        self.outstanding.is_none()
            && waiting.all(|(name, _)| kept(name))
            && !self.refuses_whole(published)
    }

    /// What of the published the client does not take, by name. A client that refuses whole
    /// responses tells nothing of any name: those that were sent alone may be as innocent.
    pub(super) fn standing<'a>(
        &'a self,
        published: &'a Published,
    ) -> impl Iterator<Item = Told> + 'a {
        let whole = self.refuses_whole(published);
        let refused = self.refusals_of(published).filter(move |_| !whole);
        refused.map(|(name, refused)| Told {
            type_url: self.kind,
            name: name.clone(),
            reason: refused.reason.clone(),
        })
    }

    fn refuses_whole(&self, published: &Published) -> bool {
        self.refusals_of(published)
            .any(|(_, refused)| refused.whole)
    }

    /// The refusals of what is still published.
    fn refusals_of<'a>(
        &'a self,
        published: &'a Published,
    ) -> impl Iterator<Item = (&'a String, &'a Refused)> {
        self.differs.iter().filter_map(|(name, difference)| {
            let refused = difference.refused.as_ref()?;
            let now = version(published.get(self.kind, name));
            (refused.version == now).then_some((name, refused))
        })
    }

    /// The client holds exactly what is published.
    pub(super) fn is_equal(&self) -> bool {
        self.differs.is_empty()
    }

    /// Nothing is left to be said, save what was refused.
    fn is_told(&self, published: &Published) -> bool {
        self.waiting(published).next().is_none()
    }

    fn is_outstanding(&self, name: &str) -> bool {
        self.outstanding
            .as_ref()
            .is_some_and(|outstanding| outstanding.sent.contains_key(name))
    }

    /// Forgets the last refusal once what was refused has been mended.
    fn settle(&mut self, published: &Published) {
        if self.refused.is_some()
            && (self.differs.is_empty()
                || self.refusals == 0 && self.refusals_of(published).next().is_none())
        {
            self.refused = None;
        }
    }
}

impl Difference {
    fn new(held: Option<String>, sequence: u64) -> Self {
        Self {
            held,
            first: sequence,
            last: sequence,
            refused: None,
        }
    }
}

/// Whether a refusal says of some that were sent that they are refused, and of no others.
fn names_parts(refusal: &Refusal, outstanding: &Outstanding) -> bool {
    let mut names = refusal.parts.keys();
    !refusal.parts.is_empty() && names.all(|name| outstanding.sent.contains_key(name))
}

fn version(resource: Option<&Resource>) -> Option<String> {
    resource.map(|resource| resource.version.clone())
}
