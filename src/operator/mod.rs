//! The operator: one world in, routes to the proxies and engine calls out, for ever.
//!
//! Three loops share the newest [`view::View`]. [`publish`] turns each new world into routes and hands
//! them to the control stream; [`reconcile`] closes the gap between what is declared and what is,
//! one cluster at a time, from the work queue; [`sources`] applies what git repositories declare.

#[cfg(test)]
mod accepted;
pub mod act;
pub mod error;
mod fleet_metrics;
pub mod hold;
pub mod peers;
pub mod publish;
pub mod reconcile;
mod report;
pub mod settings;
pub mod sources;
pub mod telemetry;
mod vault;
pub mod view;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use error::Error;
pub use settings::OperatorSettings;

use crate::control::identity::Identity;
use crate::control::server::Server;
use crate::runtime::{Controller, ControllerSettings};
use crate::swarm::Engine;
use crate::swarm::watch::{Health, Watch, WatchSettings};
use crate::web::{self, AdminState};

use peers::Peers;
use publish::Publisher;
use reconcile::Context;
use sources::Sources;
use telemetry::Telemetry;
use vault::Vault;
use view::Views;

/// Runs the operator until `stop`.
///
/// # Errors
/// Only what makes it impossible to begin: no engine, not a manager, unusable certificates, a
/// taken port. Whatever goes wrong later is retried and shown in status and metrics.
pub async fn run(settings: OperatorSettings, stop: CancellationToken) -> Result<(), Error> {
    let identity = Identity::load(&settings.identity, &settings.ca)?;
    let engine = connect(&settings).await?;
    let control = bind(settings.control_listen, "control stream").await?;
    let admin = bind(settings.admin_listen, "health and metrics").await?;

    let telemetry = Telemetry::new();
    let server = Server::new();
    let Pipeline {
        views,
        health,
        peers,
        sources,
        mut tasks,
    } = start(engine, &server, &telemetry, &settings, &stop);
    let fleet = fleet(server.clone(), views.clone(), peers);
    tasks.spawn({
        let stop = stop.clone();
        async move {
            if let Err(error) = server.serve(control, identity, stop).await {
                tracing::error!(%error, "the control stream ended");
            }
        }
    });
    tasks.spawn({
        let state = admin_state(fleet, views, health, telemetry, sources);
        let stop = stop.clone();
        async move {
            if let Err(error) = web::serve(admin, state, stop).await {
                tracing::error!(%error, "the admin port ended");
            }
        }
    });
    tracing::info!(replica = settings.replica, "operator started");
    // A part that ends before it was told to takes the whole operator with it: Swarm starts it anew.
    tasks.join_next().await;
    let asked = stop.is_cancelled();
    stop.cancel();
    while tasks.join_next().await.is_some() {}
    if asked { Ok(()) } else { Err(Error::PartEnded) }
}

/// The loops of an operator, at work.
#[derive(Debug)]
pub struct Pipeline {
    /// The newest view.
    pub views: Views,
    /// Whether looks at the Swarm succeed.
    pub health: Receiver<Health>,
    /// What other replicas know.
    pub peers: Peers,
    /// The sources, for their webhooks.
    pub sources: Sources,
    /// The loops; they end when they are told to.
    pub tasks: JoinSet<()>,
}

/// Starts the loops over an engine, without any port of their own.
#[must_use]
pub fn start(
    engine: Engine,
    server: &Server,
    telemetry: &Telemetry,
    settings: &OperatorSettings,
    stop: &CancellationToken,
) -> Pipeline {
    let watch = Watch::start(
        engine.clone(),
        WatchSettings {
            resync: settings.resync,
            ..WatchSettings::default()
        },
        stop.clone(),
    );
    let (controller, waker) = Controller::new(ControllerSettings::default());
    let peers = Peers::default();
    let publisher = Publisher::new(
        server.clone(),
        waker.clone(),
        telemetry.clone(),
        Vault::load(&settings.sealing),
    );
    let views = publisher.views();
    let (health, worlds) = (watch.health(), watch.subscribe());
    let mut tasks = JoinSet::new();
    let sources = Sources::start(
        engine.clone(),
        views.clone(),
        peers.clone(),
        telemetry.clone(),
        settings,
        &mut tasks,
        stop,
    );
    let context = Arc::new(Context::new(
        engine,
        watch,
        server.clone(),
        views.clone(),
        peers.clone(),
        telemetry.clone(),
        settings,
    ));
    tasks.spawn(publisher.run(worlds, stop.clone()));
    if let Some(name) = settings.peers.clone() {
        tasks.spawn(peers.clone().run(name, waker, stop.clone()));
    }
    let stop = stop.clone();
    tasks.spawn(async move {
        let run = move |key| reconcile::reconcile(context.clone(), key);
        controller.run(run, stop).await;
    });
    Pipeline {
        views,
        health,
        peers,
        sources,
        tasks,
    }
}

async fn connect(settings: &OperatorSettings) -> Result<Engine, Error> {
    let engine = Engine::connect(&settings.endpoint).await?;
    if engine.info().await?.manager {
        return Ok(engine);
    }
    Err(Error::NotManager)
}

async fn bind(address: std::net::SocketAddr, what: &'static str) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::Bind {
            address,
            what,
            source,
        })
}

/// The proxies that are connected to this replica, told on demand.
fn fleet(server: Server, views: Views, peers: Peers) -> web::Text {
    Arc::new(move || {
        let view = views.borrow().clone();
        let clusters = view.iter().flat_map(|view| view.declared.keys());
        let proxies = clusters.flat_map(|cluster| server.fleet(cluster)).collect();
        peers.tell(proxies)
    })
}

fn admin_state(
    fleet: web::Text,
    views: Views,
    health: Receiver<Health>,
    telemetry: Telemetry,
    sources: Sources,
) -> AdminState {
    AdminState {
        hook: Arc::new(move |delivery| sources.delivered(delivery)),
        ready: Arc::new(move || match &*health.borrow() {
            Health::Current => Ok(()),
            Health::Starting => Err("the Swarm has not been observed yet".to_owned()),
            Health::Failing { category, message } => Err(format!(
                "the Swarm cannot be observed: {category}: {message}"
            )),
        }),
        metrics: Arc::new(move || telemetry.text()),
        debug: Arc::new(move || {
            let view = views.borrow().clone();
            view.map_or_else(String::new, |view| {
                format!("{:#?}\n{:#?}\n", view.declared, view.routing)
            })
        }),
        fleet,
    }
}
