//! `skep get all`: what is declared of both kinds.

use serde_json::{Value, json};

use super::args::GetArgs;
use super::error::{CliError, Result};
use super::output::Form;
use super::session::{Session, now};
use super::view::chosen;
use super::{get, sources};
use crate::api::{ServiceCluster, Source, Version};

/// Whether both kinds were asked for. A service cluster that is called so is `sc/all`.
pub fn asked(args: &GetArgs) -> Result<bool> {
    let is_all = matches!(args.names.names.as_slice(), [one] if one.eq_ignore_ascii_case("all"));
    if is_all && args.watch {
        return Err(CliError::Usage(
            "one kind is watched at a time: `skep get -w` or `skep get sources -w`".to_owned(),
        ));
    }
    Ok(is_all)
}

/// Prints service clusters, then sources.
pub async fn run(session: &Session, args: &GetArgs) -> Result {
    let look = session.look().await?;
    let clusters = get::wanted(args, chosen(&look.declared, &[]));
    let sources = sources::sorted(args, &[], &look);
    if !clusters.is_empty() || !sources.is_empty() {
        session.warn_without_operator(&look);
    } else if matches!(args.output, Form::Table | Form::Wide) {
        let note =
            "nothing is declared that was asked for; `skep apply -f FILE` declares something";
        session.terminal.note(note);
    }
    session.terminal.raw(&render(args, &clusters, &sources)?)
}

/// Tables and documents one kind below the other; else one list of both.
fn render(args: &GetArgs, clusters: &[ServiceCluster], sources: &[Source]) -> Result<String> {
    let (version, headers) = (args.version.asked(), !args.no_headers);
    let both = || {
        let clusters = get::render(clusters, &args.output, headers, true, version, now())?;
        let sources = sources::render(sources, &args.output, headers, true, version, now())?;
        Ok::<_, CliError>([clusters, sources])
    };
    let joined = |between: &str| {
        let filled = [!clusters.is_empty(), !sources.is_empty()];
        let texts = both()?.into_iter().zip(filled);
        let texts = texts.filter_map(|(text, filled)| filled.then_some(text));
        Ok(texts.collect::<Vec<_>>().join(between))
    };
    match &args.output {
        Form::Table | Form::Wide => joined("\n"),
        Form::Yaml => joined("---\n"),
        Form::Name => joined(""),
        Form::Json => Ok(get::json(&list(clusters, sources, version))),
        Form::JsonPath(template) => Ok(template.render(&list(clusters, sources, version))),
        Form::Columns(columns) => Ok(columns.table(&values(clusters, sources, version), headers)),
    }
}

fn values(clusters: &[ServiceCluster], sources: &[Source], version: Version) -> Vec<Value> {
    let mut values = get::values(clusters, version);
    values.extend(get::values(sources, version));
    values
}

fn list(clusters: &[ServiceCluster], sources: &[Source], version: Version) -> Value {
    json!({
        "apiVersion": version.text(),
        "kind": "List",
        "items": values(clusters, sources, version),
    })
}
