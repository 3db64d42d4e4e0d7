//! The person's editor, and how it ended.

use std::io::IsTerminal as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::error::{CliError, Result};

/// An editor has the terminal: Ctrl-C is meant for it, though we get it too, and it must end before
/// we do.
pub(in crate::cli) static EDITING: AtomicBool = AtomicBool::new(false);

/// So long an editor may take to end once it was told to.
const GRACE: Duration = Duration::from_secs(5);
/// What a shell says of a command that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// A command for the shell, because it may have arguments.
pub(super) struct Editor(String);

/// Why an editor did not do its work.
pub(super) enum Left {
    /// By itself.
    Failed(CliError),
    /// We were told to end, and ended it.
    Ended(CliError),
}

impl From<Left> for CliError {
    fn from(left: Left) -> Self {
        match left {
            Left::Failed(error) | Left::Ended(error) => error,
        }
    }
}

impl Editor {
    /// What the environment names, else vi, which needs somebody at a terminal.
    pub(super) fn chosen() -> Result<Self> {
        let set = |key: &str| {
            std::env::var(key)
                .ok()
                .filter(|value| !value.trim().is_empty())
        };
        match set("VISUAL").or_else(|| set("EDITOR")) {
            Some(editor) => Ok(Self(editor)),
            None if std::io::stdin().is_terminal() => Ok(Self("vi".to_owned())),
            None => Err(CliError::Failed(
                "no terminal is there for an editor: name a command that edits a file in VISUAL or EDITOR, or change what `skep get NAME -o yaml` writes and `skep apply -f` it"
                    .to_owned(),
            )),
        }
    }

    /// Runs it on a file until it ends.
    pub(super) async fn open(&self, path: &Path) -> std::result::Result<(), Left> {
        let ended = {
            let _editing = Editing::begin();
            self.ended(path).await
        };
        let status = match ended {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => status,
            Ok(None) => {
                let why = "ended by SIGTERM; nothing was changed".to_owned();
                return Err(Left::Ended(CliError::Stopped(why)));
            }
            Err(error) => {
                let why = format!("cannot run the editor `{}`: {error}", self.0);
                return Err(Left::Failed(CliError::Failed(why)));
            }
        };
        let by_ctrl_c =
            status.signal() == Some(Signal::INT.as_raw()) || status.code() == Some(INTERRUPTED);
        Err(Left::Failed(if by_ctrl_c {
            CliError::Stopped("the editor was interrupted; nothing was changed".to_owned())
        } else {
            CliError::Failed(format!(
                "the editor `{}` failed ({status}); nothing was changed (VISUAL or EDITOR names another)",
                self.0
            ))
        }))
    }

    /// The line for the shell, which becomes the editor where that is one command, so that a signal
    /// meant for it reaches it.
    fn script(&self) -> String {
        let first = self.0.split_whitespace().next().unwrap_or_default();
        let is_one = !self.0.contains(|c| ";&|<>()`\n".contains(c)) && !first.contains('=');
        let is_built_in = [":", ".", "command", "eval", "exec"].contains(&first);
        let exec = if is_one && !is_built_in { "exec " } else { "" };
        format!("{exec}{} \"$1\"", self.0)
    }

    /// How it ended; `None`: we were told to end first.
    async fn ended(&self, path: &Path) -> std::io::Result<Option<ExitStatus>> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut child = Command::new("sh")
            .args(["-c", &self.script(), "sh"])
            .arg(path)
            .spawn()?;
        tokio::select! {
            status = child.wait() => status.map(Some),
            _ = terminate.recv() => {
                end(&mut child).await?;
                Ok(None)
            }
        }
    }
}

/// Tells an editor to end, and makes it when it does not.
async fn end(child: &mut Child) -> std::io::Result<()> {
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    if let Some(pid) = pid {
        kill_process(pid, Signal::TERM)?;
    }
    match tokio::time::timeout(GRACE, child.wait()).await {
        Ok(ended) => ended.map(drop),
        Err(_) => child.kill().await,
    }
}

/// While it is there, signals are the editor's.
struct Editing;

impl Editing {
    fn begin() -> Self {
        EDITING.store(true, Ordering::SeqCst);
        Self
    }
}

impl Drop for Editing {
    fn drop(&mut self) {
        EDITING.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_becomes_an_editor_that_is_one_command() {
        let script = |editor: &str| Editor(editor.to_owned()).script();
        assert_eq!(script("code --wait"), "exec code --wait \"$1\"");
        assert_eq!(script("A=1 vi"), "A=1 vi \"$1\"");
        assert_eq!(script("true; vi"), "true; vi \"$1\"");
        assert_eq!(script(":"), ": \"$1\"");
        assert_eq!(script("command vim"), "command vim \"$1\"");
    }
}
