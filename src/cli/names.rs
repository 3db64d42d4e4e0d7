//! Names as people type them: `east`, `sc/east`, `servicecluster east west`.

use super::error::{CliError, Result};
use super::kinds::{self, is_cluster};

/// The plain names, in the order given, each once. A leading word for the kind is tolerated.
pub fn plain(typed: &[String]) -> Result<Vec<String>> {
    let rest = match typed.split_first() {
        Some((first, rest)) if is_cluster(first) => rest,
        _ => typed,
    };
    let mut names = Vec::new();
    for word in rest {
        let name = match word.split_once('/') {
            Some((kind, name)) if is_cluster(kind) && !name.is_empty() => name,
            Some((kind, _)) => {
                let instead = kinds::instead(kind).map(|instead| format!(" ({instead})"));
                return Err(CliError::Usage(format!(
                    "`{word}` is not a service cluster: write its name, or servicecluster/NAME{}",
                    instead.unwrap_or_default()
                )));
            }
            None => word,
        };
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// As [`plain`], where at least one name is needed.
pub fn some(typed: &[String]) -> Result<Vec<String>> {
    let names = plain(typed)?;
    if names.is_empty() {
        return Err(CliError::Usage(
            "name at least one service cluster; `skep get` lists them".to_owned(),
        ));
    }
    Ok(names)
}

/// As [`plain`], where exactly one name is needed.
pub fn one(typed: &[String]) -> Result<String> {
    match <[String; 1]>::try_from(some(typed)?) {
        Ok([name]) => Ok(name),
        Err(_) => Err(CliError::Usage(
            "name one service cluster, not several".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(typed: &[&str]) -> Vec<String> {
        plain(&typed.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn kubectls_habits_are_understood() {
        assert_eq!(names(&["east"]), ["east"]);
        assert_eq!(names(&["sc", "east", "west"]), ["east", "west"]);
        assert_eq!(names(&["ServiceCluster", "east"]), ["east"]);
        assert_eq!(names(&["sc/east", "west", "east"]), ["east", "west"]);
        assert!(names(&["serviceclusters"]).is_empty());
    }

    #[test]
    fn another_kind_is_refused() {
        let told = plain(&["pod/east".to_owned()]).unwrap_err().to_string();
        assert!(told.contains("the kinds are"), "{told}");
        assert!(some(&["sc".to_owned()]).is_err());
    }
}
