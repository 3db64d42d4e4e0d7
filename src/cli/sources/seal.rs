//! `skep source auth` and `skep source hook`: secrets that only the operator can read.

use std::path::Path;

use super::args::{SourceAuthArgs, SourceHookArgs};
use super::reference;
use crate::api::grammar;
use crate::cli::certs::public_key;
use crate::cli::error::{CliError, Result};
use crate::cli::input;
use crate::cli::session::Session;
use crate::git::Url;
use crate::names;
use crate::store::sources::{self, Login, Purpose};
use crate::world::sources::sources as declared;

/// Characters that the secret of a webhook has at least. Everybody who reaches the operator's port
/// may try one.
const SHORTEST: usize = 16;

/// The password to store, or none to remove it. Checks what needs no engine.
pub fn password(args: &SourceAuthArgs) -> Result<Option<String>> {
    checked(&args.name)?;
    if let Some(url) = &args.url {
        origin(url)?;
    }
    args.password_file.as_deref().map(read).transpose()
}

/// The secret of a webhook to store, or none to remove it. Checks what needs no engine.
pub fn secret(args: &SourceHookArgs) -> Result<Option<String>> {
    checked(&args.name)?;
    let Some(file) = &args.secret_file else {
        return Ok(None);
    };
    let secret = read(file)?;
    if secret.chars().count() < SHORTEST {
        return Err(CliError::Usage(format!(
            "{}: holds a secret of less than {SHORTEST} characters, which can be guessed: make one with `openssl rand -hex 32`, and give the git server the same",
            file.display()
        )));
    }
    Ok(Some(secret))
}

/// Stores or removes credentials.
pub async fn auth(session: &Session, args: &SourceAuthArgs, password: Option<String>) -> Result {
    let Some(password) = password else {
        return remove(session, &args.name, Purpose::Auth, "credentials").await;
    };
    let origin = match &args.url {
        Some(url) => origin(url)?,
        None => origin(&stated_url(session, &args.name).await?)?,
    };
    let login = Login {
        username: args.username.clone(),
        password,
        origin: origin.clone(),
    };
    let content =
        serde_json::to_vec(&login).map_err(|error| CliError::Failed(error.to_string()))?;
    seal(session, &args.name, Purpose::Auth, &content).await?;
    let line = format!("{} credentials stored, for {origin}", reference(&args.name));
    session.terminal.done(&line)
}

/// Stores or removes the secret of a webhook.
pub async fn hook(session: &Session, args: &SourceHookArgs, secret: Option<String>) -> Result {
    let Some(secret) = secret else {
        return remove(session, &args.name, Purpose::Hook, "webhook secret").await;
    };
    seal(session, &args.name, Purpose::Hook, secret.as_bytes()).await?;
    let line = format!(
        "{} webhook secret stored; the git server posts to /hooks/{} of the operator's port {}",
        reference(&args.name),
        args.name,
        names::ADMIN_PORT
    );
    session.terminal.done(&line)
}

fn checked(name: &str) -> Result {
    grammar::cluster_name(name)
        .map_err(|why| CliError::Usage(why.replace("service cluster", "source")))
}

/// Where credentials for a repository may be sent.
fn origin(url: &str) -> Result<String> {
    let url = Url::parse(url).map_err(|error| CliError::Usage(error.to_string()))?;
    let origin = url.origin();
    if origin.starts_with("https://") {
        return Ok(origin);
    }
    Err(CliError::Usage(format!(
        "credentials are sent by https:// only, and the repository is at {url}"
    )))
}

async fn stated_url(session: &Session, name: &str) -> Result<String> {
    let look = session.look().await?;
    let found = declared(&look.world).remove(name);
    let accepted = found.and_then(|found| found.accepted);
    accepted.map(|(_, source)| source.spec.url).ok_or_else(|| {
        CliError::Failed(format!(
            "{} is not declared, so it is not known what the credentials are for: say so with --url, or declare it first",
            reference(name)
        ))
    })
}

async fn seal(session: &Session, name: &str, purpose: Purpose, content: &[u8]) -> Result {
    let look = session.look().await?;
    session.warn_without_operator(&look);
    let all = declared(&look.world);
    if !all.contains_key(name) {
        session.terminal.warning(&undeclared(name, all.keys()));
    }
    let public = public_key(&look.world)?;
    let sealed = public
        .seal(&names::source_secret(name, purpose.word()), content)
        .map_err(|error| CliError::Failed(error.to_string()))?;
    sources::seal(&session.engine, name, purpose, &sealed).await?;
    Ok(())
}

/// That a source is not there (yet), and which one may be meant.
fn undeclared<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let nearest = grammar::nearest(name, known.map(String::as_str));
    let nearest = nearest.map_or(String::new(), |near| {
        format!(
            "; if you meant {}, say so, and remove this one with --remove",
            reference(near)
        )
    });
    let source = reference(name);
    format!("{source} is not declared yet, so this is kept until it is{nearest}")
}

async fn remove(session: &Session, name: &str, purpose: Purpose, what: &str) -> Result {
    if sources::unseal(&session.engine, name, purpose).await? {
        let line = format!("{} {what} removed", reference(name));
        return session.terminal.done(&line);
    }
    Err(CliError::Failed(format!(
        "no {what} is stored for {}",
        reference(name)
    )))
}

/// A secret from a file, without the line break that editors put behind it.
fn read(file: &Path) -> Result<String> {
    let fail = |why: String| CliError::Usage(format!("{}: {why}", file.display()));
    let text = input::text(file, input::SECRET).map_err(fail)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() || text.contains(['\n', '\0']) {
        return Err(fail("holds no secret of one line".to_owned()));
    }
    Ok(text.to_owned())
}
