//! References of images, by the grammar that Docker and every registry read them with.

use super::grammar::shown;

/// JSON Schema pattern of a reference: what [`check`] takes, but for the length of the repository
/// and for what looks like an image's id.
pub const PATTERN: &str = "^(([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*|\\[[A-Fa-f0-9:]+\\])(:[0-9]+)?/)?[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@(sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}))?$";

/// Longest repository, without its registry.
const REPOSITORY_MAX: usize = 255;
/// Longest reference: a registry, a repository, a tag and a digest, each as long as it may be, are
/// less.
const TEXT_MAX: usize = 1_024;
/// Longest tag.
const TAG_MAX: usize = 128;
/// Digests that engines know, each with its hexadecimal digits.
const DIGESTS: [(&str, usize); 3] = [("sha256", 64), ("sha384", 96), ("sha512", 128)];

/// What is wrong, and what to do.
pub type Wrong = (String, String);

/// Checks a reference: `[REGISTRY/]REPOSITORY[:TAG][@DIGEST]`.
pub fn check(text: &str) -> Result<(), Wrong> {
    let parts = whole(text).or_else(|| {
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (text, None),
        };
        let (name, tag) = split_tag(named);
        digest
            .and_then(bad_digest)
            .or_else(|| tag.and_then(bad_tag))
            .or_else(|| bad_name(text, name))
    });
    let Some((why, hint)) = parts else {
        return Ok(());
    };
    Err((format!("`{}` is not an image: {why}", shown(text)), hint))
}

/// What is wrong with the text as a whole.
fn whole(text: &str) -> Option<Wrong> {
    let wrong = |why: &str, hint: &str| Some((why.to_owned(), hint.to_owned()));
    if text.is_empty() {
        let hint = "write for example registry.example.com/skep:1.0";
        return wrong("it is empty", hint);
    }
    if text.len() > TEXT_MAX {
        let why = format!("it is longer than {TEXT_MAX} characters");
        return wrong(&why, "shorten it");
    }
    if text.contains(char::is_whitespace) {
        return wrong("it has a blank", "take it out");
    }
    let (scheme, rest) = text.split_once("://")?;
    Some((
        format!("it begins with {}://", shown(scheme)),
        format!("write {}", shown(rest)),
    ))
}

fn bad_digest(digest: &str) -> Option<Wrong> {
    let hint = "write sha256: and the 64 hexadecimal digits, in lower case";
    let why = format!("`{}` is not a digest", shown(digest));
    (!is_digest(digest)).then(|| (why, hint.to_owned()))
}

fn bad_tag(tag: &str) -> Option<Wrong> {
    let why = format!("`{}` is not a tag", shown(tag));
    let hint =
        format!("a tag has 1 to {TAG_MAX} letters, digits, and behind the first one also _ . -");
    (!is_tag(tag)).then_some((why, hint))
}

/// What is wrong with the name in a text.
fn bad_name(text: &str, name: &str) -> Option<Wrong> {
    let repository = repository(name);
    if let Some(part) = repository.split('/').find(|part| !is_part(part)) {
        let (registry, rest) = (&name[..name.len() - repository.len()], &text[name.len()..]);
        let lower = format!("{registry}{}{rest}", repository.to_ascii_lowercase());
        if lower != text && check(&lower).is_ok() {
            let why = "the name of a repository is in lower case".to_owned();
            return Some((why, format!("did you mean `{}`?", shown(&lower))));
        }
        let why = match part {
            "" => "a part of its name is empty".to_owned(),
            part => format!("`{}` cannot be a part of its name", shown(part)),
        };
        let hint = "a part has lower-case letters and digits, and between them one of . _ __ -";
        return Some((why, hint.to_owned()));
    }
    if repository.len() > REPOSITORY_MAX {
        let why = format!("its name is longer than {REPOSITORY_MAX} characters");
        return Some((why, "shorten it".to_owned()));
    }
    let is_id = name.len() == 64 && name.bytes().all(is_hex);
    is_id.then(|| {
        let hint = "other nodes cannot pull an id: write the name, and @sha256: for a fixed one";
        ("it is an id".to_owned(), hint.to_owned())
    })
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// The tag stands behind the last colon, unless that is the colon of a registry's port.
fn split_tag(named: &str) -> (&str, Option<&str>) {
    let last = named.rfind('/').map_or(0, |slash| slash + 1);
    match named[last..].split_once(':') {
        Some((_, tag)) => (&named[..named.len() - tag.len() - 1], Some(tag)),
        None => (named, None),
    }
}

/// What stands behind the registry. The first part of several is one when it can be.
fn repository(name: &str) -> &str {
    match name.split_once('/') {
        Some((first, rest)) if is_registry(first) => rest,
        _ => name,
    }
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            let is_address = |b: u8| b.is_ascii_hexdigit() || b == b':';
            if address.is_empty() || !address.bytes().all(is_address) {
                return false;
            }
            let port = rest.strip_prefix(':');
            if port.is_none() && !rest.is_empty() {
                return false;
            }
            (None, port)
        }
        None => match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        },
    };
    let is_label = |label: &str| {
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = label.as_bytes();
        edge(bytes.first())
            && edge(bytes.last())
            && bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    host.is_none_or(|host| host.split('.').all(is_label)) && port.is_none_or(is_port)
}

/// Runs of lower-case letters and digits, with a separator between: `.`, `_`, `__` or hyphens.
fn is_part(part: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut between = String::new();
    for b in part.bytes() {
        if is_inner(b) {
            let is_separator = matches!(between.as_str(), "" | "." | "_" | "__")
                || between.bytes().all(|b| b == b'-');
            if !is_separator {
                return false;
            }
            between.clear();
        } else {
            between.push(char::from(b));
        }
    }
    between.is_empty() && part.bytes().next().is_some_and(is_inner)
}

fn is_tag(tag: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= TAG_MAX
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|b| is_word(b) || matches!(b, b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else {
        return false;
    };
    DIGESTS.contains(&(algorithm, hex.len())) && hex.bytes().all(is_hex)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(n: usize) -> String {
        "0123456789abcdef".repeat(n / 16)
    }

    #[test]
    fn what_docker_takes_is_taken() {
        for good in [
            "skep",
            "skep:1",
            "Foo/bar",
            "localhost:5000",
            "localhost:5000/skep:dev",
            "registry.example.com/team/skep:0.1.0-rc.1_x",
            "REGISTRY.example.com:443/skep",
            "[2001:db8::1]:5000/skep:1",
            "[::1]/a",
            "a--b/c__d/e.f_g",
            "docker.io/library/nginx",
            "sub-dom1.foo.com/bar/baz/quux:some-long-tag",
            "xn--n3h.com/myimage:xn--n3h.com",
            "foo/foo_bar.com:8080",
            &format!("a:{}", "t".repeat(TAG_MAX)),
            &format!("a@sha256:{}", hex(64)),
            &format!("r.example.com:5/a/b:v1@sha512:{}", hex(128)),
            &"a".repeat(REPOSITORY_MAX),
            &format!("r.example.com/{}", "a".repeat(REPOSITORY_MAX)),
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_docker_refuses_is_told_with_what_to_do() {
        for (bad, why, what) in [
            ("", "it is empty", "write for example"),
            ("a b", "has a blank", "take it out"),
            (
                "https://r.example.com/a:1",
                "begins with https://",
                "write r.example.com/a:1",
            ),
            (
                "FOO:bar:baz",
                "`bar:baz` is not a tag",
                "a tag has 1 to 128",
            ),
            ("Skep:1", "in lower case", "did you mean `skep:1`?"),
            ("Foo/F:F", "in lower case", "did you mean `Foo/f:F`?"),
            (
                "r.example.com/Team/skep",
                "in lower case",
                "did you mean `r.example.com/team/skep`?",
            ),
            ("skep:", "`` is not a tag", ""),
            ("skep:-1", "`-1` is not a tag", ""),
            ("skep:ä", "`ä` is not a tag", ""),
            (":1", "a part of its name is empty", "lower-case letters"),
            ("a//b", "a part of its name is empty", ""),
            ("/a", "a part of its name is empty", ""),
            ("a/", "a part of its name is empty", ""),
            ("a___b", "`a___b` cannot be a part", ""),
            ("a..b", "cannot be a part", ""),
            ("-a", "`-a` cannot be a part", ""),
            ("a-", "cannot be a part", ""),
            ("a.-b", "cannot be a part", ""),
            ("r_x:5000/a", "`r_x:5000` cannot be a part", ""),
            ("[::1/a", "cannot be a part", ""),
            ("[fe80::1%eth0]:5/a", "cannot be a part", ""),
            ("r.example.com:/a", "cannot be a part", ""),
            ("a@", "`` is not a digest", "write sha256:"),
            ("a@sha256:12", "is not a digest", ""),
            ("a@md5:0123", "is not a digest", ""),
            ("a:1@b@c", "is not a digest", ""),
            ("a\u{0}", "cannot be a part", ""),
        ] {
            let (told, hint) = check(bad).unwrap_err();
            assert!(told.contains(why), "{bad}: {told}");
            assert!(hint.contains(what), "{bad}: {hint}");
            assert!(!told.contains(char::is_control), "{bad}");
        }
        for bad in [
            format!("a:{}", "t".repeat(TAG_MAX + 1)),
            format!("a@sha256:{}", hex(64).to_uppercase()),
            format!("a@sha256:{}", hex(48)),
            "a".repeat(REPOSITORY_MAX + 1),
            hex(64),
            // Whoever reads it must not be made to work for it.
            format!("{}A/A", "A.".repeat(200)),
            format!("{}A/A", "A.".repeat(2_000_000)),
        ] {
            assert!(check(&bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn the_pattern_of_the_schema_says_the_same(
            text in "([a-cA-C_.:-]{0,3}[a-c0-9]{1,2}|[./:@\\[\\]]){0,9}(@sha256:[0-9a-f]{63,65})?",
        ) {
            let pattern = regex::Regex::new(PATTERN).unwrap();
            prop_assert_eq!(check(&text).is_ok(), pattern.is_match(&text), "{}", text);
        }
    }
}
