//! The grammars of names, and the nearest known name to a wrong one.

/// The longest name of a service cluster: `servicecluster.NAME.GENERATION` must fit the
/// engine's 64 characters.
pub const CLUSTER_NAME_MAX: usize = 32;
/// JSON Schema pattern of a service cluster's name.
pub const CLUSTER_NAME_PATTERN: &str = "^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$";

/// Checks the name of a service cluster.
pub fn cluster_name(name: &str) -> Result<(), String> {
    let good = !name.is_empty()
        && name.len() <= CLUSTER_NAME_MAX
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if good {
        return Ok(());
    }
    Err(format!(
        "`{}` cannot name a service cluster: use at most {CLUSTER_NAME_MAX} lower-case letters, digits and inner hyphens, for example east-1",
        shortened(name)
    ))
}

/// The longest name of a stored certificate: `certificate.NAME.GENERATION` must fit the engine's 64
/// characters.
pub const CERTIFICATE_NAME_MAX: usize = 40;

/// Checks the name of a stored certificate. Dots are allowed, so that it may be a host's name.
pub fn certificate_name(name: &str) -> Result<(), String> {
    let bytes = name.as_bytes();
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let good = bytes.len() <= CERTIFICATE_NAME_MAX
        && bytes.first().is_some_and(inner)
        && bytes.last().is_some_and(inner)
        && bytes
            .iter()
            .all(|b| inner(b) || matches!(b, b'-' | b'_' | b'.'));
    if good {
        return Ok(());
    }
    Err(format!(
        "`{}` cannot name a certificate: use at most {CERTIFICATE_NAME_MAX} lower-case letters, digits, and inside also . _ -, for example shop.example.com",
        shortened(name)
    ))
}

/// Checks the name of a Swarm service: it is a DNS name inside the Swarm.
pub fn service_name(name: &str) -> Result<(), String> {
    let bytes = name.as_bytes();
    let good = bytes.len() <= 63
        && ends_well(bytes)
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if good {
        return Ok(());
    }
    Err(format!(
        "`{}` cannot name a service: use at most 63 letters, digits, and inner hyphens and underscores",
        shortened(name)
    ))
}

/// Checks the name of a network as the engine does.
pub fn network_name(name: &str) -> Result<(), String> {
    let bytes = name.as_bytes();
    let good = bytes.len() <= 253
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if good {
        return Ok(());
    }
    Err(format!(
        "`{}` cannot name a network: use letters, digits, and behind the first one also . _ -",
        shortened(name)
    ))
}

/// Whether a node label can be a constraint (`node.labels.KEY==VALUE`) in Swarm's grammar.
pub fn constrainable(key: &str, value: &str) -> Result<(), String> {
    if key.contains('/') {
        return Err(format!(
            "`{}` cannot be constrained: Swarm allows no slash there",
            shortened(key)
        ));
    }
    let good = !value.is_empty()
        && value.trim() == value
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b" :-_.*()?+[]\\^$|/".contains(&b));
    if good {
        return Ok(());
    }
    Err(format!(
        "`{}` cannot be constrained: use letters, digits and . _ - : / in the value, and not none",
        shortened(value)
    ))
}

fn ends_well(bytes: &[u8]) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    edge(bytes.first()) && edge(bytes.last())
}

/// Checks the key of a label or annotation.
pub fn label_key(key: &str) -> Result<(), String> {
    let bytes = key.as_bytes();
    let good = bytes.len() <= 253
        && ends_well(bytes)
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/'));
    if good {
        return Ok(());
    }
    Err(format!(
        "`{}` cannot be a label: use at most 253 letters, digits, and inner . - _ /",
        shortened(key)
    ))
}

/// Checks the name of an environment variable.
pub fn env_name(name: &str) -> Result<(), String> {
    let mut bytes = name.bytes();
    let good = bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if good {
        return Ok(());
    }
    Err(format!(
        "`{}` cannot name an environment variable: use letters, digits and underscores, not a digit first",
        shortened(name)
    ))
}

/// The normal form of a path prefix: starts with `/`, ends with one only when it is `/`.
pub fn path_prefix(text: &str) -> Result<String, String> {
    let fail = |why: &str| Err(format!("`{}` is not a path prefix: {why}", shortened(text)));
    let inner = text.trim().trim_matches('/');
    if inner.contains('*') {
        return fail("leave the star out, all below a prefix belongs to it");
    }
    if inner.contains(['?', '#', '\\']) {
        return fail("it can have no ?, # or backslash");
    }
    if inner.bytes().any(|b| !b.is_ascii_graphic()) {
        return fail("write spaces and letters outside ASCII percent-encoded");
    }
    if inner.contains("://") || inner.contains("//") {
        return fail("it has an empty segment");
    }
    if inner
        .split('/')
        .any(|segment| matches!(segment, "." | ".."))
    {
        return fail("it can have no . or .. segment");
    }
    Ok(format!("/{inner}"))
}

/// The known name nearest to a wrong one, when one is near enough to be meant.
#[must_use]
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer texts are never a slip of the keyboard, and the distance is quadratic.
    if wrong.len() > 128 {
        return None;
    }
    let lower = wrong.to_lowercase();
    known
        .into_iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&lower, &name.to_lowercase()),
                name,
            )
        })
        .filter(|(distance, name)| *distance <= 1 + name.len().min(wrong.len()) / 3)
        .min()
        .map(|(_, name)| name)
}

/// A user's text as it may be printed: shortened, and without control characters.
#[must_use]
pub fn shown(text: &str) -> String {
    let short = shortened(text);
    if !short.contains(char::is_control) {
        return short;
    }
    let plain = |c: char| {
        if c.is_control() {
            c.escape_default().collect()
        } else {
            String::from(c)
        }
    };
    short.chars().map(plain).collect()
}

/// A text for a message: at most some 80 characters of it.
#[must_use]
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
