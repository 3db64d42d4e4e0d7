//! The declared resource: its types, how a manifest is parsed and checked, its schema,
//! and the grammar of application labels.

mod changes;
pub mod condition;
pub mod diagnostic;
pub mod expression;
pub mod grammar;
pub mod image;
pub mod labels;
pub mod limits;
pub mod parse;
pub mod schema;
pub mod service_cluster;
pub mod signer;
pub mod source;
pub mod status;
pub mod validate;
pub mod value;
pub mod version;

pub use changes::changed_fields;
pub use condition::{Condition, ConditionStatus, ConditionType};
pub use diagnostic::Diagnostic;
pub use service_cluster::{Metadata, ServiceCluster, ServiceClusterSpec};
pub use source::{Source, SourceChange, SourceFault, SourceSpec, SourceStatus, Verify};
pub use status::Status;
pub use value::{ByteSize, Constraint, Cpus, HostPattern, Span, StringMap};
pub use version::Version;
