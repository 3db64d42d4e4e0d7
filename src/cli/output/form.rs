//! `-o`: the forms of output of `get`.

use std::str::FromStr;

use super::{Columns, Template};

/// The words, for help, messages and completion.
pub const WORDS: [&str; 7] = [
    "table",
    "wide",
    "yaml",
    "json",
    "name",
    "jsonpath=",
    "custom-columns=",
];

/// A form of output.
#[derive(Clone, Debug, Default)]
pub enum Form {
    /// Columns for people.
    #[default]
    Table,
    /// More columns.
    Wide,
    /// YAML documents, fit for apply.
    Yaml,
    /// JSON.
    Json,
    /// One KIND/NAME a line.
    Name,
    /// What a template makes of it.
    JsonPath(Template),
    /// Columns that were asked for.
    Columns(Columns),
}

impl FromStr for Form {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let (word, rest) = match written.split_once('=') {
            Some((word, rest)) => (word, Some(rest)),
            None => (written, None),
        };
        match (word, rest) {
            ("table", None) => Ok(Self::Table),
            ("wide", None) => Ok(Self::Wide),
            ("yaml", None) => Ok(Self::Yaml),
            ("json", None) => Ok(Self::Json),
            ("name", None) => Ok(Self::Name),
            ("jsonpath", template) => template.unwrap_or_default().parse().map(Self::JsonPath),
            ("custom-columns", Some(columns)) => columns.parse().map(Self::Columns),
            ("custom-columns", None) => {
                Err("columns are needed, such as custom-columns=NAME:.metadata.name".to_owned())
            }
            _ => {
                let words = WORDS.iter().map(|word| word.trim_end_matches('='));
                let nearest = words
                    .max_by(|a, b| strsim::jaro(a, word).total_cmp(&strsim::jaro(b, word)))
                    .unwrap_or_default();
                Err(format!(
                    "`{word}` is no form of output; did you mean `{nearest}`? There are {}",
                    WORDS.join(", ")
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_form_is_told_with_the_nearest_one() {
        let error = "jsonpth={.a}".parse::<Form>().unwrap_err();
        assert!(error.contains("`jsonpath`"), "{error}");
        assert!("custom-columns".parse::<Form>().is_err());
        assert!("json=x".parse::<Form>().is_err());
        assert!(matches!("wide".parse(), Ok(Form::Wide)));
    }
}
