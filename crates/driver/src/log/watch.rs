//! Events when a file changes.
//!
//! - Linux: inotify, with one instance and one thread for the whole process, while there are
//!   subscribers. Directories are watched, so that a file that does not exist yet, or is replaced,
//!   is noticed too. Network file systems do not report writes of other machines.
//! - On other systems, and beyond the system's limits: no events. Waiting threads check again after
//!   an interval.

pub(crate) use imp::{Events, Subscription, events, settle, subscribe};

/// A callback for changes of the file, called from another thread. It must not block.
pub(crate) type OnChange = std::sync::Arc<dyn Fn() + Send + Sync>;

#[cfg(target_os = "linux")]
mod imp {
    use std::collections::HashMap;
    use std::ffi::{OsStr, OsString};
    use std::fmt;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;
    use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Weak};
    use std::thread::JoinHandle;

    use rustix::event::{PollFd, PollFlags};
    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
    use rustix::fs::{Access, access};
    use standin_sync::{Monitor, Unpoisoned};

    use super::OnChange;

    /// Until it is dropped, the thread that reads the events runs also without a subscription.
    ///
    /// A thread that is created when a program has been started may have to wait until that leaves
    /// it a processor, for milliseconds. One that is there already does not.
    #[derive(Debug)]
    pub(crate) struct Events {
        _hub: Arc<Hub>,
    }

    /// Has the thread that reads the events run; `None` if the system has no more events.
    pub(crate) fn events() -> Option<Events> {
        // Whoever subscribes meets the same error.
        let _hub = Hub::get().ok()?;
        Some(Events { _hub })
    }

    /// Ends what it stands for when it is dropped.
    pub(crate) struct Subscription {
        hub: Arc<Hub>,
        places: Vec<(i32, u64)>,
    }

    impl fmt::Debug for Subscription {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Subscription(..)")
        }
    }

    impl Drop for Subscription {
        fn drop(&mut self) {
            // With the last of them the queue goes, and its watches with it. Should there be
            // another by then, nobody listens to one that stays.
            let is_last = Arc::strong_count(&self.hub) == 1;
            for (watch, id) in self.places.drain(..) {
                self.hub.remove(watch, id, is_last);
            }
        }
    }

    /// Calls `on_change` whenever the file may have changed; `None` if that
    /// cannot be opened, for example because its directory does not exist.
    pub(crate) fn subscribe(path: &Path, on_change: &OnChange) -> Option<Subscription> {
        // Not a hub for nothing, again and again while a search waits for the directory.
        access(folder(path), Access::READ_OK).ok()?;
        let hub = Hub::get()
            .inspect_err(|error| tracing::debug!(%error, "no file events"))
            .ok()?;
        let mut subscription = Subscription {
            hub: hub.clone(),
            places: Vec::new(),
        };
        let mut add = |path: &Path| -> Option<()> {
            let name = path.file_name()?;
            let folder = folder(path);
            let place = hub
                .shared()?
                .add(folder, name, on_change)
                .inspect_err(|error| {
                    tracing::debug!(folder = %folder.display(), %error, "cannot be watched");
                })
                .ok()?;
            subscription.places.push(place);
            Some(())
        };
        add(path)?;
        // What a link points to is written to in its own directory.
        if let Ok(real) = std::fs::canonicalize(path)
            && path.is_symlink()
        {
            add(&real);
        }
        Some(subscription)
    }

    /// The directory of a file.
    fn folder(path: &Path) -> &Path {
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// The threads that are about to end. The system closes a queue of file events in 5
    /// to 20 ms, for which nobody waits who has seen what it waited for.
    pub(super) static ENDING: LazyLock<Monitor<Ending>> = LazyLock::new(Monitor::default);

    #[derive(Default)]
    pub(super) struct Ending {
        pub(super) threads: Vec<JoinHandle<()>>,
        /// How many others are waited for.
        pub(super) joining: usize,
    }

    /// If there are more of them, they are waited for.
    const MOST_ENDING: usize = 4;

    /// Waits until nothing is left of subscriptions that have ended.
    pub(crate) fn settle() {
        let mut ending = ENDING.lock();
        let threads = std::mem::take(&mut ending.threads);
        ending.joining += threads.len();
        drop(ending);
        for thread in threads {
            let _ = thread.join();
            ENDING.update(|ending| ending.joining -= 1);
        }
        drop(ENDING.wait_while(ENDING.lock(), None, |ending| ending.joining > 0));
    }

    /// The thread that reads the events. It ends with the last who has it.
    struct Hub {
        /// This and the others are there until the drop.
        shared: Option<Arc<Shared>>,
        thread: Option<JoinHandle<()>>,
        /// Closed, its other end has the thread end.
        end: Option<OwnedFd>,
    }

    struct Shared {
        inotify: OwnedFd,
        watches: Mutex<Watches>,
        /// Held while listeners are called.
        delivery: Mutex<()>,
    }

    #[derive(Default)]
    struct Watches {
        listeners: HashMap<i32, Vec<Listener>>,
        last_id: u64,
    }

    struct Listener {
        id: u64,
        name: OsString,
        on_change: OnChange,
    }

    impl fmt::Debug for Hub {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Hub(..)")
        }
    }

    impl Hub {
        fn get() -> std::io::Result<Arc<Self>> {
            static CURRENT: Mutex<Weak<Hub>> = Mutex::new(Weak::new());
            let mut current = CURRENT.lock().unpoisoned();
            if let Some(hub) = current.upgrade() {
                return Ok(hub);
            }
            #[cfg(test)]
            super::tests::HUBS.set(super::tests::HUBS.get() + 1);
            let shared = Arc::new(Shared {
                inotify: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?,
                watches: Mutex::default(),
                delivery: Mutex::default(),
            });
            let (until, end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            let thread = std::thread::Builder::new()
                .name("file events".to_owned())
                .spawn({
                    let shared = shared.clone();
                    move || shared.listen(&until)
                })?;
            let hub = Arc::new(Self {
                shared: Some(shared),
                thread: Some(thread),
                end: Some(end),
            });
            *current = Arc::downgrade(&hub);
            Ok(hub)
        }

        fn shared(&self) -> Option<&Shared> {
            self.shared.as_deref()
        }

        fn remove(&self, watch: i32, id: u64, is_last: bool) {
            if let Some(shared) = self.shared() {
                shared.remove(watch, id, is_last);
            }
        }
    }

    impl Drop for Hub {
        fn drop(&mut self) {
            // The thread is the last that has it, and so the one that closes the queue.
            drop(self.shared.take());
            drop(self.end.take());
            let Some(thread) = self.thread.take() else {
                return;
            };
            let mut ending = ENDING.lock();
            ending.threads.retain(|thread| !thread.is_finished());
            ending.threads.push(thread);
            let too_many = ending.threads.len() > MOST_ENDING;
            drop(ending);
            if too_many {
                settle();
            }
        }
    }

    impl Shared {
        fn add(
            &self,
            folder: &Path,
            name: &OsStr,
            on_change: &OnChange,
        ) -> rustix::io::Result<(i32, u64)> {
            let flags = WatchFlags::CREATE
                | WatchFlags::MODIFY
                | WatchFlags::CLOSE_WRITE
                | WatchFlags::MOVED_TO
                | WatchFlags::MOVED_FROM
                | WatchFlags::DELETE
                | WatchFlags::DELETE_SELF
                | WatchFlags::MOVE_SELF;
            // Under the lock: the same directory has the same watch for all.
            let mut watches = self.lock();
            let watch = inotify::add_watch(&self.inotify, folder, flags)?;
            watches.last_id += 1;
            let id = watches.last_id;
            watches.listeners.entry(watch).or_default().push(Listener {
                id,
                name: name.to_owned(),
                on_change: on_change.clone(),
            });
            Ok((watch, id))
        }

        fn remove(&self, watch: i32, id: u64, is_last: bool) {
            let mut watches = self.lock();
            let mut removed = None;
            if let Some(listeners) = watches.listeners.get_mut(&watch) {
                if let Some(at) = listeners.iter().position(|listener| listener.id == id) {
                    removed = Some(listeners.swap_remove(at));
                }
                if listeners.is_empty() {
                    watches.listeners.remove(&watch);
                    if !is_last {
                        let _ = inotify::remove_watch(&self.inotify, watch);
                    }
                }
            }
            drop(watches);
            // Not under the lock: this may drop values of other code.
            drop(removed);
            // What it calls, and what that holds, is gone when this returns.
            drop(self.delivery.lock().unpoisoned());
        }

        fn listen(&self, until: &OwnedFd) {
            let mut buffer = [MaybeUninit::uninit(); 8192];
            loop {
                let mut fds = [
                    PollFd::new(&self.inotify, PollFlags::IN),
                    PollFd::new(until, PollFlags::IN),
                ];
                match rustix::event::poll(&mut fds, None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => {
                        tracing::warn!(%error, "no more file events");
                        return;
                    }
                }
                if !fds[1].revents().is_empty() {
                    return;
                }
                let _delivery = self.delivery.lock().unpoisoned();
                let mut changed: Vec<OnChange> = Vec::new();
                let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
                while let Ok(event) = reader.next() {
                    let name = event
                        .file_name()
                        .map(|name| OsStr::from_bytes(name.to_bytes()));
                    let is_lost = event.events().contains(ReadFlags::QUEUE_OVERFLOW);
                    self.collect(event.wd(), name, is_lost, &mut changed);
                }
                for on_change in changed {
                    on_change();
                }
            }
        }

        /// Adds those who wait for this event, each once.
        fn collect(&self, watch: i32, name: Option<&OsStr>, is_lost: bool, to: &mut Vec<OnChange>) {
            let watches = self.lock();
            let listeners = watches
                .listeners
                .iter()
                .filter(|(at, _)| is_lost || **at == watch)
                .flat_map(|(_, listeners)| listeners)
                .filter(|listener| is_lost || name.is_none_or(|name| name == listener.name));
            for listener in listeners {
                if !to
                    .iter()
                    .any(|other| Arc::ptr_eq(other, &listener.on_change))
                {
                    to.push(listener.on_change.clone());
                }
            }
        }

        fn lock(&self) -> MutexGuard<'_, Watches> {
            self.watches.lock().unpoisoned()
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::path::Path;

    use super::OnChange;

    /// Never made.
    #[derive(Debug)]
    pub(crate) enum Events {}

    pub(crate) fn events() -> Option<Events> {
        None
    }

    /// Never made.
    #[derive(Debug)]
    pub(crate) enum Subscription {}

    pub(crate) fn subscribe(_path: &Path, _on_change: &OnChange) -> Option<Subscription> {
        None
    }

    pub(crate) fn settle() {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::thread;
    use std::time::Duration;

    use super::imp::ENDING;
    use super::*;

    thread_local! {
        /// How many hubs this thread has made.
        pub(super) static HUBS: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn no_hub_is_made_for_a_folder_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let quiet: OnChange = Arc::new(|| {});
        assert!(subscribe(&folder.path().join("missing/log"), &quiet).is_none());
        assert_eq!(HUBS.get(), 0);
        drop(subscribe(&folder.path().join("log"), &quiet).unwrap());
    }

    #[test]
    fn the_thread_can_be_there_before_what_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        let events = events().unwrap();
        let before = HUBS.get();
        for _ in 0..3 {
            let (changed, has_changed) = channel();
            let on_change: OnChange = Arc::new(move || _ = changed.send(()));
            let subscription = subscribe(&file, &on_change).unwrap();
            std::fs::write(&file, "x").unwrap();
            has_changed.recv().unwrap();
            drop(subscription);
        }
        assert_eq!(HUBS.get(), before, "there is one for all");
        drop(events);
        settle();
    }

    #[test]
    fn whoever_settles_waits_also_for_what_another_waits_for() {
        let (end, ended) = channel::<()>();
        let ending = thread::spawn(move || _ = ended.recv());
        ENDING.update(|all| all.threads.push(ending));
        let first = thread::spawn(settle);
        while ENDING.lock().joining == 0 {
            thread::yield_now();
        }
        let (settled, has_settled) = channel();
        let second = thread::spawn(move || {
            settle();
            settled.send(())
        });
        // Too short a time for a slow machine would only fail to notice a mistake.
        let early = has_settled.recv_timeout(Duration::from_millis(50));
        assert_eq!(early, Err(RecvTimeoutError::Timeout));
        drop(end);
        first.join().unwrap();
        second.join().unwrap().unwrap();
    }

    #[test]
    fn nothing_of_a_subscription_is_left_when_it_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        // Another one keeps the thread, as another driver that waits would.
        let quiet: OnChange = Arc::new(|| {});
        let other = subscribe(&folder.path().join("other"), &quiet).unwrap();
        for _ in 0..200 {
            let held = Arc::new(());
            let (entered, has_entered) = channel();
            let on_change: OnChange = Arc::new({
                let held = held.clone();
                move || {
                    let _held = &held;
                    let _ = entered.send(());
                    std::thread::yield_now();
                }
            });
            let subscription = subscribe(&file, &on_change).unwrap();
            std::fs::write(&file, "x").unwrap();
            has_entered.recv().unwrap();
            drop((subscription, on_change));
            assert_eq!(Arc::strong_count(&held), 1);
        }
        drop(other);
        settle();
    }
}
