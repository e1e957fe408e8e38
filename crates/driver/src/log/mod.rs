//! Log files: reading them as they grow, backwards from their end, and events
//! when they change.
//!
//! - `line.rs`: how a pattern sees a line;
//! - `follow.rs`: lines as they come, across rotation and truncation;
//! - `position.rs`: places in logs, and where they end;
//! - `watch.rs`: events of files, and what there is where the system has none;
//! - `bell.rs`: wakes threads that wait for a write;
//! - `regexps.rs`: the regexps of a driver that starts, and what they extract;
//! - `matcher.rs`: [`LogMatcher`](matcher::LogMatcher), for tests;
//! - `search.rs`: one search of it;
//! - `searched_log.rs`: the log that it searches, and what is said about it;
//! - `log_match.rs`: a line that it has found, or why it has not;
//! - `tail.rs`: the last lines of a file of any size.

pub(crate) mod bell;
pub(crate) mod follow;
pub(crate) mod line;
pub(crate) mod log_match;
pub(crate) mod matcher;
pub(crate) mod position;
pub(crate) mod regexps;
mod search;
mod searched_log;
pub(crate) mod tail;
pub(crate) mod watch;
