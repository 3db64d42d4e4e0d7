//! TLS: an authority of the run, servers for endpoints, and a client that believes any
//! certificate and keeps it, for rows to say which one they want.

use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::table::Row;
use crate::wire::Io;

/// Signs the certificates of a run.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// Certificate and key for a host, as PEM.
    pub fn certify(&self, host: &str) -> (String, String) {
        let host = host.replace("any.", "*.");
        let params = CertificateParams::new(vec![host]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// The server's side for a host.
    pub fn server(&self, host: &str) -> TlsAcceptor {
        let (certificate, key) = self.certify(host);
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key);
        TlsAcceptor::from(Arc::new(config.unwrap()))
    }
}

/// What a server showed.
#[derive(Clone, Debug)]
pub struct Shown {
    certificate: CertificateDer<'static>,
    /// Version and protocol.
    pub agreed: String,
}

impl Shown {
    /// Whether its certificate is good for a host.
    pub fn is_for(&self, host: &str) -> bool {
        let name = ServerName::try_from(host);
        let certificate = ParsedCertificate::try_from(&self.certificate);
        let (Ok(name), Ok(certificate)) = (name, certificate) else {
            return false;
        };
        rustls::client::verify_server_name(&certificate, &name).is_ok()
    }
}

/// Opens a TLS connection for a server name; `-` sends none.
pub async fn connect(
    stream: Box<dyn Io>,
    name: &str,
    row: &Row,
) -> io::Result<(TlsStream<Box<dyn Io>>, Shown)> {
    let provider = Arc::new(ring::default_provider());
    let versions: &[_] = match row.tls_max.as_deref() {
        Some("1.2") => &[&TLS12],
        _ => &[&TLS12, &TLS13],
    };
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    config.enable_sni = name != "-";
    let protocol = if row.http == "2" { "h2" } else { "http/1.1" };
    config.alpn_protocols = vec![protocol.into()];
    let name = if name == "-" { "nobody.invalid" } else { name };
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    let (_, session) = stream.get_ref();
    let protocol = String::from_utf8_lossy(session.alpn_protocol().unwrap_or(b"-"));
    let version = session.protocol_version().map(|it| format!("{it:?}"));
    let shown = Shown {
        agreed: format!("{} {protocol}", version.unwrap_or_default()),
        certificate: session.peer_certificates().unwrap_or_default()[0].clone(),
    };
    Ok((stream, shown))
}

#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
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
