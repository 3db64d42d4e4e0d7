//! Raw calls to an engine, so that the moment of its answer is known.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use serde_json::Value;

/// One call on a connection of its own: the moment the answer was there, and the answer.
pub fn call(docker_host: &str, method: &str, path: &str, body: &Value) -> (Instant, Value) {
    let mut stream = UnixStream::connect(docker_host.trim_start_matches("unix://")).unwrap();
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let answered = Instant::now();
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 2"), "{method} {path}: {text}");
    let body = if head.to_lowercase().contains("transfer-encoding: chunked") {
        dechunk(body)
    } else {
        body.to_owned()
    };
    (answered, serde_json::from_str(&body).unwrap_or(Value::Null))
}

fn dechunk(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        body.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    body
}

/// Changes the spec of a service: the moment the engine had accepted it.
pub fn update_service(docker_host: &str, name: &str, edit: impl Fn(&mut Value)) -> Instant {
    let (_, mut service) = call(
        docker_host,
        "GET",
        &format!("/services/{name}"),
        &Value::Null,
    );
    edit(&mut service["Spec"]);
    let (id, version) = (
        service["ID"].as_str().unwrap(),
        &service["Version"]["Index"],
    );
    let path = format!("/services/{id}/update?version={version}");
    call(docker_host, "POST", &path, &service["Spec"]).0
}
