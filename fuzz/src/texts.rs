//! Manifests and configurations.

use skep::api::parse::{canonical, manifests};

/// A manifest gives faults with a place, or clusters that come back from their canonical form.
pub fn manifest(text: &str) {
    let parsed = manifests("x", text);
    for fault in &parsed.faults {
        assert!(!fault.message.is_empty(), "{fault:?}");
        assert!(!fault.message.contains('\n'), "{fault:?}");
        assert!(fault.line > 0 && fault.column > 0, "{fault:?}");
    }
    for cluster in parsed.clusters {
        let text = canonical(&cluster);
        let again = manifests("x", &text);
        assert_eq!(again.faults, [], "{text}");
        assert_eq!(again.clusters, [cluster], "{text}");
    }
    for source in parsed.sources {
        let text = canonical(&source);
        let again = manifests("x", &text);
        assert_eq!(again.faults, [], "{text}");
        assert_eq!(again.sources, [source], "{text}");
    }
}

/// A configuration gives faults, or documents that say just what was meant and are valid.
pub fn interlock(text: &str) {
    match skep::convert::interlock("x", text) {
        Ok(converted) => {
            let parsed = manifests("x", &converted.text);
            assert_eq!(parsed.faults, [], "{}", converted.text);
            assert_eq!(parsed.clusters, converted.clusters, "{}", converted.text);
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            for fault in faults {
                assert!(!fault.message.is_empty(), "{fault:?}");
                assert!(!fault.message.contains('\n'), "{fault:?}");
            }
        }
    }
}
