//! An authority, its certificates, and clients that trust it.

use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use skep::route::{Certificate, CertificateSource, RouteTable, SecretText};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::*;

/// An authority that clients of these tests trust.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Chain and key in PEM form.
    pub fn issue(&self, hosts: &[&str]) -> (String, String) {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(hosts).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// The same as a resource.
    pub fn certificate(&self, hosts: &[&str]) -> Certificate {
        let (chain, key) = self.issue(hosts);
        Certificate {
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            stands_in: std::collections::BTreeMap::new(),
            awaited: false,
            source: CertificateSource::Pem {
                chain,
                key: SecretText(key),
            },
        }
    }

    /// What a client needs that trusts it, and offers these protocols.
    pub fn client(&self, protocols: &[&str]) -> ClientConfig {
        let mut config = self.client_of(rustls::DEFAULT_VERSIONS);
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        config
    }

    /// The same for these versions.
    pub fn client_of(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

/// Where the proxy takes TLS.
pub async fn address(proxy: &mut Proxy) -> std::net::SocketAddr {
    proxy.address().await;
    proxy.bound.borrow().traffic_tls[0]
}

/// Opens a connection to that host.
pub async fn open(
    proxy: &mut Proxy,
    client: &Arc<ClientConfig>,
    host: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address(proxy).await).await.unwrap();
    open_over(stream, client, host).await
}

pub async fn open_over(
    stream: TcpStream,
    client: &Arc<ClientConfig>,
    host: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let connector = TlsConnector::from(Arc::clone(client));
    let open = connector.connect(name, stream);
    tokio::time::timeout(LONG, open)
        .await
        .expect("no handshake")
}

/// The first certificate that a server has shown.
pub fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let (_, session) = stream.get_ref();
    session.peer_certificates().unwrap()[0].clone().into_owned()
}

/// One request on a connection that stays open.
pub async fn get(stream: &mut TlsStream<TcpStream>, host: &str) -> String {
    let request = format!("GET /x HTTP/1.1\r\nhost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_until(stream, "\r\n\r\n").await;
    head + &read_until(stream, "\r\n\r\n").await
}

pub fn with(mut table: RouteTable, certificates: &[(&str, Certificate)]) -> RouteTable {
    for (name, certificate) in certificates {
        let name = (*name).to_owned();
        table.certificates.insert(name, certificate.clone());
    }
    table
}
