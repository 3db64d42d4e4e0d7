//! The messages of the delta discovery protocol, with the field numbers of Envoy's v3 API, so that
//! a stock client could speak to us. Only fields that one of our ends reads or writes are here;
//! prost skips the others.

use std::collections::BTreeMap;

use bytes::Bytes;

/// The gRPC service's full name.
pub const SERVICE: &str = "envoy.service.discovery.v3.AggregatedDiscoveryService";
/// The path of the one method that is served.
pub const DELTA_PATH: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/// The type of a request that only reports. Servers that do not know it pass it over.
pub const REPORT: &str = "type.skep.dev/report.v1";
/// The type of one [`Fault`] among the details of a refusal.
pub const FAULT: &str = "type.skep.dev/fault.v1";

/// From client to server: subscribe, acknowledge, refuse.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeltaDiscoveryRequest {
    /// Who asks; needed in the first request of a stream only.
    #[prost(message, optional, tag = "1")]
    pub node: Option<Node>,
    /// The type of resource this request is about.
    #[prost(string, tag = "2")]
    pub type_url: String,
    /// Names to add to the subscription; `*` means all.
    #[prost(string, repeated, tag = "3")]
    pub resource_names_subscribe: Vec<String>,
    /// Names to take out of the subscription.
    #[prost(string, repeated, tag = "4")]
    pub resource_names_unsubscribe: Vec<String>,
    /// Versions the client holds by name; in the first request of a type only.
    #[prost(btree_map = "string, string", tag = "5")]
    pub initial_resource_versions: BTreeMap<String, String>,
    /// The response that is acknowledged or refused; empty when none is.
    #[prost(string, tag = "6")]
    pub response_nonce: String,
    /// Set when the response is refused.
    #[prost(message, optional, tag = "7")]
    pub error_detail: Option<Status>,
    /// What the client sees of its own, with [`REPORT`] as the type. Ours; others skip it.
    #[prost(message, optional, tag = "1001")]
    pub report: Option<Report>,
}

/// From server to client: what came, changed or went.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeltaDiscoveryResponse {
    /// For our ends: the version of the whole snapshot, set when nothing more of this type is to
    /// come at that version; empty when another response will follow.
    #[prost(string, tag = "1")]
    pub system_version_info: String,
    /// New and changed resources.
    #[prost(message, repeated, tag = "2")]
    pub resources: Vec<Item>,
    /// The type of all resources in this response.
    #[prost(string, tag = "4")]
    pub type_url: String,
    /// Names it; echoed by the client.
    #[prost(string, tag = "5")]
    pub nonce: String,
    /// Names that are gone.
    #[prost(string, repeated, tag = "6")]
    pub removed_resources: Vec<String>,
}

/// One resource as it travels (`Resource` in the protocol).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Item {
    /// Its version.
    #[prost(string, tag = "1")]
    pub version: String,
    /// Type and content.
    #[prost(message, optional, tag = "2")]
    pub resource: Option<Any>,
    /// Its name.
    #[prost(string, tag = "3")]
    pub name: String,
}

/// A message of a type known by its URL.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Any {
    /// The type.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The encoded message.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

/// Who a client is.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Node {
    /// Task id of the proxy.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The service cluster it serves.
    #[prost(string, tag = "2")]
    pub cluster: String,
    /// Where it runs.
    #[prost(message, optional, tag = "4")]
    pub locality: Option<Locality>,
    /// The program, `skep`.
    #[prost(string, tag = "6")]
    pub user_agent_name: String,
    /// The program's version.
    #[prost(string, tag = "7")]
    pub user_agent_version: String,
}

/// Where a client runs.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Locality {
    /// Swarm node id.
    #[prost(string, tag = "3")]
    pub sub_zone: String,
}

/// Why a response was refused (`google.rpc.Status`).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Status {
    /// A gRPC code; 3 is "invalid argument".
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// For people.
    #[prost(string, tag = "2")]
    pub message: String,
    /// Each [`Fault`] by itself; none: the whole response is refused.
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Any>,
}

/// One resource that is refused; the others of its response are taken.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Fault {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// For people.
    #[prost(string, tag = "2")]
    pub reason: String,
}

/// What a proxy sees that its operator cannot.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Report {
    /// The certificates that it has from files.
    #[prost(message, repeated, tag = "1")]
    pub certificates: Vec<CertificateReport>,
}

/// A certificate from a file. Nothing of its key.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CertificateReport {
    /// The name of its resource.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Seconds since 1970 after which it is not valid; 0: it does not say.
    #[prost(int64, tag = "2")]
    pub not_after: i64,
    /// Hosts that it is shown for and that it does not name.
    #[prost(string, repeated, tag = "3")]
    pub uncovered: Vec<String>,
}
