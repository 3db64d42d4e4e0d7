//! `skep version`: of this program, of the engine and of the operator.

use serde::Serialize;

use super::args::{Data, Global};
use super::error::Result;
use super::get::{json, yaml};
use super::install::plan::installed;
use super::session::{Session, View};
use super::terminal::Terminal;
use crate::world::Mode;

/// All versions.
#[derive(Debug, Serialize)]
struct Versions {
    client: Client,
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<EngineVersion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<OperatorVersion>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Client {
    version: &'static str,
    api_version: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EngineVersion {
    version: String,
    api_version: String,
    host: String,
    manager: bool,
}

#[derive(Debug, Serialize)]
struct OperatorVersion {
    service: String,
    image: String,
    running: usize,
    replicas: u64,
}

/// The client's version alone.
pub fn client(terminal: Terminal, output: Option<Data>) -> Result {
    show(terminal, output, &Versions::client())
}

/// The client's version, then those that the engine knows; without one the first is shown all
/// the same.
pub async fn run(terminal: Terminal, global: &Global, output: Option<Data>) -> Result {
    let mut versions = Versions::client();
    let outcome = ask(terminal, global, &mut versions).await;
    show(terminal, output, &versions)?;
    outcome
}

async fn ask(terminal: Terminal, global: &Global, versions: &mut Versions) -> Result {
    let session = Session::connect(global, terminal).await?;
    let info = session.engine.info().await?;
    let manager = info.manager;
    versions.engine = Some(EngineVersion {
        version: info.version,
        api_version: info.api_version,
        host: session.engine.host().to_owned(),
        manager,
    });
    if manager {
        versions.operator = operator(&session.look().await?);
    }
    Ok(())
}

fn operator(view: &View) -> Option<OperatorVersion> {
    let service = installed(&view.world)?;
    let running = view.world.tasks_of(&service.id).filter(|t| t.serves());
    Some(OperatorVersion {
        service: service.spec.name.clone(),
        image: service.spec.image.clone(),
        running: running.count(),
        replicas: match service.spec.mode {
            Mode::Replicated(replicas) => replicas,
            Mode::Global | Mode::Job => service.desired,
        },
    })
}

impl Versions {
    fn client() -> Self {
        Self {
            client: Client {
                version: env!("CARGO_PKG_VERSION"),
                api_version: crate::names::API_VERSION,
            },
            engine: None,
            operator: None,
        }
    }

    fn text(&self) -> String {
        let client = &self.client;
        let mut lines = vec![format!(
            "Client:    {} ({})",
            client.version, client.api_version
        )];
        if let Some(engine) = &self.engine {
            let role = if engine.manager {
                "manager"
            } else {
                "not a manager"
            };
            lines.push(format!(
                "Engine:    {} (API {}, {role}) at {}",
                engine.version, engine.api_version, engine.host
            ));
        }
        match (&self.operator, &self.engine) {
            (Some(operator), _) => lines.push(format!(
                "Operator:  {} ({}, {}/{} running)",
                operator.image, operator.service, operator.running, operator.replicas
            )),
            (None, Some(engine)) if engine.manager => {
                lines.push("Operator:  not installed".to_owned());
            }
            (None, _) => {}
        }
        lines.join("\n") + "\n"
    }
}

fn show(terminal: Terminal, output: Option<Data>, versions: &Versions) -> Result {
    terminal.data(&match output {
        None => versions.text(),
        Some(Data::Json) => json(versions),
        Some(Data::Yaml) => yaml(versions)?,
    })
}
