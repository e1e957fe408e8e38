use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use standin_driver::{DriverBase, Lifecycle, WaitEnd};
use standin_entity::Result;
use standin_reactor::Group;
use standin_socket::{ControlError, Server};
use standin_sync::Unpoisoned;
use standin_sync::operation::{Thread, Wait, now};

use crate::control::{Control, Pause, Shared, Watcher};
use crate::rule::{Injected, Rule};
use crate::{Direction, Fault, FaultKind, Links, NewFraming, ProxyError, TcpProxyBuilder};

/// A driver that stands between a peer and its target, and forwards their traffic late, slowly, in
/// pieces, incompletely, or not at all, depending on its [faults](Fault) and links.
///
/// It publishes `host` and `port` in its context, as a server does; programs that are to meet
/// faults connect there. Connections have an index, counted from 0 in the order in which they
/// arrive. Half-closes, resets and the backpressure of a receiver are passed on unchanged.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::{TcpListener, TcpStream};
/// use standin_driver::Lifecycle;
/// use standin_proxy::{Direction, Fault, TcpProxy};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bank = TcpListener::bind("127.0.0.1:0")?;
/// let wan = TcpProxy::builder("wan")
///     .to(bank.local_addr()?.to_string())
///     .fault(Fault::close().on(Direction::Down).after_bytes(3))
///     .build()?;
/// wan.start()?;
///
/// let mut client = TcpStream::connect(("localhost", wan.port().expect("it is started")))?;
/// client.write_all(b"balance?")?;
/// let (mut peer, _) = bank.accept()?;
/// peer.read_exact(&mut [0; 8])?;
/// peer.write_all(b"42.00")?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer)?;
/// assert_eq!(answer, "42."); // and then the connection was closed
///
/// wan.stop()?; // which fails if the fault had not happened
/// # Ok(())
/// # }
/// ```
pub struct TcpProxy {
    pub(crate) base: DriverBase,
    pub(crate) control: Arc<Control>,
    pub(crate) state: RwLock<State>,
}

/// Values that a start determines. The names stay readable after a stop.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) running: Option<Running>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) target: Option<String>,
    /// How long the check at the end may take, and the end itself.
    pub(crate) limit: Duration,
}

/// What is there while it runs.
pub(crate) struct Running {
    pub(crate) server: Server,
    /// The bytes are moved as long as this is there.
    pub(crate) group: Arc<Group>,
}

/// How long an abort waits for code of a user's that keeps the thread.
pub(crate) const ABORT_LIMIT: Duration = Duration::from_secs(1);

impl TcpProxy {
    /// Begins to describe a proxy; `build` makes it.
    pub fn builder(name: impl Into<String>) -> TcpProxyBuilder {
        TcpProxyBuilder::new().name(name)
    }

    /// Returns the host that it listens on, as configured; `None` before the first start.
    pub fn host(&self) -> Option<String> {
        self.state.read().unpoisoned().host.clone()
    }

    /// Returns the port that it listens on; `None` before the first start.
    pub fn port(&self) -> Option<u16> {
        self.state.read().unpoisoned().port
    }

    /// Returns the target, as it was found out by the latest start.
    pub fn target(&self) -> Option<String> {
        self.state.read().unpoisoned().target.clone()
    }

    /// Replaces the links of the options: for all connections, or for those that a
    /// [`Link`](crate::Link) selects. Bytes already in transit keep their arrival time. A default
    /// `Link` has no effect.
    pub fn set_link(&self, direction: Direction, links: impl Into<Links>) {
        let Links(links) = links.into();
        let links = links.into_iter().map(Shared::from).collect();
        self.order(|state| state.orders.links[direction.index()] = links);
    }

    /// Adds a fault for all connections that it applies to, including open ones, when each reaches
    /// its place. A fault without a place happens at once. If it has happened nowhere by the end,
    /// the stop fails, unless it is optional.
    ///
    /// # Errors
    ///
    /// Returns an error if its place is invalid, or needs frames and there is no framing.
    pub fn inject(&self, fault: Fault) -> Result<Injected, ProxyError> {
        let wrong = |reason: String| ProxyError::Fault {
            proxy: self.base.name().to_owned(),
            fault: fault.to_string(),
            reason,
        };
        let rule = Rule::new(fault.clone()).map_err(|(key, message)| {
            let quoted = if key == "kind" {
                String::new()
            } else {
                format!("`{key}`: ")
            };
            wrong(format!("{quoted}{message}"))
        })?;
        let rule = Arc::new(rule);
        self.order(|state| {
            if fault.needs_frames() && state.framing.is_none() {
                return Err(wrong("no framing is set".to_owned()));
            }
            // One that is stopped may be started again.
            if let Some(over) = state.over.filter(|over| *over != WaitEnd::Stopped) {
                rule.is_over(over);
            }
            state.orders.rules.push(Arc::clone(&rule));
            Ok(())
        })?;
        Ok(Injected {
            rule,
            proxy: Arc::clone(&self.control.name),
            explainer: self.base.explainer(),
        })
    }

    /// Removes a fault. If it has not happened, that no longer fails the stop.
    pub fn withdraw(&self, injected: &Injected) {
        self.order(|state| {
            let rules = &mut state.orders.rules;
            rules.retain(|rule| !Arc::ptr_eq(rule, &injected.rule));
        });
    }

    /// Removes all faults, links and pauses, including those of the options. From now on
    /// it is as if there were no proxy.
    pub fn clear(&self) {
        self.order(|state| {
            state.orders.rules.clear();
            state.orders.links = Default::default();
            state.heal();
        });
    }

    /// Does something to all connections that are open, at once, and to none that comes later.
    /// [`FaultKind::Reset`], [`FaultKind::Close`] and [`FaultKind::Silence`] make sense here;
    /// any other kind is as a reset.
    pub fn cut(&self, kind: FaultKind) {
        self.order(|state| {
            let count = state.orders.cut.map_or(0, |(count, _)| count);
            state.orders.cut = Some((count + 1, kind));
        });
    }

    /// Stops all traffic in a direction, including its end, until it is [healed](TcpProxy::heal) or
    /// the time has passed. Nothing is lost: bytes stay with the sender's system, and senders
    /// eventually have to wait.
    pub fn pause(&self, direction: Direction, time: impl Into<Option<Duration>>) {
        self.pause_all(&[direction], time.into());
    }

    /// Stops all traffic in both directions, including that of new connections, until it is
    /// [healed](TcpProxy::heal) or the time has passed.
    pub fn partition(&self, time: impl Into<Option<Duration>>) {
        self.pause_all(&Direction::BOTH, time.into());
    }

    fn pause_all(&self, directions: &[Direction], time: Option<Duration>) {
        let pause = Pause::new(time);
        self.order(|state| {
            for direction in directions {
                state.orders.paused[direction.index()] = Some(pause);
            }
        });
    }

    /// Ends every pause, partition and silence: what was held continues.
    pub fn heal(&self) {
        self.order(|state| state.heal());
    }

    /// Refuses connections from now on, until it [comes back](TcpProxy::come_back). The port stays
    /// its own, and open connections continue.
    ///
    /// # Errors
    ///
    /// Returns an error if the proxy is not running.
    pub fn refuse(&self) -> Result<(), ProxyError> {
        self.control_with(Server::refuse)
    }

    /// Accepts connections again after [`refuse`](TcpProxy::refuse).
    ///
    /// # Errors
    ///
    /// Returns an error if the proxy is not running, or cannot listen again.
    pub fn come_back(&self) -> Result<(), ProxyError> {
        self.control_with(Server::come_back)
    }

    /// Changes the listening socket, which an interruption closes.
    fn control_with(
        &self,
        change: impl FnOnce(&Server) -> Result<(), ControlError>,
    ) -> Result<(), ProxyError> {
        let changed = self.server().and_then(|server| Ok(change(&server)?));
        match self.control.is_interrupted() {
            true => Err(self.interrupted(WaitEnd::Interrupted)),
            false => changed,
        }
    }

    fn interrupted(&self, over: WaitEnd) -> ProxyError {
        ProxyError::interrupted(self.base.name(), &self.base.explainer(), over)
    }

    /// Returns how many connections have come since the latest start.
    pub fn accepted(&self) -> usize {
        self.control.state().pairs.len()
    }

    /// Returns how many of them are open.
    pub fn open(&self) -> usize {
        self.control.state().open()
    }

    /// Waits until at most that many connections are open: that programs close connections that
    /// they no longer need. With `None` it waits without a limit.
    ///
    /// # Errors
    ///
    /// Returns an error if there are more when the time is up, the proxy is stopped or aborted, or
    /// the test has failed elsewhere.
    pub fn wait_until_open(
        &self,
        most: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), ProxyError> {
        now(self.wait_until_open_with(Thread, most, timeout))
    }

    /// Does the same as [`wait_until_open`](TcpProxy::wait_until_open), waiting with `wait`.
    #[doc(hidden)]
    pub async fn wait_until_open_with(
        &self,
        wait: impl Wait,
        most: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), ProxyError> {
        let until = timeout
            .into()
            .and_then(|timeout| Instant::now().checked_add(timeout));
        match wait.run(self.control.until_open(most, until)).await {
            Some(outcome) => outcome.map_err(|over| self.interrupted(over)),
            None => Err(ProxyError::StillOpen {
                proxy: self.base.name().to_owned(),
                open: self.open(),
                most,
                connections: self.control.connections(),
            }),
        }
    }

    /// Returns how many bytes have come in a direction, over all connections since the latest
    /// start.
    pub fn bytes(&self, direction: Direction) -> u64 {
        let state = self.control.state();
        let pairs = state.pairs.values();
        let counts = pairs.map(|pair| pair.came[direction.index()].load(Ordering::Relaxed));
        counts.sum()
    }

    /// Returns where its numbers come from that look random: see the option `seed`.
    pub fn seed(&self) -> u64 {
        self.control.state().seed
    }

    /// Sets a callback for each frame, or each piece of bytes without a framing, of later
    /// connections.
    pub(crate) fn watch(&self, watcher: Watcher) {
        self.control.change(|state| state.watcher = Some(watcher));
    }

    /// Looks for frames in connections that come from now on.
    pub(crate) fn set_framing(&self, framing: NewFraming) {
        self.control.change(|state| state.framing = Some(framing));
    }

    /// Where the numbers of connections come from that come from now on.
    pub(crate) fn set_seed(&self, seed: u64) {
        self.control.change(|state| state.seed = seed);
    }

    pub(crate) fn has_framing(&self) -> bool {
        self.control.state().framing.is_some()
    }

    /// Changes what is to be done: after everything that has happened before the call, and returns
    /// when nobody does otherwise any longer.
    fn order<R>(&self, change: impl FnOnce(&mut crate::control::State) -> R) -> R {
        let group = self.group();
        let keep_up = || {
            if let Some(group) = &group
                && let Err(stuck) = group.keep_up(ABORT_LIMIT)
            {
                tracing::warn!(proxy = self.base.name(), %stuck, "changed, and not seen yet");
            }
        };
        keep_up();
        let result = self.control.change(change);
        keep_up();
        result
    }

    pub(crate) fn group(&self) -> Option<Arc<Group>> {
        let state = self.state.read().unpoisoned();
        let running = state.running.as_ref();
        running.map(|running| Arc::clone(&running.group))
    }

    pub(crate) fn server(&self) -> Result<Server, ProxyError> {
        let state = self.state.read().unpoisoned();
        let running = state.running.as_ref();
        running
            .map(|running| running.server.clone())
            .ok_or_else(|| ProxyError::NotRunning {
                proxy: self.base.name().to_owned(),
                status: self.base.resource().status(),
            })
    }
}

impl crate::control::State {
    fn heal(&mut self) {
        self.orders.paused = [None; 2];
        self.orders.heals += 1;
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        if let Err(error) = self.wind_down() {
            tracing::warn!(proxy = self.base.name(), %error, "the driver did not stop cleanly");
        }
    }
}

impl fmt::Debug for TcpProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpProxy")
            .field("name", &self.base.name())
            .field("status", &self.base.resource().status())
            .field("port", &self.port())
            .field("target", &self.target())
            .finish_non_exhaustive()
    }
}
