//! Every name, label key and content hash that Skep mints, in one place.

use std::fmt::Write as _;

/// The newest version of the API; [`crate::api::Version`] has the older ones.
pub const API_VERSION: &str = "skep.dev/v1";
/// The kind of a service cluster.
pub const KIND: &str = "ServiceCluster";
/// The kind of a git repository that is followed.
pub const KIND_SOURCE: &str = "Source";
/// The kind of what is sealed for a source: credentials, or the secret of its webhook.
pub const KIND_SOURCE_SECRET: &str = "SourceSecret";

/// On a config: the kind of resource it holds. `ServiceCluster` makes any config count.
pub const LABEL_KIND: &str = "dev.skep.kind";
/// The kind of a stored certificate: a config whose content is sealed to the operator.
pub const KIND_CERTIFICATE: &str = "Certificate";
/// On a certificate: its hosts, separated by commas.
pub const LABEL_HOSTS: &str = "dev.skep.hosts";
/// On a certificate: when it ends (RFC 3339, UTC, seconds).
pub const LABEL_NOT_AFTER: &str = "dev.skep.not-after";
/// On a certificate: SHA-256 of the host's own certificate, in hex.
pub const LABEL_FINGERPRINT: &str = "dev.skep.fingerprint";
/// On a certificate: hash of the whole chain and the key, to tell equal ones without unsealing.
pub const LABEL_CONTENT: &str = "dev.skep.content";
/// On a certificate: who signed it.
pub const LABEL_ISSUER: &str = "dev.skep.issuer";
/// On the sealing secret: the public key that belongs to it (base64). On a certificate: hash of
/// the public key that it is sealed to.
pub const LABEL_SEALING: &str = "dev.skep.sealing";
/// On a certificate: why the operator cannot use it; missing when it can.
pub const LABEL_FAULT: &str = "dev.skep.fault";

/// On a config: the name of the resource.
pub const LABEL_NAME: &str = "dev.skep.name";
/// On a config: the generation (decimal) of the revision.
pub const LABEL_GENERATION: &str = "dev.skep.generation";
/// On a config: when the first revision of the resource was stored (RFC 3339), which may be gone.
pub const LABEL_CREATED: &str = "dev.skep.created";
/// On a config: who stored the revision, as `source/NAME`, `apply` or `apply/SET`. Two managers of
/// one resource are a conflict.
pub const LABEL_MANAGER: &str = "dev.skep.manager";
/// On the newest config of a source: a request to look at once; any new value is one.
pub const LABEL_SYNC: &str = "dev.skep.sync";
/// On the newest config of a resource: its status, as JSON.
pub const LABEL_STATUS: &str = "dev.skep.status";
/// The manager of what `skep apply` stored without `--set`.
pub const MANAGER_APPLY: &str = "apply";
/// Annotation of a resource: how many revisions are kept.
pub const ANNOTATION_HISTORY: &str = "dev.skep.history";
/// Revisions kept when the annotation is missing.
pub const DEFAULT_HISTORY: usize = 10;

/// On everything that Skep makes.
pub const LABEL_MANAGED_BY: &str = "dev.skep.managed-by";
/// The value of [`LABEL_MANAGED_BY`].
pub const MANAGED_BY: &str = "skep";
/// On what belongs to one service cluster: its name.
pub const LABEL_CLUSTER: &str = "dev.skep.cluster";
/// What part of Skep an object is: `operator`, `proxy`, `control`, `network`, `pki`.
pub const LABEL_COMPONENT: &str = "dev.skep.component";
/// On the containers of a proxy service: hash of the task template, to tell new tasks from old.
pub const LABEL_TEMPLATE: &str = "dev.skep.template";

/// On a proxy service: which optional parts of it the manifest has set (comma list), so that
/// leaving one out of the manifest takes it back, while what a person set otherwise stays.
pub const LABEL_FIELDS: &str = "dev.skep.fields";
/// On what a stack deployed (Docker's own label): the stack's name.
pub const LABEL_STACK: &str = "com.docker.stack.namespace";

/// The operator service.
pub const OPERATOR_SERVICE: &str = "skep-operator";
/// The overlay between operator and proxies.
pub const CONTROL_NETWORK: &str = "skep-control";
/// Secret: certificate of the authority that both ends trust (PEM).
pub const SECRET_CA: &str = "skep-ca";
/// Secret: certificate and key of the operator (PEM bundle).
pub const SECRET_OPERATOR: &str = "skep-operator-identity";
/// Secret: certificate and key of the proxies (PEM bundle).
pub const SECRET_PROXY: &str = "skep-proxy-identity";
/// Secret: the private key that stored certificates are sealed to.
pub const SECRET_SEALING: &str = "skep-sealing-key";
/// The secrets that only fit together.
pub const SECRETS_PKI: [&str; 3] = [SECRET_CA, SECRET_OPERATOR, SECRET_PROXY];
/// All secrets of Skep itself. No proxy gets one as a file because a label names it.
pub const SECRETS: [&str; 4] = [SECRET_CA, SECRET_OPERATOR, SECRET_PROXY, SECRET_SEALING];
/// The DNS name that the operator's certificate carries.
pub const OPERATOR_TLS_NAME: &str = "operator.skep.internal";
/// The DNS name that the proxies' certificate carries.
pub const PROXY_TLS_NAME: &str = "proxy.skep.internal";

/// Port of the control stream on the operator.
pub const CONTROL_PORT: u16 = 7443;
/// Port of health and metrics, on operator and proxy; never published.
pub const ADMIN_PORT: u16 = 9901;
/// Port inside a proxy container that serves HTTP.
pub const PROXY_HTTP_PORT: u16 = 8080;
/// Port inside a proxy container that serves HTTPS.
pub const PROXY_HTTPS_PORT: u16 = 8443;
/// Directory inside a proxy container that holds the last good state.
pub const PROXY_STATE_DIR: &str = "/state";
/// Directory inside a container where Docker puts the files of secrets.
pub const SECRETS_DIR: &str = "/run/secrets";

/// The image that `install` and proxies use unless told otherwise.
pub const DEFAULT_IMAGE: &str = concat!("ghcr.io/skep-dev/skep:", env!("CARGO_PKG_VERSION"));

/// Prefixes of application labels; the first is Interlock's, both mean the same.
pub const APP_PREFIXES: [&str; 2] = ["com.docker.lb.", "skep."];

/// The config name of one revision, e.g. `servicecluster.east.3`.
#[must_use]
pub fn config_name(cluster: &str, generation: u64) -> String {
    format!("servicecluster.{cluster}.{generation}")
}

/// The manager of what `skep apply --set` stores.
#[must_use]
pub fn set_manager(set: &str) -> String {
    format!("{MANAGER_APPLY}/{set}")
}

/// The config name of one revision of a source, e.g. `source.shop.3`.
#[must_use]
pub fn source_config(source: &str, generation: u64) -> String {
    format!("source.{source}.{generation}")
}

/// Who stored what a source applied, in [`LABEL_MANAGER`].
#[must_use]
pub fn source_manager(source: &str) -> String {
    format!("{SOURCE_MANAGER}{source}")
}

/// What the names of such managers start with.
pub const SOURCE_MANAGER: &str = "source/";

/// What the names of stacks start with where they are managers.
pub const STACK_MANAGER: &str = "stack/";

/// The name of what is sealed for a source. Names of certificates hold no `/`, so none opens as
/// the other.
#[must_use]
pub fn source_secret(source: &str, purpose: &str) -> String {
    format!("source/{source}/{purpose}")
}

/// The config name of one revision of what is sealed for a source.
#[must_use]
pub fn source_secret_config(source: &str, purpose: &str, generation: u64) -> String {
    format!("sourcesecret.{source}.{purpose}.{generation}")
}

/// The config name of one revision of a stored certificate, e.g. `certificate.shop.3`.
#[must_use]
pub fn certificate_config(name: &str, generation: u64) -> String {
    format!("certificate.{name}.{generation}")
}

/// The name of a stored certificate in a route table. Names of secrets hold no `/`, so it is
/// never that of a certificate from files.
#[must_use]
pub fn stored_certificate(name: &str) -> String {
    format!("certs/{name}")
}

/// The service that a certificate from files is of, by the certificate's name in a route table
/// (`service/NAME` or `service/NAME/ROUTE`).
#[must_use]
pub fn owner_of_certificate(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("service/")?;
    rest.split('/').next()
}

/// The default name of a cluster's proxy service.
#[must_use]
pub fn proxy_service(cluster: &str) -> String {
    format!("skep-proxy-{cluster}")
}

/// The volume that keeps the last good state of a cluster's proxies on a node.
#[must_use]
pub fn state_volume(cluster: &str) -> String {
    format!("skep-state-{cluster}")
}

/// The node label that records (as a JSON object) the node labels a cluster has set.
#[must_use]
pub fn owned_label(cluster: &str) -> String {
    format!("{OWNED_PREFIX}{cluster}")
}

/// What the names of all such node labels start with.
pub const OWNED_PREFIX: &str = "dev.skep.owned.";

/// A content hash: the first 16 hex digits of SHA-256. Equal bytes, equal hash, for ever:
/// versions on the wire and in labels are built from it, never from a clock or a counter.
#[must_use]
pub fn content_hash(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref()[..8]
        .iter()
        .fold(String::with_capacity(16), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_names_of_the_longest_cluster_fit_the_engines_64_characters() {
        assert!(config_name(&"x".repeat(32), u64::MAX).len() <= 64 + 5);
        assert!(config_name(&"x".repeat(32), 9_999_999_999).len() <= 64);
    }

    #[test]
    fn a_content_hash_is_stable_and_sixteen_digits() {
        assert_eq!(content_hash(b"skep").len(), 16);
        assert_eq!(content_hash(b""), "e3b0c44298fc1c14");
    }
}
