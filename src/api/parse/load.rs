//! From text to trees: the YAML parser's events, with budgets against bombs.

use std::borrow::Cow;
use std::collections::BTreeMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};

use super::tree::{Content, Entry, Node, Position, plain};
use crate::api::Diagnostic;
use crate::api::grammar::shortened;

/// Largest document: what is stored must fit the engine's limit for a config (1,000 KB).
pub const DOCUMENT_MAX: usize = 1_000_000;
/// Largest text of all documents together.
const TEXT_MAX: usize = 32 << 20;
/// Values in one document, counted again at each use of an alias.
const NODES_MAX: usize = 100_000;
/// Sections within sections. The deepest of a manifest is 6.
const DEPTH_MAX: usize = 32;
/// Faults that one document collects before it says "and more".
pub const FAULTS_MAX: usize = 100;

/// One document.
pub struct Document {
    /// Nothing: the document is empty, or cannot be used at all.
    pub root: Option<Node>,
    pub faults: Vec<Diagnostic>,
}

/// Splits a text into documents. After a syntax error there are no more.
pub fn documents(text: &str) -> Vec<Document> {
    if text.len() > TEXT_MAX {
        let message = format!(
            "the text has {} bytes, at most {TEXT_MAX} are read",
            text.len()
        );
        return vec![Document::broken(Diagnostic::at("", message))];
    }
    let mut loader = Loader::new(text);
    let mut found = Vec::new();
    loop {
        match loader.document() {
            Ok(Some(document)) => found.push(document),
            Ok(None) => return found,
            Err(fault) => {
                found.push(Document::broken(*fault));
                return found;
            }
        }
    }
}

impl Document {
    fn broken(fault: Diagnostic) -> Self {
        Self {
            root: None,
            faults: vec![fault],
        }
    }
}

/// A fault that ends the reading of the text.
type Fatal = Box<Diagnostic>;

struct Loader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    faults: Vec<Diagnostic>,
}

impl<'t> Loader<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            parser: Parser::new_from_str_with_options(
                text,
                granit_parser::options! { emit_comments: false },
            ),
            anchors: BTreeMap::new(),
            nodes: 0,
            faults: Vec::new(),
        }
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Fatal> {
        match self.parser.next_event() {
            Some(Ok(pair)) => Ok(Some(pair)),
            Some(Err(error)) => Err(Box::new(syntax(*error.marker(), &error.info()))),
            None => Ok(None),
        }
    }

    fn document(&mut self) -> Result<Option<Document>, Fatal> {
        let mut root = None;
        let mut begin = 0;
        self.anchors.clear();
        self.nodes = 0;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamEnd => return Ok(None),
                Event::DocumentStart(..) => begin = span.start.byte_offset().unwrap_or(0),
                Event::DocumentEnd => {
                    let bytes = span.end.byte_offset().unwrap_or(0).saturating_sub(begin);
                    return Ok(Some(self.finish(root, bytes)));
                }
                Event::StreamStart => {}
                event => root = Some(self.node(event, span, 0)?),
            }
        }
        Ok(None)
    }

    fn finish(&mut self, root: Option<Node>, bytes: usize) -> Document {
        let mut faults = std::mem::take(&mut self.faults);
        let mut root = root.filter(|node| !matches!(node.content, Content::Null));
        if bytes >= DOCUMENT_MAX {
            let message = format!(
                "the document has {bytes} bytes, the engine stores less than {DOCUMENT_MAX}"
            );
            faults.push(located(
                root.as_ref().map(|n| n.at).unwrap_or_default(),
                message,
            ));
            root = None;
        }
        Document { root, faults }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Fatal> {
        let at = position(span.start);
        let before = self.nodes;
        self.nodes += 1;
        if let Event::Scalar(text, ..) = &event {
            // Long texts cost more, or an alias to one would be a cheap bomb.
            self.nodes += text.len() / 64;
        }
        if depth > DEPTH_MAX {
            let message = format!("sections are nested deeper than {DEPTH_MAX}");
            return Err(Box::new(located(at, message)));
        }
        let (content, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (scalar(&text, style, tag.as_ref()), anchor),
            Event::SequenceStart(_, anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(id) => return self.alias(id, at),
            _ => (Content::Null, 0),
        };
        self.budget(at)?;
        let node = Node { at, content };
        if anchor > 0 {
            let size = self.nodes - before;
            self.anchors.insert(anchor, (node.clone(), size));
            // The copy costs as much as the node itself.
            self.nodes += size;
        }
        Ok(node)
    }

    fn budget(&self, at: Position) -> Result<(), Fatal> {
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        let message = format!("the document has more than {NODES_MAX} values");
        Err(Box::new(
            located(at, message).hint("aliases count each time they are used"),
        ))
    }

    fn alias(&mut self, id: usize, at: Position) -> Result<Node, Fatal> {
        let Some((node, size)) = self.anchors.get(&id) else {
            let message = "an alias is used inside its own anchor";
            return Err(Box::new(located(at, message)));
        };
        self.nodes += size;
        let content = if self.nodes > NODES_MAX {
            Content::Null
        } else {
            node.content.clone()
        };
        self.budget(at)?;
        Ok(Node { at, content })
    }

    fn list(&mut self, depth: usize) -> Result<Content, Fatal> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            items.push(self.node(event, span, depth + 1)?);
            self.budget(position(span.start))?;
        }
        Ok(Content::List(items))
    }

    fn map(&mut self, depth: usize) -> Result<Content, Fatal> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut merged = Vec::new();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let is_merge = matches!(
                &event,
                Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<"
            );
            let key = self.node(event, span, depth + 1)?;
            let Some((event, span)) = self.next()? else {
                break;
            };
            let value = self.node(event, span, depth + 1)?;
            self.budget(key.at)?;
            if is_merge {
                merged.push(value);
            } else {
                self.entry(&mut entries, &mut seen, key, value);
            }
        }
        for value in merged {
            self.merge(&mut entries, &mut seen, value);
        }
        Ok(Content::Map(entries))
    }

    fn entry(
        &mut self,
        entries: &mut Vec<Entry>,
        seen: &mut BTreeMap<String, usize>,
        key: Node,
        value: Node,
    ) {
        let at = key.at;
        let key = match key.content {
            Content::Text(text) | Content::Literal(_, text) => text,
            Content::Null => {
                self.fault(located(at, "a key is missing before the colon"));
                return;
            }
            _ => {
                self.fault(located(at, "a list or map cannot be a key"));
                return;
            }
        };
        if let Some(first) = seen.get(&key) {
            let message = format!(
                "`{}` is given twice, first on line {first}",
                shortened(&key)
            );
            self.fault(located(at, message).hint("keep one of them"));
            return;
        }
        seen.insert(key.clone(), at.line);
        entries.push(Entry { at, key, value });
    }

    /// `<<: *anchor`: keys of the other map that are not given here.
    fn merge(&mut self, entries: &mut Vec<Entry>, seen: &mut BTreeMap<String, usize>, value: Node) {
        match value.content {
            Content::Map(others) => {
                for other in others {
                    if !seen.contains_key(&other.key) {
                        seen.insert(other.key.clone(), other.at.line);
                        entries.push(other);
                    }
                }
            }
            Content::List(items) if items.iter().all(|i| matches!(i.content, Content::Map(_))) => {
                for item in items {
                    self.merge(entries, seen, item);
                }
            }
            _ => self.fault(located(value.at, "`<<` takes a map, or a list of maps")),
        }
    }

    fn fault(&mut self, fault: Diagnostic) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Cow<'_, Tag>>) -> Content {
    let as_text = match tag {
        Some(tag) if tag.is_yaml_core_schema() => tag.core_suffix() == Some("str"),
        Some(_) => true,
        None => style != ScalarStyle::Plain,
    };
    if as_text {
        Content::Text(text.to_owned())
    } else {
        plain(text)
    }
}

fn position(marker: Marker) -> Position {
    Position {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

/// A fault of the whole document at a place.
fn located(at: Position, message: impl Into<String>) -> Diagnostic {
    Diagnostic {
        line: at.line,
        column: at.column,
        ..Diagnostic::at("", message)
    }
}

fn syntax(marker: Marker, info: &str) -> Diagnostic {
    let fault = located(position(marker), format!("not valid YAML: {info}"));
    if info.contains("tab") {
        return fault.hint("indent with spaces");
    }
    fault
}
