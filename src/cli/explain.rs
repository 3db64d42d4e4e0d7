//! `skep explain FIELD`: what a field of a manifest means, from the same source as the schema.

use super::error::{CliError, Result};
use super::terminal::Terminal;
use crate::api::schema;

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
}

/// Prints what a field means.
pub fn run(terminal: Terminal, args: &ExplainArgs) -> Result {
    let typed = args.field.as_deref().unwrap_or_default();
    let told = schema::explain(
        &schema::service_cluster(),
        without_kind(typed),
        args.recursive,
    );
    terminal.data(&told.map_err(CliError::Usage)?)
}

/// kubectl's way is `servicecluster.spec.proxy`.
fn without_kind(typed: &str) -> &str {
    let (first, rest) = typed.split_once('.').unwrap_or((typed, ""));
    let kinds = ["sc", "servicecluster", "serviceclusters"];
    if kinds.contains(&first.to_ascii_lowercase().as_str()) {
        rest
    } else {
        typed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_before_the_field_is_tolerated() {
        assert_eq!(without_kind("sc.spec.proxy"), "spec.proxy");
        assert_eq!(without_kind("ServiceCluster"), "");
        assert_eq!(without_kind("spec.proxy"), "spec.proxy");
    }
}
