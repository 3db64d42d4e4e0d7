//! The value types of a manifest: parsed once, at the door, printed in one canonical form.

mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use text::{TextOrNumber, json_type, string_value};

/// An ordered map of strings (labels, annotations, environment).
pub type StringMap = BTreeMap<String, String>;

/// A length of time, written `250ms`, `5s`, `2m`, `1h` or a sum such as `1m30s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(std::time::Duration);

impl Span {
    /// A span of whole seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(std::time::Duration::from_secs(secs))
    }

    /// A span of milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(std::time::Duration::from_millis(millis))
    }

    /// The span as a standard duration.
    #[must_use]
    pub const fn get(self) -> std::time::Duration {
        self.0
    }
}

string_value!(
    Span,
    None,
    "a length of time",
    "^([0-9]+(ms|s|m|h))+$",
    "A length of time: a number and one of ms, s, m, h, or a sum of them.",
    ["250ms", "60s", "1m30s"]
);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fail = || {
            format!(
                "`{text}` is not a length of time: write a number and a unit (ms, s, m, h), for example 30s"
            )
        };
        let mut total: u64 = 0;
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(fail());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(fail)?;
            let number: u64 = rest[..digits].parse().map_err(|_| fail())?;
            rest = &rest[digits..];
            let end = rest
                .find(|c: char| c.is_ascii_digit())
                .unwrap_or(rest.len());
            let millis = match &rest[..end] {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                _ => return Err(fail()),
            };
            rest = &rest[end..];
            total = number
                .checked_mul(millis)
                .and_then(|part| total.checked_add(part))
                .ok_or_else(fail)?;
        }
        // The engine takes nanoseconds in a signed 64-bit number.
        if total > 9_000_000_000_000 {
            return Err(format!("`{text}` is longer than 2,500,000 hours"));
        }
        Ok(Self::from_millis(total))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        match millis {
            m if m % 1_000 != 0 => write!(f, "{m}ms"),
            m => write!(f, "{}s", m / 1_000),
        }
    }
}

/// A number of bytes, written `512`, `64Ki`, `32Mi`, `1Gi` or with `k`, `M`, `G` (powers of ten).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

string_value!(
    ByteSize,
    Some("integer"),
    "a number of bytes",
    "^[0-9]+(k|M|G|Ki|Mi|Gi)?$",
    "A number of bytes: a whole number, or one with k, M, G (powers of ten) or Ki, Mi, Gi (powers of two).",
    ["256Mi", "1G"]
);

const BYTE_UNITS: [(&str, u64); 6] = [
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
];

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (digits, factor) = BYTE_UNITS
            .iter()
            .find_map(|(unit, factor)| text.strip_suffix(unit).map(|digits| (digits, *factor)))
            .unwrap_or((text, 1));
        digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .filter(|bytes| i64::try_from(*bytes).is_ok())
            .map(Self)
            .ok_or_else(|| {
                format!("`{text}` is not a number of bytes: write for example 64Mi or 1Gi")
            })
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, factor) in &BYTE_UNITS[..3] {
            if self.0 > 0 && self.0.is_multiple_of(*factor) {
                return write!(f, "{}{unit}", self.0 / factor);
            }
        }
        write!(f, "{}", self.0)
    }
}

/// A share of processors, in units of 10^-9 of one (the engine's `NanoCPUs`), written `1`, `0.5` or `500m`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpus(pub u64);

string_value!(
    Cpus,
    Some("number"),
    "a number of processors",
    "^([0-9]+(\\.[0-9]{1,9})?|[0-9]+m)$",
    "A number of processors, or thousandths of one with m.",
    ["1", "0.5", "500m"]
);

impl FromStr for Cpus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fail =
            || format!("`{text}` is not a number of processors: write for example 1, 0.5 or 500m");
        let text = text.trim();
        let nanos = if let Some(millis) = text.strip_suffix('m') {
            millis
                .parse::<u64>()
                .ok()
                .and_then(|n| n.checked_mul(1_000_000))
        } else {
            let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
            if part.is_empty() || part.len() > 9 || !part.bytes().all(|b| b.is_ascii_digit()) {
                return Err(fail());
            }
            let part: u64 = format!("{part:0<9}").parse().map_err(|_| fail())?;
            whole
                .parse::<u64>()
                .ok()
                .and_then(|n| n.checked_mul(1_000_000_000))
                .and_then(|n| n.checked_add(part))
        };
        nanos
            .filter(|n| i64::try_from(*n).is_ok())
            .map(Self)
            .ok_or_else(fail)
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        if part == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{part:09}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// A placement constraint as Swarm knows it: `node.labels.region==east`, `node.role!=manager`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Constraint {
    /// Left side, e.g. `node.labels.region`.
    pub key: String,
    /// `true` for `==`, `false` for `!=`.
    pub equal: bool,
    /// Right side.
    pub value: String,
}

string_value!(
    Constraint,
    None,
    "a constraint as a string",
    "^\\s*(node|engine)\\.[A-Za-z0-9_.-]+\\s*(==|!=)\\s*\\S.*$",
    "A placement constraint of Swarm.",
    ["node.role==worker", "node.labels.zone!=b"]
);

impl FromStr for Constraint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, equal, value) = if let Some((key, value)) = text.split_once("==") {
            (key.trim(), true, value.trim())
        } else if let Some((key, value)) = text.split_once("!=") {
            (key.trim(), false, value.trim())
        } else {
            return Err(format!(
                "`{text}` is not a constraint: write KEY==VALUE or KEY!=VALUE, for example node.role==worker"
            ));
        };
        let known = matches!(
            key,
            "node.id"
                | "node.hostname"
                | "node.role"
                | "node.ip"
                | "node.platform.os"
                | "node.platform.arch"
        ) || ["node.labels.", "engine.labels."].iter().any(|prefix| {
            key.strip_prefix(prefix)
                .is_some_and(|rest| !rest.is_empty())
        });
        if !known {
            return Err(format!(
                "`{key}` cannot be constrained: use node.id, node.hostname, node.role, node.ip, node.platform.os, node.platform.arch, node.labels.NAME or engine.labels.NAME"
            ));
        }
        if value.is_empty() || value.contains(char::is_whitespace) {
            return Err(format!("`{text}` has no usable value behind `{key}`"));
        }
        Ok(Self {
            key: key.to_owned(),
            equal,
            value: value.to_owned(),
        })
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = if self.equal { "==" } else { "!=" };
        write!(f, "{}{operator}{}", self.key, self.value)
    }
}

/// A host name in lower case, or one with a leading `*.` that stands for exactly one or more labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPattern(String);

string_value!(
    HostPattern,
    None,
    "a host name as a string",
    "^(\\*\\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$",
    "A host name, or *. and a host name for all below it.",
    ["app.example.com", "*.example.com"]
);

impl HostPattern {
    /// The pattern in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a host (lower case, without a port) is meant.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self.0.strip_prefix('*') {
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => host == self.0,
        }
    }
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.trim().trim_end_matches('.').to_ascii_lowercase();
        let name = lower.strip_prefix("*.").unwrap_or(&lower);
        let good = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if name.len() > 253 || !name.split('.').all(good) {
            return Err(format!(
                "`{}` is not a host name: use letters, digits, hyphens and dots, for example app.example.com or *.example.com",
                super::grammar::shown(text)
            ));
        }
        Ok(Self(lower))
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
