//! Every label there is: one row each, from which labels are read, wrong names are mended and
//! `docs/labels.md` is written.

mod backends;
mod places;
mod requests;
mod security;

use std::sync::LazyLock;

use super::kind::Kind;

/// A label.
#[derive(Clone, Copy, Debug)]
pub struct LabelSpec {
    /// Its name behind the prefix. A name that ends in `.*` is open: the user puts a name there.
    pub name: &'static str,
    /// Another name for it; empty: none.
    pub alias: &'static str,
    /// How its value is read.
    pub kind: Kind,
    /// What holds without it, for people.
    pub default: &'static str,
    /// A good value.
    pub example: &'static str,
    /// What it does.
    pub meaning: &'static str,
    /// A value that cannot be read refuses the route: served without it, the route would reach
    /// more or protect less than was asked for.
    pub strict: bool,
    /// Belongs to the service as a whole, not to one of its routes.
    pub of_service: bool,
    /// A named route does not take it over from its service.
    pub own: bool,
}

/// Labels that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Its heading.
    pub title: &'static str,
    /// Its labels.
    pub labels: &'static [LabelSpec],
}

/// All labels, in the order in which they are documented.
pub const GROUPS: [Group; 10] = [
    places::SERVICE,
    places::WHERE,
    places::WHICH,
    places::REDIRECTS,
    security::TLS,
    security::ACCESS,
    backends::BALANCE,
    backends::CONNECTION,
    backends::HEALTH,
    requests::REQUESTS,
];

static ALL: LazyLock<Vec<&'static LabelSpec>> =
    LazyLock::new(|| GROUPS.iter().flat_map(|group| group.labels).collect());

/// Every label.
pub fn all() -> impl Iterator<Item = &'static LabelSpec> {
    ALL.iter().copied()
}

/// The label of a name, and what the user put in place of the star of an open one.
#[must_use]
pub fn find(name: &str) -> Option<(&'static LabelSpec, &str)> {
    all().find_map(|label| match label.name.strip_suffix('*') {
        Some(stem) => {
            let rest = name.strip_prefix(stem)?;
            (!rest.is_empty()).then_some((label, rest))
        }
        None => {
            (name == label.name || (name == label.alias && !name.is_empty())).then_some((label, ""))
        }
    })
}

/// The open label that a name is without what belongs in place of its star.
#[must_use]
pub fn unfinished(name: &str) -> Option<&'static LabelSpec> {
    all().find(|label| {
        let stem = label.name.strip_suffix('*');
        stem.is_some_and(|stem| name == stem || Some(name) == stem.strip_suffix('.'))
    })
}

/// The name that a wrong one was probably meant to be.
#[must_use]
pub fn nearest(wrong: &str) -> Option<String> {
    let last = wrong.rsplit('.').next().unwrap_or_default();
    let names = all().flat_map(|label| {
        let name = match label.name.strip_suffix('*') {
            Some(stem) => format!("{stem}{last}"),
            None => label.name.to_owned(),
        };
        [name, label.alias.to_owned()]
    });
    let names: Vec<String> = names.filter(|name| !name.is_empty()).collect();
    crate::api::grammar::nearest(wrong, names.iter().map(String::as_str)).map(str::to_owned)
}

/// A row of the table.
const fn label(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    example: &'static str,
    meaning: &'static str,
) -> LabelSpec {
    LabelSpec {
        name,
        alias: "",
        kind,
        default,
        example,
        meaning,
        strict: false,
        of_service: false,
        own: false,
    }
}

impl LabelSpec {
    const fn strict(self) -> Self {
        Self {
            strict: true,
            ..self
        }
    }

    const fn or(self, alias: &'static str) -> Self {
        Self { alias, ..self }
    }

    const fn of_service(self) -> Self {
        Self {
            of_service: true,
            own: true,
            ..self
        }
    }

    const fn own(self) -> Self {
        Self { own: true, ..self }
    }
}
