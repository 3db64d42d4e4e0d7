//! The value types of a manifest: parsed once, at the door, printed in one canonical form.

mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::limits::{BYTES_MAX, CPUS, TIME_MAX, TIME_MAX_TEXT};
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
    "^([0-9]{1,12}ms|[0-9]{1,9}s|[0-9]{1,7}m|[0-9]{1,5}h)+$",
    "A length of time: a number and one of ms, s, m, h, or a sum of them; at most 87600h.",
    ["250ms", "60s", "1m30s"]
);

/// Units of time, each in milliseconds, and the digits that the longest one has in it.
const TIME_UNITS: [(&str, u64, usize); 4] = [
    ("ms", 1, 12),
    ("s", 1_000, 9),
    ("m", 60_000, 7),
    ("h", 3_600_000, 5),
];

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = || super::grammar::shown(text);
        let fail = || {
            format!(
                "`{}` is not a length of time: write a number and a unit (ms, s, m, h), for example 30s",
                shown()
            )
        };
        let too_long = || format!("`{}` is too long: write at most {TIME_MAX_TEXT}", shown());
        let mut total: u64 = 0;
        let mut is_long = false;
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(fail());
        }
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(fail)?;
            let (digits, behind) = rest.split_at(end);
            let end = behind.find(|c: char| c.is_ascii_digit());
            let (unit, behind) = behind.split_at(end.unwrap_or(behind.len()));
            let known = TIME_UNITS.iter().find(|(name, ..)| *name == unit);
            let (_, millis, most) = known.filter(|_| !digits.is_empty()).ok_or_else(fail)?;
            is_long |= digits.len() > *most;
            let part = digits.parse::<u64>().unwrap_or(u64::MAX);
            total = total.saturating_add(part.saturating_mul(*millis));
            rest = behind;
        }
        let span = Self::from_millis(total);
        if is_long || span > TIME_MAX {
            return Err(too_long());
        }
        Ok(span)
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
    "^([0-9]{1,16}|[0-9]{1,13}(k|Ki)|[0-9]{1,10}(M|Mi)|[0-9]{1,7}(G|Gi))$",
    "A number of bytes: a whole number, or one with k, M, G (powers of ten) or Ki, Mi, Gi (powers of two); at most 1048576Gi.",
    ["256Mi", "1G"]
);

/// Units of bytes, and the digits that the largest number has in each.
const BYTE_UNITS: [(&str, u64, usize); 7] = [
    ("Gi", 1 << 30, 7),
    ("Mi", 1 << 20, 10),
    ("Ki", 1 << 10, 13),
    ("G", 1_000_000_000, 7),
    ("M", 1_000_000, 10),
    ("k", 1_000, 13),
    ("", 1, 16),
];

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = super::grammar::shown(text);
        let mut known = BYTE_UNITS.iter();
        let split = known.find_map(|(unit, factor, most)| {
            let digits = text.trim().strip_suffix(unit)?;
            Some((digits, *factor, *most))
        });
        let is_number =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let Some((digits, factor, most)) = split.filter(|(digits, ..)| is_number(digits)) else {
            return Err(format!(
                "`{shown}` is not a number of bytes: write for example 64Mi or 1Gi"
            ));
        };
        let number = digits.parse::<u64>().unwrap_or(u64::MAX);
        let bytes = Self(number.saturating_mul(factor));
        if digits.len() > most || bytes > BYTES_MAX {
            return Err(format!("`{shown}` is too much: write at most {BYTES_MAX}"));
        }
        Ok(bytes)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, factor, _) in &BYTE_UNITS[..3] {
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
    "^([0-9]{1,5}(\\.[0-9]{1,9})?|[0-9]{1,8}m)$",
    "A number of processors, or thousandths of one with m; 0.001 to 10000.",
    ["1", "0.5", "500m"]
);

impl FromStr for Cpus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fail =
            || format!("`{text}` is not a number of processors: write for example 1, 0.5 or 500m");
        let text = text.trim();
        let number = |digits: &str, most: usize| {
            let good = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            let number = digits.parse::<u64>().unwrap_or(u64::MAX);
            let fits = digits.len() <= most;
            good.then_some(if fits { number } else { u64::MAX })
        };
        let nanos = if let Some(millis) = text.strip_suffix('m') {
            number(millis, 8).map(|n| n.saturating_mul(1_000_000))
        } else {
            let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
            let part = number(part, 9).filter(|_| part.len() <= 9).map(|n| {
                let missing = 9 - u32::try_from(part.len()).unwrap_or(9);
                n * 10_u64.pow(missing)
            });
            let whole = number(whole, 5).map(|n| n.saturating_mul(1_000_000_000));
            whole
                .zip(part)
                .map(|(whole, part)| whole.saturating_add(part))
        };
        let cpus = nanos.map(Self).ok_or_else(fail)?;
        if cpus > *CPUS.end() {
            let shown = super::grammar::shown(text);
            return Err(format!(
                "`{shown}` is too much: write at most {}",
                CPUS.end()
            ));
        }
        Ok(cpus)
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

const CONSTRAINT_PATTERN: &str = "^(node\\.(id|hostname|role|ip|platform\\.os|platform\\.arch)|(node|engine)\\.labels\\.[A-Za-z0-9_.-]+)\\s*(==|!=)\\s*[A-Za-z0-9:_.*()?+\\[\\]\\\\^$|/-]+$";

string_value!(
    Constraint,
    None,
    "a constraint as a string",
    CONSTRAINT_PATTERN,
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
            // Swarm's own grammar.
            let is_inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
            key.strip_prefix(prefix)
                .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(is_inner))
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
    "^(\\*\\.)?[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\\.*$",
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
