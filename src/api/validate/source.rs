//! Faults of a `Source`.

use super::{Faults, header, metadata};
use crate::api::Diagnostic;
use crate::api::grammar::shortened;
use crate::api::limits::INTERVAL;
use crate::api::signer::signer;
use crate::api::source::{Source, SourceSpec, Verify};
use crate::names::KIND_SOURCE;

/// All faults of a source, without positions, in the order of its fields. Empty: it is valid.
#[must_use]
pub fn source(source: &Source) -> Vec<Diagnostic> {
    let Source {
        api_version,
        kind,
        metadata: meta,
        spec,
        status: _,
        stated: _,
    } = source;
    let SourceSpec {
        url,
        reference,
        path,
        interval,
        ca,
        verify,
        prune: _,
        suspend: _,
    } = spec;
    let mut faults = Faults::default();
    header(&mut faults, api_version, kind, KIND_SOURCE);
    metadata(&mut faults, meta, "source");
    check_url(&mut faults, url);
    if let Some(reference) = reference {
        check_reference(&mut faults, reference);
    }
    check_path(&mut faults, path);
    if !INTERVAL.contains(interval) {
        let (least, most) = (INTERVAL.start(), INTERVAL.end());
        let message = format!("`{interval}` is not between {least} and {most}");
        let hint = "`skep sync` and the webhook make it look at once";
        faults.add("spec.interval", message, hint);
    }
    if let Some(ca) = ca
        && !ca.contains("-----BEGIN CERTIFICATE-----")
    {
        let hint = "write the authority's certificate as a block: `ca: |`";
        faults.add("spec.ca", "holds no certificate in PEM", hint);
    }
    if let Some(verify) = verify {
        check_verify(&mut faults, verify);
    }
    faults.found
}

fn check_verify(faults: &mut Faults, verify: &Verify) {
    if verify.ssh_keys.is_empty() {
        let hint = "write the lines of .pub files, or leave `verify` out";
        faults.add(
            "spec.verify.sshKeys",
            "names no key, so no commit could ever be applied",
            hint,
        );
    }
    for (n, key) in verify.ssh_keys.iter().enumerate() {
        if let Err((message, hint)) = signer(key) {
            faults.add(format!("spec.verify.sshKeys[{n}]"), message, hint);
        }
    }
}

fn check_url(faults: &mut Faults, url: &str) {
    let mut add = |message: String, hint: &str| faults.add("spec.url", message, hint);
    let shown = shortened(url);
    let Some((scheme, rest)) = url.split_once("://") else {
        let hint = "write https://SERVER/PATH; ssh addresses (git@SERVER:PATH) are not supported";
        return add(format!("`{shown}` is not a URL"), hint);
    };
    if !matches!(scheme, "https" | "http" | "git") {
        let message = format!("`{}` is not supported", shortened(scheme));
        return add(message, "use https://, http:// or git://");
    }
    let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
    if server.contains('@') {
        let hint = "take them out and store them, sealed, with `skep source auth`";
        // Not shown: there is a password in it.
        return add("the URL holds credentials".to_owned(), hint);
    }
    if server.is_empty() || path.is_empty() {
        return add(
            format!("`{shown}` names no repository"),
            "write https://SERVER/PATH",
        );
    }
    let strange = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#');
    if url.contains(strange) || !url.is_ascii() {
        add(
            format!("`{shown}` is not a URL"),
            "take out blanks, `?`, `#` and what is not ASCII",
        );
    }
}

fn check_reference(faults: &mut Faults, reference: &str) {
    let strange = |c: char| {
        c.is_whitespace() || c.is_control() || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\')
    };
    let good = !reference.is_empty()
        && !reference.starts_with(['-', '/'])
        && !reference.ends_with(['/', '.'])
        && !reference.contains("..")
        && !reference.contains(strange);
    if !good {
        let message = format!("`{}` names no branch, tag or commit", shortened(reference));
        faults.add(
            "spec.ref",
            message,
            "for example main, v1.2 or refs/tags/v1.2",
        );
    }
}

fn check_path(faults: &mut Faults, path: &str) {
    if path.split('/').any(|step| step == "..") || path.contains(['\\', '\0']) {
        let message = format!("`{}` is not a folder of the repository", shortened(path));
        faults.add("spec.path", message, "for example clusters/production");
    }
}
