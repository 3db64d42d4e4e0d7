//! `skep support-bundle`: one file with all that somebody needs who helps, and no secrets.

mod redact;
mod resources;
mod words;

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::apply::preflight::planned;
use super::args::Report;
use super::doctor::{self, Patient};
use super::error::{CliError, Result};
use super::events;
use super::get;
use super::routes;
use super::session::{Session, now};
use super::sources;
use super::view::resource;
use crate::plan::{Plan, Step};
use crate::swarm::facts::Document;
use crate::swarm::logs::{LogOptions, Source};
use crate::world::Declared;

/// `support-bundle`.
#[derive(Clone, Debug, clap::Args)]
pub struct BundleArgs {
    /// Where it goes, `-` for standard output; a file that is there stays [default: skep-support-TIME.tar.gz]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// So many of the last lines of the log of each operator and proxy; 0: no logs
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub tail: u64,
}

/// The files of a bundle, and what could not be had.
#[derive(Debug, Default)]
struct Bundle {
    files: Vec<(String, String)>,
    errors: Vec<String>,
}

impl Bundle {
    fn add(&mut self, path: &str, text: String) {
        self.files.push((path.to_owned(), text));
    }

    fn json(&mut self, path: &str, value: &impl serde::Serialize) {
        self.add(path, get::json(value));
    }

    /// Adds what could be had; what could not is told in the bundle and does not end it.
    fn attempt<T, E: std::fmt::Display>(
        &mut self,
        what: &str,
        result: std::result::Result<T, E>,
        add: impl FnOnce(&mut Self, T),
    ) {
        match result {
            Ok(value) => add(self, value),
            Err(error) => self.errors.push(format!("{what}: {error}")),
        }
    }
}

/// Gathers, writes, and lists what is inside.
pub async fn run(session: &Session, args: &BundleArgs) -> Result {
    let now = now();
    let path = args.output.clone().unwrap_or_else(|| name(now).into());
    let piped = path.as_os_str() == "-";
    check(&path, piped)?;
    let bundle = gather(session, args, now).await?;
    let bytes = pack(&bundle, now)?;
    if piped {
        let mut out = std::io::stdout().lock();
        out.write_all(&bytes)?;
        out.flush()?;
    } else {
        write(&path, &bytes)?;
    }
    for (name, text) in &bundle.files {
        session
            .terminal
            .note(&format!("  {name} ({} bytes)", text.len()));
    }
    for error in &bundle.errors {
        session.terminal.warning(&format!("left out: {error}"));
    }
    session.terminal.note(
        "no secrets, no certificates' content, no values of environments; look into it before you send it",
    );
    if piped {
        return Ok(());
    }
    session
        .terminal
        .done(&format!("{} written", path.display()))
}

/// Fails before anything is gathered where it could not be written.
fn check(path: &Path, piped: bool) -> Result {
    if piped && std::io::stdout().is_terminal() {
        return Err(CliError::Usage(
            "a bundle is no text for a terminal: redirect it, as in `skep support-bundle -o - > bundle.tar.gz`, or name a file with -o".to_owned(),
        ));
    }
    // Asked again when it is made: this only spares the wait.
    if !piped && path.exists() {
        return Err(CliError::Failed(format!(
            "{} is there already: remove it, or name another one with -o",
            path.display()
        )));
    }
    Ok(())
}

/// Makes the file, for its owner only.
fn write(path: &Path, bytes: &[u8]) -> Result {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let failed = |error: std::io::Error| {
        CliError::Failed(format!("{} cannot be written: {error}", path.display()))
    };
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(bytes).map_err(|error| {
        // Half a bundle helps nobody. The first error is the one to tell.
        let _ = std::fs::remove_file(path);
        failed(error)
    })
}

fn name(now: OffsetDateTime) -> String {
    let format = time::macros::format_description!("[year][month][day]-[hour][minute][second]");
    let stamp = now.format(&format).unwrap_or_default();
    format!("skep-support-{stamp}.tar.gz")
}

async fn gather(session: &Session, args: &BundleArgs, now: OffsetDateTime) -> Result<Bundle> {
    let engine = &session.engine;
    // Without a Swarm that answers there is nothing to gather.
    let mut patient = Patient::look(session).await?;
    words::view(&mut patient.view);
    let view = &patient.view;
    let mut bundle = Bundle::default();
    bundle.json(
        "versions.json",
        &json!({
            "client": env!("CARGO_PKG_VERSION"),
            "engine": patient.engine.server_version,
            "api": {"newest": patient.engine.api.0, "oldest": patient.engine.api.1},
            "operator": super::install::plan::installed(&view.world).map(|s| &s.spec.image),
            "time": now.unix_timestamp(),
        }),
    );
    let mut checks = doctor::checks(&patient);
    for check in &mut checks {
        words::plain(&mut check.message);
        words::plain(&mut check.hint);
    }
    bundle.add("doctor.txt", doctor::render(&checks, Report::Wide)?);
    bundle.add("doctor.json", doctor::render(&checks, Report::Json)?);
    for (which, path, keep) in documents() {
        let list = engine.document(which).await;
        bundle.attempt(path, list, |bundle, value| {
            bundle.json(path, &kept(value, keep));
        });
    }
    for (name, declared) in &view.declared {
        let cluster = resources::cluster(&resource(declared));
        bundle.add(&format!("clusters/{name}.yaml"), get::yaml(&cluster)?);
        let path = format!("clusters/{name}.plan.txt");
        bundle.add(&path, plan_of(declared, &patient));
    }
    for (name, source) in &crate::world::sources::sources(&view.world) {
        // Credentials are sealed apart; a URL with any in it is no valid source, and yet may be here.
        let text = get::yaml(&resources::source(&sources::resource(source)))?;
        bundle.add(&format!("sources/{name}.yaml"), text);
    }
    let routes = routes::render(&view.routing, None, Report::Json, true);
    bundle.attempt("routes.json", routes, |bundle, text| {
        bundle.add("routes.json", without_delicate_values(&text));
    });
    let updates = engine.update_facts().await;
    bundle.attempt("events.json", updates, |bundle, updates| {
        let mut rows = events::history::rows(view, &updates);
        // What repositories hold is quoted in the conditions of sources.
        for row in &mut rows {
            words::plain(&mut row.message);
        }
        bundle.json("events.json", &rows);
    });
    if args.tail > 0 {
        logs(session, args.tail, &patient, &mut bundle).await;
    }
    if !bundle.errors.is_empty() {
        let text = bundle.errors.join("\n") + "\n";
        bundle.add("errors.txt", text);
    }
    Ok(bundle)
}

type Keep = fn(&Value) -> Value;

fn documents() -> [(Document, &'static str, Keep); 6] {
    let version: Keep = Value::clone;
    [
        (Document::Version, "engine/version.json", version),
        (Document::Info, "engine/info.json", redact::info),
        (Document::Nodes, "swarm/nodes.json", redact::node),
        (Document::Networks, "swarm/networks.json", redact::network),
        (Document::Services, "swarm/services.json", redact::service),
        (Document::Tasks, "swarm/tasks.json", redact::task),
    ]
}

fn kept(value: Value, keep: Keep) -> Value {
    match value {
        Value::Array(list) => list.iter().map(keep).collect(),
        one => keep(&one),
    }
}

/// The steps that an operator would take now, without what services are made of.
fn plan_of(declared: &Declared, patient: &Patient) -> String {
    let Some(accepted) = &declared.accepted else {
        return "no revision is valid, so there is no plan\n".to_owned();
    };
    let view = &patient.view;
    let Plan {
        steps,
        blockers,
        spec_hash,
        template,
    } = planned(view, &view.world, &accepted.cluster);
    let mut lines: Vec<String> = steps.iter().map(step).collect();
    if lines.is_empty() {
        lines.push("nothing to do".to_owned());
    }
    let blockers = blockers.into_iter();
    lines.extend(blockers.map(|b| format!("blocked: {}: {}", b.reason, b.message)));
    lines.push(format!("definition {spec_hash}"));
    if !template.is_empty() {
        lines.push(format!("template {template}"));
    }
    lines.join("\n") + "\n"
}

fn step(step: &Step) -> String {
    match step {
        Step::CreateNetwork(spec) => format!("create network {}", spec.name),
        Step::RemoveNetwork { name, .. } => format!("remove network {name}"),
        Step::LabelNode { hostname, .. } => format!("label node {hostname}"),
        Step::CreateService(spec) => format!("create service {}", spec.name),
        Step::UpdateService {
            spec,
            changes,
            restarts,
            ..
        } => format!(
            "update service {}: {}{}",
            spec.name,
            changes.join(", "),
            if *restarts { "; restarts proxies" } else { "" }
        ),
        Step::RemoveService { name, .. } => format!("remove service {name}"),
    }
}

/// Routes, and services without one, tell the value of a label that is at fault.
fn without_delicate_values(text: &str) -> String {
    let mut view: Value = serde_json::from_str(text).unwrap_or_default();
    for list in ["routes", "orphans"] {
        let all = view.get_mut(list).and_then(Value::as_array_mut);
        for one in all.into_iter().flatten() {
            if let Some(when) = one.get("when").and_then(Value::as_str) {
                one["when"] = json!(redact::condition(when));
            }
            let text = |key: &str| one[key].as_str().unwrap_or_default();
            if redact::hidden(text("label"), text("value")) || redact::hidden("", text("message")) {
                one["value"] = json!(redact::GONE);
                one["message"] = json!(redact::GONE);
            }
        }
    }
    get::json(&view)
}

/// The last lines of every service of Skep.
async fn logs(session: &Session, tail: u64, patient: &Patient, bundle: &mut Bundle) {
    let options = LogOptions {
        tail: Some(tail),
        ..LogOptions::default()
    };
    let services = patient.view.world.services.values();
    let mut services: Vec<_> = services.filter(|s| s.is_ours()).collect();
    services.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    for service in services {
        let path = format!("logs/{}.log", service.spec.name);
        let mut text = String::new();
        let read = async {
            let mut logs = session.engine.service_logs(&service.id, options).await?;
            while let Some(line) = logs.next().await? {
                let node = patient.view.world.nodes.get(&line.node);
                let node = node.map_or(line.node.as_str(), |node| &node.hostname);
                let from = if line.source == Source::Engine {
                    "engine"
                } else {
                    node
                };
                let _ = writeln!(text, "{} {from} {}", line.at, redact::line(&line.text));
            }
            Ok::<(), crate::swarm::Error>(())
        };
        let result = read.await;
        bundle.attempt(&path, result, |_, ()| {});
        bundle.add(&path, text);
    }
}

/// The bundle as a tar.gz; all files stand in one folder.
fn pack(bundle: &Bundle, now: OffsetDateTime) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, text) in &bundle.files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(now.unix_timestamp()).unwrap_or_default());
        let path = format!("skep-support/{name}");
        archive.append_data(&mut header, path, text.as_bytes())?;
    }
    Ok(archive.into_inner()?.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_bundle_can_be_unpacked() {
        let mut bundle = Bundle::default();
        bundle.add("clusters/east.yaml", "kind: ServiceCluster\n".to_owned());
        bundle.attempt("x", Err::<(), _>("refused"), |_, ()| {});
        assert_eq!(bundle.errors, ["x: refused"]);
        let bytes = pack(&bundle, now()).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&bytes[..]));
        let mut entries = archive.entries().unwrap();
        let mut file = entries.next().unwrap().unwrap();
        let path = file.path().unwrap().display().to_string();
        assert_eq!(path, "skep-support/clusters/east.yaml");
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "kind: ServiceCluster\n");
        assert!(entries.next().is_none());
    }

    #[test]
    fn a_route_does_not_tell_the_value_of_a_delicate_label() {
        let given = r#"{"routes": [{"label": "skep.basic_auth", "value": "hunter2", "message": "hunter2"},
            {"label": "skep.headers", "value": "Authorization=hunter2", "message": "hunter2"},
            {"label": "skep.port", "value": "x", "message": "no port"}],
            "orphans": [{"label": "com.docker.lb.request_headers.set.X-Api-Key", "value": "hunter2", "message": "hunter2"}]}"#;
        let text = without_delicate_values(given);
        assert!(
            !text.contains("hunter2") && text.contains("no port"),
            "{text}"
        );
    }
}
