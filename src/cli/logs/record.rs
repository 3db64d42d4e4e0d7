//! One line of an access log, read back: of the JSON form and of the text form.

use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

/// What a proxy tells of one request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Record {
    /// When it ended (RFC 3339, by the proxy's clock).
    pub time: String,
    /// Address of the client.
    pub client: String,
    /// Method.
    pub method: String,
    /// Host as the client wrote it.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// Status of the answer.
    pub status: u16,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// Milliseconds from the first byte in to the last byte out.
    pub duration_ms: f64,
    /// Name of the application service; empty in the text form, which does not have it.
    pub backend: String,
    /// Address of the endpoint; empty when none was asked.
    pub endpoint: String,
    /// Why the proxy answered itself; empty for an ordinary answer.
    pub reason: String,
    /// Id of the request.
    pub request_id: String,
    /// Connections that the proxy had open then; the text form does not say.
    pub connections: Option<u64>,
}

/// `IP - - [TIME] "METHOD PATH PROTOCOL" STATUS BYTES SECONDS ENDPOINT "HOST" "ID"`; over TLS
/// also `VERSION PROTOCOL "NAME"`. What is in quotes is quoted as in JSON.
static TEXT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"^(\S+) - - \[([^\]]+)\] ("(?:[^"\\]|\\.)*") (\d{3}) (\d+) ([0-9.]+) (\S+) ("(?:[^"\\]|\\.)*") ("(?:[^"\\]|\\.)*")(?: \S+ \S+ "(?:[^"\\]|\\.)*")?$"#,
    )
    .ok()
});

impl Record {
    /// A line of an access log; `None`: it is something else.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        if line.starts_with('{') {
            let record: Self = serde_json::from_str(line).ok()?;
            // The daemon's own log is JSON too, without a status.
            return (record.status > 0).then_some(record);
        }
        let found = TEXT.as_ref()?.captures(line)?;
        let field = |at: usize| found.get(at).map_or("", |m| m.as_str());
        let quoted = |at: usize| serde_json::from_str::<String>(field(at)).ok();
        let request = quoted(3)?;
        let mut words = request.splitn(2, ' ');
        let method = words.next()?.to_owned();
        let path = words.next()?.rsplit_once(' ')?.0.to_owned();
        let endpoint = match field(7) {
            "-" => "",
            address => address,
        };
        Some(Self {
            time: field(2).to_owned(),
            client: field(1).to_owned(),
            method,
            host: quoted(8)?,
            path,
            status: field(4).parse().ok()?,
            bytes: field(5).parse().ok()?,
            duration_ms: field(6).parse::<f64>().ok()? * 1e3,
            endpoint: endpoint.to_owned(),
            request_id: quoted(9)?,
            ..Self::default()
        })
    }

    /// The path without its query.
    #[must_use]
    pub fn plain_path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// The host in lower case, without its port.
    #[must_use]
    pub fn plain_host(&self) -> String {
        let host = match self.host.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => &self.host,
        };
        host.trim_end_matches('.').to_ascii_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_line_are_read_back() {
        let json = r#"{"time":"2026-01-10T12:00:00Z","request_id":"abc","client":"10.0.0.9","method":"GET","host":"Demo.A:80","path":"/x?q=1","protocol":"HTTP/1.1","status":200,"bytes":12,"duration_ms":1.500,"backend":"demo","endpoint":"10.0.1.3:8000","attempts":1,"user_agent":"curl"}"#;
        let text = r#"10.0.0.9 - - [2026-01-10T12:00:00Z] "GET /x?q=1 HTTP/1.1" 200 12 0.001500 10.0.1.3:8000 "Demo.A:80" "abc""#;
        let mut of_json = Record::parse(json).unwrap();
        assert_eq!(of_json.backend, "demo");
        assert_eq!(
            (of_json.plain_path(), &*of_json.plain_host()),
            ("/x", "demo.a")
        );
        of_json.backend.clear();
        let over_tls = format!(r#"{text} TLSv1.3 h2 "demo.a""#);
        assert_eq!(Record::parse(&over_tls), Some(of_json.clone()));
        assert_eq!(Record::parse(text), Some(of_json));
    }

    #[test]
    fn what_is_no_request_is_no_record() {
        for line in [
            "",
            "ready",
            r#"{"timestamp":"2026-01-10T12:00:00Z","level":"INFO","message":"ready"}"#,
            "{",
            r#"10.0.0.9 - - [x] "GET" 200 12 0.1 - "a" "b""#,
        ] {
            assert_eq!(Record::parse(line), None, "{line}");
        }
    }
}
