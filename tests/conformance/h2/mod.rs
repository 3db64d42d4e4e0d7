//! HTTP/2 frame by frame, with rules broken on purpose: what RFC 9113 and RFC 7541 ask of a
//! server, as rows (`http2/*.yaml`) over raw sockets. Covers what h2spec does, which no registry
//! that the tests can reach holds.

mod case;
mod frame;
mod play;

pub use case::Cases;
pub use play::play;

/// The services that the frames are sent to.
pub const TABLE: &str = r#"
clusters: {frames: "{default: true, traffic: {timeouts: {request: 5s}}}"}
groups:
  - name: services
    services:
      - {name: plain, labels: [hosts=h2.test, port=8000]}
      - {name: silent, labels: [hosts=silent.test, port=8000], tasks: [silent]}
      - {name: cut, labels: [hosts=cut.test, port=8000], reply: "HTTP/1.1 200 OK\nconnection: close\ntransfer-encoding: chunked\n\n5\nhello\n"}
"#;
