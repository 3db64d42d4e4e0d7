//! Flags of what installs, and of what tells the versions of it.

use clap::{Args, ValueEnum};

use crate::api::value::Span;
use crate::cli::install::subnet;

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
    #[arg(long, value_name = "CIDR", value_parser = subnet::parse)]
    pub control_subnet: Option<subnet::Subnet>,
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
