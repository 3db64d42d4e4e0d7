//! A certificate with its key, and the authority that the other end must come from.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tonic::transport::{Certificate, ClientTlsConfig, ServerTlsConfig};

use crate::names::OPERATOR_TLS_NAME;
use crate::runtime::file;

/// A certificate and key, and the authority that the other end must come from. Checked: what is
/// loaded can be used. Its `Debug` shows no key.
#[derive(Clone)]
pub struct Identity {
    certificate: String,
    authority: String,
}

/// Why an identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}; is the secret attached to this service?")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The content is of no use.
    #[error("{what} is not usable: {reason}; `skep install` makes new certificates")]
    Content {
        /// The file, or what stands for it.
        what: String,
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// A bounded name for metrics and conditions.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Read { .. } => "IdentityUnreadable",
            Self::Content { .. } => "IdentityInvalid",
        }
    }
}

impl Identity {
    /// Reads a bundle (certificate and key, PEM) and an authority (certificate, PEM) from files.
    pub fn load(bundle: &Path, authority: &Path) -> Result<Self, Error> {
        let read = |path: &Path| {
            file::text(path, file::SMALL).map_err(|source| Error::Read {
                path: path.to_owned(),
                source,
            })
        };
        Self::check(
            (&bundle.display().to_string(), read(bundle)?),
            (&authority.display().to_string(), read(authority)?),
        )
    }

    /// The same from text.
    pub fn parse(bundle: &str, authority: &str) -> Result<Self, Error> {
        Self::check(
            ("the identity bundle", bundle.to_owned()),
            ("the authority's certificate", authority.to_owned()),
        )
    }

    fn check(
        (bundle_name, bundle): (&str, String),
        (authority_name, authority): (&str, String),
    ) -> Result<Self, Error> {
        let fail = |what: &str, reason: String| Error::Content {
            what: what.to_owned(),
            reason,
        };
        let mut roots = rustls::RootCertStore::empty();
        for certificate in certificates(&authority).map_err(|e| fail(authority_name, e))? {
            roots
                .add(certificate)
                .map_err(|error| fail(authority_name, error.to_string()))?;
        }
        let chain = certificates(&bundle).map_err(|e| fail(bundle_name, e))?;
        let key = PrivateKeyDer::from_pem_slice(bundle.as_bytes())
            .map_err(|error| fail(bundle_name, format!("no private key in PEM form ({error})")))?;
        // Building a configuration compares the key with the certificate.
        rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map(rustls::ConfigBuilder::<rustls::ServerConfig, _>::with_no_client_auth)
            .and_then(|builder| builder.with_single_cert(chain, key))
            .map_err(|error| fail(bundle_name, error.to_string()))?;
        Ok(Self {
            certificate: bundle,
            authority,
        })
    }

    pub(super) fn server_tls(&self) -> ServerTlsConfig {
        ServerTlsConfig::new()
            .identity(self.pair())
            .client_ca_root(Certificate::from_pem(&self.authority))
            .timeout(std::time::Duration::from_secs(5))
    }

    pub(super) fn client_tls(&self) -> ClientTlsConfig {
        ClientTlsConfig::new()
            .identity(self.pair())
            .ca_certificate(Certificate::from_pem(&self.authority))
            .domain_name(OPERATOR_TLS_NAME)
    }

    fn pair(&self) -> tonic::transport::Identity {
        tonic::transport::Identity::from_pem(&self.certificate, &self.certificate)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity([redacted])")
    }
}

/// Whether a certificate (already found to come from the right authority) carries a DNS name.
pub(super) fn carries_name(certificate: &CertificateDer<'_>, name: &'static str) -> bool {
    let certificate = rustls::server::ParsedCertificate::try_from(certificate);
    match (certificate, ServerName::try_from(name)) {
        (Ok(certificate), Ok(name)) => {
            rustls::client::verify_server_name(&certificate, &name).is_ok()
        }
        _ => false,
    }
}

fn provider() -> std::sync::Arc<rustls::crypto::CryptoProvider> {
    std::sync::Arc::new(rustls::crypto::ring::default_provider())
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| format!("damaged PEM ({error})"))?;
    if found.is_empty() {
        return Err("no certificate in PEM form".to_owned());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::pki;

    #[test]
    fn what_pki_issues_can_be_loaded_from_files() {
        let bundle = pki::issue().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (pem, ca) = (dir.path().join("proxy"), dir.path().join("ca"));
        std::fs::write(&pem, &bundle.proxy).unwrap();
        std::fs::write(&ca, &bundle.ca).unwrap();
        Identity::load(&pem, &ca).unwrap();
    }

    #[test]
    fn an_error_names_the_file_and_the_fault() {
        let bundle = pki::issue().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (pem, ca) = (dir.path().join("proxy"), dir.path().join("ca"));
        let error = || Identity::load(&pem, &ca).unwrap_err().to_string();
        std::fs::write(&pem, &bundle.proxy).unwrap();
        assert!(error().contains("cannot read") && error().contains(ca.to_str().unwrap()));
        std::fs::write(&ca, "nothing").unwrap();
        assert!(error().contains(ca.to_str().unwrap()) && error().contains("no certificate"));
        std::fs::write(&ca, &bundle.ca).unwrap();
        std::fs::write(&pem, &bundle.ca).unwrap();
        assert!(error().contains(pem.to_str().unwrap()) && error().contains("no private key"));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, two) = (pki::issue().unwrap(), pki::issue().unwrap());
        let key = &two.proxy[two.proxy.find("-----BEGIN PRIVATE").unwrap()..];
        let certificate = &one.proxy[..one.proxy.find("-----BEGIN PRIVATE").unwrap()];
        assert!(Identity::parse(&format!("{certificate}{key}"), &one.ca).is_err());
    }

    #[test]
    fn the_debug_form_shows_no_key() {
        let bundle = pki::issue().unwrap();
        let identity = Identity::parse(&bundle.proxy, &bundle.ca).unwrap();
        assert_eq!(format!("{identity:?}"), "Identity([redacted])");
    }

    #[test]
    fn only_the_certificate_of_a_proxy_carries_its_name() {
        let bundle = pki::issue().unwrap();
        let carries =
            |pem: &str| carries_name(&certificates(pem).unwrap()[0], crate::names::PROXY_TLS_NAME);
        assert!(carries(&bundle.proxy));
        assert!(!carries(&bundle.operator));
    }
}
