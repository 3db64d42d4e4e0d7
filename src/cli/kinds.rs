//! The two kinds, the words for them, and what to type instead of the words of other programs.

use crate::api::grammar::nearest;

const CLUSTER: [&str; 5] = [
    "sc",
    "servicecluster",
    "serviceclusters",
    "servicecluster.skep.dev",
    "serviceclusters.skep.dev",
];
const SOURCE: [&str; 4] = ["source", "sources", "source.skep.dev", "sources.skep.dev"];

/// The kinds as they are told.
pub const ALL: &str = "the kinds are servicecluster (sc) and source";

/// What kubectl and docker call things, also with an `s` behind it, and what shows them here.
/// These words stay free as names.
const ELSEWHERE: [(&[&str], &str); 11] = [
    (
        &["all"],
        "`skep get all` lists service clusters and sources",
    ),
    (
        &["cluster", "ing", "ingress", "ingresses", "gateway"],
        "`skep get` lists service clusters",
    ),
    (
        &["route", "httproute", "endpoint", "ep"],
        "`skep routes` lists routes and their endpoints",
    ),
    (
        &["node", "no"],
        "`skep describe NAME` shows the nodes of a service cluster, `docker node ls` all",
    ),
    (
        &["service", "svc"],
        "`skep routes` lists services and where they are routed, `docker service ls` all",
    ),
    (
        &[
            "proxy",
            "proxies",
            "task",
            "pod",
            "po",
            "deployment",
            "deploy",
            "daemonset",
            "ds",
        ],
        "`skep describe NAME` shows the proxies of a service cluster",
    ),
    (
        &["certificate", "cert"],
        "`skep certs ls` lists certificates",
    ),
    (&["event", "ev"], "`skep events` lists events"),
    (
        &["network"],
        "`skep describe NAME` shows the networks of a service cluster, `docker network ls` all",
    ),
    (
        &["secret", "config", "configmap", "cm"],
        "`docker secret ls` and `docker config ls` list what the engine stores",
    ),
    (
        &["namespace", "ns"],
        "a Swarm has no namespaces, and names are those of the whole Swarm",
    ),
];

/// Whether a word says that service clusters are meant.
#[must_use]
pub fn is_cluster(word: &str) -> bool {
    CLUSTER.contains(&word.to_ascii_lowercase().as_str())
}

/// Whether a word says that sources are meant.
#[must_use]
pub fn is_source(word: &str) -> bool {
    SOURCE.contains(&word.to_ascii_lowercase().as_str())
}

/// What to type instead of a word that is a kind elsewhere.
fn elsewhere(word: &str) -> Option<String> {
    let lower = word.to_ascii_lowercase();
    let one = lower.strip_suffix('s').unwrap_or(&lower);
    let is_meant = |words: &[&str]| words.contains(&lower.as_str()) || words.contains(&one);
    let known = ELSEWHERE.iter().find(|(words, _)| is_meant(words));
    if let Some((_, hint)) = known {
        return Some(format!("{ALL}; {hint}"));
    }
    if is_source(word) {
        return Some(format!("{ALL}; `skep get sources` lists sources"));
    }
    let several = lower.contains(',');
    several.then(|| format!("{ALL}, and one call shows one of them"))
}

/// What to type instead of a word that looks like a kind and is none.
#[must_use]
pub fn instead(word: &str) -> Option<String> {
    elsewhere(word).or_else(|| {
        // A short one is near to too much.
        let long = CLUSTER.iter().chain(&SOURCE).filter(|kind| kind.len() > 2);
        let near = nearest(word, long.copied())?;
        Some(format!("{ALL}; did you mean `{near}`?"))
    })
}

/// Says that nothing of this kind and name is there; which of the known names, or what else, may be
/// meant; and which verb lists them.
#[must_use]
pub fn absent<'a>(kind: &str, name: &str, known: impl IntoIterator<Item = &'a String>) -> String {
    let near = nearest(name, known.into_iter().map(String::as_str));
    let other = match near {
        Some(_) => elsewhere(name),
        None => instead(name),
    };
    let near = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
    let list = if is_source(kind) { " sources" } else { "" };
    let rest = other.unwrap_or_else(|| format!("`skep get{list}` lists those that do"));
    format!("{kind}/{name} does not exist{near}; {rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str) -> String {
        absent("servicecluster", name, &["east".to_owned()])
    }

    #[test]
    fn words_of_other_programs_lead_to_what_shows_the_same_here() {
        for (words, hint) in ELSEWHERE {
            for word in words {
                let told = told(word);
                assert!(told.contains(ALL) && told.contains(hint), "{told}");
                assert!(!is_cluster(word) && !is_source(word), "{word}");
            }
        }
        assert!(told("ingresses").contains("`skep get` lists"));
        assert!(told("Nodes").contains("docker node ls"));
        assert!(told("sc,sources").contains("one call shows one"));
    }

    #[test]
    fn a_slip_of_the_keyboard_is_told_what_it_is_near_to() {
        assert_eq!(
            told("esat"),
            "servicecluster/esat does not exist (did you mean `east`?); `skep get` lists those that do"
        );
        assert!(told("servicecluter").ends_with("did you mean `servicecluster`?"));
        assert!(told("sorces").ends_with("did you mean `sources`?"));
        assert_eq!(
            told("shop-7"),
            "servicecluster/shop-7 does not exist; `skep get` lists those that do"
        );
        let source = absent("source", "shpo", &["shop".to_owned()]);
        assert!(source.contains("`shop`?); `skep get sources`"), "{source}");
    }
}
