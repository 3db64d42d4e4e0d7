//! `skep edit`: a service cluster or a source in the editor, stored when it is valid.

mod editor;

use std::io::{IsTerminal as _, Write};

use tempfile::NamedTempFile;

use self::editor::{Editor, Left};
use super::args::EditArgs;
use super::error::{CliError, Result};
use super::history::by_hand;
use super::input;
use super::session::{Session, View};
use super::sources;
use super::view::known;
use crate::api::parse::{self, Manifest as _};
use crate::api::{Diagnostic, ServiceCluster, Version};
use crate::store::{self, By, Outcome};
use crate::world::{Declared, DeclaredSource, Stored, World};

pub(super) use editor::EDITING;

/// A person gives up before so many rounds; an editor that no person drives would never.
const ROUNDS: usize = 20;

/// Opens the editor until what it leaves is valid, unchanged, or given up.
pub async fn run(session: &Session, args: &EditArgs) -> Result {
    if let Some(names) = sources::asked(&args.name)? {
        let name = sources::one(names)?;
        return edit::<DeclaredSource>(session, args, &name, |_, _| Vec::new()).await;
    }
    let name = super::names::one(&args.name)?;
    let missing = |world: &World, cluster: &ServiceCluster| {
        super::apply::preflight::preflight(world, std::slice::from_ref(cluster)).missing
    };
    edit::<Declared>(session, args, &name, missing).await
}

async fn edit<D: Stored>(
    session: &Session,
    args: &EditArgs,
    name: &str,
    warnings: impl Fn(&World, &D::Resource) -> Vec<String>,
) -> Result {
    let view = session.look().await?;
    let all = D::all(&view.world);
    let declared = known(&all, name)?;
    let by = by_hand(&view, declared, args.force_conflicts)?;
    let by = By {
        older: by.older || args.api_version.is_some(),
        ..by
    };
    let original = text(&view, declared, args.api_version.unwrap_or_default());
    let named = format!("{}/{name}", D::WORD);
    let Some((resource, file)) = edited::<D>(name, &original).await? else {
        return session.terminal.done(&format!("{named} unchanged"));
    };
    for warning in warnings(&view.world, &resource) {
        session.terminal.warning(&warning);
    }
    let applied = match store::apply_by(&session.engine, &all, &resource, by).await {
        Ok(applied) => applied,
        Err(error) => return Err(kept(error.into(), file)),
    };
    drop(std::fs::remove_file(file.path()));
    let what = match applied.outcome {
        Outcome::Unchanged | Outcome::Adopted => "unchanged",
        Outcome::Created | Outcome::Configured => "edited",
    };
    session.terminal.done(&format!("{named} {what}"))?;
    session.warn_without_operator(&view);
    Ok(())
}

/// What is edited: the newest revision, also when it is not valid, because it is to be mended.
fn text(view: &View, declared: &impl Stored, version: Version) -> String {
    let newest = declared.newest().filter(|newest| !newest.valid);
    let raw = newest.and_then(|newest| view.world.configs.get(&newest.config_id));
    if let Some(raw) = raw {
        return String::from_utf8_lossy(&raw.data).into_owned();
    }
    let in_force = declared.in_force();
    in_force
        .map(|(_, resource)| parse::canonical_in(resource, version))
        .unwrap_or_default()
}

/// The edited resource and the file it was edited in; `None` when nothing was changed.
async fn edited<D: Stored>(
    name: &str,
    original: &str,
) -> Result<Option<(D::Resource, NamedTempFile)>> {
    let editor = Editor::chosen()?;
    let file = tempfile::Builder::new()
        .prefix(&format!("skep-{name}-"))
        .suffix(".yaml")
        // A text is somebody's work: it goes once it is stored, and outlives a kill.
        .disable_cleanup(true)
        .tempfile();
    let mut file = file.map_err(|error| {
        let folder = std::env::temp_dir();
        CliError::Failed(format!(
            "cannot make a file to edit in {}: {error}; set TMPDIR to a folder that can be written",
            folder.display()
        ))
    })?;
    let mut faults: Vec<Diagnostic> = Vec::new();
    let mut before = original.to_owned();
    // Nobody is there to mend what the same command would write again.
    let rounds = if std::io::stdin().is_terminal() {
        ROUNDS
    } else {
        1
    };
    for _ in 0..rounds {
        write(
            &mut file,
            &format!("{}{before}", remarks::<D>(name, &faults)),
        )?;
        if let Err(error) = editor.open(file.path()).await {
            let left = input::text(file.path(), input::MANIFESTS).unwrap_or_default();
            // An editor that was made to end may have kept what it had beside the file.
            let ended = matches!(error, Left::Ended(_));
            return Err(if !ended && without_remarks(&left) == *original {
                drop(std::fs::remove_file(file.path()));
                error.into()
            } else {
                kept(error.into(), file)
            });
        }
        let after = match input::text(file.path(), input::MANIFESTS) {
            Ok(text) => without_remarks(&text),
            Err(why) => return Err(kept(CliError::Failed(format!("the text {why}")), file)),
        };
        if after.trim().is_empty() || after == *original {
            drop(std::fs::remove_file(file.path()));
            return Ok(None);
        }
        if after == before && !faults.is_empty() {
            return Err(kept(CliError::Invalid(faults), file));
        }
        match checked::<D>(name, &after) {
            Ok(resource) => return Ok(Some((resource, file))),
            Err(found) => faults = found,
        }
        before = after;
    }
    Err(kept(CliError::Invalid(faults), file))
}

/// The one resource of a text, under the name it has.
fn checked<D: Stored>(name: &str, text: &str) -> std::result::Result<D::Resource, Vec<Diagnostic>> {
    let mut parsed = parse::manifests("", text);
    let mut faults = std::mem::take(&mut parsed.faults);
    let (noun, all) = (D::NOUN, parsed.clusters.len() + parsed.sources.len());
    let mut found = D::of(parsed);
    let fault = match found.as_slice() {
        [one] if all == 1 => (one.metadata().name != name).then(|| {
            let why =
                format!("a {noun} keeps its name, {name}; `skep apply` makes one with another");
            ("metadata.name", why)
        }),
        [] if all > 0 => Some(("kind", format!("this is no {noun}"))),
        [] => faults
            .is_empty()
            .then(|| ("", "nothing is declared here".to_owned())),
        _ => Some(("", format!("one {noun} is edited at a time"))),
    };
    faults.extend(fault.map(|(path, message)| Diagnostic::at(path, message)));
    match found.pop() {
        Some(resource) if faults.is_empty() => Ok(resource),
        _ => Err(faults),
    }
}

/// The lines above the manifest; they are no part of it.
fn remarks<D: Stored>(name: &str, faults: &[Diagnostic]) -> String {
    let mut lines = vec![format!(
        "{}/{name}: save and leave to store it; leave it as it is, or empty, to give up.",
        D::WORD
    )];
    lines.extend(faults.iter().map(|fault| format!("error: {fault}")));
    let lines = lines.iter().map(|line| [MARK, line, "\n"].concat());
    lines.collect()
}

/// What our lines begin with, so that a person's own comments stay.
const MARK: &str = "#| ";

fn without_remarks(text: &str) -> String {
    let own = |line: &&str| !line.starts_with(MARK.trim_end());
    text.split_inclusive('\n').filter(own).collect()
}

fn write(file: &mut NamedTempFile, text: &str) -> Result {
    // By path: an editor may have put another file in its place.
    let written = std::fs::write(file.path(), text).and_then(|()| file.flush());
    written.map_err(|error| {
        let path = file.path().display();
        CliError::Failed(format!("cannot write {path}, the file to edit: {error}"))
    })
}

/// The same failure, and where the edited text was kept, if the editor left it there.
fn kept(error: CliError, file: NamedTempFile) -> CliError {
    let there = file.path().exists();
    let Ok((_, path)) = file.keep() else {
        return error;
    };
    let path = path.display();
    error.remark(&if there {
        format!("your text is kept in {path}")
    } else {
        format!("the editor left no file in {path}, so there is no text to keep")
    })
}
