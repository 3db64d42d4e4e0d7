//! The versions of the API, and how a document of one becomes a document of another.
//!
//! The types have the shape of the newest version. A document of an older one is moved into that
//! shape before it is read, and back when somebody asks for the older one. All that differs is
//! where fields stand, so nothing is ever lost on the way.

mod deprecated;
mod moves;
#[cfg(test)]
mod tests;
mod value;

use std::fmt;
use std::str::FromStr;

use super::grammar::{nearest, shortened};

pub use deprecated::{Deprecation, Subject, TABLE, find};
pub use moves::{Move, down, up};
pub(super) use moves::{common, moved, standing};
pub use value::document;
pub(super) use value::lower;
pub(super) use value::shift;

/// A version of the API, older ones first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `skep.dev/v1alpha1`
    V1Alpha1,
    /// `skep.dev/v1`
    #[default]
    V1,
}

impl Version {
    /// All of them, older ones first.
    pub const ALL: [Self; 2] = [Self::V1Alpha1, Self::V1];
    /// The one whose shape the types have, and which is read unless another is asked for.
    pub const NEWEST: Self = Self::V1;

    /// The version alone, such as `v1`.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.text().rsplit('/').next().unwrap_or_default()
    }

    /// As `apiVersion` has it, such as `skep.dev/v1`.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::V1Alpha1 => "skep.dev/v1alpha1",
            Self::V1 => crate::names::API_VERSION,
        }
    }

    /// The version that `apiVersion` states.
    #[must_use]
    pub fn stated(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.text() == text)
    }

    /// What to do about an `apiVersion` that is not known.
    #[must_use]
    pub fn hint(unknown: &str) -> String {
        let all = Self::ALL.map(Self::text);
        let known = format!("known are {}", all.join(" and "));
        // A version without its group, and another group's version, are near too.
        let word = unknown.rsplit('/').next().unwrap_or_default();
        let by_word = Self::ALL
            .into_iter()
            .find(|version| version.word() == word)
            .map(Self::text);
        match by_word.or_else(|| nearest(unknown, all)) {
            Some(near) => format!("did you mean `{near}`? {known}"),
            None => known,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl FromStr for Version {
    type Err = String;

    /// `v1` or `skep.dev/v1`.
    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter();
        let mut meant = known.filter(|version| [version.word(), version.text()].contains(&text));
        meant.next().ok_or_else(|| {
            let words = Self::ALL.map(Self::word);
            format!(
                "`{}` is no version of the API: write {}",
                shortened(text),
                words.join(" or ")
            )
        })
    }
}
