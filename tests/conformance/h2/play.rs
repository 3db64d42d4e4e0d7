//! Plays a row and judges what came.

use std::fmt::Write as _;
use std::time::Duration;

use super::case::Case;
use super::frame::{Connection, Frame, PREFACE, bytes};
use crate::stage::Stage;
use crate::table::text;

const PATIENCE: Duration = Duration::from_secs(10);
/// The payload of a PING that shows that all before it is taken in, and of one at the end.
const SETTLE: &str = "73657474";
const ALIVE: &str = "616c6976";

/// What came.
#[derive(Debug, Default)]
struct Events {
    frames: Vec<Frame>,
    closed: bool,
}

/// Plays a row. An error says what is not as it should be.
pub async fn play(stage: &Stage, case: &Case) -> Result<(), String> {
    let mut events = Events::default();
    let playing = async {
        let mut connection = Connection::new(stage.connect("frames", false).await);
        send_all(&mut connection, case, &mut events).await?;
        while !all_hold(case, &events) && !events.closed {
            read(&mut connection, &mut events).await;
        }
        Ok(())
    };
    // What is known not to come is not waited for as long.
    let patience = if case.fault.is_some() {
        PATIENCE / 10
    } else {
        PATIENCE
    };
    let played: Result<(), String> = tokio::time::timeout(patience, playing)
        .await
        .unwrap_or(Ok(()));
    played?;
    if !all_hold(case, &events) {
        return Err(format!("not {:?}, but\n{}", case.want, told(&events)));
    }
    // The same with each claim turned into a wrong one must be noticed.
    for claim in case.want.iter().flat_map(|want| want.split(" or ")) {
        if holds(&spoiled(claim), &events) {
            return Err(format!("the claim `{claim}` cannot fail"));
        }
    }
    Ok(())
}

async fn send_all(
    connection: &mut Connection,
    case: &Case,
    events: &mut Events,
) -> Result<(), String> {
    let mut out = text(case.preface.as_deref().unwrap_or(PREFACE));
    if let Some(settings) = &case.settings {
        out.extend(bytes(&format!("SETTINGS 0 - {settings}"))?);
    }
    // Whoever was refused need not read on, so errors of sending say nothing.
    let _ = connection.send(&out).await;
    let mut out = Vec::new();
    for line in case.lines()? {
        if let Some(raw) = line.strip_prefix("raw ") {
            out.extend(text(raw));
        } else if let Some(what) = line.strip_prefix("wait ") {
            let _ = connection.send(&std::mem::take(&mut out)).await;
            while !arrived(what, events) && !events.closed {
                read(connection, events).await;
            }
        } else if line == "settle" {
            out.extend(bytes(&format!("PING 0 - hex:{SETTLE}{SETTLE}"))?);
            let _ = connection.send(&std::mem::take(&mut out)).await;
            let settled = events
                .frames
                .iter()
                .filter(|it| is_pong(it, SETTLE))
                .count();
            let count = |events: &Events| {
                events
                    .frames
                    .iter()
                    .filter(|it| is_pong(it, SETTLE))
                    .count()
            };
            while count(events) == settled && !events.closed {
                read(connection, events).await;
            }
        } else {
            out.extend(bytes(&line)?);
        }
    }
    if case.want.iter().any(|want| want == "alive") {
        out.extend(bytes(&format!("PING 0 - hex:{ALIVE}{ALIVE}"))?);
    }
    let _ = connection.send(&out).await;
    Ok(())
}

/// Takes the next frame in; settings are acknowledged.
async fn read(connection: &mut Connection, events: &mut Events) {
    match connection.next().await {
        None => events.closed = true,
        Some(frame) => {
            if frame.is("SETTINGS") && !frame.is_ack() {
                let ack = bytes("SETTINGS 0 ACK").unwrap_or_default();
                let _ = connection.send(&ack).await;
            }
            events.frames.push(frame);
        }
    }
}

/// `TYPE STREAM` has come.
fn arrived(what: &str, events: &Events) -> bool {
    let (kind, stream) = what.split_once(' ').unwrap_or((what, "0"));
    let same = |frame: &&Frame| frame.is(kind) && frame.stream.to_string() == stream;
    events.frames.iter().any(|frame| same(&frame))
}

fn is_pong(frame: &Frame, half: &str) -> bool {
    let payload = super::frame::hex(&half.repeat(2));
    frame.is("PING") && frame.is_ack() && payload.is_ok_and(|it| it == frame.payload)
}

fn all_hold(case: &Case, events: &Events) -> bool {
    let holds = |want: &String| want.split(" or ").any(|claim| holds(claim, events));
    case.want.iter().all(holds)
}

/// Whether a claim holds:
/// `goaway CODE` the connection is ended with it (`CODE~`: or with the general PROTOCOL_ERROR,
/// which hyper says in many places where the RFC names a closer one); `rst STREAM CODE`; `closed` without a word;
/// `status STREAM CODE`; `alive` it answers a PING; `pong HEX` (half of its payload); `acks N`
/// SETTINGS are acknowledged so often; `first TYPE` is what came first; `data STREAM LEN`, no more
/// and no less; `ended STREAM` the answer has its end; `tells STREAM TEXT` its data contain this.
fn holds(claim: &str, events: &Events) -> bool {
    let words: Vec<&str> = claim.splitn(3, ' ').collect();
    let frames = || events.frames.iter();
    let on = |stream: &str| {
        let stream = stream.to_owned();
        frames().filter(move |it| it.stream.to_string() == stream)
    };
    let body = |stream: &str| -> Vec<u8> {
        let data = on(stream).filter(|it| it.is("DATA"));
        data.flat_map(|it| it.payload.clone()).collect()
    };
    match words.as_slice() {
        ["goaway", code] => {
            let general = code.ends_with('~').then_some("PROTOCOL_ERROR");
            let right = |got: &str| code.trim_end_matches('~') == got || general == Some(got);
            events.closed && frames().any(|it| it.is("GOAWAY") && right(it.code()))
        }
        ["rst", stream, code] => on(stream).any(|it| it.is("RST_STREAM") && it.code() == *code),
        ["closed"] => events.closed && !frames().any(|it| it.is("GOAWAY")),
        ["status", stream, status] => {
            on(stream).any(|it| it.is("HEADERS") && it.status() == status.parse().ok())
        }
        ["alive"] => !events.closed && frames().any(|it| is_pong(it, ALIVE)),
        ["pong", hex] => frames().any(|it| is_pong(it, hex)),
        ["acks", count] => {
            let acks = frames().filter(|it| it.is("SETTINGS") && it.is_ack());
            acks.count().to_string() == *count
        }
        ["first", kind] => frames().next().is_some_and(|it| it.is(kind)),
        ["data", stream, len] => body(stream).len().to_string() == *len,
        ["ended", stream] => {
            on(stream).any(|it| (it.is("DATA") || it.is("HEADERS")) && it.is_ack())
        }
        ["tells", stream, part] => String::from_utf8_lossy(&body(stream)).contains(part),
        _ => panic!("`{claim}` is no claim"),
    }
}

/// The claim as a wrong one.
fn spoiled(claim: &str) -> String {
    let words: Vec<&str> = claim.splitn(3, ' ').collect();
    match words.as_slice() {
        ["closed"] => "alive".to_owned(),
        ["alive"] => "closed".to_owned(),
        ["goaway", _] => "goaway NOTHING".to_owned(),
        ["rst", stream, _] => format!("rst {stream} NOTHING"),
        ["status", stream, _] => format!("status {stream} 599"),
        ["pong", _] => "pong ffffffff".to_owned(),
        ["acks", count] => format!("acks {count}0"),
        ["first", _] => "first PUSH_PROMISE".to_owned(),
        ["data", stream, len] => format!("data {stream} {len}1"),
        ["ended", stream] => format!("ended {stream}99"),
        ["tells", stream, part] => format!("tells {stream} not {part}"),
        _ => panic!("`{claim}` is no claim"),
    }
}

fn told(events: &Events) -> String {
    let mut all = String::new();
    for frame in &events.frames {
        let about = if frame.is("HEADERS") {
            format!("status {:?}", frame.status())
        } else if frame.is("GOAWAY") || frame.is("RST_STREAM") {
            let debug = frame.payload.get(8..).unwrap_or_default();
            format!("{} {}", frame.code(), String::from_utf8_lossy(debug))
        } else {
            format!("{} bytes", frame.payload.len())
        };
        let Frame {
            kind,
            flags,
            stream,
            ..
        } = frame;
        let _ = writeln!(
            all,
            "    type {kind} flags {flags} stream {stream}: {about}"
        );
    }
    all + if events.closed {
        "    and the connection ended"
    } else {
        "    and the connection is open"
    }
}
