//! Which thread this is: of the system or, with `--cfg loom`, of loom's model of it.

#[cfg(loom)]
pub(crate) use loom::thread::{ThreadId, current};
#[cfg(not(loom))]
pub(crate) use std::thread::{ThreadId, current};
