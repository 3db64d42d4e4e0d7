//! The listener's rules of TLS: versions, suites, protocols. The same for all certificates.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, Ticketer};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, SupportedCipherSuite, SupportedProtocolVersion, version};

use crate::api::service_cluster::{Tls, TlsVersion};

/// Rules that can be kept.
#[derive(Debug)]
pub(super) struct Rules {
    of: Tls,
    provider: Arc<CryptoProvider>,
    versions: &'static [&'static SupportedProtocolVersion],
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            of: Tls::default(),
            provider: Arc::new(ring::default_provider()),
            versions: versions(TlsVersion::default()),
        }
    }
}

impl Rules {
    /// Checks what the listener asks for. `Err` says what it cannot have.
    pub(super) fn new(tls: &Tls) -> Result<Self, String> {
        let mut provider = ring::default_provider();
        if !tls.cipher_suites.is_empty() {
            let suites = tls.cipher_suites.iter().map(|name| suite(name));
            provider.cipher_suites = suites.collect::<Result<_, _>>()?;
        }
        let versions = versions(tls.min_version);
        let usable = |suite: &SupportedCipherSuite| versions.contains(&suite.version());
        if !provider.cipher_suites.iter().any(usable) {
            return Err("none of the cipher suites is of TLS 1.3, the oldest version".to_owned());
        }
        Ok(Self {
            of: tls.clone(),
            provider: Arc::new(provider),
            versions,
        })
    }

    /// Whether they are made of these settings.
    pub(super) fn are_of(&self, tls: &Tls) -> bool {
        self.of == *tls
    }

    pub(super) fn provider(&self) -> &CryptoProvider {
        &self.provider
    }

    /// What a client of that certificate gets.
    pub(super) fn config(
        &self,
        key: Arc<CertifiedKey>,
        tickets: &Arc<dyn ProducesTickets>,
    ) -> Result<Arc<ServerConfig>, String> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(self.versions)
            .map_err(|error| error.to_string())?;
        let mut config = builder
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A list of suites is a wish for their order.
        config.ignore_client_order = !self.of.cipher_suites.is_empty();
        // Sessions are resumed by tickets alone: nothing is stored, no lock is taken.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Arc::clone(tickets);
        Ok(Arc::new(config))
    }
}

/// Seals the sessions of one certificate, also after it was renewed under its name; never those of
/// another one, which may be of somebody else. The keys change every six hours.
pub(super) fn tickets() -> Result<Arc<dyn ProducesTickets>, String> {
    Ticketer::new().map_err(|error| error.to_string())
}

static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

fn versions(min: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    match min {
        TlsVersion::V1_2 => &BOTH,
        TlsVersion::V1_3 => &BOTH[..1],
    }
}

/// The suite of an IANA name.
fn suite(name: &str) -> Result<SupportedCipherSuite, String> {
    let all = ring::ALL_CIPHER_SUITES.iter();
    let called = |suite: &&SupportedCipherSuite| iana(suite) == name;
    all.copied().find(|it| called(&it)).ok_or_else(|| {
        let shown: String = name.chars().take(80).collect();
        let hint = crate::api::grammar::nearest(name, names().iter().map(String::as_str))
            .map(|near| format!("; did you mean {near}?"));
        format!(
            "cipher suite `{shown}` is not known{}",
            hint.unwrap_or_default()
        )
    })
}

fn names() -> Vec<String> {
    ring::ALL_CIPHER_SUITES.iter().map(iana).collect()
}

/// rustls calls the suites of TLS 1.3 `TLS13_...`; IANA does not.
fn iana(suite: &SupportedCipherSuite) -> String {
    let name = format!("{:?}", suite.suite());
    name.replacen("TLS13_", "TLS_", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(suites: &[&str]) -> Tls {
        Tls {
            cipher_suites: suites.iter().map(|&it| it.to_owned()).collect(),
            ..Tls::default()
        }
    }

    #[test]
    fn every_suite_that_a_manifest_may_name_is_known() {
        for name in names() {
            Rules::new(&tls(&[&name])).unwrap();
        }
        assert!(names().contains(&"TLS_AES_256_GCM_SHA384".to_owned()));
        assert_eq!(names().len(), 9);
    }

    #[test]
    fn an_unknown_suite_is_refused_with_the_nearest_name() {
        let error = Rules::new(&tls(&["TLS_AES_256_GCM_SHA38"])).unwrap_err();
        assert_eq!(
            error,
            "cipher suite `TLS_AES_256_GCM_SHA38` is not known; did you mean TLS_AES_256_GCM_SHA384?"
        );
    }

    #[test]
    fn suites_that_the_oldest_version_rules_out_are_refused() {
        let mut old = tls(&["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
        Rules::new(&old).unwrap();
        old.min_version = TlsVersion::V1_3;
        assert!(Rules::new(&old).unwrap_err().contains("TLS 1.3"));
    }
}
