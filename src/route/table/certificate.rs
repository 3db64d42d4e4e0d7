//! Certificates for clients.

use std::collections::BTreeMap;
use std::fmt;

/// A certificate and the hosts that it is shown for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Hosts as in `Route::host` (never `*`), sorted, each once. Empty: for the default only.
    pub hosts: Vec<String>,
    /// Hosts where it stands in for one that a proxy cannot use, and its turn: the lowest that can
    /// be used is shown. `*` stands for the default certificate.
    pub stands_in: BTreeMap<String, u32>,
    /// Some proxies may not have its files yet: those go on without it, and it is no fault.
    pub awaited: bool,
    /// Where it is.
    pub source: CertificateSource,
}

/// Where a certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// In files of Docker secrets that are mounted in the proxy: names below their directory.
    Files {
        /// PEM, the host's own certificate first.
        chain: String,
        /// PEM.
        key: String,
    },
    /// In the table itself.
    Pem {
        /// PEM, the host's own certificate first.
        chain: String,
        /// PEM.
        key: SecretText,
    },
}

/// A text that is never printed by accident.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretText(pub String);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
