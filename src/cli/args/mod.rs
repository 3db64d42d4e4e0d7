//! What can be typed: the verbs and their flags, as clap sees them.

mod certs;
mod declare;
mod install;
mod look;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::complete;
use super::serve::{OperatorArgs, ProxyArgs};
use super::sources::args::{SourceVerb, SyncArgs};
use crate::api::Version;

pub use certs::*;
pub use declare::*;
pub use install::*;
pub use look::*;

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
#[command(name = "skep", version)]
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
    #[command(alias = "ls", alias = "list")]
    Get(GetArgs),
    /// Show everything known of service clusters: status, nodes, networks, routes
    Describe(DescribeArgs),
    /// Delete service clusters; the operator removes what it made for them
    #[command(alias = "rm", alias = "remove")]
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
    #[value(alias = "serviceclusters", alias = "sc")]
    Servicecluster,
    /// A git repository that is followed
    #[value(alias = "sources")]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::value::Span;
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
