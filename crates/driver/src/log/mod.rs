//! Log files: reading them as they grow, backwards from their end, and being
//! told when they change.
//!
//! - `open.rs`: opening a file, and nothing that would block;
//! - `line.rs`: how a pattern sees a line;
//! - `follow.rs`: lines as they come, across rotation and truncation;
//! - `watch.rs`: events of files, and what there is where the system has none;
//! - `bell.rs`: wakes those who wait for something to be written;
//! - `regexps.rs`: the regexps of a driver that starts, and what they extract;
//! - `matcher.rs`: [`LogMatcher`](matcher::LogMatcher), for tests;
//! - `tail.rs`: the last lines of a file of any size.

pub(crate) mod bell;
pub(crate) mod follow;
pub(crate) mod line;
pub(crate) mod matcher;
pub(crate) mod open;
pub(crate) mod regexps;
pub(crate) mod tail;
pub(crate) mod watch;
