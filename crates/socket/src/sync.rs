//! The locks and atomics by which threads agree, in one place, so that `--cfg loom` can put loom's
//! model of them in.

#[cfg(loom)]
pub(crate) use self::models::{TryMutex, TryMutexGuard};
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
        Condvar, Mutex, Mutex as TryMutex, MutexGuard, MutexGuard as TryMutexGuard,
        atomic::{AtomicBool, AtomicU32, AtomicU64, fence},
    },
    thread::{ThreadId, current as current_thread},
};

#[cfg(loom)]
mod models {
    use std::{
        ops::{Deref, DerefMut},
        sync::{LockResult, TryLockError, TryLockResult},
    };

    use loom::sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    };

    /// A lock that is tried. To try loom's own while another thread has it, waits for that thread.
    #[derive(Debug)]
    pub(crate) struct TryMutex<T> {
        is_taken: AtomicBool,
        value: Mutex<T>,
    }

    impl<T> TryMutex<T> {
        pub(crate) fn new(value: T) -> TryMutex<T> {
            TryMutex {
                is_taken: AtomicBool::new(false),
                value: Mutex::new(value),
            }
        }

        pub(crate) fn try_lock(&self) -> TryLockResult<TryMutexGuard<'_, T>> {
            let taken =
                self.is_taken
                    .compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire);
            match taken {
                Ok(_) => Ok(TryMutexGuard {
                    mutex: self,
                    value: self.value.lock().ok(),
                }),
                Err(_) => Err(TryLockError::WouldBlock),
            }
        }

        pub(crate) fn lock(&self) -> LockResult<TryMutexGuard<'_, T>> {
            loop {
                match self.try_lock() {
                    Ok(guard) => return Ok(guard),
                    Err(_) => loom::thread::yield_now(),
                }
            }
        }
    }

    #[derive(Debug)]
    pub(crate) struct TryMutexGuard<'a, T> {
        mutex: &'a TryMutex<T>,
        /// `None` once dropped.
        value: Option<MutexGuard<'a, T>>,
    }

    impl<T> Deref for TryMutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.value.as_deref().expect("it is given back by drop")
        }
    }

    impl<T> DerefMut for TryMutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.value.as_deref_mut().expect("it is given back by drop")
        }
    }

    impl<T> Drop for TryMutexGuard<'_, T> {
        fn drop(&mut self) {
            self.value = None;
            self.mutex.is_taken.store(false, Ordering::Release);
        }
    }
}
