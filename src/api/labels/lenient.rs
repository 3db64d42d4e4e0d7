//! What is taken besides the usual way of writing a value: for the documentation, and checked
//! against the grammar by a test.

use super::kind::Kind;

/// A value as somebody may write it, and the same in the usual way.
#[derive(Debug)]
pub(super) struct Lenient {
    /// The kind of value.
    pub kind: Kind,
    /// As it is taken, too.
    pub written: &'static str,
    /// What it means.
    pub means: &'static str,
}

const fn taken(kind: Kind, written: &'static str, means: &'static str) -> Lenient {
    Lenient {
        kind,
        written,
        means,
    }
}

const TIME: Kind = Kind::Time { zero: false };

/// All of them.
pub(super) const ALL: &[Lenient] = &[
    taken(Kind::Path, "app", "/app"),
    taken(Kind::Path, "/app/", "/app"),
    taken(Kind::Hosts, "Shop.Example.COM.", "shop.example.com"),
    taken(
        Kind::Hosts,
        "a.example.com, ,b.example.com",
        "a.example.com,b.example.com",
    ),
    taken(Kind::Flag, "Yes", "true"),
    taken(Kind::Flag, "0", "false"),
    taken(Kind::FlagOrStatus, "true", "308"),
    taken(TIME, "10", "10s"),
    taken(TIME, "10 s", "10s"),
    taken(TIME, "1m 30s", "90s"),
    taken(Kind::Rate, "100", "100/s"),
    taken(Kind::Rate, "600 / min", "600/m"),
    taken(Kind::Rate, "1000/hour", "1000/h"),
    taken(Kind::Nets, "10.1.2.3", "10.1.2.3/32"),
    taken(Kind::Nets, "10.1.2.3/8", "10.0.0.0/8"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::grammar;

    #[test]
    fn what_the_page_says_is_taken_is_taken() {
        for Lenient {
            kind,
            written,
            means,
        } in ALL
        {
            if *kind == Kind::Path {
                let path = |text| grammar::path_prefix(text);
                assert_eq!(path(written).unwrap(), path(means).unwrap(), "{written}");
                continue;
            }
            let (one, other) = (kind.parse(written), kind.parse(means));
            assert!(one.wrong.is_empty(), "{written}: {:?}", one.wrong);
            assert_eq!(one.value, other.value, "{written}");
        }
    }
}
