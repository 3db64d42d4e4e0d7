//! Commands in a real terminal: a pseudo terminal of 120 columns.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Command;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// What a command prints on a terminal, colours left out, and its exit code.
pub fn in_terminal(command: &mut Command) -> (String, i32) {
    let (shown, code) = written_to_terminal(command);
    (plain(&shown), code)
}

/// The same as the terminal gets it.
pub fn written_to_terminal(command: &mut Command) -> (String, i32) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let size = Winsize {
        ws_row: 50,
        ws_col: 120,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&master, size).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = || {
        let file = OpenOptions::new().read(true).write(true).open(&name);
        OwnedFd::from(file.unwrap())
    };
    command.stdin(slave()).stdout(slave()).stderr(slave());
    let mut child = command.spawn().unwrap();
    // Our own ends of the terminal go, so that reading ends when the command does.
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::null());
    let mut shown = Vec::new();
    let mut screen = File::from(master);
    let mut buffer = [0; 4096];
    // Linux ends a terminal that nobody holds with an error.
    while let Ok(read @ 1..) = screen.read(&mut buffer) {
        shown.extend_from_slice(&buffer[..read]);
    }
    let code = child.wait().unwrap().code().unwrap_or(-1);
    (String::from_utf8_lossy(&shown).into_owned(), code)
}

/// What stays on the screen: no colours, and of a line that was written over only the last.
fn plain(shown: &str) -> String {
    let mut text = String::new();
    let mut rest = shown;
    while let Some(at) = rest.find('\u{1b}') {
        text.push_str(&rest[..at]);
        let code = &rest[at..];
        let end = code.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(0);
        rest = &code[end + 1..];
    }
    text.push_str(rest);
    let lines = text.replace("\r\n", "\n");
    let last = |line: &str| line.rsplit('\r').next().unwrap_or_default().to_owned();
    let lines: Vec<String> = lines.split('\n').map(last).collect();
    lines.join("\n")
}
