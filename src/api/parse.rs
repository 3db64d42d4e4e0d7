//! Manifests in, resources and faults out; and back to one canonical text.

mod document;
mod emit;
mod explain;
mod load;
mod silent;
#[cfg(test)]
mod tests;
mod tree;
mod versions;

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::grammar::shortened;
use super::{Diagnostic, Metadata, ServiceCluster, Source, Version, validate, version};
use crate::names;

pub use emit::yaml;
pub(super) use tree::STRICT;

/// What a text of manifests holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The service clusters of the documents without a fault, in order.
    pub clusters: Vec<ServiceCluster>,
    /// The sources of the documents without a fault, in order.
    pub sources: Vec<Source>,
    /// All faults of all documents, in order of position. The resources are usable all the same,
    /// but whoever applies should apply nothing while there is any.
    pub faults: Vec<Diagnostic>,
    /// What is deprecated and will not be read for ever, in all documents without a fault.
    pub warnings: Vec<Diagnostic>,
    /// Where each name is declared, in order, also in documents with a fault.
    pub names: Vec<Named>,
}

/// A name that a document declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The kind of the resource.
    pub kind: &'static str,
    /// The text that declares it.
    pub source: String,
    /// Its name.
    pub name: String,
    /// Line of the name, from 1.
    pub line: usize,
    /// Column of the name, from 1.
    pub column: usize,
}

/// One resource of any kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Resource {
    /// A service cluster.
    Cluster(Box<ServiceCluster>),
    /// A git repository that is followed.
    Source(Box<Source>),
}

/// A kind of resource that manifests declare.
pub trait Manifest: Serialize + DeserializeOwned + Clone {
    /// The word in `kind`.
    const KIND: &'static str;
    /// Its name and the rest.
    fn metadata(&self) -> &Metadata;
    /// The same, to be changed.
    fn metadata_mut(&mut self) -> &mut Metadata;
    /// The version that its text is written in.
    fn stated(&self) -> Version;
    /// The same, to be changed.
    fn stated_mut(&mut self) -> &mut Version;
    /// Without what Skep writes itself.
    #[must_use]
    fn bare(&self) -> Self;
    /// The faults that its types do not show, without positions.
    fn faults(&self) -> Vec<Diagnostic>;
    /// Whether it lets in only what is signed, so that nothing may fall back to what does not.
    fn guards(&self) -> bool;
}

/// All kinds have the same parts; only their word and their checks differ.
macro_rules! manifest {
    ($kind:ty, $word:expr, $faults:expr, $guards:expr) => {
        impl Manifest for $kind {
            const KIND: &'static str = $word;

            fn metadata(&self) -> &Metadata {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut Metadata {
                &mut self.metadata
            }

            fn stated(&self) -> Version {
                self.stated
            }

            fn stated_mut(&mut self) -> &mut Version {
                &mut self.stated
            }

            fn bare(&self) -> Self {
                Self {
                    status: None,
                    metadata: self.metadata.bare(),
                    ..self.clone()
                }
            }

            fn faults(&self) -> Vec<Diagnostic> {
                $faults(self)
            }

            fn guards(&self) -> bool {
                $guards(self)
            }
        }
    };
}

manifest!(ServiceCluster, names::KIND, validate::validate, |_| false);
manifest!(
    Source,
    names::KIND_SOURCE,
    validate::source,
    |source: &Self| { source.spec.verify.is_some() }
);

impl Metadata {
    fn bare(&self) -> Self {
        Self {
            generation: None,
            creation_timestamp: None,
            ..self.clone()
        }
    }
}

/// Reads texts, each with its name, together: a name that is declared twice, in whatever texts,
/// is a fault too, because one of the two would silently win.
#[must_use]
pub fn together<'t>(texts: impl IntoIterator<Item = (&'t str, &'t str)>) -> Parsed {
    let mut all = Parsed::default();
    let mut first: BTreeMap<(&str, String), String> = BTreeMap::new();
    for (source, text) in texts {
        let parsed = manifests(source, text);
        all.faults.extend(parsed.faults);
        all.warnings.extend(parsed.warnings);
        for one in &parsed.names {
            let key = (one.kind, one.name.clone());
            if let Some(known) = first.get(&key) {
                all.faults.push(again(source, one, known));
            } else {
                first.insert(key, format!("{source}:{}:{}", one.line, one.column));
            }
        }
        all.names.extend(parsed.names);
        all.clusters.extend(parsed.clusters);
        all.sources.extend(parsed.sources);
    }
    all
}

/// The fault of a name that was declared at `first` already.
fn again(source: &str, one: &Named, first: &str) -> Diagnostic {
    let name = shortened(&one.name);
    let message = format!("`{name}` is declared twice, first in {first}");
    let mut fault = Diagnostic {
        source: source.to_owned(),
        line: one.line,
        column: one.column,
        ..Diagnostic::at("metadata.name", message).hint("keep one of the two")
    };
    one_line(&mut fault.message);
    fault
}

/// The text of a file, or the place of the first byte that is none.
pub fn text<'b>(source: &str, bytes: &'b [u8]) -> Result<&'b str, Diagnostic> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error,
    };
    let good = &bytes[..error.valid_up_to()];
    let last = good.rsplit(|byte| *byte == b'\n').next().unwrap_or(good);
    let mut fault = Diagnostic::at("", "is not text in UTF-8");
    source.clone_into(&mut fault.source);
    fault.line = good.split(|byte| *byte == b'\n').count();
    fault.column = String::from_utf8_lossy(last).chars().count() + 1;
    let utf16 = [&b"\xff\xfe"[..], &b"\xfe\xff"[..]];
    let hint = if utf16.iter().any(|mark| bytes.starts_with(mark)) {
        "it looks like UTF-16: save it as UTF-8"
    } else {
        "save it as UTF-8"
    };
    Err(fault.hint(hint))
}

/// Reads manifests, YAML or JSON, one document or several; `source` names the text in faults.
///
/// Empty documents are skipped, empty sections count as omitted. `status` and what else Skep
/// writes itself is dropped. A syntax error ends the text: what stood before it is still read.
#[must_use]
pub fn manifests(source: &str, text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    for document in load::documents(text) {
        let read = document::read(document);
        parsed.warnings.extend(read.warnings);
        parsed.names.extend(read.named.map(|named| Named {
            source: source.to_owned(),
            ..named
        }));
        match read.found {
            Some(Resource::Cluster(cluster)) => parsed.clusters.push(*cluster),
            Some(Resource::Source(source)) => parsed.sources.push(*source),
            None => {}
        }
        parsed.faults.extend(read.faults);
    }
    for fault in parsed.faults.iter_mut().chain(&mut parsed.warnings) {
        source.clone_into(&mut fault.source);
        one_line(&mut fault.message);
        one_line(&mut fault.hint);
    }
    parsed
}

/// The documents of a text that has no fault, each as YAML of a version. What is left out stays
/// so; comments are lost.
#[must_use]
pub fn converted(text: &str, to: Version) -> Vec<String> {
    let roots = load::documents(text).into_iter();
    let roots = roots.filter_map(|document| document.root);
    roots.map(|root| document::converted(&root, to)).collect()
}

/// Line breaks and other controls of the user's own text, escaped: a fault is one line.
fn one_line(text: &mut String) {
    if !text.contains(char::is_control) {
        return;
    }
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    *text = line;
}

/// The one text of a resource: `apiVersion`, `kind`, `metadata` (name, labels, annotations) and
/// `spec`, in the version that it states; never the status or what Skep writes into the metadata.
/// Equal specs of one version, equal bytes.
#[must_use]
pub fn canonical(resource: &impl Manifest) -> String {
    canonical_in(resource, resource.stated())
}

/// The same in another version.
#[must_use]
pub fn canonical_in(resource: &impl Manifest, version: Version) -> String {
    yaml(&version::document(&resource.bare(), version))
}

/// Whether two resources say the same, in whatever versions they are written.
#[must_use]
pub fn same<R: Manifest>(a: &R, b: &R) -> bool {
    let said = |resource: &R| version::document(&resource.bare(), Version::NEWEST);
    said(a) == said(b)
}
