//! `skep install` and `skep uninstall`.

pub mod plan;
mod progress;
pub mod spec;
pub mod stack;
pub mod subnet;
pub mod uninstall;

use std::collections::{BTreeMap, BTreeSet};

use super::args::InstallArgs;
use super::error::{CliError, Result};
use super::session::Session;
use crate::certs::SealingKey;
use crate::control::pki;
use crate::names;
use plan::{InstallPlan, Operator, Wanted};

/// The stack file of what would be installed; needs no engine.
#[must_use]
pub fn dry_run(args: &InstallArgs) -> String {
    let image = args.image.as_deref().unwrap_or(names::DEFAULT_IMAGE);
    stack::render(&spec::operator(image, args.replicas.unwrap_or(1)))
}

/// Makes what is missing, mends what differs, and waits until the operator runs.
pub async fn run(session: &Session, args: &InstallArgs) -> Result {
    let wanted = Wanted {
        image: args.image.clone(),
        replicas: args.replicas,
        subnet: args.control_subnet,
        prepare: args.prepare,
    };
    let look = session.look().await?;
    let plan = plan::plan(&look.world, &wanted).map_err(CliError::Failed)?;
    let found = plan::secret_ids(look.world.secrets.values());
    let network = look.world.network_named(names::CONTROL_NETWORK);
    let network = network.map(|network| network.id.clone());
    let before: BTreeSet<String> = look.world.tasks.keys().cloned().collect();

    let network = make_network(session, &plan, network).await?;
    let secrets = make_secrets(session, &plan, found).await?;
    let renewed =
        matches!(&plan.operator, Operator::Update { changes, .. } if *changes != ["replicas"]);
    let what = match &plan.operator {
        Operator::Create(service) => {
            let service = spec::with_ids((**service).clone(), &network, &secrets);
            session.engine.create_service(&service).await?;
            "created".to_owned()
        }
        Operator::Update {
            id,
            version,
            spec: service,
            changes,
        } => {
            let service = spec::with_ids((**service).clone(), &network, &secrets);
            session
                .engine
                .update_service(id, *version, &service)
                .await?;
            format!("updated ({})", changes.join(", "))
        }
        Operator::Keep if args.prepare => {
            return session.terminal.done(
                "prepared: deploy the operator with `docker stack deploy -c stack.yml skep`",
            );
        }
        Operator::Keep => "unchanged".to_owned(),
    };
    let name = names::OPERATOR_SERVICE;
    session.terminal.done(&format!("service/{name} {what}"))?;
    if args.no_wait {
        return Ok(());
    }
    session
        .until(args.timeout.get(), |view| {
            progress::operator(view, &before, renewed)
        })
        .await?;
    session.terminal.done("the operator is running")
}

/// The id of the control network, made when it is missing.
async fn make_network(
    session: &Session,
    plan: &InstallPlan,
    found: Option<String>,
) -> Result<String> {
    let Some(spec) = &plan.network else {
        return Ok(found.unwrap_or_default());
    };
    let id = session.engine.create_network(spec).await?;
    let subnet = spec.subnet.as_deref().unwrap_or_default();
    let line = format!("network/{} created ({subnet})", spec.name);
    session.terminal.done(&line)?;
    Ok(id)
}

/// The ids of the secrets, with those made that are missing.
async fn make_secrets(
    session: &Session,
    plan: &InstallPlan,
    mut found: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    if plan.secrets {
        found.extend(make_certificates(session).await?);
    }
    if plan.sealing {
        let key = SealingKey::generate().map_err(|error| CliError::Failed(error.to_string()))?;
        let mut labels = spec::labels("pki");
        // With the key itself, so that the two always belong together.
        labels.insert(names::LABEL_SEALING.to_owned(), key.public().text());
        let (name, text) = (names::SECRET_SEALING, format!("{}\n", key.text()));
        let created = session.engine.create_secret(name, &labels, text.as_bytes());
        found.insert(name.to_owned(), created.await?);
        session.terminal.done(&format!("secret/{name} created"))?;
    }
    Ok(found)
}

/// New certificates of the control stream. They only fit together, so either all of them are made
/// or none stays.
async fn make_certificates(session: &Session) -> Result<BTreeMap<String, String>> {
    let bundle = pki::issue().map_err(|error| CliError::Failed(error.to_string()))?;
    let mut made = BTreeMap::new();
    for (name, content) in [
        (names::SECRET_CA, &bundle.ca),
        (names::SECRET_OPERATOR, &bundle.operator),
        (names::SECRET_PROXY, &bundle.proxy),
    ] {
        let labels = spec::labels("pki");
        let created = session
            .engine
            .create_secret(name, &labels, content.as_bytes());
        match created.await {
            Ok(id) => made.insert(name.to_owned(), id),
            Err(error) => {
                for id in made.values() {
                    // The first error is the one to tell.
                    let _ = session.engine.remove_secret(id).await;
                }
                return Err(error.into());
            }
        };
    }
    for name in names::SECRETS_PKI {
        session.terminal.done(&format!("secret/{name} created"))?;
    }
    Ok(made)
}

#[cfg(test)]
mod tests;
