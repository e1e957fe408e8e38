//! The present orders of a proxy, and what has happened: shared by the driver and its actors.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use standin_connection::Ends;
use standin_driver::WaitEnd;
use standin_error::text::Count;
use standin_reactor::Handle;
use standin_socket::Address;
use standin_sync::operation::Operation;
use standin_sync::{Monitor, MutexGuard};

use crate::counted::counted;
use crate::frames::NewFraming;
use crate::pace::Pace;
use crate::rule::Rule;
use crate::time::later;
use crate::{Direction, FaultKind, Link, random};

/// The present orders of a proxy, and what has happened.
pub(crate) struct Control {
    pub(crate) name: Arc<str>,
    state: Monitor<State>,
    /// Changes whenever what is to be done does.
    version: AtomicU64,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) orders: Orders,
    pub(crate) framing: Option<NewFraming>,
    pub(crate) watcher: Option<Watcher>,
    pub(crate) seed: u64,
    /// Why nothing is waited for any longer.
    pub(crate) over: Option<WaitEnd>,
    /// How long a connect to the target may take.
    pub(crate) connect_limit: Duration,
    pub(crate) targets: Vec<Address>,
    /// Connections, also those that are over.
    pub(crate) pairs: BTreeMap<usize, Pair>,
    /// How many connections have not reached the target, and why the last one did not.
    pub(crate) unreached: Option<(usize, String)>,
}

/// What a connection looks at again when it has changed.
#[derive(Clone, Default)]
pub(crate) struct Orders {
    pub(crate) links: [Vec<Shared>; 2],
    pub(crate) rules: Vec<Arc<Rule>>,
    /// Directions in which nothing goes through.
    pub(crate) paused: [Option<Pause>; 2],
    /// How often it was healed.
    pub(crate) heals: u64,
    /// What open connections are to suffer at once, and how often that was said.
    pub(crate) cut: Option<(u64, FaultKind)>,
}

/// A link, with the line that connections share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) link: Link,
    pub(crate) pace: Option<Arc<Mutex<Pace>>>,
}

impl From<Link> for Shared {
    fn from(link: Link) -> Shared {
        let pace = link
            .shared_bandwidth
            .map(|rate| Arc::new(Mutex::new(Pace::new(rate))));
        Shared { link, pace }
    }
}

/// A direction in which nothing goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    since: Instant,
    /// `None` until it is healed.
    pub(crate) until: Option<Instant>,
}

impl Pause {
    /// From now on, for so long.
    pub(crate) fn new(time: Option<Duration>) -> Pause {
        let since = Instant::now();
        Pause {
            since,
            until: time.map(|time| later(since, time)),
        }
    }

    pub(crate) fn is_over(self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.until {
            Some(until) => write!(f, "for {:?}", until - self.since),
            None => f.write_str("until it is healed"),
        }
    }
}

/// A connection through the proxy.
pub(crate) struct Pair {
    /// `None` once it is over.
    pub(crate) handle: Option<Handle>,
    pub(crate) peer: Address,
    pub(crate) far_ends: Option<Ends>,
    /// How many bytes have come, up and down.
    pub(crate) came: Arc<[AtomicU64; 2]>,
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [up, down] = [0, 1].map(|index| self.came[index].load(Ordering::Relaxed));
        let [up, down] = [up, down].map(|bytes| counted(bytes, "byte"));
        write!(f, "from {}: {up} up, {down} down", self.peer)?;
        match self.handle {
            Some(_) => f.write_str(", and it is open"),
            None => Ok(()),
        }
    }
}

/// Who wants to know of everything that comes.
pub(crate) type Watcher = Arc<dyn Fn(Came<'_>) + Send + Sync>;

/// A frame, or a piece of bytes where there are no frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Came<'a> {
    pub(crate) connection: usize,
    pub(crate) direction: Direction,
    pub(crate) size: usize,
    /// The first of its bytes.
    pub(crate) head: &'a [u8],
}

/// How many connections are listed in an error.
const LISTED: usize = 8;

impl Control {
    pub(crate) fn new(name: &str) -> Arc<Control> {
        Arc::new(Control {
            name: name.into(),
            state: Monitor::new(State::default()),
            version: AtomicU64::new(0),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// A connection is over.
    pub(crate) fn is_over(&self, connection: usize) {
        self.state.update(|state| {
            if let Some(pair) = state.pairs.get_mut(&connection) {
                pair.handle = None;
                pair.far_ends = None;
            }
        });
    }

    /// That there are so many open connections or fewer, or why nobody waits for that any longer:
    /// that comes first, since what ends the waits closes the connections, too.
    pub(crate) fn until_open(
        &self,
        most: usize,
        until: Option<Instant>,
    ) -> impl Operation<Output = Option<Result<(), WaitEnd>>> {
        self.state.when(until, move |state| match state.over {
            Some(over) => Some(Err(over)),
            None => (state.open() <= most).then_some(Ok(())),
        })
    }

    /// Lets there be waits again.
    pub(crate) fn begin_waits(&self) {
        self.state.lock().over = None;
    }

    /// Ends every wait, now and in future.
    pub(crate) fn end_waits(&self, over: WaitEnd) {
        let rules = self.state.update(|state| {
            // A stop is not the last word.
            if matches!(state.over, None | Some(WaitEnd::Stopped)) {
                state.over = Some(over);
            }
            state.orders.rules.clone()
        });
        rules.iter().for_each(|rule| rule.is_over(over));
    }

    /// Whether the test has failed elsewhere.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.state().over == Some(WaitEnd::Interrupted)
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Changes what is to be done, and lets all connections look at it.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let (result, handles) = {
            let mut state = self.state();
            let result = change(&mut state);
            self.version.fetch_add(1, Ordering::Release);
            let open = state.pairs.values().filter_map(|pair| pair.handle.clone());
            (result, open.collect::<Vec<_>>())
        };
        // Not under the lock.
        handles.iter().for_each(Handle::wake);
        result
    }

    /// The connections that there were, for an error.
    pub(crate) fn connections(&self) -> Vec<String> {
        let state = self.state();
        let pairs = state.pairs.iter().take(LISTED);
        let mut lines: Vec<String> = pairs
            .map(|(index, pair)| format!("connection {index} {pair}"))
            .collect();
        if state.pairs.len() > LISTED {
            lines.push(format!("and {} more", state.pairs.len() - LISTED));
        }
        lines.extend(state.not_reached());
        lines
    }

    /// A word about where numbers come from that look random, if any do.
    pub(crate) fn chance(&self) -> Option<String> {
        let state = self.state();
        let links = state.orders.links.iter().flatten();
        let mut jitters = links.filter(|shared| shared.link.jitter.is_some());
        let mut rules = state.orders.rules.iter();
        let is_random =
            jitters.next().is_some() || rules.any(|rule| rule.fault.probability.is_some());
        let (seed, variable) = (state.seed, random::VARIABLE);
        is_random.then(|| format!("{variable}={seed} repeats what chance decides"))
    }
}

impl State {
    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        let pairs = self.pairs.values();
        pairs.filter(|pair| pair.handle.is_some()).count()
    }

    /// That connections have not reached the target.
    pub(crate) fn not_reached(&self) -> Option<String> {
        let (count, reason) = self.unreached.as_ref()?;
        let targets: Vec<String> = self.targets.iter().map(Address::to_string).collect();
        let count = Count(*count, "connection");
        let targets = targets.join(", ");
        Some(format!("{count} did not reach {targets}: {reason}"))
    }
}

impl Orders {
    /// The link of a direction of a connection.
    pub(crate) fn link(
        &self,
        direction: Direction,
        connection: usize,
        peer: Option<IpAddr>,
    ) -> Shared {
        let links = self.links[direction.index()].iter().rev();
        let mut meant = links.filter(|shared| shared.link.is_for(connection, peer));
        meant.next().cloned().unwrap_or_else(|| Link::new().into())
    }

    /// Whether nothing goes through in a direction, and until when.
    pub(crate) fn pause(&self, direction: Direction, now: Instant) -> Option<Pause> {
        self.paused[direction.index()].filter(|pause| !pause.is_over(now))
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
