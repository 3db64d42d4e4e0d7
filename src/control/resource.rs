//! What travels on the control stream: named, versioned, opaque resources.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

/// The type of a resource, e.g. `type.skep.dev/route.v1`.
pub type TypeUrl = &'static str;

/// One resource. Equal bodies have equal versions, whoever made them and whenever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Content hash of `body`.
    pub version: String,
    /// The encoded message.
    pub body: Bytes,
}

/// All resources of one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Resources by type and name.
    pub types: BTreeMap<TypeUrl, BTreeMap<String, Resource>>,
}

impl Snapshot {
    /// A content hash over all names and versions: the version of the whole.
    #[must_use]
    pub fn version(&self) -> String {
        let mut text = String::new();
        for (kind, resources) in &self.types {
            for (name, resource) in resources {
                text.push_str(kind);
                text.push('\0');
                text.push_str(name);
                text.push('\0');
                text.push_str(&resource.version);
                text.push('\n');
            }
        }
        crate::names::content_hash(text.as_bytes())
    }
}

/// A change as it reaches a proxy: resources of one type that came or changed, and names that went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The type.
    pub type_url: String,
    /// New or changed resources by name.
    pub upserts: BTreeMap<String, Resource>,
    /// Names that are gone.
    pub removed: Vec<String>,
}

/// Why a change was not taken, or what of it was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// All of it, for people.
    pub message: String,
    /// The resources that were refused, with the reason; all others were taken. Empty: nothing
    /// was.
    pub parts: BTreeMap<String, String>,
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self {
            message,
            parts: BTreeMap::new(),
        }
    }
}

/// A published resource that a proxy does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its type.
    pub type_url: TypeUrl,
    /// Its name.
    pub name: String,
    /// Why, for people.
    pub reason: String,
}

/// A certificate that a proxy has from a file, as it reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShownCertificate {
    /// The name of its resource.
    pub name: String,
    /// Seconds since 1970 after which it is not valid; 0: it does not say.
    pub not_after: i64,
    /// Hosts that it is shown for and that it does not name; the first few.
    pub uncovered: Vec<String>,
}

/// What the operator knows of one connected proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyState {
    /// Task id of the proxy.
    pub task: String,
    /// Cluster it asked for.
    pub cluster: String,
    /// Node id.
    pub node: String,
    /// [`Snapshot::version`] that it has wholly acknowledged; `None` before the first.
    pub acked: Option<String>,
    /// [`Snapshot::version`] of which it has taken or refused everything; `None` before the first.
    pub settled: Option<String>,
    /// What it refused last and is not told one by one in `refused`, until that is mended.
    pub refused_whole: Option<String>,
    /// What of the published it does not take, one by one.
    pub refused: Vec<Refused>,
    /// The certificates that it has from files; older proxies tell none.
    pub certificates: Arc<[ShownCertificate]>,
    /// Version of its binary.
    pub build: String,
}
