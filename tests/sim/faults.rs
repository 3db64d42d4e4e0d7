//! What goes wrong on purpose.

use std::time::Duration;

/// Faults of a simulated engine; none by default.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// No event reaches anybody.
    pub lose_events: bool,
    /// Every answer takes so long.
    pub latency: Duration,
    failures: Vec<Failure>,
    lost: Vec<String>,
}

#[derive(Clone, Debug)]
struct Failure {
    call: String,
    after: u64,
    status: u16,
    message: String,
}

impl Faults {
    /// The next call whose `METHOD /path` contains `call` fails, after `after` such calls that
    /// do not.
    pub fn fail(&mut self, call: &str, after: u64, status: u16, message: &str) {
        self.failures.push(Failure {
            call: call.to_owned(),
            after,
            status,
            message: message.to_owned(),
        });
    }

    /// The next such call meets a version that another writer just made.
    pub fn conflict(&mut self, call: &str) {
        let text = "rpc error: code = Unknown desc = update out of sequence";
        self.fail(call, 0, 500, text);
    }

    /// The next call whose `METHOD /path` contains `call` is carried out and answered as if it
    /// had not been.
    pub fn lose_answer(&mut self, call: &str) {
        self.lost.push(call.to_owned());
    }

    /// Whether the answer to a call gets lost.
    pub(super) fn loses(&mut self, call: &str) -> bool {
        let found = self.lost.iter().position(|lost| call.contains(lost));
        found.map(|at| self.lost.remove(at)).is_some()
    }

    /// The failure that is due for a call.
    pub(super) fn take(&mut self, call: &str) -> Option<(u16, String)> {
        let found = self.failures.iter().position(|f| call.contains(&f.call))?;
        if self.failures[found].after > 0 {
            self.failures[found].after -= 1;
            return None;
        }
        let failure = self.failures.remove(found);
        Some((failure.status, failure.message))
    }
}
