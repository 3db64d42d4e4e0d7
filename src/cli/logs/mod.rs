//! `skep logs`: what the proxies of a cluster write, gathered from their nodes by the engine.

pub mod filter;
mod print;
pub mod record;

use std::collections::BTreeSet;

use super::complete;
use super::error::{CliError, Result};
use super::names;
use super::session::{Session, View, now};
use crate::api::value::Span;
use crate::swarm::logs::{LogLine, LogOptions, Source};
use crate::world::{Service, World};

pub use filter::Filter;
pub use print::{Form, Printer};
pub use record::Record;

/// `logs`.
#[derive(Clone, Debug, clap::Args)]
pub struct LogsArgs {
    /// Service cluster
    #[arg(value_name = "CLUSTER", required = true, num_args = 1..=2, add = complete::clusters())]
    pub cluster: Vec<String>,
    /// Go on with what comes until interrupted
    #[arg(short, long)]
    pub follow: bool,
    /// So many of the last lines of each proxy, or all [default: 100; all with --since]
    #[arg(long, value_name = "N", value_parser = tail)]
    pub tail: Option<Tail>,
    /// Only lines from the last so long, e.g. 10m
    #[arg(long, value_name = "SPAN")]
    pub since: Option<Span>,
    /// Only this proxy: a node, a task id, or a number as in skep-proxy-east.1; repeatable
    #[arg(long, visible_alias = "node", value_name = "PROXY", add = complete::nodes())]
    pub proxy: Vec<String>,
    /// Only requests, without what the proxies say of themselves
    #[arg(long)]
    pub access: bool,
    /// text: a readable line; json: an object a line; raw: as the proxies wrote it
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Form,
    /// Which requests.
    #[command(flatten)]
    pub filter: Filter,
}

/// How many lines of each proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Every line that is kept.
    All,
    /// So many of the last.
    Last(u64),
}

fn tail(text: &str) -> std::result::Result<Tail, String> {
    match text {
        "all" => Ok(Tail::All),
        number => number
            .parse()
            .map(Tail::Last)
            .map_err(|_| "write a number, or all".to_owned()),
    }
}

/// Prints the log of a cluster's proxies.
pub async fn run(session: &Session, args: &LogsArgs) -> Result {
    let name = one(&args.cluster)?;
    let view = session.look().await?;
    let service = proxy_service(&view, &name)?;
    warn(session, &view, &name, args);
    let options = LogOptions {
        follow: args.follow,
        since: args.since.map(|span| {
            let since = (now() - span.get()).unix_timestamp();
            u64::try_from(since).unwrap_or_default()
        }),
        tail: match (args.tail, args.since) {
            (Some(Tail::Last(lines)), _) => Some(lines),
            (None, None) => Some(100),
            (Some(Tail::All), _) | (None, Some(_)) => None,
        },
    };
    let mut logs = session.engine.service_logs(&service.id, options).await?;
    let chosen = chosen(&view.world, service, &args.proxy)?;
    let printer = Printer::new(&view.world, &name, args);
    while let Some(line) = logs.next().await? {
        if line.source == Source::Engine {
            session.terminal.warning(line.text.trim());
            continue;
        }
        if chosen.as_ref().is_some_and(|chosen| !chosen.admits(&line)) {
            continue;
        }
        if let Some(text) = printer.line(&line) {
            session.terminal.raw(&text)?;
        }
    }
    Ok(())
}

/// The one cluster that was named, a word for the kind before it or not.
pub fn one(typed: &[String]) -> Result<String> {
    match names::some(typed)?.as_slice() {
        [name] => Ok(name.clone()),
        _ => Err(CliError::Usage("name one service cluster".to_owned())),
    }
}

/// The proxy service of a cluster, or why there is none.
pub fn proxy_service<'a>(view: &'a View, cluster: &str) -> Result<&'a Service> {
    super::view::missing(&view.declared, &[cluster.to_owned()])?;
    let mut services = view.world.services.values();
    services
        .find(|service| service.is_proxy_of(cluster))
        .ok_or_else(|| {
            CliError::Failed(format!(
                "servicecluster/{cluster} has no proxies yet: `skep describe {cluster}` says why"
            ))
        })
}

fn warn(session: &Session, view: &View, cluster: &str, args: &LogsArgs) {
    let accepted = view.declared.get(cluster).and_then(|d| d.accepted.as_ref());
    let Some(accepted) = accepted else { return };
    let log = &accepted.cluster.spec.traffic.access_log;
    if !log.enabled && (args.access || !args.filter.is_empty()) {
        session.terminal.warning(&format!(
            "servicecluster/{cluster} writes no access log: spec.traffic.accessLog.enabled is false"
        ));
    }
    if log.format == crate::api::service_cluster::LogFormat::Text && args.filter.service.is_some() {
        session.terminal.warning(
            "the text form of the access log names no service: --service finds nothing, unless spec.traffic.accessLog.format is json",
        );
    }
}

/// The proxies that were asked for.
struct Chosen {
    nodes: BTreeSet<String>,
    tasks: BTreeSet<String>,
}

impl Chosen {
    fn admits(&self, line: &LogLine) -> bool {
        self.nodes.contains(&line.node) || self.tasks.contains(&line.task)
    }
}

fn chosen(world: &World, service: &Service, wanted: &[String]) -> Result<Option<Chosen>> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let mut chosen = Chosen {
        nodes: BTreeSet::new(),
        tasks: BTreeSet::new(),
    };
    for word in wanted {
        let nodes = world.nodes.values();
        let nodes = nodes.filter(|node| node.hostname == *word || node.id == *word);
        let nodes: Vec<String> = nodes.map(|node| node.id.clone()).collect();
        let slot = word.rsplit('.').next().and_then(|n| n.parse::<u64>().ok());
        let tasks = world.tasks_of(&service.id).filter(|task| {
            (word.len() >= 4 && task.id.starts_with(word.as_str()))
                || slot.is_some_and(|slot| slot > 0 && task.slot == slot)
        });
        let tasks: Vec<String> = tasks.map(|task| task.id.clone()).collect();
        if nodes.is_empty() && tasks.is_empty() {
            let mut known: Vec<&str> = world
                .tasks_of(&service.id)
                .filter_map(|task| world.nodes.get(&task.node))
                .map(|node| node.hostname.as_str())
                .collect();
            known.sort_unstable();
            known.dedup();
            return Err(CliError::Failed(format!(
                "`{word}` is no node and no proxy of {}; its proxies run on {}",
                service.spec.name,
                known.join(", ")
            )));
        }
        chosen.nodes.extend(nodes);
        chosen.tasks.extend(tasks);
    }
    Ok(Some(chosen))
}
