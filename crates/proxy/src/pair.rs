//! The actors: who accepts, and who moves the bytes of one connection.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use standin_connection::Ends;
use standin_reactor::{Actor, Next, Turn};
use standin_socket::{
    AcceptError, Address, ClientBuilder, Dial, End, OwnedConnection, Server, Tried,
};

use crate::control::{self, Came, Control, Orders, Watcher};
use crate::queue::Act;
use crate::random::Random;
use crate::rule::Rule;
use crate::stream::{Note, Out, Stream};
use crate::{Direction, FaultKind};

/// Accepts whoever comes.
pub(crate) struct Listener {
    server: Server,
    client: ClientBuilder,
    control: Arc<Control>,
}

/// How many connections are accepted before others have a turn.
const ACCEPTED_AT_ONCE: usize = 64;

/// How long it is until the next try when the system does not let it accept: no event says when it
/// does again.
const NEXT_TRY: Duration = Duration::from_millis(20);

impl Listener {
    pub(crate) fn new(server: Server, client: ClientBuilder, control: Arc<Control>) -> Listener {
        Listener {
            server,
            client,
            control,
        }
    }
}

impl Actor for Listener {
    fn act(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        if turn.is_first() {
            self.server.wake_when_changed(turn.waker());
        }
        turn.wake_at(None);
        // The socket may be another one than before, or none for a while.
        if turn.register(&mut self.server).is_err() && !self.server.is_open() {
            return Ok(Next::Done);
        }
        for _ in 0..ACCEPTED_AT_ONCE {
            match self.server.try_accept() {
                Ok(Some(near)) => {
                    let (client, control) = (self.client.clone(), Arc::clone(&self.control));
                    turn.spawn(Pair::new(near, client, control));
                }
                Ok(None) => return Ok(Next::Wait),
                Err(AcceptError::Closed { .. } | AcceptError::Aborted { .. }) => {
                    return Ok(Next::Done);
                }
                Err(error) => {
                    tracing::warn!(proxy = %self.control.name, %error, "cannot accept");
                    let next_try = turn.now() + NEXT_TRY;
                    turn.wake_at(Some(next_try));
                    return Ok(Next::Wait);
                }
            }
        }
        Ok(Next::Again)
    }
}

/// Moves the bytes of one connection.
pub(crate) struct Pair {
    control: Arc<Control>,
    index: usize,
    client: ClientBuilder,
    near: OwnedConnection,
    far: Far,
    lines: [Line; 2],
    orders: Orders,
    version: Option<u64>,
    watcher: Option<Watcher>,
    /// Nothing goes through, by a fault, until it is healed once more than so many times.
    silent_since: Option<u64>,
    came: Arc<[AtomicU64; 2]>,
    /// Faults that have happened and were not announced yet.
    fired: Vec<Arc<Rule>>,
}

/// The way to the target.
enum Far {
    /// Not begun: these are to be tried.
    Ahead(Vec<Address>),
    UnderWay {
        dial: Box<Dial>,
        /// To be tried after that.
        others: Vec<Address>,
        until: Instant,
    },
    There(OwnedConnection),
}

/// A direction, and how far it is.
struct Line {
    stream: Stream,
    /// The receiver was told that there is no more.
    is_done: bool,
    /// The receiver is to be told of a reset then.
    reset_at: Option<Instant>,
}

/// What ends a connection.
enum Over {
    /// It is reset on both sides.
    Reset,
    /// It is closed on both sides.
    Close,
    /// This side has closed it already.
    Gone,
}

/// What came of moving bytes in one direction.
enum Moved {
    Nothing,
    Something,
    Silence,
    Over(Over),
}

/// How often bytes are moved before others have a turn.
const ROUNDS: usize = 16;

thread_local! {
    /// What all connections of the reactor's thread receive into, one after the other.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 << 10]);
}

impl Pair {
    fn new(near: OwnedConnection, client: ClientBuilder, control: Arc<Control>) -> Pair {
        let index = near.index();
        let state = control.state();
        let lines = Direction::BOTH.map(|direction| {
            let random = Random::new(state.seed, index, direction.index() as u64 + 1);
            let mut stream = Stream::new(random);
            if let Some(framing) = &state.framing {
                stream.set_framing(framing.make());
            }
            if state.watcher.is_some() {
                stream.note_all();
            }
            Line {
                stream,
                is_done: false,
                reset_at: None,
            }
        });
        let watcher = state.watcher.clone();
        let mut targets = state.targets.clone();
        // Taken from the end.
        targets.reverse();
        drop(state);
        Pair {
            index,
            client,
            near,
            far: Far::Ahead(targets),
            lines,
            orders: Orders::default(),
            version: None,
            watcher,
            silent_since: None,
            came: Arc::default(),
            fired: Vec::new(),
            control,
        }
    }

    /// Looks at what is to be done, if that has changed.
    fn look(&mut self, now: Instant) -> Option<Over> {
        let version = self.control.version();
        if self.version == Some(version) {
            return None;
        }
        let is_new = self.version.is_none();
        self.version = Some(version);
        let orders = self.control.state().orders.clone();
        let before = std::mem::replace(&mut self.orders, orders);
        let peer = self.near.peer_address().ip();
        let Orders {
            rules, heals, cut, ..
        } = &self.orders;
        if self.silent_since.is_some_and(|since| since < *heals) {
            self.silent_since = None;
        }
        for direction in Direction::BOTH {
            let stream = &mut self.lines[direction.index()].stream;
            let shared = self.orders.link(direction, self.index, peer);
            stream.set_link(&shared.link, shared.pace);
            stream.disarm(|armed| rules.iter().any(|rule| std::ptr::eq(&**rule, armed)));
            for rule in rules {
                let fault = &rule.fault;
                let is_known = before.rules.iter().any(|known| Arc::ptr_eq(known, rule));
                if is_known || fault.direction != direction || !fault.is_for(self.index, peer) {
                    continue;
                }
                if fault
                    .probability
                    .is_none_or(|probability| stream.draws(probability))
                {
                    stream.arm(now, Arc::clone(rule));
                }
            }
        }
        let (_, kind) =
            cut.filter(|cut| !is_new && before.cut.is_none_or(|(count, _)| count < cut.0))?;
        self.note(&format!("{kind}, as the test says"));
        match kind {
            FaultKind::Close => Some(Over::Close),
            FaultKind::Silence => {
                self.silent_since = Some(self.orders.heals);
                None
            }
            _ => Some(Over::Reset),
        }
    }

    /// Goes on connecting. Says whether there is something new.
    fn connect(&mut self, turn: &mut Turn<'_>) -> Result<(), Over> {
        loop {
            let outcome = match &mut self.far {
                Far::There(_) => return Ok(()),
                Far::Ahead(targets) => {
                    let Some(target) = targets.pop() else {
                        return Err(Over::Reset);
                    };
                    let limit = self.control.state().connect_limit;
                    let others = std::mem::take(targets);
                    let dial = self.client.dial(&target, self.index).and_then(|mut dial| {
                        turn.register(&mut dial)?;
                        Ok(dial)
                    });
                    match dial {
                        Ok(dial) => {
                            self.far = Far::UnderWay {
                                dial: Box::new(dial),
                                others,
                                until: turn.now() + limit,
                            };
                            continue;
                        }
                        Err(error) => Err((error, others)),
                    }
                }
                Far::UnderWay {
                    dial,
                    others,
                    until,
                } => match dial.try_finish() {
                    Ok(Some(far)) => Ok(far),
                    Ok(None) if *until > turn.now() => return Ok(()),
                    Ok(None) => {
                        let error = io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
                        Err((error, std::mem::take(others)))
                    }
                    Err(error) => Err((error, std::mem::take(others))),
                },
            };
            match outcome {
                Ok(mut far) => {
                    if let Err(error) = turn.register(&mut far) {
                        tracing::warn!(proxy = %self.control.name, %error, "cannot be watched");
                        return Err(Over::Reset);
                    }
                    far.wake_when_closed(turn.waker());
                    self.reached(&far);
                    self.far = Far::There(far);
                    return Ok(());
                }
                Err((_, others)) if !others.is_empty() => self.far = Far::Ahead(others),
                Err((error, _)) => {
                    tracing::debug!(proxy = %self.control.name, %error, "cannot be reached");
                    self.note(&format!("the target cannot be reached: {error}"));
                    let mut state = self.control.state();
                    let count = state.unreached.take().map_or(0, |(count, _)| count);
                    state.unreached = Some((count + 1, error.to_string()));
                    return Err(Over::Reset);
                }
            }
        }
    }

    fn reached(&self, far: &OwnedConnection) {
        let local = far.local_address().socket_addr();
        let peer = far.peer_address().socket_addr();
        if let Some(pair) = self.control.state().pairs.get_mut(&self.index) {
            pair.far_ends = local.zip(peer).map(|(local, peer)| Ends::new(local, peer));
        }
    }

    /// Writes down a fault on both sides.
    fn note(&self, what: &str) {
        tracing::debug!(proxy = %self.control.name, connection = self.index, what, "fault");
        self.near.record_fault(what);
        if let Far::There(far) = &self.far {
            far.record_fault(what);
        }
    }

    /// Passes on what was noticed on the way.
    fn notice(&mut self, direction: Direction) {
        let stream = &mut self.lines[direction.index()].stream;
        if !stream.has_notes() {
            return;
        }
        for note in stream.take_notes() {
            match note {
                Note::Fired {
                    rule,
                    bytes,
                    frames,
                } => {
                    let frames = frames.map(|frames| format!(" and {frames} frames"));
                    let frames = frames.unwrap_or_default();
                    self.note(&format!(
                        "{}: {bytes} bytes{frames} {direction}",
                        rule.fault
                    ));
                    self.fired.push(rule);
                }
                Note::Came { size, head } => {
                    if let Some(watcher) = &self.watcher {
                        watcher(Came {
                            connection: self.index,
                            direction,
                            size,
                            head: &head,
                        });
                    }
                }
                Note::NotFrames(error) => {
                    self.note(&format!("what goes {direction} is not in frames: {error}"));
                }
            }
        }
    }

    /// Moves bytes in one direction, as many as can be without waiting.
    fn go(&mut self, direction: Direction, now: Instant, wakes: &mut Wakes) -> Moved {
        let line = &mut self.lines[direction.index()];
        let far = match &mut self.far {
            Far::There(far) => Some(far),
            Far::Ahead(_) | Far::UnderWay { .. } => None,
        };
        let (from, mut to) = match direction {
            Direction::Up => (Some(&mut self.near), far),
            Direction::Down => (far, Some(&mut self.near)),
        };
        let mut has_moved = false;
        if let Some(to) = &mut to {
            match line.send(to, now, wakes) {
                Moved::Something => has_moved = true,
                Moved::Nothing => {}
                over => return over,
            }
            if let Some(at) = line.reset_at {
                if at <= now {
                    return Moved::Over(Over::Reset);
                }
                wakes.at(at);
            }
        }
        let Some(from) = from else {
            return Moved::Nothing;
        };
        let room = line.stream.room();
        if room == 0 || line.stream.has_ended() {
            return if has_moved {
                Moved::Something
            } else {
                Moved::Nothing
            };
        }
        let received = BUFFER.with_borrow_mut(|buffer| {
            let room = room.min(buffer.len());
            let is_plain = line.stream.is_plain();
            let buffer = match is_plain {
                true => &mut buffer[..],
                false => &mut buffer[..room],
            };
            let count = match from.try_receive(buffer) {
                Tried::Done(count) => count,
                other => return Err(other),
            };
            let bytes = &buffer[..count];
            let sent = match &mut to {
                Some(to) if is_plain => match to.try_send(bytes) {
                    Tried::Done(sent) => sent,
                    Tried::NotNow => 0,
                    Tried::Ended(_) if !to.is_open() => return Ok(Moved::Over(Over::Gone)),
                    Tried::Ended(_) => return Ok(Moved::Over(Over::Reset)),
                },
                _ => 0,
            };
            if is_plain {
                line.stream.passed(sent);
            }
            line.stream.push(now, &bytes[sent..]);
            Ok(Moved::Something)
        });
        match received {
            Ok(moved) => moved,
            Err(Tried::Ended(_)) if !from.is_open() => Moved::Over(Over::Gone),
            Err(Tried::Ended(End::PeerClosed)) => {
                line.stream.end(now);
                Moved::Something
            }
            Err(Tried::Ended(_)) => {
                line.reset_at = Some(line.stream.reset(now));
                Moved::Something
            }
            Err(_) if has_moved => Moved::Something,
            Err(_) => Moved::Nothing,
        }
    }

    /// Ends the connection on both sides.
    fn end(&mut self, over: Over) -> Next {
        for direction in Direction::BOTH {
            self.notice(direction);
        }
        let far = match &mut self.far {
            Far::There(far) => Some(far),
            Far::Ahead(_) | Far::UnderWay { .. } => None,
        };
        for connection in [Some(&mut self.near), far].into_iter().flatten() {
            match over {
                Over::Reset => {
                    if let Err(error) = connection.handle().reset() {
                        tracing::debug!(%error, "the peer has gone before the reset");
                    }
                }
                // With something left to be received, the system would reset the connection, and
                // the peer could lose what was sent last.
                Over::Close => {
                    discard(connection);
                    connection.handle().close();
                }
                Over::Gone => {}
            }
        }
        self.announce();
        Next::Done
    }

    /// Lets those know who wait for faults: when they have happened, not earlier.
    fn announce(&mut self) {
        self.count();
        self.fired.drain(..).for_each(|rule| rule.has_fired());
    }

    /// Says how many bytes have come.
    fn count(&self) {
        for (count, line) in self.came.iter().zip(&self.lines) {
            count.store(line.stream.came(), Ordering::Relaxed);
        }
    }

    /// Whether both directions are over.
    fn is_done(&self) -> bool {
        self.lines.iter().all(|line| line.is_done)
    }
}

/// When an actor has something to do by itself.
#[derive(Default)]
struct Wakes(Option<Instant>);

impl Wakes {
    fn at(&mut self, time: Instant) {
        self.0 = Some(self.0.map_or(time, |other| other.min(time)));
    }
}

impl Line {
    /// Sends what is due, as much as the receiver takes.
    fn send(&mut self, to: &mut OwnedConnection, now: Instant, wakes: &mut Wakes) -> Moved {
        let mut moved = Moved::Nothing;
        loop {
            let act = match self.stream.next(now) {
                Out::Nothing => return moved,
                Out::Wait(at) => {
                    wakes.at(at);
                    return moved;
                }
                Out::Act(act) => act,
                Out::Send(bytes) => {
                    let size = bytes.len();
                    match to.try_send(bytes) {
                        Tried::Done(0) | Tried::NotNow => return moved,
                        Tried::Done(count) => {
                            self.stream.sent(now, count);
                            moved = Moved::Something;
                            if count < size {
                                return moved;
                            }
                        }
                        Tried::Ended(_) if !to.is_open() => return Moved::Over(Over::Gone),
                        Tried::Ended(_) => return Moved::Over(Over::Reset),
                    }
                    continue;
                }
            };
            match act {
                Act::End => {
                    if let Err(error) = to.shutdown_write() {
                        tracing::debug!(%error, "the receiver has gone before the end");
                    }
                    self.is_done = true;
                    moved = Moved::Something;
                }
                Act::Close => return Moved::Over(Over::Close),
                Act::Reset => return Moved::Over(Over::Reset),
                Act::Silence => return Moved::Silence,
            }
        }
    }
}

/// Takes what has come and nobody looks at any more.
fn discard(connection: &mut OwnedConnection) {
    BUFFER.with_borrow_mut(|buffer| {
        for _ in 0..ROUNDS {
            match connection.try_receive(buffer) {
                Tried::Done(count) if count == buffer.len() => {}
                _ => break,
            }
        }
    });
}

impl Actor for Pair {
    fn act(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        if turn.is_first() {
            turn.register(&mut self.near)?;
            self.near.wake_when_closed(turn.waker());
            let pair = control::Pair {
                handle: Some(turn.handle()),
                peer: self.near.peer_address().clone(),
                far_ends: None,
                came: Arc::clone(&self.came),
            };
            self.control.state().pairs.insert(self.index, pair);
        }
        turn.wake_at(None);
        if !self.near.is_open() {
            return Ok(Next::Done);
        }
        let now = turn.now();
        if let Some(over) = self.look(now) {
            return Ok(self.end(over));
        }
        let mut wakes = Wakes::default();
        let pauses = Direction::BOTH.map(|direction| self.orders.pause(direction, now));
        for pause in pauses.iter().flatten() {
            if let Some(until) = pause.until {
                wakes.at(until);
            }
        }
        let is_apart = pauses.iter().all(Option::is_some);
        for round in 0.. {
            if self.silent_since.is_some() || is_apart {
                break;
            }
            if let Err(over) = self.connect(turn) {
                return Ok(self.end(over));
            }
            if let Far::UnderWay { until, .. } = &self.far {
                wakes.at(*until);
            }
            let now = turn.now();
            let mut has_moved = false;
            for direction in Direction::BOTH {
                if pauses[direction.index()].is_some() {
                    continue;
                }
                match self.go(direction, now, &mut wakes) {
                    Moved::Nothing => {}
                    Moved::Something => has_moved = true,
                    Moved::Silence => self.silent_since = Some(self.orders.heals),
                    Moved::Over(over) => return Ok(self.end(over)),
                }
                self.notice(direction);
                self.announce();
                if self.silent_since.is_some() {
                    break;
                }
            }
            if self.is_done() {
                return Ok(self.end(Over::Close));
            }
            if !has_moved {
                break;
            }
            if round == ROUNDS {
                return Ok(Next::Again);
            }
        }
        self.count();
        turn.wake_at(wakes.0);
        Ok(Next::Wait)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.count();
        self.control.is_over(self.index);
    }
}
