//! Limits that no setting changes.

use std::time::Duration;

/// Bytes of a request's head; more is answered 431.
pub(super) const HEAD_BYTES: usize = 64 << 10;
/// Read buffer of a client connection. It must hold the largest head.
pub(super) const CLIENT_BUFFER: usize = 64 << 10;
/// Read buffer of an upstream connection; also bounds the head of an answer.
pub(super) const UPSTREAM_BUFFER: usize = 128 << 10;
/// A client has so long for the head of a request, from its first byte (or from the connection's
/// beginning for the first one).
pub(super) const HEAD_TIME: Duration = Duration::from_secs(15);
/// A connection that was told to go away is cut after so long.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);
/// At the end of a connection whose client may still be sending, so much of it is read and thrown
/// away, and for so long, for the answer to arrive.
pub(super) const LINGER_BYTES: usize = 1 << 20;
/// See [`LINGER_BYTES`].
pub(super) const LINGER_TIME: Duration = Duration::from_secs(2);
/// Idle connections that one worker keeps to one endpoint.
pub(super) const IDLE_UPSTREAMS: usize = 256;
/// Idle upstream connections are closed after so long.
pub(super) const IDLE_UPSTREAM_TIME: Duration = Duration::from_secs(60);
/// How often they are looked at.
pub(super) const SWEEP: Duration = Duration::from_secs(5);
/// Endpoints tried for one request.
pub(super) const ATTEMPTS: usize = 3;
/// An endpoint that refused a connection comes last for so long.
pub(super) const AVOID: Duration = Duration::from_secs(3);
/// Streams that an HTTP/2 client may have open.
pub(super) const H2_STREAMS: u32 = 250;
/// Streams reset by an HTTP/2 client before we took them, and by us for its faults: more ends
/// the connection (CVE-2023-44487).
pub(super) const H2_RESETS: usize = 50;
/// An HTTP/2 client is asked for a sign of life so often, and has the next for its answer.
pub(super) const H2_PING: Duration = Duration::from_secs(30);
/// Time for that answer.
pub(super) const H2_PONG: Duration = Duration::from_secs(15);
/// Access log lines that may wait; more are counted and dropped.
pub(super) const LOG_LINES: usize = 16_384;
