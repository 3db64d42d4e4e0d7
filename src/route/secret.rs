//! Docker secrets that labels name.

use crate::api::grammar;
use crate::names;
use crate::world::{Secret, SecretsByName, Service};

/// The secret that a service means: by the name it has inside the service's stack, or by its whole
/// name. The stack's own comes first: nobody outside can slip another one in by that name.
pub(super) fn find(
    secrets: &SecretsByName<'_>,
    service: &Service,
    wanted: &str,
) -> Result<String, Absent> {
    let in_stack = || {
        let stack = service.spec.labels.get(names::LABEL_STACK)?;
        secrets.get(format!("{stack}_{wanted}").as_str())
    };
    let Some(secret) = in_stack().or_else(|| secrets.get(wanted)) else {
        let near = near(secrets, service, wanted);
        let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
        return Err(Absent {
            reason: "SecretNotFound",
            message: format!("there is no secret {wanted}: `docker secret ls` shows all{near}"),
        });
    };
    // Whoever may label a service must not get at the keys of the control stream.
    if is_ours(secret) {
        return Err(Absent {
            reason: "SecretNotAllowed",
            message: format!("secret {wanted} is one of Skep's own"),
        });
    }
    // Such a secret may fail when a container starts, and then no proxy of the cluster would.
    if secret.made_on_the_node {
        return Err(Absent {
            reason: "SecretNotAllowed",
            message: format!(
                "secret {wanted} is a template, or comes from a driver: make a plain one with `docker secret create`"
            ),
        });
    }
    Ok(secret.name.clone())
}

/// The usable secret whose name is nearest, as the service would write it.
fn near<'a>(secrets: &SecretsByName<'a>, service: &Service, wanted: &str) -> Option<&'a str> {
    let usable = |secret: &&&Secret| !is_ours(secret) && !secret.made_on_the_node;
    let stack = service.spec.labels.get(names::LABEL_STACK);
    let known = secrets.values().filter(usable).flat_map(|secret| {
        let name = secret.name.as_str();
        let inner = stack.and_then(|stack| name.strip_prefix(stack.as_str())?.strip_prefix('_'));
        [Some(name), inner].into_iter().flatten()
    });
    grammar::nearest(wanted, known)
}

fn is_ours(secret: &Secret) -> bool {
    names::SECRETS.contains(&secret.name.as_str())
        || secret.labels.contains_key(names::LABEL_MANAGED_BY)
}

/// Why a secret cannot be used.
#[derive(Debug)]
pub(super) struct Absent {
    pub reason: &'static str,
    pub message: String,
}
