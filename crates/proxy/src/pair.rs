//! The actor that moves the bytes of one connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use standin_connection::Ends;
use standin_reactor::{Actor, Next, Slot, Turn};
use standin_socket::{ClientBuilder, OwnedConnection};

use crate::control::{self, Came, Control, Orders, Watcher};
use crate::counted::counted;
use crate::far::{Far, Progress};
use crate::line::{Line, Moved, Over, Wakes};
use crate::random::Random;
use crate::rule::Rule;
use crate::side::Side;
use crate::stream::{Note, Stream};
use crate::{Direction, FaultKind};

/// Moves the bytes of one connection.
pub(crate) struct Pair {
    control: Arc<Control>,
    index: usize,
    client: ClientBuilder,
    near: Side,
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

/// How often bytes are moved before others have a turn.
const ROUNDS: usize = 16;

impl Pair {
    pub(crate) fn new(near: OwnedConnection, client: ClientBuilder, control: Arc<Control>) -> Pair {
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
            Line::new(stream)
        });
        let watcher = state.watcher.clone();
        let targets = state.targets.clone();
        drop(state);
        Pair {
            index,
            client,
            near: Side::new(near, Slot::First),
            far: Far::new(targets),
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
        if is_new && let Some(chance) = self.control.chance() {
            self.note(&chance);
        }
        if before.heals < self.orders.heals && !is_new {
            self.note("healed");
        }
        if self
            .silent_since
            .is_some_and(|since| since < self.orders.heals)
        {
            self.silent_since = None;
        }
        for direction in Direction::BOTH {
            self.look_at(direction, &before, now);
        }
        let cut = self.orders.cut;
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

    /// Looks at what is to be done in one direction, and notes what is new.
    fn look_at(&mut self, direction: Direction, before: &Orders, now: Instant) {
        let peer = self.near.connection().peer_address().ip();
        let Orders { rules, .. } = &self.orders;
        let stream = &mut self.lines[direction.index()].stream;
        let shared = self.orders.link(direction, self.index, peer);
        let has_changed = stream.set_link(&shared.link, shared.pace);
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
        if has_changed {
            self.note(&format!("from now on {direction}: {}", shared.link));
        }
        let pause = self.orders.pause(direction, now);
        if let Some(pause) = pause.filter(|pause| before.paused[direction.index()] != Some(*pause))
        {
            self.note(&format!("nothing goes {direction} {pause}"));
        }
    }

    /// Goes on connecting.
    fn connect(&mut self, turn: &mut Turn<'_>, wakes: &mut Wakes) -> Result<(), Over> {
        let control = &self.control;
        let limit = || control.state().connect_limit;
        match self.far.connect(turn, &self.client, self.index, limit) {
            Ok(Progress::There) => Ok(()),
            Ok(Progress::Reached) => {
                self.reached();
                Ok(())
            }
            Ok(Progress::UnderWay(until)) => {
                wakes.at(until);
                Ok(())
            }
            Err(error) => {
                tracing::debug!(proxy = %self.control.name, %error, "cannot be reached");
                self.note(&format!("the target cannot be reached: {error}"));
                let mut state = self.control.state();
                let count = state.unreached.take().map_or(0, |(count, _)| count);
                state.unreached = Some((count + 1, error.to_string()));
                Err(Over::Reset)
            }
        }
    }

    fn reached(&self) {
        let Far::There(far) = &self.far else {
            return;
        };
        let local = far.connection().local_address().socket_addr();
        let peer = far.connection().peer_address().socket_addr();
        if let Some(pair) = self.control.state().pairs.get_mut(&self.index) {
            pair.far_ends = local.zip(peer).map(|(local, peer)| Ends::new(local, peer));
        }
    }

    /// Writes down a fault on both sides.
    fn note(&self, what: &str) {
        tracing::debug!(proxy = %self.control.name, connection = self.index, what, "fault");
        self.near.connection().record_fault(what);
        if let Far::There(far) = &self.far {
            far.connection().record_fault(what);
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
                    let bytes = counted(bytes, "byte");
                    let frames = frames.map(|frames| format!(" and {}", counted(frames, "frame")));
                    let frames = frames.unwrap_or_default();
                    self.note(&format!("{}: {bytes}{frames} {direction}", rule.fault));
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
    fn go(&mut self, direction: Direction, wakes: &mut Wakes) -> Moved {
        let far = self.far.side();
        let (from, to) = match direction {
            Direction::Up => (Some(&mut self.near), far),
            Direction::Down => (far, Some(&mut self.near)),
        };
        self.lines[direction.index()].go(from, to, wakes)
    }

    /// Ends the connection on both sides.
    fn end(&mut self, over: Over) -> Next {
        for direction in Direction::BOTH {
            self.notice(direction);
        }
        let sides = [Some(&mut self.near), self.far.side()];
        for side in sides.into_iter().flatten() {
            match over {
                Over::Reset => side.reset(),
                Over::Close => side.close(),
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
        self.lines.iter().all(Line::is_done)
    }
}

impl Actor for Pair {
    fn act(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        if turn.is_first() {
            self.near.register(turn)?;
            let pair = control::Pair {
                handle: Some(turn.handle()),
                peer: self.near.connection().peer_address().clone(),
                far_ends: None,
                came: Arc::clone(&self.came),
            };
            self.control.state().pairs.insert(self.index, pair);
        }
        if let Some(event) = turn.event() {
            self.near.notice(event);
            if let Some(far) = self.far.side() {
                far.notice(event);
            }
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
            if let Err(over) = self.connect(turn, &mut wakes) {
                return Ok(self.end(over));
            }
            let mut has_moved = false;
            for direction in Direction::BOTH {
                if pauses[direction.index()].is_some() {
                    continue;
                }
                match self.go(direction, &mut wakes) {
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
