//! Changes to headers.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};

use crate::proxy::host;
use crate::route::HeaderEdits;

/// Changes ready to be made: removed, then set, then added.
#[derive(Debug, Default)]
pub(super) struct Edits {
    remove: Box<[HeaderName]>,
    set: Box<[(HeaderName, HeaderValue)]>,
    add: Box<[(HeaderName, HeaderValue)]>,
}

impl Edits {
    /// For requests. `Host` may be set, to a host: the endpoint then gets that one. All else that
    /// is of the connection or says where a message ends is out of reach.
    pub(super) fn of_request(edits: &HeaderEdits) -> Result<Self, String> {
        let HeaderEdits { remove, set, add } = edits;
        if remove.contains(HOST.as_str()) || add.contains_key(HOST.as_str()) {
            return Err("header `host` of a request can only be set".to_owned());
        }
        if let Some(wanted) = set.get(HOST.as_str())
            && host::key(wanted, &mut [0; 256]).is_none_or(str::is_empty)
        {
            let wanted = wanted.escape_debug();
            return Err(format!("header `host` cannot be set to `{wanted}`"));
        }
        Self::compile(edits)
    }

    /// For answers.
    pub(super) fn of_answer(edits: &HeaderEdits) -> Result<Self, String> {
        Self::compile(edits)
    }

    fn compile(edits: &HeaderEdits) -> Result<Self, String> {
        let HeaderEdits { remove, set, add } = edits;
        let name = |name: &String| parse_name(name);
        let pair = |(name, value): (&String, &String)| {
            let parsed = HeaderValue::from_str(value)
                .map_err(|_| format!("the value for header `{name}` cannot be in a header"))?;
            Ok::<_, String>((parse_name(name)?, parsed))
        };
        Ok(Self {
            remove: remove.iter().map(name).collect::<Result<_, _>>()?,
            set: set.iter().map(pair).collect::<Result<_, _>>()?,
            add: add.iter().map(pair).collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name.clone(), value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name.clone(), value.clone());
        }
    }
}

fn parse_name(name: &str) -> Result<HeaderName, String> {
    let parsed: HeaderName = name
        .parse()
        .map_err(|_| format!("`{}` cannot name a header", name.escape_debug()))?;
    if is_of_connection(&parsed) {
        return Err(format!(
            "header `{name}` belongs to the connection and cannot be edited"
        ));
    }
    Ok(parsed)
}

/// Whether it ends at this hop, or says how a message is framed.
fn is_of_connection(name: &HeaderName) -> bool {
    let framing = [
        CONNECTION,
        CONTENT_LENGTH,
        EXPECT,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    let others = ["http2-settings", "keep-alive", "proxy-connection"];
    framing.contains(name) || others.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::headers::tests::headers;

    fn edits(remove: &[&str], set: &[(&str, &str)], add: &[(&str, &str)]) -> HeaderEdits {
        let pairs = |pairs: &[(&str, &str)]| {
            let pair = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
            pairs.iter().map(pair).collect()
        };
        HeaderEdits {
            remove: remove.iter().map(|name| (*name).to_owned()).collect(),
            set: pairs(set),
            add: pairs(add),
        }
    }

    #[test]
    fn headers_are_removed_then_set_then_added() {
        let wanted = edits(
            &["a", "b"],
            &[("b", "1"), ("c", "1")],
            &[("c", "2"), ("d", "2")],
        );
        let mut map = headers(&[("a", "0"), ("b", "0"), ("c", "0"), ("c", "00"), ("d", "0")]);
        Edits::of_answer(&wanted).unwrap().apply(&mut map);
        let want = [("b", "1"), ("c", "1"), ("c", "2"), ("d", "0"), ("d", "2")];
        assert_eq!(map, headers(&want));
    }

    #[test]
    fn what_frames_a_message_is_out_of_reach() {
        for name in [
            "connection",
            "content-length",
            "transfer-encoding",
            "te",
            "upgrade",
            "keep-alive",
            "expect",
        ] {
            for wanted in [
                edits(&[name], &[], &[]),
                edits(&[], &[(name, "1")], &[]),
                edits(&[], &[], &[(name, "1")]),
            ] {
                assert!(Edits::of_request(&wanted).unwrap_err().contains(name));
                assert!(Edits::of_answer(&wanted).unwrap_err().contains(name));
            }
        }
    }

    #[test]
    fn the_host_can_be_set_to_a_host_and_nothing_else() {
        let set = |value| Edits::of_request(&edits(&[], &[("host", value)], &[]));
        assert!(set("inner.example:8080").is_ok());
        assert!(set("a b").is_err() && set("").is_err());
        assert!(Edits::of_request(&edits(&["host"], &[], &[])).is_err());
        assert!(Edits::of_request(&edits(&[], &[], &[("host", "a")])).is_err());
    }
}
