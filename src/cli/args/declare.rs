//! Flags of the verbs that declare, and of those that turn files into manifests.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Report;
use crate::api::Version;
use crate::api::value::Span;
use crate::cli::complete;
use crate::cli::output::Selector;

/// Manifests.
#[derive(Clone, Debug, Args)]
pub struct FilesArgs {
    /// A manifest, a folder of them (*.yaml, *.yml, *.json), or - for standard input; repeatable
    #[arg(short, long = "filename", value_name = "FILE", required = true, num_args = 1..)]
    pub filename: Vec<PathBuf>,
}

/// What `convert` can read.
#[derive(Clone, Debug, Subcommand)]
pub enum ConvertVerb {
    /// Turn Interlock's configuration into service clusters, with a comment beside each setting
    Interlock(ConvertInterlockArgs),
    /// Rewrite manifests in another version of the API; comments are lost
    Manifest(ConvertManifestArgs),
}

/// Where what `convert` makes goes.
#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    /// Where the manifests go; - is standard output [default: -]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Overwrite a file that is there
    #[arg(long, requires = "output")]
    pub force: bool,
}

/// `convert manifest`.
#[derive(Clone, Debug, Args)]
pub struct ConvertManifestArgs {
    /// The manifests.
    #[command(flatten)]
    pub files: FilesArgs,
    /// Version to rewrite them in
    #[arg(long, value_name = "VERSION", default_value = "v1", add = complete::versions())]
    pub to: Version,
    /// Where the manifests go.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `convert interlock`.
#[derive(Clone, Debug, Args)]
pub struct ConvertInterlockArgs {
    /// The configuration (TOML), or - for standard input
    #[arg(value_name = "CONFIG.toml")]
    pub config: PathBuf,
    /// Where the manifests go.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `apply`.
#[derive(Clone, Debug, Args)]
pub struct ApplyArgs {
    /// The manifests.
    #[command(flatten)]
    pub files: FilesArgs,
    /// Check and change nothing: `client` looks at the manifests only, `server` (what the bare
    /// flag means) at the Swarm too
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "server")]
    pub dry_run: Option<DryRun>,
    /// Who declares.
    #[command(flatten)]
    pub ownership: OwnershipArgs,
    /// Delete what this manager applied before and what is in no manifest now
    #[arg(long)]
    pub prune: bool,
    /// With --prune: only what carries these labels, e.g. team=shop,tier!=test
    #[arg(short = 'l', long, requires = "prune")]
    pub selector: Option<Selector>,
    /// Apply even though a network or node that a manifest names is not there yet
    #[arg(long)]
    pub allow_missing: bool,
    /// Wait until every applied service cluster is ready
    #[arg(long)]
    pub wait: bool,
    /// How long to wait
    #[arg(long, value_name = "SPAN", default_value = "90s")]
    pub timeout: Span,
}

/// Where a dry run looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// At the manifests only; no engine is asked
    Client,
    /// At the Swarm too
    Server,
}

/// On whose behalf something is declared.
#[derive(Clone, Debug, Default, Args)]
pub struct OwnershipArgs {
    /// Name of this set of manifests, e.g. that of its repository: sets never prune or change one
    /// another's service clusters
    #[arg(long, value_name = "NAME", value_parser = set)]
    pub set: Option<String>,
    /// Take over service clusters that another set, a Source or a stack declares, and store also
    /// what says the same as now in an older version of the API
    #[arg(long)]
    pub force_conflicts: bool,
}

fn set(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !text.is_empty() && text.len() <= 63 && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err("a set has 1 to 63 letters, digits, `-`, `_` or `.`".to_owned())
}

/// `diff`.
#[derive(Clone, Debug, Args)]
pub struct DiffArgs {
    /// The manifests.
    #[command(flatten)]
    pub files: FilesArgs,
    /// Who declares.
    #[command(flatten)]
    pub ownership: OwnershipArgs,
    /// Also show what apply --prune would delete
    #[arg(long)]
    pub prune: bool,
    /// With --prune: only what carries these labels, e.g. team=shop,tier!=test
    #[arg(short = 'l', long, requires = "prune")]
    pub selector: Option<Selector>,
    /// Version of the API to compare in, such as v1 or skep.dev/v1alpha1 [default: that of each
    /// manifest]
    #[arg(long, value_name = "VERSION", add = complete::versions())]
    pub api_version: Option<Version>,
}

/// `edit`.
#[derive(Clone, Debug, Args)]
pub struct EditArgs {
    /// Name. `servicecluster NAME`, `sc NAME` and `sc/NAME` work too, and `source/NAME` for a source
    #[arg(value_name = "NAME", required = true, add = complete::resources())]
    pub name: Vec<String>,
    /// Take it over from the Source or stack that declares it
    #[arg(long)]
    pub force_conflicts: bool,
    /// Version of the API to edit it in, such as v1 or skep.dev/v1alpha1; it is stored in the one
    /// that the text states [default: v1]
    #[arg(long, value_name = "VERSION", add = complete::versions())]
    pub api_version: Option<Version>,
}

/// `rollout`.
#[derive(Clone, Debug, Subcommand)]
pub enum RolloutVerb {
    /// Wait until the proxies are those that the manifest asks for
    Status(RolloutArgs),
    /// Replace the proxies, as the update policy says: drained, a few at a time
    Restart(RolloutArgs),
    /// What `history` does, as kubectl says it
    #[command(hide = true)]
    History(HistoryArgs),
    /// What `rollback` does, as kubectl says it
    #[command(hide = true)]
    Undo(RollbackArgs),
}

/// `rollout status` and `rollout restart`.
#[derive(Clone, Debug, Args)]
pub struct RolloutArgs {
    /// Names. `servicecluster NAME`, `sc NAME` and `sc/NAME` work too
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    /// Wait until the rollout is done (`status` always does)
    #[arg(long)]
    pub wait: bool,
    /// How long to wait
    #[arg(long, value_name = "SPAN", default_value = "90s")]
    pub timeout: Span,
}

/// `history`.
#[derive(Clone, Debug, Args)]
pub struct HistoryArgs {
    /// Name. `servicecluster NAME`, `sc NAME` and `sc/NAME` work too, and `source/NAME` for a source
    #[arg(value_name = "NAME", required = true, add = complete::resources())]
    pub name: Vec<String>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Report,
    /// Leave out the header of the table
    #[arg(long)]
    pub no_headers: bool,
}

/// `rollback`.
#[derive(Clone, Debug, Args)]
pub struct RollbackArgs {
    /// Name. `servicecluster NAME`, `sc NAME` and `sc/NAME` work too, and `source/NAME` for a source
    #[arg(value_name = "NAME", required = true, add = complete::resources())]
    pub name: Vec<String>,
    /// The generation to go back to [default: the last one that says something else]
    #[arg(long, alias = "to-revision", value_name = "GENERATION")]
    pub to: Option<u64>,
    /// Say what would be stored and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Take it over from the Source or stack that declares it
    #[arg(long)]
    pub force_conflicts: bool,
}

/// `delete`.
#[derive(Clone, Debug, Args)]
pub struct DeleteArgs {
    /// Names. `servicecluster NAME`, `sc NAME` and `sc/NAME` work too, and `source/NAME` for a source
    #[arg(value_name = "NAME", required_unless_present = "filename", add = complete::resources())]
    pub names: Vec<String>,
    /// Delete what these manifests declare: files, folders, or - for standard input
    #[arg(short, long, value_name = "FILE", num_args = 1.., conflicts_with = "names")]
    pub filename: Vec<PathBuf>,
    /// Not an error when a service cluster does not exist
    #[arg(long)]
    pub ignore_not_found: bool,
    /// Delete it also when a Source or stack declares it, which may bring it back
    #[arg(long)]
    pub force_conflicts: bool,
    /// Wait until everything that Skep made for them is gone
    #[arg(long)]
    pub wait: bool,
    /// How long to wait
    #[arg(long, value_name = "SPAN", default_value = "90s")]
    pub timeout: Span,
}
