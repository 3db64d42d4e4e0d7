//! TLS towards clients: which name a client asks for, what is shown to it, and by what rules.
//!
//! | file | what it does |
//! |---|---|
//! | `hello` | the name in a client's first message, without opening the connection |
//! | `accept` | from a socket to a request or a tunnel, or a clean refusal |
//! | `rules` | versions, suites and protocols of the listener |
//! | `certificate`, `x509` | from PEM to what is shown |
//! | `keep` | the certificates and passthroughs that are wanted, and the next table of them |
//! | `report` | what is counted of it |

mod accept;
mod certificate;
mod hello;
mod keep;
mod report;
mod rules;
mod x509;

pub(super) use accept::{Agreed, Secured, refuse_now, serve};
pub(super) use certificate::LiveCertificate;
pub(super) use keep::Keep;
pub(super) use report::metrics as report;
