//! The common state of the actors of a group.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[derive(Debug)]
pub(crate) struct Members {
    pub(crate) name: Arc<str>,
    /// None of them acts any longer.
    has_ended: AtomicBool,
    count: AtomicUsize,
}

impl Members {
    pub(crate) fn new(name: &str) -> Self {
        Members {
            name: name.into(),
            has_ended: AtomicBool::new(false),
            count: AtomicUsize::new(0),
        }
    }

    /// None of them acts from now on.
    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
    }

    pub(crate) fn have_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    pub(crate) fn joined(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn left(&self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }
}
