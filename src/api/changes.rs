//! What differs between two resources, field by field.

use serde_json::Value;

use super::parse::Manifest;

/// The paths of all fields that differ, such as `spec.proxy.replicas`; a list counts as one field.
/// What Skep writes itself is left out. Empty: both say the same.
#[must_use]
pub fn changed_fields<R: Manifest>(from: &R, to: &R) -> Vec<String> {
    let mut fields = Vec::new();
    let value = |one: &R| serde_json::to_value(one.bare()).unwrap_or_default();
    walk("", &value(from), &value(to), &mut fields);
    fields
}

fn walk(path: &str, from: &Value, to: &Value, fields: &mut Vec<String>) {
    let (Value::Object(a), Value::Object(b)) = (from, to) else {
        if from != to {
            fields.push(path.to_owned());
        }
        return;
    };
    let added = b.keys().filter(|key| !a.contains_key(*key));
    for key in a.keys().chain(added) {
        let below = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match (a.get(key), b.get(key)) {
            (Some(from), Some(to)) => walk(&below, from, to, fields),
            _ => fields.push(below),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ServiceCluster;
    use crate::api::service_cluster::NetworkRef;

    #[test]
    fn the_fields_that_differ_are_named_by_their_paths() {
        let east = ServiceCluster {
            api_version: crate::names::API_VERSION.into(),
            kind: crate::names::KIND.into(),
            metadata: crate::api::Metadata::default(),
            spec: crate::api::ServiceClusterSpec::default(),
            status: None,
            stated: crate::api::Version::NEWEST,
        };
        let mut other = east.clone();
        other.metadata.generation = Some(3);
        assert_eq!(changed_fields(&east, &other), Vec::<String>::new());
        other.metadata.labels.insert("team".into(), "shop".into());
        other.spec.networks = Some(vec![NetworkRef::default()]);
        other.spec.proxy.replicas = Some(7);
        let fields = ["metadata.labels", "spec.proxy.replicas", "spec.networks"];
        let mut found = changed_fields(&east, &other);
        found.sort();
        let mut wanted = fields.map(str::to_owned);
        wanted.sort();
        assert_eq!(found, wanted);
    }
}
