//! What can be typed about sources.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::api::value::Span;
use crate::cli::complete;

/// `sync`.
#[derive(Clone, Debug, Args)]
pub struct SyncArgs {
    /// Sources. `source/NAME` works too
    #[arg(value_name = "NAME", required = true, add = complete::sources_alone())]
    pub names: Vec<String>,
    /// Wait also until the service clusters that it manages are Ready
    #[arg(long)]
    pub wait: bool,
    /// How long to wait for what comes of it
    #[arg(long, value_name = "SPAN", default_value = "90s")]
    pub timeout: Span,
}

/// `source`.
#[derive(Clone, Debug, Subcommand)]
pub enum SourceVerb {
    /// Store the credentials for a source's repository, sealed to the operator
    Auth(SourceAuthArgs),
    /// Store the secret of a source's webhook, sealed to the operator
    Hook(SourceHookArgs),
}

/// `source auth`.
#[derive(Clone, Debug, Args)]
pub struct SourceAuthArgs {
    /// The source
    #[arg(value_name = "NAME", add = complete::sources_alone())]
    pub name: String,
    /// User's name; most servers take any beside a token
    #[arg(long, value_name = "USER", default_value = "git")]
    pub username: String,
    /// File with the password or token; - for standard input
    #[arg(long, value_name = "FILE", required_unless_present = "remove")]
    pub password_file: Option<PathBuf>,
    /// Repository that they are for, before the source is declared [default: the source's spec.url]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Remove what is stored
    #[arg(long, conflicts_with_all = ["password_file", "url"])]
    pub remove: bool,
}

/// `source hook`.
#[derive(Clone, Debug, Args)]
pub struct SourceHookArgs {
    /// The source
    #[arg(value_name = "NAME", add = complete::sources_alone())]
    pub name: String,
    /// File with the secret that the git server signs with; - for standard input
    #[arg(long, value_name = "FILE", required_unless_present = "remove")]
    pub secret_file: Option<PathBuf>,
    /// Remove what is stored: webhooks are refused
    #[arg(long, conflicts_with = "secret_file")]
    pub remove: bool,
}
