//! Flags of `certs`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Output;
use crate::cli::complete;

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
