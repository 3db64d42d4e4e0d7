//! The life of a proxy: state, control stream, listeners, drain.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::access_log::Log;
use super::control::{self, Place, Source};
use super::drain::{Drain, Stage};
use super::id::Ids;
use super::metrics::Metrics;
use super::settings::ProxySettings;
use super::table::Table;
use super::worker::{Shared, Speech, Worker};
use super::{Error, Result, admin, limits, state};
use crate::control::ShownCertificate;
use crate::control::client::{self, ClientSettings, ClientStatus, Delivery};
use crate::control::identity::Identity;
use crate::runtime::file;

/// Connections that the kernel keeps for a listener until they are taken.
const BACKLOG: u32 = 4096;
/// How often a drain looks whether it is done.
const DRAIN_LOOK: Duration = Duration::from_millis(20);
/// Changes that may wait for the table.
const DELIVERIES: usize = 16;

/// Serves a cluster until the token is cancelled, then drains and returns.
///
/// # Errors
/// An address that is taken, or an identity that cannot be used. Losing the operator, or never
/// finding it, is no error: the proxy serves what it has and goes on trying.
pub async fn run(settings: ProxySettings, shutdown: CancellationToken) -> Result<()> {
    let (deliver, deliveries) = mpsc::channel(DELIVERIES);
    let Some(control) = settings.control.clone() else {
        // The sender is kept, so that the source waits for ever.
        let status = watch::Sender::new(ClientStatus::default());
        let (known, _) = tokio::sync::oneshot::channel();
        let changes = Changes {
            deliveries,
            status: status.subscribe(),
            certificates: watch::Sender::default(),
            streamed: false,
        };
        let served = serve(settings, changes, known, shutdown).await;
        drop(deliver);
        return served;
    };
    let identity =
        Identity::load(&control.identity, &control.ca).map_err(|error| Error::Identity {
            path: control.identity.clone(),
            message: error.to_string(),
        })?;
    let status = Arc::new(watch::Sender::new(ClientStatus::default()));
    let receiver = status.subscribe();
    let certificates = watch::Sender::default();
    let settings_of_client = ClientSettings {
        endpoint: control.endpoint,
        identity,
        task: settings.task.clone(),
        cluster: settings.cluster.clone(),
        node: settings.node.clone(),
        build: env!("CARGO_PKG_VERSION").to_owned(),
        status,
        certificates: certificates.subscribe(),
    };
    // Routes go on changing while requests are finished: only the end ends the stream.
    let over = CancellationToken::new();
    let _end = over.clone().drop_guard();
    let (tell_known, known) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        if let Ok(known) = known.await {
            client::run(settings_of_client, known, deliver, over).await;
        }
    });
    let changes = Changes {
        deliveries,
        status: receiver,
        certificates,
        streamed: true,
    };
    serve(settings, changes, tell_known, shutdown).await
}

/// The same with changes from any source; for tests and tools.
///
/// # Errors
/// As [`run`].
pub async fn run_with(
    settings: ProxySettings,
    deliveries: mpsc::Receiver<Delivery>,
    shutdown: CancellationToken,
) -> Result<()> {
    let status = watch::Sender::new(ClientStatus::default());
    let (known, _) = tokio::sync::oneshot::channel();
    let changes = Changes {
        deliveries,
        status: status.subscribe(),
        certificates: watch::Sender::default(),
        streamed: false,
    };
    serve(settings, changes, known, shutdown).await
}

/// Where the tables come from.
struct Changes {
    deliveries: mpsc::Receiver<Delivery>,
    status: watch::Receiver<ClientStatus>,
    /// Where it is told what certificates there are from files.
    certificates: watch::Sender<Arc<[ShownCertificate]>>,
    /// They come over a control stream, and `status` is its.
    streamed: bool,
}

async fn serve(
    settings: ProxySettings,
    changes: Changes,
    tell_known: tokio::sync::oneshot::Sender<crate::control::Snapshot>,
    shutdown: CancellationToken,
) -> Result<()> {
    let workers = match settings.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    raise_file_limit();
    let bound = settings.bound.clone().unwrap_or_default();
    let shared = Arc::new(Shared {
        tables: ArcSwap::from_pointee(Table::default()),
        metrics: Metrics::default(),
        log: Log::start(io::stdout()).map_err(Error::Worker)?,
        drain: Drain::new(),
        ids: Ids::new(),
        control: changes.status,
        certificates: changes.certificates,
    });
    let bind = |source| Error::Bind {
        address: settings.admin,
        source,
    };
    let admin = TcpListener::bind(settings.admin).await.map_err(bind)?;
    bound.send_modify(|bound| bound.admin = admin.local_addr().ok());
    let (listening, is_listening) = watch::channel(false);
    let admin = tokio::spawn(admin::serve(admin, Arc::clone(&shared), is_listening));
    let admin = AbortOnDrop(admin);

    let secrets = &settings.secrets_dir;
    let mut source = Source::new(workers, secrets, changes.streamed, Arc::clone(&shared));
    let place = place(&settings);
    let (whole, mut is_whole) = watch::channel(restore(place.as_ref(), &mut source));
    let _ = tell_known.send(source.known().clone());
    let stop_keeping = CancellationToken::new();
    let (keeper, kept) = keeper(place, &shared, &stop_keeping);
    let follow = control::follow(source, changes.deliveries, whole, keeper);
    let follow = tokio::spawn(follow);
    let follow = AbortOnDrop(follow);

    // Nobody is turned away by a proxy that knows nothing: the port opens with the first table.
    let first_table = async {
        // A source that has ended will bring no table; wait to be stopped.
        if is_whole.wait_for(|whole| *whole).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let threads = tokio::select! {
        () = first_table => start(&settings, workers, &shared, &bound)?,
        () = shutdown.cancelled() => Vec::new(),
    };
    if !threads.is_empty() {
        listening.send_replace(true);
        let table = shared.tables.load_full();
        {
            let bound = bound.borrow();
            let (addresses, tls) = (&bound.traffic, &bound.traffic_tls);
            tracing::info!(routes = table.routes, workers, ?addresses, ?tls, "serving");
        }
        shutdown.cancelled().await;
        drain(&shared).await;
    }
    shared.drain.enter(Stage::Over);
    drop(follow);
    stop_keeping.cancel();
    if let Some(kept) = kept {
        let _ = kept.await;
    }
    for thread in threads {
        // A worker that panicked has told so itself.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
    drop(admin);
    // Nobody writes any more: the last lines are not lost.
    let _ = tokio::task::spawn_blocking(move || shared.log.finish(limits::LOG_END)).await;
    Ok(())
}

/// Every connection takes a file descriptor, and the limit that a process begins with is often
/// 1,024. Up to its hard limit a process may raise it itself.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files is not raised");
    }
}

/// Where the state is kept. Private keys in it are sealed to the proxy's identity; who has none
/// keeps none.
fn place(settings: &ProxySettings) -> Option<Place> {
    let identity = settings.control.as_ref().map(|control| &control.identity);
    let identity = identity.and_then(|path| file::bytes(path, file::SMALL).ok());
    let seal = identity.and_then(|identity| state::Seal::of(&identity));
    Some(Place {
        dir: settings.state_dir.clone()?,
        cluster: settings.cluster.clone(),
        seal: seal.map(Arc::new),
    })
}

/// Takes in the kept state. Whether there was any.
fn restore(place: Option<&Place>, source: &mut Source) -> bool {
    let Some(Place { dir, cluster, seal }) = place else {
        return false;
    };
    match state::load(dir, cluster, seal.as_deref()) {
        Ok(state) => {
            source.restore(state);
            true
        }
        Err(state::Error::None) => false,
        Err(error) => {
            tracing::warn!(%error, "starting without state");
            false
        }
    }
}

type Keeper = Option<watch::Sender<crate::control::Snapshot>>;

fn keeper(
    place: Option<Place>,
    shared: &Arc<Shared>,
    stop: &CancellationToken,
) -> (Keeper, Option<tokio::task::JoinHandle<()>>) {
    let Some(place) = place else {
        return (None, None);
    };
    let (keeper, states) = watch::channel(crate::control::Snapshot::default());
    let task = tokio::spawn(control::keep(
        place,
        Arc::clone(shared),
        states,
        stop.clone(),
    ));
    (Some(keeper), Some(task))
}

/// Opens the listeners and starts the workers.
fn start(
    settings: &ProxySettings,
    workers: usize,
    shared: &Arc<Shared>,
    bound: &watch::Sender<super::Bound>,
) -> Result<Vec<JoinHandle<()>>> {
    let mut sockets: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
    let mut open = |wanted: &[SocketAddr], speech| -> Result<Vec<SocketAddr>> {
        let mut addresses = Vec::new();
        for &wanted in wanted {
            let (address, opened) = open_all(wanted, workers).map_err(|source| Error::Bind {
                address: wanted,
                source,
            })?;
            addresses.push(address);
            for (worker, socket) in sockets.iter_mut().zip(opened) {
                worker.push((socket, speech));
            }
        }
        Ok(addresses)
    };
    let traffic = open(&settings.listen, Speech::Plain)?;
    let traffic_tls = open(&settings.listen_tls, Speech::Tls)?;
    let mut threads = Vec::new();
    for (index, sockets) in sockets.into_iter().enumerate() {
        let listen = |(socket, speech)| Ok((into_std(socket)?, speech));
        let listeners: io::Result<Vec<_>> = sockets.into_iter().map(listen).collect();
        let listeners = listeners.map_err(Error::Worker)?;
        let worker = Arc::new(Worker::new(index, Arc::clone(shared)));
        threads.push(thread(worker, listeners).map_err(Error::Worker)?);
    }
    bound.send_modify(|bound| {
        bound.traffic = traffic;
        bound.traffic_tls = traffic_tls;
    });
    Ok(threads)
}

/// A socket for each worker on the same address.
fn open_all(wanted: SocketAddr, workers: usize) -> io::Result<(SocketAddr, Vec<TcpSocket>)> {
    check_free(wanted)?;
    let mut address = wanted;
    let mut sockets = Vec::new();
    for _ in 0..workers {
        let socket = open(address)?;
        // Port 0: the first one finds a free port, the others share it.
        address = socket.local_addr()?;
        sockets.push(socket);
    }
    Ok((address, sockets))
}

/// Sockets that share a port would also share it with a stranger of the same user, unnoticed. Binding
/// without sharing fails where somebody listens; to listen here would take connections of clients
/// and drop them.
fn check_free(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    let socket = socket(address)?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)
}

fn open(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = socket(address)?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }
}

/// A socket is bound to the runtime it is made in; the worker has its own.
fn into_std(socket: TcpSocket) -> io::Result<std::net::TcpListener> {
    socket.listen(BACKLOG)?.into_std()
}

fn thread(
    worker: Arc<Worker>,
    listeners: Vec<(std::net::TcpListener, Speech)>,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name(format!("worker-{}", worker.index))
        .spawn(move || {
            runtime.block_on(async move {
                let listen = |(it, speech)| Ok((TcpListener::from_std(it)?, speech));
                let listeners: io::Result<_> = listeners.into_iter().map(listen).collect();
                match listeners {
                    Ok(listeners) => worker.run(listeners).await,
                    Err(error) => tracing::error!(%error, "a worker cannot listen"),
                }
            });
        })
}

/// Lets what is in flight finish: after `drain_minimum` connections without a request are closed,
/// new ones are taken until those of before have ended, and at `drain_timeout` the rest is cut.
async fn drain(shared: &Shared) {
    let began = Instant::now();
    let listener = Arc::clone(&shared.tables.load().listener);
    let (minimum, timeout) = (listener.drain_minimum.get(), listener.drain_timeout.get());
    tracing::info!(?minimum, ?timeout, "draining");
    shared.drain.enter(Stage::Leaving);
    tokio::time::sleep_until(began + minimum.min(timeout)).await;
    shared.drain.enter(Stage::Finishing);
    let metrics = &shared.metrics;
    // Tunnels are among them.
    let open = || metrics.connections.load(Relaxed);
    let old = || {
        let late = metrics.late_connections.load(Relaxed);
        open() - late
    };
    // Those who come last need a moment, too.
    let last = timeout.saturating_sub(limits::DRAIN_TAIL.min(timeout / 4));
    while old() > 0 && began.elapsed() < last {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
    shared.drain.enter(Stage::Closing);
    while open() > 0 && began.elapsed() < timeout {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
    tracing::info!(cut = open(), took = ?began.elapsed(), "drained");
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
