//! Numbers of things, in words.

use standin_error::text::Count;

/// So many things: `1 byte`, `2 bytes`.
pub(crate) fn counted(count: u64, thing: &'static str) -> Count {
    Count(usize::try_from(count).unwrap_or(usize::MAX), thing)
}
