//! What can be typed: the verbs and their flags, as clap sees them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::complete;
use super::output::{self, Form, Selector};
use super::serve::{OperatorArgs, ProxyArgs};
use super::sources::args::{SourceVerb, SyncArgs};
use crate::api::Version;
use crate::api::value::Span;

/// Shown below the help of every verb; `docs/cli.md` says the same.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed, not found, or the condition was not met in time
  2    wrong usage or an invalid manifest; nothing was changed
  3    no engine answers, or it is not a manager of a Swarm
  130  interrupted";

/// Those of `diff`, which tells by them what it found.
pub const DIFF_EXIT_CODES: &str = "\
Exit codes:
  0    no difference
  1    something differs
  2    wrong usage, an invalid manifest, or it could not compare
  3    no engine answers, or it is not a manager of a Swarm
  130  interrupted";

/// Service clusters for Docker Swarm.
///
/// A service cluster is a fleet of proxies that routes one set of Swarm services over one set of
/// networks. Declare one in YAML, `skep apply -f` it, and the operator makes the Swarm match it.
#[derive(Debug, Parser)]
#[command(name = "skep", version, disable_help_subcommand = true)]
#[command(propagate_version = false, max_term_width = 100)]
pub struct Cli {
    /// Flags of every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Flags of every verb.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Engine")]
pub struct Global {
    /// Engine to talk to, e.g. unix:///var/run/docker.sock, tcp://manager:2376 [env: DOCKER_HOST]
    #[arg(short = 'H', long, global = true, value_name = "URL")]
    pub host: Option<String>,
    /// Docker context that names the engine [env: DOCKER_CONTEXT]
    #[arg(short = 'c', long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// Folder of Docker's own configuration [env: DOCKER_CONFIG]
    #[arg(long, global = true, value_name = "FOLDER", hide = true)]
    pub config: Option<PathBuf>,
    /// Use TLS, with the certificates of DOCKER_CERT_PATH [env: DOCKER_TLS_VERIFY]
    #[arg(long, global = true, hide = true)]
    pub tlsverify: bool,
    /// Say nothing but what was asked for and errors
    #[arg(short, long, global = true, help_heading = "Output")]
    pub quiet: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Install the operator on this Swarm, or bring an installed one up to date
    Install(InstallArgs),
    /// Remove the operator and everything that Skep made
    Uninstall(UninstallArgs),
    /// Declare service clusters from files; nothing is applied when any of them is invalid
    Apply(ApplyArgs),
    /// Show what apply would change, and what the operator would do then
    ///
    /// Exits with 0 when the manifests say what is stored, with 1 when they differ, and with 2 or
    /// 3 when that cannot be told.
    Diff(DiffArgs),
    /// Change a service cluster or a source in your editor
    Edit(EditArgs),
    /// Follow or restart the proxies of service clusters
    #[command(subcommand)]
    Rollout(RolloutVerb),
    /// Show the stored revisions of a service cluster or a source
    History(HistoryArgs),
    /// Go back to an earlier revision of a service cluster or a source
    Rollback(RollbackArgs),
    /// Show service clusters, or sources
    Get(GetArgs),
    /// Show everything known of service clusters: status, nodes, networks, routes
    Describe(DescribeArgs),
    /// Delete service clusters; the operator removes what it made for them
    Delete(DeleteArgs),
    /// Wait for a condition of service clusters or sources, or for their deletion
    Wait(WaitArgs),
    /// Show where each host and path goes, and the services that could not be routed
    Routes(RoutesArgs),
    /// Show what happened to service clusters and sources, as far as the Swarm still knows
    Events(super::events::EventsArgs),
    /// Show the logs of a cluster's proxies, and which requests they served
    Logs(super::logs::LogsArgs),
    /// Show requests, errors and times, counted from the access logs and refreshed
    Top(super::top::TopArgs),
    /// Check everything that Skep needs, and say of each fault what to do
    Doctor(super::doctor::DoctorArgs),
    /// Put all that somebody needs who helps into one file, without secrets
    SupportBundle(super::support::BundleArgs),
    /// Store certificates, sealed to the operator, and show when they end
    #[command(subcommand)]
    Certs(CertsVerb),
    /// Make the operator look at the repositories of sources at once, and wait for what comes of it
    Sync(SyncArgs),
    /// Store credentials and webhook secrets of sources (git repositories that are followed)
    #[command(subcommand)]
    Source(SourceVerb),
    /// Check manifests without an engine
    Validate(FilesArgs),
    /// Turn manifests of another version, or the configuration of another program, into manifests
    #[command(subcommand)]
    Convert(ConvertVerb),
    /// Show what a field of a manifest means
    Explain(super::explain::ExplainArgs),
    /// Write a commented manifest to begin with
    Init(super::init::InitArgs),
    /// Print the JSON Schema of a kind
    Schema {
        /// The kind
        #[arg(value_enum, default_value_t)]
        kind: SchemaKind,
        /// The version.
        #[command(flatten)]
        version: VersionArg,
    },
    /// Run the operator (what the installed service does)
    Operator(OperatorArgs),
    /// Run a proxy (what the tasks of a service cluster do)
    Proxy(ProxyArgs),
    /// Show the versions of client, engine and operator
    Version(VersionArgs),
    /// Print completions for a shell, names of service clusters and the like included
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Kinds that have a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// A service cluster
    #[default]
    Servicecluster,
    /// A git repository that is followed
    Source,
}

/// The version of the API that documents are shown in.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct VersionArg {
    /// Version of the API, such as v1 or skep.dev/v1alpha1 [default: v1]
    #[arg(long, value_name = "VERSION", add = complete::versions())]
    pub api_version: Option<Version>,
}

impl VersionArg {
    /// The version that was asked for, else the newest.
    #[must_use]
    pub fn asked(self) -> Version {
        self.api_version.unwrap_or_default()
    }
}

/// `install`.
#[derive(Clone, Debug, Args)]
pub struct InstallArgs {
    /// Image of operator and proxies; every node must be able to get it [default: that of an
    /// installed operator, else this version's]
    #[arg(long, value_name = "IMAGE", value_parser = image)]
    pub image: Option<String>,
    /// Operators to run, on managers [default: that of an installed operator, else 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub replicas: Option<u64>,
    /// Subnet of the control network in CIDR form; bounds the number of proxies [default: a free
    /// /20 of 10.0.0.0/8]
    #[arg(long, value_name = "CIDR", value_parser = super::install::subnet::parse)]
    pub control_subnet: Option<super::install::subnet::Subnet>,
    /// Make the control network and the secrets only, for `docker stack deploy -c stack.yml skep`
    #[arg(long, alias = "secrets-only", conflicts_with = "dry_run")]
    pub prepare: bool,
    /// Print the stack file of what would be installed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Return at once instead of waiting until the operator runs
    #[arg(long)]
    pub no_wait: bool,
    /// How long to wait
    #[arg(long, value_name = "SPAN", default_value = "90s")]
    pub timeout: Span,
}

fn image(text: &str) -> Result<String, String> {
    let told = crate::api::image::check(text);
    let told = told.map_err(|(message, hint)| format!("{message} ({hint})"));
    told.map(|()| text.to_owned())
}

/// `uninstall`.
#[derive(Clone, Debug, Args)]
pub struct UninstallArgs {
    /// Also delete the declared service clusters
    #[arg(long, conflicts_with = "keep_clusters")]
    pub delete_clusters: bool,
    /// Stop what runs but keep what is declared, for a later install
    #[arg(long)]
    pub keep_clusters: bool,
    /// How long to wait for networks to be free
    #[arg(long, value_name = "SPAN", default_value = "120s")]
    pub timeout: Span,
}

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

/// `convert manifest`.
#[derive(Clone, Debug, Args)]
pub struct ConvertManifestArgs {
    /// The manifests.
    #[command(flatten)]
    pub files: FilesArgs,
    /// Version to rewrite them in
    #[arg(long, value_name = "VERSION", default_value = "v1", add = complete::versions())]
    pub to: Version,
    /// Where the manifests go; - is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `convert interlock`.
#[derive(Clone, Debug, Args)]
pub struct ConvertInterlockArgs {
    /// The configuration (TOML), or - for standard input
    #[arg(value_name = "CONFIG.toml")]
    pub config: PathBuf,
    /// Where the manifests go; - is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
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
    #[arg(long, value_name = "GENERATION")]
    pub to: Option<u64>,
    /// Say what would be stored and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Take it over from the Source or stack that declares it
    #[arg(long)]
    pub force_conflicts: bool,
}

/// `describe`.
#[derive(Clone, Debug, Args)]
pub struct DescribeArgs {
    /// The names.
    #[command(flatten)]
    pub names: NamesArgs,
    /// The version that specs are shown in.
    #[command(flatten)]
    pub version: VersionArg,
}

/// Names of service clusters.
#[derive(Clone, Debug, Args)]
pub struct NamesArgs {
    /// Names; all when none is given. `servicecluster NAME`, `sc NAME` and `sc/NAME` work too, and `source/NAME` for a source
    #[arg(value_name = "NAME", add = complete::resources())]
    pub names: Vec<String>,
}

/// Forms of output of a list of resources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Columns for people
    #[default]
    Table,
    /// More columns
    Wide,
    /// YAML documents, fit for apply
    Yaml,
    /// JSON
    Json,
    /// One KIND/NAME a line
    Name,
}

/// Forms of output of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Report {
    /// Columns for people
    #[default]
    Table,
    /// More columns
    Wide,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

fn form(text: &str) -> Result<Form, String> {
    text.parse()
}

/// `get`.
#[derive(Clone, Debug, Args)]
pub struct GetArgs {
    /// The names.
    #[command(flatten)]
    pub names: NamesArgs,
    /// Form of the output: table, wide, yaml, json, name, jsonpath=TEMPLATE,
    /// custom-columns=HEAD:PATH,...
    #[arg(short, long, value_name = "FORM", default_value = "table", value_parser = form, add = complete::forms())]
    pub output: Form,
    /// Only those with these labels: KEY=VALUE, KEY!=VALUE, KEY in (A,B), KEY, !KEY; commas between
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<Selector>,
    /// Sort by a field, as a path such as .metadata.creationTimestamp
    #[arg(long, value_name = "PATH")]
    pub sort_by: Option<output::Path>,
    /// Go on showing changes until interrupted
    #[arg(short, long)]
    pub watch: bool,
    /// The version of YAML, JSON and what paths lead to.
    #[command(flatten)]
    pub version: VersionArg,
    /// Leave out the header of the table
    #[arg(long)]
    pub no_headers: bool,
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

/// `wait`.
#[derive(Clone, Debug, Args)]
pub struct WaitArgs {
    /// Names. `servicecluster NAME`, `sc NAME` and `sc/NAME` work too, and `source/NAME` for a source
    #[arg(value_name = "NAME", required = true, add = complete::resources())]
    pub names: Vec<String>,
    /// condition=TYPE, condition=TYPE=STATUS (True, False, Unknown), or delete
    #[arg(long = "for", value_name = "WHAT", default_value = "condition=Ready")]
    pub target: super::wait::Goal,
    /// How long to wait
    #[arg(long, value_name = "SPAN", default_value = "90s")]
    pub timeout: Span,
}

/// `routes`.
#[derive(Clone, Debug, Args)]
pub struct RoutesArgs {
    /// Service cluster; all, and the services that none takes, when not given
    #[arg(value_name = "CLUSTER", add = complete::clusters())]
    pub cluster: Option<String>,
    /// Say which route a request for this URL would take, and why the others lose
    #[arg(long, value_name = "URL")]
    pub explain: Option<String>,
    /// Method of that request
    #[arg(
        long,
        value_name = "METHOD",
        default_value = "GET",
        requires = "explain"
    )]
    pub method: String,
    /// A header of that request; repeatable
    #[arg(long, value_name = "NAME: VALUE", requires = "explain")]
    pub header: Vec<String>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Report,
    /// Leave out the header of the table
    #[arg(long)]
    pub no_headers: bool,
}

/// `certs`.
#[derive(Clone, Debug, Subcommand)]
pub enum CertsVerb {
    /// Store a certificate with its key, or a new one in place of it: proxies get it at once
    Add(CertsAddArgs),
    /// Show the stored certificates, their hosts and when they end
    #[command(alias = "list")]
    Ls(CertsLsArgs),
    /// Remove stored certificates
    #[command(alias = "remove")]
    Rm(CertsRmArgs),
}

/// `certs add`.
#[derive(Clone, Debug, Args)]
pub struct CertsAddArgs {
    /// Name to store it under, such as the name of its host
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Certificate chain in PEM, the host's own first; - for standard input
    #[arg(long, value_name = "FILE")]
    pub cert: PathBuf,
    /// Private key in PEM, without a passphrase; may be the same file
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Check everything and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `certs ls`.
#[derive(Clone, Debug, Args)]
pub struct CertsLsArgs {
    /// Names; all when none is given
    #[arg(value_name = "NAME", add = complete::stored_certificates())]
    pub names: Vec<String>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// Leave out the header of the table
    #[arg(long)]
    pub no_headers: bool,
}

/// `certs rm`.
#[derive(Clone, Debug, Args)]
pub struct CertsRmArgs {
    /// Names
    #[arg(value_name = "NAME", required = true, add = complete::stored_certificates())]
    pub names: Vec<String>,
    /// Not an error when a certificate does not exist
    #[arg(long)]
    pub ignore_not_found: bool,
}

/// `version`.
#[derive(Clone, Debug, Args)]
pub struct VersionArgs {
    /// Only this program's version; needs no engine
    #[arg(long)]
    pub client: bool,
    /// Form of the output
    #[arg(short, long, value_enum)]
    pub output: Option<Data>,
}

/// Forms of output for machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Data {
    /// JSON
    Json,
    /// YAML
    Yaml,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_may_follow_the_verb() {
        let cli = Cli::try_parse_from(["skep", "get", "-H", "tcp://m:2376", "-q"]).unwrap();
        assert_eq!(cli.global.host.as_deref(), Some("tcp://m:2376"));
        assert!(cli.global.quiet);
    }

    #[test]
    fn no_flag_of_a_daemon_hides_a_global_one() {
        for verb in [
            &["skep", "operator"][..],
            &["skep", "proxy", "--cluster=east", "--task=t1"],
        ] {
            assert!(!Cli::try_parse_from(verb).unwrap().global.quiet);
        }
    }

    #[test]
    fn wait_takes_kubectls_way_to_say_what_for() {
        let cli = Cli::try_parse_from(["skep", "wait", "east", "--for=delete", "--timeout=2m"]);
        let Verb::Wait(wait) = cli.unwrap().verb else {
            panic!("wait is a verb")
        };
        assert_eq!(wait.target, super::super::wait::Goal::Delete);
        assert_eq!(wait.timeout, Span::from_secs(120));
    }
}
