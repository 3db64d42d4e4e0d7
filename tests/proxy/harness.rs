//! A proxy in this process, scripted endpoints, and a client that shows every byte.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use skep::control::client::Delivery;
use skep::control::session::TYPES;
use skep::control::wire;
use skep::control::{Change, Snapshot};
use skep::proxy::{Bound, ProxySettings, run_with};
use skep::route::{Backend, Endpoint, PathMatch, Route, RouteTable, Target};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Nothing here takes so long.
pub const LONG: Duration = Duration::from_secs(10);

pub struct Proxy {
    pub bound: watch::Receiver<Bound>,
    pub stop: CancellationToken,
    pub task: JoinHandle<skep::proxy::Result<()>>,
    deliver: mpsc::Sender<Delivery>,
    known: Snapshot,
}

impl Proxy {
    /// A proxy that knows nothing yet.
    pub fn empty(state_dir: Option<&Path>) -> Self {
        Self::with(|settings| settings.state_dir = state_dir.map(Into::into))
    }

    /// The same with settings of its own.
    pub fn with(change: impl FnOnce(&mut ProxySettings)) -> Self {
        let (deliver, deliveries) = mpsc::channel(4);
        let (told, bound) = watch::channel(Bound::default());
        let stop = CancellationToken::new();
        let mut settings = ProxySettings::new("east");
        settings.listen = vec![([127, 0, 0, 1], 0).into()];
        settings.listen_tls = vec![([127, 0, 0, 1], 0).into()];
        settings.admin = ([127, 0, 0, 1], 0).into();
        settings.state_dir = None;
        settings.workers = 2;
        settings.bound = Some(told);
        change(&mut settings);
        let task = tokio::spawn(run_with(settings, deliveries, stop.clone()));
        Self {
            bound,
            stop,
            task,
            deliver,
            known: Snapshot::default(),
        }
    }

    /// A proxy that serves this table.
    pub async fn serving(table: &RouteTable) -> Self {
        let mut proxy = Self::empty(None);
        proxy.apply(table).await;
        proxy
    }

    /// Brings the proxy to this table as the operator would: backends, routes, removals.
    pub async fn apply(&mut self, table: &RouteTable) {
        self.try_apply(table).await.unwrap();
    }

    /// The same; what is refused is told, the rest is applied.
    pub async fn try_apply(&mut self, table: &RouteTable) -> Result<(), String> {
        let mut refusals = Vec::new();
        let next = wire::snapshot(table);
        for kind in TYPES {
            let (old, new) = (self.known.types.get(kind), &next.types[kind]);
            let old = old.cloned().unwrap_or_default();
            let upserts = new.iter().filter(|(name, it)| old.get(*name) != Some(it));
            let change = Change {
                type_url: kind.to_owned(),
                upserts: upserts
                    .map(|(name, it)| (name.clone(), it.clone()))
                    .collect(),
                removed: old
                    .keys()
                    .filter(|name| !new.contains_key(*name))
                    .cloned()
                    .collect(),
            };
            refusals.extend(self.deliver(change).await.err());
        }
        self.known = next;
        if refusals.is_empty() {
            Ok(())
        } else {
            Err(refusals.join("; "))
        }
    }

    pub async fn deliver(&self, change: Change) -> Result<(), String> {
        let (reply, answer) = oneshot::channel();
        self.deliver.send(Delivery { change, reply }).await.unwrap();
        let answer = answer.await.unwrap();
        answer.map_err(|refusal| refusal.message)
    }

    pub async fn address(&mut self) -> SocketAddr {
        let bound = self.bound.wait_for(|bound| !bound.traffic.is_empty());
        tokio::time::timeout(LONG, bound)
            .await
            .unwrap()
            .unwrap()
            .traffic[0]
    }

    pub async fn admin(&mut self, path: &str) -> Answer {
        let bound = self.bound.wait_for(|bound| bound.admin.is_some()).await;
        let admin = bound.unwrap().admin.unwrap();
        ask(
            admin,
            &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
        )
        .await
    }

    pub async fn get(&mut self, host: &str, path: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        ask(self.address().await, &request).await
    }

    /// A request with these lines in its head, on a connection of its own.
    pub async fn ask(&mut self, line: &str, headers: &[&str]) -> Answer {
        let headers = headers
            .iter()
            .fold(String::new(), |all, it| all + it + "\r\n");
        let request = format!("{line} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        ask(self.address().await, &request).await
    }

    pub async fn connect(&mut self) -> TcpStream {
        TcpStream::connect(self.address().await).await.unwrap()
    }
}

/// A table with one route to each list of endpoints.
pub fn table(routes: &[(&str, &str, &[SocketAddr])]) -> RouteTable {
    let mut table = RouteTable::default();
    "east".clone_into(&mut table.listener.cluster);
    table.listener.traffic.access_log.enabled = false;
    table.listener.drain_minimum = skep::api::value::Span::from_millis(50);
    for (host, path, endpoints) in routes {
        let backend = format!("{host}{path}");
        let route = Route {
            host: (*host).to_owned(),
            path: PathMatch::Prefix((*path).to_owned()),
            targets: vec![Target {
                backend: backend.clone(),
                weight: None,
            }],
            ..Route::default()
        };
        let endpoint = |address: &SocketAddr| Endpoint {
            address: *address,
            id: address.to_string(),
        };
        let endpoints = endpoints.iter().map(endpoint).collect();
        table.backends.insert(
            backend,
            Backend {
                service: "demo".to_owned(),
                endpoints,
                ..Backend::default()
            },
        );
        table.routes.insert(route.name(), route);
    }
    table
}

/// An answer, taken apart.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The value of a header; several are joined.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(it, _)| *it == name)
            .map(|(_, value)| value)
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// Why the proxy answered itself.
    pub fn reason(&self) -> String {
        self.header("x-skep-reason").unwrap_or_default()
    }
}

/// Sends bytes and reads to the end of the connection.
pub async fn ask(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    // A reset after the answer is the proxy's right when it did not read all.
    let _ = tokio::time::timeout(LONG, read)
        .await
        .expect("the connection does not end");
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    Answer {
        status: head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// Reads until the text ends so, and gives back all of it.
pub async fn read_until(stream: &mut (impl tokio::io::AsyncRead + Unpin), end: &str) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while !bytes.ends_with(end.as_bytes()) {
            match stream.read_u8().await {
                Ok(byte) => bytes.push(byte),
                Err(_) => break,
            }
        }
    };
    tokio::time::timeout(LONG, read)
        .await
        .unwrap_or_else(|_| panic!("`{end}` does not come"));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An endpoint that tells back the head of every request as the body, with keep-alive.
pub async fn echo_heads() -> SocketAddr {
    endpoint(|mut stream| async move {
        loop {
            let head = read_until(&mut stream, "\r\n\r\n").await;
            if !head.ends_with("\r\n\r\n") {
                return;
            }
            let body = if head.starts_with("HEAD") { "" } else { &head };
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                head.len()
            );
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

/// An endpoint that does as told with every connection.
pub async fn endpoint<F, R>(serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// An address where nobody listens.
pub async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
}
