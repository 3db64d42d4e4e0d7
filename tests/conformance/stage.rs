//! What a table is played on: a world made of its services, the routes that Skep makes of it, a
//! control server that publishes them, and a `skep proxy` process for each cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use skep::control::identity::Identity;
use skep::control::pki::{self, Bundle};
use skep::control::server::Server;
use skep::control::wire;
use skep::route::{RouteTable, Routing, RowState, routing};
use skep::world::declared;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::table::{self, Table};
use crate::tls::Authority;
use crate::world::{Tasks, full, world};

/// Nothing here takes so long.
pub const LONG: Duration = Duration::from_secs(20);

/// What all tables share: addresses of this process alone, certificates, the control server.
pub struct Theatre {
    /// Held, so that no other run takes the same addresses.
    _lock: std::net::TcpListener,
    network: u8,
    next: AtomicU32,
    folder: tempfile::TempDir,
    server: Server,
    control: SocketAddr,
    pub authority: Authority,
    /// What this build of the proxy can be told.
    help: String,
}

impl Theatre {
    /// Takes a /16 of loopback addresses that no other run has, and starts the control server.
    pub async fn open() -> Self {
        let lock = |second: u8| std::net::TcpListener::bind((Ipv4Addr::new(127, second, 0, 1), 9));
        let first = u8::try_from(std::process::id() % 200).unwrap();
        let (network, lock) = (0..200)
            .map(|step| 20 + (first + step) % 200)
            .find_map(|second| Some((second, lock(second).ok()?)))
            .expect("all loopback networks are taken");
        let folder = tempfile::tempdir().unwrap();
        let bundle = pki::issue().unwrap();
        for (name, pem) in [("ca", &bundle.ca), ("identity", &bundle.proxy)] {
            std::fs::write(folder.path().join(name), pem).unwrap();
        }
        let mut theatre = Self {
            _lock: lock,
            network,
            next: AtomicU32::new(1),
            folder,
            server: Server::new(),
            control: SocketAddr::from(([0, 0, 0, 0], 0)),
            authority: Authority::new(),
            help: help().await,
        };
        theatre.control = theatre.serve_control(&bundle).await;
        theatre
    }

    async fn serve_control(&self, bundle: &Bundle) -> SocketAddr {
        let listener = TcpListener::bind((self.address(), 7443)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let identity = Identity::parse(&bundle.operator, &bundle.ca).unwrap();
        let server = self.server.clone();
        tokio::spawn(async move {
            let never = CancellationToken::new();
            server.serve(listener, identity, never).await.unwrap();
        });
        address
    }

    /// A loopback address that nothing else here has.
    pub fn address(&self) -> IpAddr {
        let number = self.next.fetch_add(1, Relaxed);
        let byte = |part: u32| u8::try_from(part).expect("too many addresses");
        IpAddr::from([
            127,
            self.network,
            byte(number / 250),
            byte(number % 250 + 1),
        ])
    }

    /// Puts the secrets of a table where the proxies find them; gives back their names.
    pub fn keep_secrets(&self, table: &Table) -> Vec<String> {
        let folder = self.path("secrets");
        std::fs::create_dir_all(&folder).unwrap();
        let mut secrets = table.secrets.clone();
        secrets.insert("authority".to_owned(), self.authority.pem.clone());
        for host in &table.certificates {
            let (certificate, key) = self.authority.certify(host);
            secrets.insert(format!("{host}.cert"), certificate);
            secrets.insert(format!("{host}.key"), key);
        }
        for (name, content) in &secrets {
            std::fs::write(folder.join(name), content).unwrap();
        }
        secrets.into_keys().collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A table being played.
pub struct Stage {
    pub routing: Routing,
    /// Every request line that an endpoint of this stage saw, with its service in front.
    pub seen: Arc<Mutex<Vec<String>>>,
    proxies: BTreeMap<String, Proxy>,
}

/// A running `skep proxy`. It ends with this process, however this one ends.
struct Proxy {
    http: SocketAddr,
    https: SocketAddr,
    _child: Child,
}

impl Stage {
    /// Sets a table up, and returns once its proxies serve it.
    pub async fn set(theatre: &Theatre, file: &str, table: &Table) -> Self {
        let seen = Arc::default();
        let (world, tasks) = world(theatre, file, table, &seen);
        let routing = routing(&world, &declared(&world));
        let mut proxies = BTreeMap::new();
        for name in table.clusters.keys() {
            let cluster = &routing.clusters.get(&full(file, name));
            let cluster = cluster.unwrap_or_else(|| panic!("{file}: cluster {name} is not valid"));
            serve(&cluster.table, &tasks).await;
            let proxy = start(theatre, &full(file, name), &cluster.table, &table.refused).await;
            proxies.insert(name.clone(), proxy);
        }
        Self {
            routing,
            seen,
            proxies,
        }
    }

    pub async fn connect(&self, cluster: &str, tls: bool) -> TcpStream {
        let proxy = &self.proxies[cluster];
        let address = if tls { proxy.https } else { proxy.http };
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// `SERVICE REASON` of all that is told of these services, but not that of idle ones.
    pub fn told(&self, services: &[table::Service]) -> BTreeSet<String> {
        let rows = self.routing.clusters.values().flat_map(|it| &it.rows);
        let rows = rows.filter(|row| !matches!(row.state, RowState::Active));
        let rows = rows.map(|row| (&row.service, &row.reason));
        let orphans = self
            .routing
            .orphans
            .iter()
            .map(|it| (&it.service, &it.reason));
        rows.chain(orphans)
            .filter(|(service, _)| services.iter().any(|it| it.name == **service))
            .map(|(service, reason)| format!("{service} {reason}"))
            .collect()
    }
}

/// Lets the endpoints of a table listen, exactly where the table says they are.
async fn serve(table: &RouteTable, tasks: &Tasks) {
    let endpoints = table.backends.values().flat_map(|it| &it.endpoints);
    let addresses: BTreeSet<SocketAddr> = endpoints.map(|it| it.address).collect();
    for address in addresses {
        let mut task = tasks[&address.ip()].clone();
        task.port = address.port();
        // It may serve another cluster too.
        let listener = TcpListener::bind(address).await;
        if let Ok(listener) = listener
            && task.manner != "dead"
        {
            tokio::spawn(task.serve(listener));
        }
    }
}

/// Publishes a table and starts a proxy for it; returns once that has taken it in and listens.
async fn start(theatre: &Theatre, cluster: &str, table: &RouteTable, refused: &[String]) -> Proxy {
    let snapshot = wire::snapshot(table);
    let version = snapshot.version();
    theatre.server.publish(cluster, snapshot);
    let ip = theatre.address();
    let (http, https) = (SocketAddr::new(ip, 8080), SocketAddr::new(ip, 8443));
    let child = spawn(theatre, cluster, http, ip);
    let mut changes = theatre.server.changes();
    let acked = async {
        loop {
            changes.borrow_and_update();
            let fleet = theatre.server.fleet(cluster);
            for proxy in &fleet {
                let whole = proxy.refused_whole.as_ref();
                assert_eq!(whole, None, "the proxy of {cluster} refuses its table");
                let named: Vec<&String> = proxy.refused.iter().map(|one| &one.name).collect();
                let foreseen = proxy.refused.iter().all(|one| refused.contains(&one.name));
                assert!(
                    foreseen,
                    "the proxy of {cluster} refuses {:?}",
                    proxy.refused
                );
                if !named.is_empty() && refused.iter().all(|name| named.contains(&name)) {
                    return;
                }
            }
            if fleet
                .iter()
                .any(|proxy| proxy.acked.as_ref() == Some(&version))
            {
                return;
            }
            changes.changed().await.unwrap();
        }
    };
    let listens = async {
        acked.await;
        while TcpStream::connect(http).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let begun = tokio::time::timeout(LONG, listens).await;
    begun.unwrap_or_else(|_| {
        let log = std::fs::read_to_string(theatre.path(&format!("{cluster}.log")));
        panic!(
            "the proxy of {cluster} does not serve: {}",
            log.unwrap_or_default()
        )
    });
    Proxy {
        http,
        https,
        _child: child,
    }
}

async fn help() -> String {
    let mut help = Command::new(env!("CARGO_BIN_EXE_skep"));
    let help = help.args(["proxy", "--help"]).output().await.unwrap();
    String::from_utf8_lossy(&help.stdout).into_owned()
}

/// The shell ends the proxy when its input ends, which it does with this process.
fn spawn(theatre: &Theatre, cluster: &str, http: SocketAddr, ip: IpAddr) -> Child {
    let log = std::fs::File::create(theatre.path(&format!("{cluster}.log"))).unwrap();
    let state = theatre.path(&format!("{cluster}.state"));
    std::fs::create_dir_all(&state).unwrap();
    let https = SocketAddr::new(ip, 8443).to_string();
    let secrets = theatre.path("secrets").display().to_string();
    let tls = [("--https-listen", https), ("--secrets", secrets)];
    let tls = tls.iter().filter(|(flag, _)| theatre.help.contains(flag));
    let tls = tls.map(|(flag, value)| format!("{flag}={value}"));
    Command::new("sh")
        .args(["-c", "\"$@\" & read -r _; kill -9 $!", "sh"])
        .args([
            env!("CARGO_BIN_EXE_skep"),
            "proxy",
            "--workers=2",
            "--log=warn",
        ])
        .arg(format!("--cluster={cluster}"))
        .arg(format!("--task=task-of-{cluster}"))
        .arg(format!("--control={}", theatre.control))
        .arg(format!("--http-listen={http}"))
        .arg(format!("--admin-listen={}", SocketAddr::new(ip, 9901)))
        .arg(format!("--ca={}", theatre.path("ca").display()))
        .arg(format!("--identity={}", theatre.path("identity").display()))
        .arg(format!("--state={}", state.display()))
        .args(tls)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}
