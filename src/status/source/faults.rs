//! The faults of what a repository declares, as far as they fit into a status: it is a label.

use crate::api::SourceFault;

/// Faults that are listed.
pub const MOST: usize = 20;
/// Bytes of all that are listed, as JSON.
const BYTES: usize = 32 << 10;
/// Bytes of each part of a fault.
const PART: usize = 500;
/// Bytes of the fault that a condition tells.
const FIRST: usize = 500;
/// What stands for the rest of a text.
const REST: &str = " ...";

/// The first faults, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    listed: Vec<SourceFault>,
    bytes: usize,
    more: u64,
}

impl Faults {
    /// One more, listed while there is room.
    pub fn add(&mut self, fault: impl Into<SourceFault>) {
        // Once one is left out all later ones are, however short: the list is the beginning.
        if self.more > 0 || self.listed.len() == MOST {
            self.more += 1;
            return;
        }
        let fault = within(&fault.into());
        let bytes = serde_json::to_string(&fault).map_or(BYTES, |text| text.len() + 1);
        if self.bytes + bytes > BYTES {
            self.more += 1;
            return;
        }
        self.bytes += bytes;
        self.listed.push(fault);
    }

    /// Those that are listed.
    #[must_use]
    pub fn listed(&self) -> &[SourceFault] {
        &self.listed
    }

    /// So many more.
    #[must_use]
    pub fn more(&self) -> u64 {
        self.more
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.listed.len() as u64 + self.more
    }
}

impl<F: Into<SourceFault>> FromIterator<F> for Faults {
    fn from_iter<I: IntoIterator<Item = F>>(all: I) -> Self {
        let mut faults = Self::default();
        faults.extend(all);
        faults
    }
}

impl<F: Into<SourceFault>> Extend<F> for Faults {
    fn extend<I: IntoIterator<Item = F>>(&mut self, all: I) {
        all.into_iter().for_each(|fault| self.add(fault));
    }
}

/// The first fault as a condition tells it.
#[must_use]
pub fn first(faults: &[SourceFault]) -> Option<String> {
    let first = faults.first()?;
    Some(cut(&first.to_string(), FIRST))
}

/// A fault that fits, whatever a repository holds.
fn within(fault: &SourceFault) -> SourceFault {
    SourceFault {
        file: cut(&fault.file, PART),
        field: cut(&fault.field, PART),
        message: cut(&fault.message, PART),
        hint: cut(&fault.hint, PART),
        ..*fault
    }
}

/// A line of at most so many bytes.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.replace(char::is_control, " ");
    }
    let room = most.saturating_sub(REST.len());
    let end = (0..=room).rev().find(|at| text.is_char_boundary(*at));
    text[..end.unwrap_or(0)].replace(char::is_control, " ") + REST
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fault whose parts are all of one character, of more bytes than there is room for.
    fn full(of: char) -> SourceFault {
        let part = of.to_string().repeat(2_000);
        SourceFault {
            file: part.clone(),
            line: u64::MAX,
            column: u64::MAX,
            field: part.clone(),
            message: part.clone(),
            hint: part,
        }
    }

    #[test]
    fn faults_of_the_longest_characters_and_of_those_that_json_escapes_fit_into_a_status() {
        for of in ['\u{1f41d}', '\u{e4}', '"', '\\', '\u{1}', '\u{7f}', 'x'] {
            let faults: Faults = std::iter::repeat_n(full(of), 30).collect();
            let bytes = serde_json::to_string(faults.listed()).unwrap().len();
            assert!(bytes <= BYTES + 2, "{of:?}: {bytes}");
            assert_eq!(faults.count(), 30);
            // Nothing is left out for fear.
            assert!(faults.listed().len() >= 7, "{of:?}");
        }
        // As long as they are short, all of them are listed.
        let short = (0..30).map(|number| SourceFault::new(format!("fault {number}")));
        let faults: Faults = short.collect();
        assert_eq!((faults.listed().len(), faults.more()), (MOST, 10));
    }

    #[test]
    fn a_text_is_cut_between_two_characters_and_says_so() {
        assert_eq!(cut("a\nb", 3), "a b");
        assert_eq!(cut("\u{1f41d}\u{1f41d}\u{1f41d}", 12).len(), 12);
        assert_eq!(cut("\u{1f41d}\u{1f41d}\u{1f41d}", 11), "\u{1f41d} ...");
        assert_eq!(cut("\u{1f41d}", 2), " ...");
    }
}
