//! The locks and atomics by which threads agree, in one place, so that `--cfg loom` can put loom's model of them in.

#[cfg(loom)]
pub(crate) use loom::{
    sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU32, AtomicU64, fence},
    },
    thread::{ThreadId, current as current_thread},
};
#[cfg(not(loom))]
pub(crate) use std::{
    sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU32, AtomicU64, fence},
    },
    thread::{ThreadId, current as current_thread},
};
