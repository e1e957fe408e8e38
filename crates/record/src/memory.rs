//! [`Memory`]: how much all recorders of a process may keep.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Weak};

use standin_sync::Unpoisoned;

/// The memory that the recorders of a process share, unless they have their own.
const PROCESS: usize = 16 << 20;

/// When it is full, this part of it is made free at once, so that making room is rare.
const AT_ONCE: usize = 8;

static OF_PROCESS: LazyLock<Memory> = LazyLock::new(|| Memory::new(PROCESS));

/// How much may be kept of what was recorded. When it is full, what was silent for the longest
/// goes first: connections that have ended, then the records of others.
///
/// Clones are one memory.
///
/// ```
/// use standin_record::Memory;
///
/// assert_eq!(Memory::of_process().limit(), 16 << 20);
/// assert_eq!(Memory::new(1 << 20).limit(), 1 << 20);
/// ```
#[derive(Clone)]
pub struct Memory(Arc<Inner>);

struct Inner {
    limit: usize,
    spent: AtomicUsize,
    keepers: Mutex<Vec<Weak<dyn Keeper>>>,
}

/// Who keeps records, and can part with them.
pub(crate) trait Keeper: Send + Sync {
    /// What could go, each with when it was last used.
    fn candidates(self: Arc<Self>) -> Vec<Candidate>;
}

/// Something that can go.
pub(crate) struct Candidate {
    pub(crate) has_ended: bool,
    pub(crate) last: u64,
    /// Gives up what is kept, and says how many bytes that were. Must not wait for a lock
    /// that a thread that asks for memory may hold.
    pub(crate) give_up: Box<dyn FnOnce() -> usize>,
}

impl Memory {
    /// Memory of `limit` bytes, apart from that of the process.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner {
            limit,
            spent: AtomicUsize::new(0),
            keepers: Mutex::default(),
        }))
    }

    /// Returns the memory that recorders share unless they are given another: 16 MiB.
    pub fn of_process() -> Self {
        OF_PROCESS.clone()
    }

    /// Returns how many bytes may be kept.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Returns how many bytes are kept.
    pub fn spent(&self) -> usize {
        self.0.spent.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, keeper: Weak<dyn Keeper>) {
        let mut keepers = self.0.keepers.lock().unpoisoned();
        keepers.retain(|keeper| keeper.strong_count() > 0);
        keepers.push(keeper);
    }

    /// Takes `bytes` if they are there, without making anybody part with theirs.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let limit = self.0.limit;
        let more = |spent: usize| spent.checked_add(bytes).filter(|sum| *sum <= limit);
        let spent = &self.0.spent;
        spent
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok()
    }

    /// Takes `bytes`, also from those who were silent for the longest.
    pub(crate) fn claim(&self, bytes: usize) -> bool {
        self.take(bytes) || {
            self.make_room(bytes.max(self.0.limit / AT_ONCE));
            self.take(bytes)
        }
    }

    /// Takes `bytes` for something that is there anyway, whether they are there or not.
    pub(crate) fn spend(&self, bytes: usize) {
        if !self.claim(bytes) {
            self.0.spent.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        self.0.spent.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn make_room(&self, bytes: usize) {
        let keepers = self.0.keepers.lock().unpoisoned().clone();
        let mut candidates: Vec<Candidate> = keepers
            .iter()
            .filter_map(Weak::upgrade)
            .flat_map(|keeper| keeper.candidates())
            .collect();
        candidates.sort_by_key(|candidate| (!candidate.has_ended, candidate.last));
        let mut freed = 0;
        for candidate in candidates {
            if freed >= bytes {
                break;
            }
            freed += (candidate.give_up)();
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("limit", &self.limit())
            .field("spent", &self.spent())
            .finish_non_exhaustive()
    }
}

impl Default for Memory {
    /// That of the process.
    fn default() -> Self {
        Self::of_process()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Holds(Memory, Mutex<Vec<(bool, u64)>>);

    impl Keeper for Holds {
        fn candidates(self: Arc<Self>) -> Vec<Candidate> {
            let held = self.1.lock().unpoisoned().clone();
            let candidate = |(has_ended, last): (bool, u64)| {
                let memory = self.0.clone();
                Candidate {
                    has_ended,
                    last,
                    give_up: Box::new(move || {
                        memory.give_back(100);
                        100
                    }),
                }
            };
            held.into_iter().map(candidate).collect()
        }
    }

    #[test]
    fn takes_up_to_its_limit() {
        let memory = Memory::new(100);
        assert!(memory.take(60));
        assert!(!memory.take(60));
        assert!(memory.take(40));
        memory.give_back(100);
        assert_eq!(memory.spent(), 0);
        assert!(!memory.claim(101));
    }

    #[test]
    fn makes_room_in_one_go() {
        let memory = Memory::new(800);
        let holds = Arc::new(Holds(memory.clone(), vec![(false, 1), (true, 2)].into()));
        let weak: Weak<dyn Keeper> = Arc::downgrade(&(Arc::clone(&holds) as Arc<dyn Keeper>));
        memory.add(weak);
        assert!(memory.take(800));
        assert!(memory.claim(10));
        assert_eq!(memory.spent(), 710, "one of the two was enough");
    }
}
