//! Lines of a log in the form asked for.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Filter, LogsArgs, Record};
use crate::swarm::logs::{LogLine, Source};
use crate::world::World;

/// Forms of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// A readable line
    #[default]
    Text,
    /// An object a line, with cluster, node and task
    Json,
    /// As the proxy wrote it
    Raw,
}

/// Turns lines into text, or leaves them out.
#[derive(Clone, Debug)]
pub struct Printer {
    cluster: String,
    nodes: BTreeMap<String, String>,
    filter: Filter,
    access: bool,
    form: Form,
}

impl Printer {
    /// For the proxies of a cluster.
    #[must_use]
    pub fn new(world: &World, cluster: &str, args: &LogsArgs) -> Self {
        let nodes = world.nodes.values();
        Self {
            cluster: cluster.to_owned(),
            nodes: nodes
                .map(|node| (node.id.clone(), node.hostname.clone()))
                .collect(),
            access: args.access || !args.filter.is_empty(),
            filter: args.filter.clone(),
            form: args.output,
        }
    }

    /// The text of a line, its end included; `None`: it was not asked for.
    #[must_use]
    pub fn line(&self, line: &LogLine) -> Option<String> {
        let record = Record::parse(&line.text);
        match &record {
            Some(record) if !self.filter.admits(record) => return None,
            None if self.access => return None,
            _ => {}
        }
        let node = self.nodes.get(&line.node).unwrap_or(&line.node);
        let text = match self.form {
            Form::Raw => line.text.clone(),
            Form::Json => self.object(line, node, record.is_some()).to_string(),
            Form::Text => match &record {
                Some(record) => request(record, node),
                None => remark(line, node),
            },
        };
        Some(text + "\n")
    }

    fn object(&self, line: &LogLine, node: &str, is_access: bool) -> Value {
        let mut object = match serde_json::from_str::<Value>(&line.text) {
            Ok(Value::Object(object)) => Value::Object(object),
            _ => json!({"message": line.text}),
        };
        object["log"] = json!({
            "time": line.at,
            "cluster": self.cluster,
            "node": node,
            "task": line.task,
            "stream": if line.source == Source::Err { "stderr" } else { "stdout" },
            "access": is_access,
        });
        object
    }
}

/// `TIME NODE STATUS METHOD HOST PATH DURATION BYTES SERVICE ENDPOINT CLIENT [REASON]`
fn request(record: &Record, node: &str) -> String {
    let dash = |text: &str| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            safe(text)
        }
    };
    let mut text = format!(
        "{} {node} {} {} {}{} {:.1}ms {}B {} {} {}",
        seconds(&record.time),
        record.status,
        safe(&record.method),
        safe(&record.host),
        safe(&record.path),
        record.duration_ms,
        record.bytes,
        dash(&record.backend),
        dash(&record.endpoint),
        dash(&record.client),
    );
    if !record.reason.is_empty() {
        let _ = write!(text, " ({})", safe(&record.reason));
    }
    text
}

/// What a proxy says of itself, in JSON as the daemons write it.
fn remark(line: &LogLine, node: &str) -> String {
    let value: Value = serde_json::from_str(&line.text).unwrap_or_default();
    let level = value["level"].as_str().unwrap_or("-");
    let at = seconds(&line.at);
    let Some(message) = value["message"].as_str() else {
        return format!("{at} {node} - {}", safe(&line.text));
    };
    let known = ["timestamp", "level", "message", "target"];
    let fields = value.as_object().into_iter().flatten();
    let fields: Vec<String> = fields
        .filter(|(key, _)| !known.contains(&key.as_str()))
        .map(|(key, value)| format!("{key}={}", crate::cli::output::text(value)))
        .collect();
    let fields = if fields.is_empty() {
        String::new()
    } else {
        format!(" {}", fields.join(" "))
    };
    format!(
        "{at} {node} {level} {}",
        safe(&format!("{message}{fields}"))
    )
}

/// A time without its fraction.
fn seconds(at: &str) -> String {
    match (at.get(..19), at.ends_with('Z')) {
        (Some(start), true) => format!("{start}Z"),
        _ => at.to_owned(),
    }
}

/// What a client sent never moves the cursor of a terminal.
fn safe(text: &str) -> String {
    text.replace(char::is_control, "?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Wrap {
        #[command(flatten)]
        args: LogsArgs,
    }

    fn printer(words: &[&str]) -> Printer {
        let args = Wrap::parse_from(["logs", "east"].iter().chain(words)).args;
        let mut world = World::default();
        let node = crate::world::Node {
            id: "n1".into(),
            hostname: "node-0".into(),
            ..crate::world::Node::default()
        };
        world.nodes.insert("n1".into(), node);
        Printer::new(&world, "east", &args)
    }

    fn line(text: &str) -> LogLine {
        LogLine {
            source: Source::Out,
            at: "2026-01-10T12:00:00.123456789Z".into(),
            node: "n1".into(),
            task: "t1".into(),
            text: text.into(),
        }
    }

    const REQUEST: &str = r#"{"time":"2026-01-10T12:00:00.12Z","request_id":"abc","client":"10.0.0.9","method":"GET","host":"demo.a","path":"/x\u001b[2J","status":503,"bytes":12,"duration_ms":1.5,"backend":"","endpoint":"","reason":"NoEndpoints"}"#;
    const REMARK: &str = r#"{"timestamp":"2026-01-10T12:00:00Z","level":"INFO","message":"serving","target":"skep","port":8080}"#;

    #[test]
    fn lines_are_readable_and_cannot_move_the_cursor() {
        let text = printer(&[]);
        assert_eq!(
            text.line(&line(REQUEST)).unwrap(),
            "2026-01-10T12:00:00Z node-0 503 GET demo.a/x?[2J 1.5ms 12B - - 10.0.0.9 (NoEndpoints)\n"
        );
        assert_eq!(
            text.line(&line(REMARK)).unwrap(),
            "2026-01-10T12:00:00Z node-0 INFO serving port=8080\n"
        );
        assert_eq!(
            text.line(&line("panic")).unwrap(),
            "2026-01-10T12:00:00Z node-0 - panic\n"
        );
    }

    #[test]
    fn json_says_where_a_line_comes_from_and_raw_changes_nothing() {
        let text = printer(&["-o", "json"]).line(&line(REQUEST)).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&json["status"], &json["log"]["node"]),
            (&json!(503), &json!("node-0"))
        );
        let text = printer(&["-o", "json"]).line(&line("panic")).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["message"], "panic");
        let raw = printer(&["-o", "raw"]).line(&line(REQUEST)).unwrap();
        assert_eq!(raw, format!("{REQUEST}\n"));
    }

    #[test]
    fn a_filter_leaves_out_other_requests_and_remarks() {
        let errors = printer(&["--status", "5xx"]);
        assert!(errors.line(&line(REQUEST)).is_some());
        assert!(errors.line(&line(REMARK)).is_none());
        assert!(printer(&["--status", "2xx"]).line(&line(REQUEST)).is_none());
        assert!(printer(&["--access"]).line(&line(REMARK)).is_none());
    }
}
