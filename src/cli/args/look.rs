//! Flags of the verbs that look.

use clap::{Args, ValueEnum};

use super::VersionArg;
use crate::api::value::Span;
use crate::cli::complete;
use crate::cli::output::{self, Form, Selector};
use crate::cli::wait::Goal;

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

/// `wait`.
#[derive(Clone, Debug, Args)]
pub struct WaitArgs {
    /// Names. `servicecluster NAME`, `sc NAME` and `sc/NAME` work too, and `source/NAME` for a source
    #[arg(value_name = "NAME", required = true, add = complete::resources())]
    pub names: Vec<String>,
    /// condition=TYPE, condition=TYPE=STATUS (True, False, Unknown), or delete
    #[arg(long = "for", value_name = "WHAT", default_value = "condition=Ready")]
    pub target: Goal,
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
