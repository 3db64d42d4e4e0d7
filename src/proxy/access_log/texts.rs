//! The texts of a line: copied, so that a waiting line keeps no read buffer alive, cut, so that
//! clients cannot fill the memory with them, and in one piece, which costs one allocation.

use http::{HeaderValue, Request, header};

use crate::proxy::limits::LOG_TEXT;

/// Method, path, host, user agent and id of a request.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Texts {
    all: String,
    /// Where each but the last ends.
    ends: [u16; 4],
}

impl Texts {
    /// Those of a request; its id is not known yet.
    pub(in crate::proxy) fn of<B>(request: &Request<B>) -> Self {
        let headers = request.headers();
        let host = match request.uri().authority() {
            Some(authority) => authority.as_str(),
            None => text(headers.get(header::HOST)),
        };
        let path = request.uri().path_and_query();
        let parts = [
            cut(request.method().as_str(), LOG_TEXT / 4),
            cut(path.map_or("/", |path| path.as_str()), LOG_TEXT),
            cut(host, LOG_TEXT / 4),
            cut(text(headers.get(header::USER_AGENT)), LOG_TEXT / 4),
        ];
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let mut all = String::with_capacity(len + 32);
        let ends = parts.map(|part| {
            all.push_str(part);
            u16::try_from(all.len()).unwrap_or(u16::MAX)
        });
        Self { all, ends }
    }

    /// The id of the request is known.
    pub(in crate::proxy) fn identify(&mut self, id: &HeaderValue) {
        self.all.push_str(cut(text(Some(id)), LOG_TEXT / 4));
    }

    pub(super) fn method(&self) -> &str {
        self.between(0, self.ends[0])
    }

    pub(super) fn path(&self) -> &str {
        self.between(self.ends[0], self.ends[1])
    }

    pub(super) fn host(&self) -> &str {
        self.between(self.ends[1], self.ends[2])
    }

    pub(super) fn agent(&self) -> &str {
        self.between(self.ends[2], self.ends[3])
    }

    pub(super) fn id(&self) -> &str {
        self.all.get(usize::from(self.ends[3])..).unwrap_or("")
    }

    fn between(&self, from: u16, to: u16) -> &str {
        let range = usize::from(from)..usize::from(to);
        self.all.get(range).unwrap_or("")
    }
}

fn text(value: Option<&HeaderValue>) -> &str {
    value.and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_and_the_others_stay_in_their_place() {
        let long = format!("/{}", "x".repeat(60_000));
        let request = Request::post(&long)
            .header("host", "demo.a")
            .header("user-agent", "y".repeat(9_000));
        let mut texts = Texts::of(&request.body(()).unwrap());
        texts.identify(&HeaderValue::from_static("abc"));
        assert_eq!(texts.method(), "POST");
        assert_eq!(texts.path(), &long[..LOG_TEXT]);
        assert_eq!((texts.host(), texts.id()), ("demo.a", "abc"));
        assert_eq!(texts.agent().len(), LOG_TEXT / 4);
        assert!(texts.all.capacity() < 2 * LOG_TEXT);
        assert_eq!(cut("aü", 2), "a");
    }
}
