//! New connections: TCP, TLS where the backend asks for it, and the protocol both ends agree on.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::transport::{Tls, Transport};
use super::{NoConnection, h1, h2};
use crate::proxy::table::Endpoint;
use crate::proxy::words;
use crate::route::BackendProtocol;

/// What a new connection speaks.
pub(super) enum Dialed {
    H1(Box<h1::Connection>),
    H2(h2::Opened),
}

/// Opens a connection. `only_h1`: an upgrade is to follow, which HTTP/2 does not have.
pub(super) async fn dial(
    endpoint: &Endpoint,
    only_h1: bool,
    within: Duration,
) -> Result<Dialed, NoConnection> {
    match timeout(within, open(endpoint, only_h1)).await {
        Ok(opened) => opened,
        Err(_) => Err(NoConnection::TimedOut),
    }
}

async fn open(endpoint: &Endpoint, only_h1: bool) -> Result<Dialed, NoConnection> {
    let stream = TcpStream::connect(endpoint.address).await;
    let stream = stream.map_err(NoConnection::Failed)?;
    // A socket without TCP_NODELAY is slower, not wrong.
    let _ = stream.set_nodelay(true);
    let Transport { protocol, tls, .. } = &*endpoint.transport;
    let is_h2 = *protocol == BackendProtocol::Http2;
    match tls {
        None if is_h2 => as_h2(h2::open(stream).await),
        None => as_h1(h1::Connection::open(stream).await),
        Some(tls) => {
            let stream = handshake(tls, endpoint, only_h1, stream).await?;
            if is_h2 || stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                as_h2(h2::open(stream).await)
            } else {
                as_h1(h1::Connection::open(stream).await)
            }
        }
    }
}

async fn handshake(
    tls: &Tls,
    endpoint: &Endpoint,
    only_h1: bool,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, NoConnection> {
    let config = if only_h1 { &tls.h1 } else { &tls.any };
    let name = tls.name(endpoint.address.ip());
    let connector = TlsConnector::from(std::sync::Arc::clone(config));
    let shaken = connector.connect(name, stream).await;
    shaken.map_err(|error| NoConnection::Tls(words::of_handshake(&error)))
}

fn as_h1(opened: io::Result<Box<h1::Connection>>) -> Result<Dialed, NoConnection> {
    opened.map(Dialed::H1).map_err(NoConnection::Failed)
}

fn as_h2(opened: io::Result<h2::Opened>) -> Result<Dialed, NoConnection> {
    opened.map(Dialed::H2).map_err(NoConnection::Failed)
}
