//! How the endpoints of a backend are spoken to: protocol and TLS.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::proxy::words;
use crate::route::{Backend, BackendProtocol, BackendTls};
use crate::runtime::file;

/// Protocol and TLS of a backend, ready for use.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Transport {
    pub(super) protocol: BackendProtocol,
    asked: Option<BackendTls>,
    pub(super) tls: Option<Tls>,
}

/// TLS as a client.
#[derive(Debug)]
pub(super) struct Tls {
    name: Option<ServerName<'static>>,
    /// Offers what the protocol allows.
    pub(super) any: Arc<ClientConfig>,
    /// Offers HTTP/1.1 only, for upgrades.
    pub(super) h1: Arc<ClientConfig>,
}

impl Tls {
    /// The name to ask for and to check.
    pub(super) fn name(&self, address: IpAddr) -> ServerName<'static> {
        self.name.clone().unwrap_or_else(|| address.into())
    }
}

impl Transport {
    /// `Err`: why it cannot be had, for people.
    pub(in crate::proxy) fn compile(backend: &Backend, secrets: &Path) -> Result<Self, String> {
        let tls = backend.tls.as_ref();
        Ok(Self {
            protocol: backend.protocol,
            asked: backend.tls.clone(),
            tls: tls
                .map(|tls| compile(tls, backend.protocol, secrets))
                .transpose()?,
        })
    }

    /// Whether it is what that backend asks for.
    pub(in crate::proxy) fn is_of(&self, backend: &Backend) -> bool {
        self.protocol == backend.protocol && self.asked == backend.tls
    }

    /// Whether connections may turn out to be HTTP/2.
    pub(in crate::proxy) fn may_be_h2(&self) -> bool {
        self.tls.is_some() || self.protocol == BackendProtocol::Http2
    }
}

fn compile(tls: &BackendTls, protocol: BackendProtocol, secrets: &Path) -> Result<Tls, String> {
    let name = match tls.name.as_str() {
        "" => None,
        name => Some(
            ServerName::try_from(name.to_owned())
                .map_err(|_| format!("tls.name: `{name}` is neither a host name nor an address"))?,
        ),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut any = if tls.verify {
        let roots = match &tls.ca {
            Some(file) => Arc::new(authorities(file, secrets)?),
            None => Arc::clone(&PUBLIC),
        };
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        let trusting = Arc::new(Trusting(provider));
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(trusting);
        builder.with_no_client_auth()
    };
    let mut h1 = any.clone();
    h1.alpn_protocols = vec![b"http/1.1".to_vec()];
    any.alpn_protocols = match protocol {
        BackendProtocol::Http => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        BackendProtocol::Http2 => vec![b"h2".to_vec()],
    };
    Ok(Tls {
        name,
        any: Arc::new(any),
        h1: Arc::new(h1),
    })
}

static PUBLIC: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
    Arc::new(roots.collect())
});

/// The authorities in a file of a secret.
fn authorities(name: &str, secrets: &Path) -> Result<RootCertStore, String> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err(format!(
            "tls.ca: `{name}` is not the name of a secret's file"
        ));
    }
    let path = secrets.join(name);
    let fail = |what: &dyn fmt::Display| format!("tls.ca: cannot use {}: {what}", path.display());
    let pem = file::bytes(&path, file::SMALL).map_err(|error| fail(&words::of_file(&error)))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate =
            certificate.map_err(|error| fail(&format!("not PEM: {}", words::of_pem(&error))))?;
        roots
            .add(certificate)
            .map_err(|_| fail(&"what stands between BEGIN and END is no certificate"))?;
    }
    if roots.is_empty() {
        return Err(fail(&"it holds no certificate (PEM is expected)"));
    }
    Ok(roots)
}

/// Takes any certificate, where the service asks for that: encrypted, but to whom is not known.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, ca: Option<&str>, secrets: &Path) -> String {
        let tls = BackendTls {
            verify: true,
            name: name.to_owned(),
            ca: ca.map(str::to_owned),
        };
        compile(&tls, BackendProtocol::Http, secrets)
            .map(drop)
            .expect_err("it is taken")
    }

    #[test]
    fn a_file_of_authorities_that_cannot_be_used_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let gone = refused("a.b", Some("gone"), dir.path());
        assert!(gone.starts_with("tls.ca: cannot use "), "{gone}");
        assert!(gone.ends_with("gone: no such file"), "{gone}");
        std::fs::write(dir.path().join("empty"), "nothing").unwrap();
        let empty = refused("a.b", Some("empty"), dir.path());
        assert!(
            empty.ends_with("it holds no certificate (PEM is expected)"),
            "{empty}"
        );
        let outside = refused("a.b", Some("../x"), dir.path());
        assert_eq!(outside, "tls.ca: `../x` is not the name of a secret's file");
        let name = refused("a b", None, dir.path());
        assert_eq!(
            name,
            "tls.name: `a b` is neither a host name nor an address"
        );
    }

    #[test]
    fn the_public_authorities_are_known() {
        assert!(PUBLIC.len() > 50);
    }
}
