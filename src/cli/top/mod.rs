//! `skep top`: requests, errors and times by cluster, route, service or proxy, refreshed.
//!
//! The figures are counted from the access logs of the proxies, which the engine gathers. That
//! needs no port of its own and works wherever the command line does. It has limits, which
//! `docs/cli.md` tells: what is not logged is not counted.

mod open;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::ValueEnum;
use futures_util::StreamExt;
use futures_util::stream::{SelectAll, unfold};
use tokio::time::Instant;

use super::args::{Data, NamesArgs};
use super::error::{CliError, Result};
use super::get::{json, yaml};
use super::logs::{Filter, Record};
use super::names;
use super::session::{Session, View, now};
use super::view::missing;
use crate::api::value::Span;
use crate::proxy::table::Places;
use crate::swarm;
use crate::swarm::logs::{LogLine, LogOptions, Source};

use open::Open;
use tally::{Tally, render};

/// How often is looked which proxies serve: they may be replaced meanwhile.
const LOOK: Duration = Duration::from_secs(5);
/// A look takes so long at most.
const PATIENCE: Duration = Duration::from_secs(2);

/// `top`.
#[derive(Clone, Debug, clap::Args)]
pub struct TopArgs {
    /// The names.
    #[command(flatten)]
    pub names: NamesArgs,
    /// What a row stands for
    #[arg(long, value_enum, default_value_t)]
    pub by: By,
    /// How long is counted for each refresh
    #[arg(short, long, value_name = "SPAN", default_value = "2s")]
    pub interval: Span,
    /// Refresh so often, then end; 0: until interrupted
    #[arg(short = 'n', long, value_name = "N", default_value_t = 0)]
    pub count: u64,
    /// Show so many rows, those with the most requests first; 0: all
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub rows: usize,
    /// Form of the output; JSON is one document a refresh
    #[arg(short, long, value_enum)]
    pub output: Option<Data>,
    /// Which requests.
    #[command(flatten)]
    pub filter: Filter,
}

/// What a row stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// A service cluster
    #[default]
    Cluster,
    /// A route of a cluster
    Route,
    /// An application service
    Service,
    /// A proxy
    Proxy,
    /// A host as clients name it
    Host,
}

/// Which part of a record belongs to which row.
pub(crate) struct Attribution {
    by: By,
    /// The routes of each cluster.
    places: BTreeMap<String, Places>,
    /// Proxies by task: service, slot and node.
    proxies: BTreeMap<String, String>,
}

impl Attribution {
    fn new(by: By, view: &View) -> Self {
        let clusters = view.routing.clusters.iter();
        let places = clusters.map(|(name, one)| (name.clone(), Places::new(&one.table.routes)));
        Self {
            by,
            places: match by {
                By::Route => places.collect(),
                _ => BTreeMap::new(),
            },
            proxies: proxies(view),
        }
    }

    /// The name of the row of a request.
    fn row(&self, cluster: &str, task: &str, record: &Record) -> String {
        match self.by {
            By::Cluster => String::new(),
            By::Host => record.plain_host(),
            By::Service => record.backend.clone(),
            By::Proxy => self.proxy(task),
            By::Route => self.route(cluster, record).unwrap_or_default(),
        }
    }

    /// The name of a proxy: service, slot and node; its task where that is not known.
    fn proxy(&self, task: &str) -> String {
        let known = self.proxies.get(task).cloned();
        known.unwrap_or_else(|| task.into())
    }

    /// The route that takes such a request now. Headers are not logged, so routes that ask for
    /// some get none.
    fn route(&self, cluster: &str, record: &Record) -> Option<String> {
        let request = http::Request::builder()
            .method(record.method.as_str())
            .uri(record.path.as_str());
        let parts = request.body(()).ok()?.into_parts().0;
        let places = self.places.get(cluster)?;
        places.find(&record.host, &parts).map(str::to_owned)
    }
}

fn proxies(view: &View) -> BTreeMap<String, String> {
    let world = &view.world;
    let name = |task: &crate::world::Task| {
        let service = world.services.get(&task.service)?;
        let node = world.nodes.get(&task.node)?;
        let slot = match task.slot {
            0 => String::new(),
            slot => format!(".{slot}"),
        };
        Some(format!("{}{slot} on {}", service.spec.name, node.hostname))
    };
    let tasks = world.tasks.values();
    tasks
        .filter_map(|task| Some((task.id.clone(), name(task)?)))
        .collect()
}

type Lines =
    futures_util::stream::BoxStream<'static, (String, std::result::Result<LogLine, swarm::Error>)>;

/// Counts and shows until interrupted.
pub async fn run(session: &Session, args: &TopArgs) -> Result {
    let names = names::plain(&args.names.names)?;
    let view = session.look().await?;
    missing(&view.declared, &names)?;
    let interval = args.interval.get();
    if interval < Duration::from_millis(200) {
        return Err(CliError::Usage(
            "--interval must be 200ms or more".to_owned(),
        ));
    }
    let mut lines = open(session, &view, &names).await?;
    let mut attribution = Attribution::new(args.by, &view);
    let mut open_now = Open::new(&view);
    let mut looked = Instant::now();
    let mut shown = 0;
    loop {
        let begun = Instant::now();
        let mut tally = Tally::default();
        count(
            session,
            &mut lines,
            &attribution,
            &args.filter,
            (&mut tally, &mut open_now),
            begun + interval,
        )
        .await;
        open_now.tell(&attribution, &mut tally);
        let rows = tally.rows(begun.elapsed(), args.rows);
        let text = match args.output {
            Some(Data::Json) => json(&serde_json::json!({"time": stamp(), "rows": rows})),
            Some(Data::Yaml) => format!(
                "---\n{}",
                yaml(&serde_json::json!({"time": stamp(), "rows": rows}))?
            ),
            None => render(&rows, args.by),
        };
        session.terminal.page(&text, args.output.is_none())?;
        shown += 1;
        if shown == args.count {
            return Ok(());
        }
        if lines.is_empty() {
            // Every log has ended: proxies or the engine went away. Look again.
            lines = open(session, &session.look().await?, &names).await?;
        }
        if looked.elapsed() >= LOOK {
            // An engine in passing trouble leaves what was seen before.
            if let Ok(Ok(view)) = tokio::time::timeout(PATIENCE, session.look()).await {
                open_now.look(&view);
                attribution.proxies.extend(proxies(&view));
            }
            looked = Instant::now();
        }
    }
}

fn stamp() -> String {
    now()
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap_or_default()
}

/// The logs of the clusters from now on.
async fn open(session: &Session, view: &View, names: &[String]) -> Result<SelectAll<Lines>> {
    let mut all = SelectAll::new();
    let options = LogOptions {
        follow: true,
        tail: Some(0),
        ..LogOptions::default()
    };
    let mut silent = Vec::new();
    for (name, declared) in &view.declared {
        if !(names.is_empty() || names.contains(name)) {
            continue;
        }
        let accepted = declared.accepted.as_ref();
        if accepted.is_some_and(|a| !a.cluster.spec.traffic.access_log.enabled) {
            silent.push(name.as_str());
            continue;
        }
        let mut services = view.world.services.values();
        if let Some(service) = services.find(|service| service.is_proxy_of(name)) {
            let logs = session.engine.service_logs(&service.id, options).await?;
            let stream = unfold((name.clone(), logs), async |(name, mut logs)| {
                let line = logs.next().await.transpose()?;
                Some(((name.clone(), line), (name, logs)))
            });
            all.push(stream.boxed());
        }
    }
    if !silent.is_empty() {
        session.terminal.warning(&format!(
            "{} write no access log (spec.traffic.accessLog.enabled), so nothing of them is counted",
            silent.join(", ")
        ));
    }
    if all.is_empty() {
        return Err(CliError::Failed(
            "no cluster has proxies that write an access log: `skep get` lists all".to_owned(),
        ));
    }
    Ok(all)
}

/// Counts what comes until the end of the interval.
async fn count(
    session: &Session,
    lines: &mut SelectAll<Lines>,
    attribution: &Attribution,
    filter: &Filter,
    (tally, open): (&mut Tally, &mut Open),
    end: Instant,
) {
    while let Ok(next) = tokio::time::timeout_at(end, lines.next()).await {
        match next {
            None => {
                tokio::time::sleep_until(end).await;
                return;
            }
            Some((cluster, Err(error))) => session
                .terminal
                .warning(&format!("servicecluster/{cluster}: {error}")),
            Some((_, Ok(line))) if line.source == Source::Engine => {
                session.terminal.warning(line.text.trim());
            }
            Some((cluster, Ok(line))) => {
                let Some(record) = Record::parse(&line.text) else {
                    continue;
                };
                if let Some(connections) = record.connections {
                    open.said(&cluster, &line.task, connections);
                }
                if filter.admits(&record) {
                    let row = attribution.row(&cluster, &line.task, &record);
                    tally.add(&cluster, &row, &record);
                }
            }
        }
    }
}
