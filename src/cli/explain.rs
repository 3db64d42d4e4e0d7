//! `skep explain FIELD`: what a field of a manifest means, from the same source as the schema.

use super::args::VersionArg;
use super::error::{CliError, Result};
use super::kinds;
use super::terminal::Terminal;
use crate::api::schema;
use crate::names;

/// `explain`.
#[derive(Clone, Debug, clap::Args)]
pub struct ExplainArgs {
    /// Field, such as spec.proxy.publish.mode or status.conditions; a kind may stand before it.
    /// The whole resource when not given
    #[arg(value_name = "FIELD", add = super::complete::fields())]
    pub field: Option<String>,
    /// List everything below it, without meanings
    #[arg(long)]
    pub recursive: bool,
    /// The version whose fields are explained.
    #[command(flatten)]
    pub version: VersionArg,
}

/// Prints what a field means.
pub fn run(terminal: Terminal, args: &ExplainArgs) -> Result {
    let typed = args.field.as_deref().unwrap_or_default();
    let (kind, field) = split(typed);
    let (kind, other, word) = match kind {
        Kind::ServiceCluster => (names::KIND, names::KIND_SOURCE, "source"),
        Kind::Source => (names::KIND_SOURCE, names::KIND, "servicecluster"),
    };
    let told = |kind| {
        let schema = schema::of(kind, args.version.asked());
        schema::explain(&schema, field, args.recursive)
    };
    let told = told(kind).map_err(|fault| match told(other) {
        Ok(_) => format!("{fault}; a {other} has it: skep explain {word}.{field}"),
        Err(_) => fault,
    });
    terminal.data(&told.map_err(CliError::Usage)?)
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    ServiceCluster,
    Source,
}

/// kubectl's way is `source.spec.url`; without a kind, service clusters are meant.
fn split(typed: &str) -> (Kind, &str) {
    let dots = typed.match_indices('.').map(|(at, _)| at);
    // `source.skep.dev` is a longer word for a kind than `source`.
    let mut ends = dots.chain([typed.len()]).rev();
    let kind = ends.find_map(|end| {
        let (word, rest) = typed.split_at(end);
        let rest = rest.trim_start_matches('.');
        if kinds::is_source(word) {
            return Some((Kind::Source, rest));
        }
        kinds::is_cluster(word).then_some((Kind::ServiceCluster, rest))
    });
    kind.unwrap_or((Kind::ServiceCluster, typed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_before_the_field_is_tolerated() {
        assert_eq!(split("sc.spec.proxy"), (Kind::ServiceCluster, "spec.proxy"));
        assert_eq!(split("ServiceCluster"), (Kind::ServiceCluster, ""));
        assert_eq!(split("spec.proxy"), (Kind::ServiceCluster, "spec.proxy"));
        assert_eq!(split("source.spec.url"), (Kind::Source, "spec.url"));
        let whole = "Sources.skep.dev";
        assert_eq!(split(whole), (Kind::Source, ""));
        assert_eq!(
            split(&format!("{whole}.spec.url")),
            (Kind::Source, "spec.url")
        );
    }
}
