//! From a socket to a request or a tunnel: read whom the client asks for, open the connection with
//! that host's certificate or pass it on, and say no in the words of TLS.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::{HeaderValue, StatusCode, Version};
use rustls::{HandshakeKind, ProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::certificate::LiveCertificate;
use super::hello::{self, Hello};
use crate::proxy::connection::{Arrival, Lost, speak};
use crate::proxy::greet::{self, Replay};
use crate::proxy::metrics::Handshake;
use crate::proxy::reply::Refusal;
use crate::proxy::table::{Secure, Way};
use crate::proxy::worker::Shared;
use crate::proxy::{host, passthrough};

/// TLS alerts (RFC 8446, 6) that are fatal.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum Alert {
    UnexpectedMessage = 10,
    DecodeError = 50,
    InternalError = 80,
    UnrecognizedName = 112,
}

/// A client that was told no has so long to hear it.
const FAREWELL: Duration = Duration::from_secs(1);

/// What TLS has settled for a connection.
pub(in crate::proxy) struct Secured {
    certificate: Arc<LiveCertificate>,
    /// For the access log, too.
    pub(in crate::proxy) agreed: Arc<Agreed>,
    _counted: Counted,
}

/// What both sides agreed on, in words.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Agreed {
    /// `TLSv1.2` or `TLSv1.3`.
    pub(in crate::proxy) version: &'static str,
    /// The protocol by ALPN; empty: none was agreed on.
    pub(in crate::proxy) protocol: &'static str,
    /// The host that the client asked for (SNI).
    pub(in crate::proxy) name: Option<Box<str>>,
}

impl Agreed {
    fn of(session: &rustls::ServerConnection, name: Option<Box<str>>) -> Self {
        Self {
            version: match session.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
                _ => "",
            },
            protocol: match session.alpn_protocol() {
                Some(b"h2") => "h2",
                Some(b"http/1.1") => "http/1.1",
                _ => "",
            },
            name,
        }
    }
}

impl Secured {
    /// Clients reuse connections of HTTP/2 for other hosts that the certificate seems to cover
    /// (RFC 9113, 9.1.1). A host that has a connection of another kind here, or that it does not
    /// cover, is to be asked for anew.
    pub(in crate::proxy) fn check(
        &self,
        version: Version,
        named: &HeaderValue,
        table: &Secure,
    ) -> Result<(), Refusal> {
        if version < Version::HTTP_2 {
            return Ok(());
        }
        let mut room = [0; 256];
        let host = named.to_str().ok().and_then(|it| host::key(it, &mut room));
        if host.is_some_and(|host| self.is_misdirected(host, table)) {
            let text = "this connection is not for that host: open another one";
            return Err(Refusal::new(
                StatusCode::MISDIRECTED_REQUEST,
                "Misdirected",
                text,
            ));
        }
        Ok(())
    }

    fn is_misdirected(&self, host: &str, table: &Secure) -> bool {
        if self.agreed.name.as_deref() == Some(host) {
            return false;
        }
        match table.find(Some(host)) {
            Some(Way::Pass(_)) => true,
            Some(Way::Open(other)) if other.name == self.certificate.name => false,
            _ => !self.certificate.covers(host),
        }
    }
}

/// Serves a connection over TLS until either side ends it.
pub(in crate::proxy) async fn serve(mut arrival: Arrival, mut stream: TcpStream) {
    let mut bytes = BytesMut::with_capacity(2048);
    let greeting = async {
        let mut client = None;
        if arrival.expects_proxy() {
            client = greet::client(&mut stream, &mut bytes).await?;
        }
        Some((client, read_hello(&mut stream, &mut bytes).await?))
    };
    let greeting = arrival.await_in_time(greeting).await;
    let shared = Arc::clone(&arrival.worker.shared);
    let count = |outcome| shared.metrics.handshakes.add(outcome);
    let (client, hello) = match greeting {
        Ok(Some(greeting)) => greeting,
        Ok(None) => return count(Handshake::Gone),
        Err(Lost::Late) => return count(Handshake::Late),
        Err(Lost::Leaving) => return,
    };
    arrival.is_from(client);
    let Hello::Whole(name) = hello else {
        count(Handshake::NotTls);
        return not_tls(stream, &bytes).await;
    };
    // From here on the newest table decides; the connection keeps what it decided.
    let table = shared.tables.load_full();
    match table.secure.find(name.as_deref()) {
        Some(Way::Pass(route)) => {
            count(Handshake::Passed);
            let traffic = &table.listener.traffic;
            let idle = traffic.timeouts.idle.get();
            let endpoint = passthrough::connect(&shared, traffic, route).await;
            // A tunnel may live for days: it must not keep a table of long ago.
            drop(table);
            let Some(endpoint) = endpoint else {
                return refuse(stream, Alert::InternalError).await;
            };
            passthrough::carry(arrival, Replay::new(bytes, stream), endpoint, idle).await;
        }
        Some(Way::Open(certificate)) => {
            let certificate = Arc::clone(certificate);
            drop(table);
            open(arrival, certificate, name, Replay::new(bytes, stream)).await;
        }
        None => {
            count(Handshake::UnknownName);
            refuse(stream, Alert::UnrecognizedName).await;
        }
    }
}

/// Ends the handshake with that certificate, and serves what comes then.
async fn open(
    arrival: Arrival,
    certificate: Arc<LiveCertificate>,
    name: Option<Box<str>>,
    stream: Replay,
) {
    let acceptor = TlsAcceptor::from(Arc::clone(&certificate.config));
    let outcome = arrival.await_in_time(acceptor.accept(stream)).await;
    let shared = &arrival.worker.shared;
    let handshakes = &shared.metrics.handshakes;
    let stream = match outcome {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, peer = %arrival.peer, "a TLS handshake failed");
            // What rustls did not like is said in the error of its own.
            let cause = error.get_ref();
            let by_rules =
                cause.is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>);
            return handshakes.add(if by_rules {
                Handshake::Failed
            } else {
                Handshake::Gone
            });
        }
        Err(Lost::Late) => return handshakes.add(Handshake::Late),
        Err(Lost::Leaving) => return,
    };
    let (_, session) = stream.get_ref();
    handshakes.add(match session.handshake_kind() {
        Some(HandshakeKind::Resumed) => Handshake::Resumed,
        _ => Handshake::Full,
    });
    let agreed = Agreed::of(session, name);
    let is_h2 = agreed.protocol == "h2";
    let secured = Secured {
        certificate,
        agreed: Arc::new(agreed),
        _counted: Counted::new(shared),
    };
    speak(arrival, stream, is_h2, Some(secured)).await;
}

/// Reads as much as is needed to know whom the client asks for. `None`: it is gone.
async fn read_hello(stream: &mut TcpStream, bytes: &mut BytesMut) -> Option<Hello> {
    loop {
        match hello::parse(bytes) {
            Hello::Partial => greet::more(stream, bytes).await?,
            known => return Some(known),
        }
    }
}

/// Tells a client that does not speak TLS so, in its own language if that is HTTP.
async fn not_tls(mut stream: TcpStream, bytes: &[u8]) {
    let speaks_tls = bytes.first() == Some(&22);
    if speaks_tls || !bytes.first().is_some_and(u8::is_ascii_uppercase) {
        let alert = if speaks_tls {
            Alert::DecodeError
        } else {
            Alert::UnexpectedMessage
        };
        return refuse(stream, alert).await;
    }
    let answer = b"HTTP/1.1 400 Bad Request\r\nserver: skep\r\nx-skep-reason: PlainHttp\r\n\
                   content-type: text/plain\r\ncontent-length: 45\r\nconnection: close\r\n\r\n\
                   this port speaks HTTPS; write https:// there\n";
    if stream.write_all(answer).await.is_ok() {
        part(stream).await;
    }
}

/// Ends a connection before its handshake, saying why.
async fn refuse(mut stream: TcpStream, alert: Alert) {
    if stream.write_all(&record(alert)).await.is_ok() {
        part(stream).await;
    }
}

/// The same at once, as far as the socket takes it.
pub(in crate::proxy) fn refuse_now(stream: &TcpStream) {
    let _ = stream.try_write(&record(Alert::InternalError));
}

fn record(alert: Alert) -> [u8; 7] {
    [21, 3, 3, 0, 2, 2, alert as u8]
}

/// Closes in good order: bytes that nobody reads would make the system cut the connection, and the
/// client might never see what it was told.
async fn part(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let mut sink = [0; 1024];
    let rest = async {
        let mut left = hello::LONGEST;
        while let Ok(len @ 1..) = stream.read(&mut sink).await {
            left = left.saturating_sub(len);
            if left == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(FAREWELL, rest).await;
}

/// Counts an open connection while it lives.
struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: &Arc<Shared>) -> Self {
        use std::sync::atomic::Ordering::Relaxed;
        shared.metrics.tls_connections.fetch_add(1, Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        use std::sync::atomic::Ordering::Relaxed;
        self.0.metrics.tls_connections.fetch_sub(1, Relaxed);
    }
}
