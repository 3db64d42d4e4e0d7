//! Docker secrets that labels name.

use crate::names;
use crate::world::{Secret, Service, World};

/// The secret that a service means: by name, or by the name it has inside the service's stack.
pub(super) fn find(world: &World, service: &Service, wanted: &str) -> Result<String, Absent> {
    let in_stack = || {
        let stack = service.spec.labels.get(names::LABEL_STACK)?;
        world.secret_named(&format!("{stack}_{wanted}"))
    };
    let Some(secret) = world.secret_named(wanted).or_else(in_stack) else {
        return Err(Absent {
            reason: "SecretNotFound",
            message: format!("there is no secret {wanted}: `docker secret ls` shows all"),
        });
    };
    // Whoever may label a service must not get at the keys of the control stream.
    if is_ours(secret) {
        return Err(Absent {
            reason: "SecretNotAllowed",
            message: format!("secret {wanted} is one of Skep's own"),
        });
    }
    Ok(secret.name.clone())
}

fn is_ours(secret: &Secret) -> bool {
    let own = [
        names::SECRET_CA,
        names::SECRET_OPERATOR,
        names::SECRET_PROXY,
    ];
    own.contains(&secret.name.as_str()) || secret.labels.contains_key(names::LABEL_MANAGED_BY)
}

/// Why a secret cannot be used.
#[derive(Debug)]
pub(super) struct Absent {
    pub reason: &'static str,
    pub message: String,
}
