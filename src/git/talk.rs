//! One conversation with a git server: which commit, and its pack.

use std::fmt::Display;
use std::io::Read as _;

use gix_hash::ObjectId;
use gix_object::bstr::BString;
use gix_protocol::fetch::{Arguments, Response};
use gix_protocol::handshake::{Ref, refs};
use gix_protocol::{Command, indicate_end_of_interaction};
use gix_transport::client::Capabilities;
use gix_transport::client::blocking_io::{SetServiceResponse, Transport, TransportV2Ext as _};
use gix_transport::{Protocol, Service};
use tokio::runtime::Handle;

use super::bounds::Bounds;
use super::pack::Pack;
use super::url::Scheme;
use super::{Error, Fetched, Request, daemon, http, tree};

/// Reads a revision; blocks.
pub(super) fn fetch(runtime: &Handle, request: &Request) -> Result<Fetched, Error> {
    let bounds = Bounds::new(request.limits, request.stop.clone());
    match request.url.scheme {
        Scheme::Git => talk(daemon::connect(&request.url, &bounds)?, request, &bounds),
        Scheme::Http | Scheme::Https => {
            let transport = http::connect(
                runtime,
                &request.url,
                request.authorities.as_deref(),
                request.credentials.as_ref(),
                &bounds,
            )?;
            talk(transport, request, &bounds)
        }
    }
}

/// What the server can do, and its references as far as they matter.
struct Greeting {
    protocol: Protocol,
    capabilities: Capabilities,
    refs: Vec<Ref>,
}

fn talk(
    mut transport: impl Transport,
    request: &Request,
    bounds: &Bounds,
) -> Result<Fetched, Error> {
    let greeting = greet(&mut transport, request, bounds)?;
    let tip = match wanted(&greeting.refs, request.reference.as_deref()) {
        // A tag that is known has the same commit still: what it names is part of its hash.
        Ok(tip) if request.known.as_deref() == Some(&tip.commit.to_hex().to_string()) => {
            // The server need not wait for more.
            let _ = indicate_end_of_interaction(&mut transport, false);
            return Ok(Fetched::Known(tip.commit.to_hex().to_string()));
        }
        Ok(tip) => tip,
        Err(error) => {
            let _ = indicate_end_of_interaction(&mut transport, false);
            return Err(error);
        }
    };
    let data = pack(&mut transport, &greeting, tip.object, request, bounds)?;
    let pack = Pack::index(data, request.limits, bounds)?;
    tree::revision(&pack, tip.object, request, bounds).map(Fetched::Revision)
}

fn greet(
    transport: &mut impl Transport,
    request: &Request,
    bounds: &Bounds,
) -> Result<Greeting, Error> {
    let fail = |error: &dyn Display| bounds.error(error);
    let SetServiceResponse {
        actual_protocol: protocol,
        capabilities,
        refs,
    } = transport
        .handshake(Service::UploadPack, &[])
        .map_err(|error| unheard(bounds.error(chain(&error))))?;
    let sha256 = capabilities
        .capability("object-format")
        .and_then(|format| format.value().map(|value| value != "sha1"));
    if sha256 == Some(true) {
        let why = "the repository uses SHA-256 hashes, which is not supported".to_owned();
        return Err(Error::Protocol(why));
    }
    // Older servers tell all references at once, newer ones when they are asked.
    let told = refs
        .map(|mut lines| {
            let capabilities = capabilities.iter();
            refs::from_v1_refs_received_as_part_of_handshake_and_capabilities(
                &mut lines,
                capabilities,
            )
        })
        .transpose()
        .map_err(|error| fail(&error))?;
    let refs = match told {
        Some((refs, _)) => refs,
        None => ask(transport, request, bounds)?,
    };
    Ok(Greeting {
        protocol,
        capabilities,
        refs,
    })
}

/// An error with all that is behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    let all: Vec<String> = all.map(ToString::to_string).collect();
    all.join(": ")
}

/// What `git daemon` says of a repository that it does not have, or does not show.
fn unheard(error: Error) -> Error {
    let words = ["no such repository", "not exported"];
    let Error::Protocol(why) = &error else {
        return error;
    };
    match words.into_iter().find(|word| why.contains(word)) {
        Some(word) => Error::NoRepository(word.to_owned()),
        None => error,
    }
}

fn ask(
    transport: &mut impl Transport,
    request: &Request,
    bounds: &Bounds,
) -> Result<Vec<Ref>, Error> {
    let arguments = ["symrefs".to_owned(), "peel".to_owned()].into_iter();
    let arguments = arguments.chain(prefixes(request.reference.as_deref()));
    let mut lines = transport
        .invoke(
            Command::LsRefs.as_str(),
            [agent()].into_iter(),
            Some(arguments.map(BString::from)),
            false,
        )
        .map_err(|error| bounds.error(error))?;
    refs::from_v2_refs(&mut lines).map_err(|error| bounds.error(error))
}

fn agent() -> (&'static str, Option<String>) {
    let agent = concat!("git/skep-", env!("CARGO_PKG_VERSION"));
    ("agent", Some(agent.to_owned()))
}

/// Which references the server should tell of.
fn prefixes(reference: Option<&str>) -> Vec<String> {
    let names = match reference {
        None => vec!["HEAD".to_owned()],
        Some(name) => names(name),
    };
    names
        .into_iter()
        .map(|name| format!("ref-prefix {name}"))
        .collect()
}

/// The full names that a short one may mean, the likeliest first.
fn names(name: &str) -> Vec<String> {
    if name.starts_with("refs/") {
        return vec![name.to_owned()];
    }
    vec![format!("refs/heads/{name}"), format!("refs/tags/{name}")]
}

/// What a reference names.
struct Tip {
    /// What is asked for: the commit, or the tag that leads to it.
    object: ObjectId,
    /// The commit.
    commit: ObjectId,
}

fn wanted(refs: &[Ref], reference: Option<&str>) -> Result<Tip, Error> {
    let found = |name: &str| {
        refs.iter().find_map(|known| {
            let (full, object, peeled) = known.unpack();
            let object = object.filter(|_| full == name)?.to_owned();
            let commit = peeled.map_or(object, ToOwned::to_owned);
            Some(Tip { object, commit })
        })
    };
    match reference {
        None => found("HEAD").ok_or_else(|| {
            let why = "the repository has no HEAD yet: push a branch, or name one in spec.ref";
            Error::NoReference(why.to_owned())
        }),
        Some(name) => {
            let tip = names(name).iter().find_map(|name| found(name));
            let commit = ObjectId::from_hex(name.as_bytes()).ok();
            let commit = commit.map(|commit| Tip {
                object: commit,
                commit,
            });
            tip.or(commit).ok_or_else(|| {
                Error::NoReference(format!(
                    "the repository has no branch or tag `{name}`: check spec.ref (a commit is written with all its 40 digits)"
                ))
            })
        }
    }
}

/// The pack of one commit without its history.
fn pack(
    transport: &mut impl Transport,
    greeting: &Greeting,
    object: ObjectId,
    request: &Request,
    bounds: &Bounds,
) -> Result<Vec<u8>, Error> {
    let fail = |error: &dyn Display| bounds.error(error);
    let mut features = Command::Fetch.default_features(greeting.protocol, &greeting.capabilities);
    // Bases of deltas outside of the pack would be of no use.
    features.retain(|(name, _)| !matches!(*name, "thin-pack" | "ref-in-want" | "sideband-all"));
    Response::check_required_features(greeting.protocol, &features)
        .map_err(|error| fail(&error))?;
    features.push(agent());
    let mut arguments = Arguments::new(greeting.protocol, features, false);
    arguments.want(object);
    if arguments.can_use_shallow() {
        arguments.deepen(1);
    }
    if arguments.can_use_filter() {
        // No manifest is larger, and large files are what makes repositories large.
        arguments.filter(&format!("blob:limit={}", request.limits.file));
    }
    let mut reader = arguments
        .send(transport, true)
        .map_err(|error| fail(&error))?;
    let response = Response::from_line_reader(greeting.protocol, &mut reader, true, false)
        .map_err(|error| refused(&fail(&error), request))?;
    if !response.has_pack() {
        return Err(refused(&fail(&"it sent no pack"), request));
    }
    // What the server says beside the pack is for people before a terminal.
    reader.set_progress_handler(Some(Box::new(|_, _| std::ops::ControlFlow::Continue(()))));
    let mut data = Vec::new();
    let read = reader.read_to_end(&mut data);
    read.map_err(|error| fail(&error))?;
    Ok(data)
}

/// A commit that no reference leads to may be refused, which says nothing of the protocol.
fn refused(error: &Error, request: &Request) -> Error {
    match (&request.reference, error) {
        (Some(name), Error::Protocol(why)) if ObjectId::from_hex(name.as_bytes()).is_ok() => {
            Error::NoReference(format!(
                "the server does not give commit {name} ({why}): check spec.ref, or name a branch or tag"
            ))
        }
        _ => error.clone(),
    }
}
