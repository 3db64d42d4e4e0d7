//! serde and schemars for types that are written as one string.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Unexpected, Visitor};

/// Reads a string, or a number where one is unambiguous, into a type that parses text.
pub(super) struct TextOrNumber<T> {
    /// What is expected, for messages.
    pub(super) wanted: &'static str,
    /// Whether a number is taken as its text.
    pub(super) numbers: bool,
    pub(super) parsed: PhantomData<T>,
}

impl<T: FromStr<Err = String>> TextOrNumber<T> {
    fn number<E: serde::de::Error>(
        self,
        number: impl fmt::Display,
        found: Unexpected<'_>,
    ) -> Result<T, E> {
        if self.numbers {
            self.visit_str(&number.to_string())
        } else {
            Err(E::invalid_type(found, &self))
        }
    }
}

impl<T: FromStr<Err = String>> Visitor<'_> for TextOrNumber<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wanted)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        if text.trim() != text {
            let shown = crate::api::grammar::shown(text);
            return Err(E::custom(format!(
                "`{shown}` has blanks around it: take them out"
            )));
        }
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
        self.number(number, Unexpected::Unsigned(number))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
        self.number(number, Unexpected::Signed(number))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<T, E> {
        self.number(number, Unexpected::Float(number))
    }
}

/// The JSON types of a value that is a string or, when one is named, a number.
pub(super) fn json_type(number: Option<&str>) -> serde_json::Value {
    match number {
        Some(number) => serde_json::json!(["string", number]),
        None => serde_json::json!("string"),
    }
}

/// Implements serde and schemars for a type that is written as one string, or as a plain number
/// when a JSON type of numbers is given.
macro_rules! string_value {
    ($type:ident, $number:expr, $wanted:expr, $pattern:expr, $description:expr, $examples:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(TextOrNumber::<$type> {
                    wanted: $wanted,
                    numbers: Option::<&str>::is_some(&$number),
                    parsed: PhantomData,
                })
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": json_type($number),
                    "pattern": $pattern,
                    "description": $description,
                    "examples": $examples,
                })
            }
        }
    };
}

pub(super) use string_value;
