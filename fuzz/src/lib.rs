//! What the fuzz targets check. A broken promise is a panic.

pub mod labels;
pub mod texts;
