//! Route tables as resources, and back.

mod decode;
mod encode;
mod message;
mod policy;

use std::collections::BTreeMap;

pub use decode::{
    decode_backend, decode_certificate, decode_listener, decode_passthrough, decode_route,
};

use super::resource::{Resource, Snapshot, TypeUrl};
use crate::route::table::RouteTable;

/// Type of the listener-wide settings; there is one, named [`LISTENER_NAME`].
pub const LISTENER: TypeUrl = "type.skep.dev/listener.v1";
/// Type of routes, named as in [`RouteTable::routes`].
pub const ROUTE: TypeUrl = "type.skep.dev/route.v1";
/// Type of backends, named as in [`RouteTable::backends`].
pub const BACKEND: TypeUrl = "type.skep.dev/backend.v1";
/// Type of passthroughs, named as in [`RouteTable::passthroughs`].
pub const PASSTHROUGH: TypeUrl = "type.skep.dev/passthrough.v1";
/// Type of certificates, named as in [`RouteTable::certificates`].
pub const CERTIFICATE: TypeUrl = "type.skep.dev/certificate.v1";
/// The name of the one listener.
pub const LISTENER_NAME: &str = "main";

/// All resources of a cluster. Equal tables give equal snapshots.
#[must_use]
pub fn snapshot(table: &RouteTable) -> Snapshot {
    snapshot_after(&RouteTable::default(), &Snapshot::default(), table)
}

/// The same as [`snapshot`], but what is as in the last table is taken from the last snapshot
/// instead of being encoded and hashed again: a comparison instead of a hash per resource.
///
/// `last` must be the snapshot of `last_table`, or empty.
#[must_use]
pub fn snapshot_after(last_table: &RouteTable, last: &Snapshot, table: &RouteTable) -> Snapshot {
    macro_rules! each {
        ($kind:expr, $field:ident, $encode:ident) => {
            (
                $kind,
                encode_all(
                    &last_table.$field,
                    last.types.get($kind),
                    &table.$field,
                    encode::$encode,
                ),
            )
        };
    }
    let listener = match resource(last, LISTENER, LISTENER_NAME) {
        Some(known) if last_table.listener == table.listener => known.clone(),
        _ => encode::listener(&table.listener),
    };
    let types = [
        (
            LISTENER,
            BTreeMap::from([(LISTENER_NAME.to_owned(), listener)]),
        ),
        each!(CERTIFICATE, certificates, certificate),
        each!(BACKEND, backends, backend),
        each!(ROUTE, routes, route),
        each!(PASSTHROUGH, passthroughs, passthrough),
    ];
    Snapshot {
        types: BTreeMap::from(types),
    }
}

fn encode_all<T: PartialEq>(
    last_items: &BTreeMap<String, T>,
    last: Option<&BTreeMap<String, Resource>>,
    items: &BTreeMap<String, T>,
    encode: impl Fn(&T) -> Resource,
) -> BTreeMap<String, Resource> {
    items
        .iter()
        .map(|(name, item)| {
            let known = last
                .and_then(|last| last.get(name))
                .filter(|_| last_items.get(name) == Some(item));
            let resource = known.cloned().unwrap_or_else(|| encode(item));
            (name.clone(), resource)
        })
        .collect()
}

fn resource<'a>(snapshot: &'a Snapshot, kind: TypeUrl, name: &str) -> Option<&'a Resource> {
    snapshot.types.get(kind)?.get(name)
}

#[cfg(test)]
mod tests;
