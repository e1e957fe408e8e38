//! The keys of a file that are not options.

/// Keys of a driver that are not options.
pub(crate) const TYPE: &str = "type";
pub(crate) const AFTER: &str = "after";
/// Keys of a file that are not options.
pub(crate) const DRIVER: &str = "driver";
pub(crate) const DEFAULTS: &str = "defaults";
pub(crate) const CONTEXT: &str = "context";
