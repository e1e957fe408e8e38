//! A direction of a connection: from one side to the other.

use std::time::Instant;

use standin_socket::{End, Tried};

use crate::queue::Act;
use crate::side::Side;
use crate::stream::{Out, Stream};

/// A direction of a connection, and how far it is.
pub(crate) struct Line {
    pub(crate) stream: Stream,
    /// The receiver was told that there is no more.
    is_done: bool,
    /// The receiver is to be told of a reset then.
    reset_at: Option<Instant>,
}

/// What ends a connection.
#[derive(Clone, Copy)]
pub(crate) enum Over {
    /// It is reset on both sides.
    Reset,
    /// It is closed on both sides.
    Close,
    /// This side has closed it already.
    Gone,
}

/// What came of moving bytes in one direction.
pub(crate) enum Moved {
    Nothing,
    Something,
    Silence,
    Over(Over),
}

/// When an actor has something to do by itself.
#[derive(Default)]
pub(crate) struct Wakes(pub(crate) Option<Instant>);

impl Wakes {
    pub(crate) fn at(&mut self, time: Instant) {
        self.0 = Some(self.0.map_or(time, |other| other.min(time)));
    }
}

impl Line {
    pub(crate) fn new(stream: Stream) -> Line {
        Line {
            stream,
            is_done: false,
            reset_at: None,
        }
    }

    /// Whether the receiver was told that there is no more.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Moves bytes, as many as can be without waiting. There may be no connection yet on one of
    /// both sides.
    pub(crate) fn go(
        &mut self,
        from: Option<&mut Side>,
        mut to: Option<&mut Side>,
        wakes: &mut Wakes,
    ) -> Moved {
        let mut has_moved = false;
        if let Some(to) = &mut to {
            let sent = match to.has_failed() {
                true => {
                    // The sender notices by the other direction, when all before that has arrived.
                    self.stream.swallow();
                    self.held_up(Moved::Nothing, wakes)
                }
                false => self.send(to, wakes),
            };
            match sent {
                Moved::Something => has_moved = true,
                Moved::Nothing => {}
                over => return over,
            }
        }
        let received = match from {
            Some(from) => self.receive(from, to),
            None => Moved::Nothing,
        };
        match received {
            Moved::Nothing if has_moved => Moved::Something,
            received => received,
        }
    }

    /// Sends what is due, as much as the receiver takes. Pauses begin when something was sent, not
    /// earlier.
    fn send(&mut self, to: &mut Side, wakes: &mut Wakes) -> Moved {
        let mut moved = Moved::Nothing;
        let mut now = Instant::now();
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
                    match to.send(bytes) {
                        Tried::Done(0) | Tried::NotNow => return self.held_up(moved, wakes),
                        Tried::Done(count) => {
                            now = Instant::now();
                            self.stream.sent(now, count);
                            moved = Moved::Something;
                            if count < size {
                                return self.held_up(moved, wakes);
                            }
                        }
                        Tried::Ended(_) if to.is_open() => return Moved::Something,
                        Tried::Ended(_) => return Moved::Over(Over::Gone),
                    }
                    continue;
                }
            };
            match act {
                Act::End => {
                    to.end();
                    self.is_done = true;
                    moved = Moved::Something;
                }
                Act::Close => return Moved::Over(Over::Close),
                Act::Reset => return Moved::Over(Over::Reset),
                Act::Silence => return Moved::Silence,
            }
        }
    }

    /// The receiver takes nothing now. A reset does not wait for that, as without a proxy.
    fn held_up(&self, moved: Moved, wakes: &mut Wakes) -> Moved {
        match self.reset_at {
            Some(at) if at <= Instant::now() => Moved::Over(Over::Reset),
            Some(at) => {
                wakes.at(at);
                moved
            }
            None => moved,
        }
    }

    /// The sender has reset the connection.
    fn reset(&mut self) -> Moved {
        self.reset_at = Some(self.stream.reset(Instant::now()));
        Moved::Something
    }

    /// Receives what there is and has room, and sends it at once if nothing is to happen to it. It
    /// is on its way from when it was received, not earlier.
    fn receive(&mut self, from: &mut Side, to: Option<&mut Side>) -> Moved {
        if self.reset_at.is_some() {
            return Moved::Nothing;
        }
        let room = self.stream.room();
        if room == 0 || self.stream.has_ended() {
            // Nothing is received that would say so. What has come before, and for which there is
            // no room, is lost with the connection, as without a proxy.
            return match from.has_failed() {
                true => self.reset(),
                false => Moved::Nothing,
            };
        }
        if !from.may_receive() {
            return Moved::Nothing;
        }
        let stream = &mut self.stream;
        let is_plain = stream.is_plain();
        let room = if is_plain { usize::MAX } else { room };
        let received = from.receive(room, |bytes| {
            let mut sent = 0;
            if is_plain {
                if let Some(to) = to {
                    match to.send(bytes) {
                        Tried::Done(count) => sent = count,
                        Tried::NotNow => {}
                        Tried::Ended(_) if to.is_open() => {}
                        Tried::Ended(_) => return Moved::Over(Over::Gone),
                    }
                }
                stream.passed(sent);
            }
            stream.push(Instant::now(), &bytes[sent..]);
            Moved::Something
        });
        match received {
            Ok(moved) => moved,
            Err(Tried::Ended(_)) if !from.is_open() => Moved::Over(Over::Gone),
            Err(Tried::Ended(End::PeerClosed)) => {
                self.stream.end(Instant::now());
                Moved::Something
            }
            Err(Tried::Ended(_)) => self.reset(),
            Err(_) => Moved::Nothing,
        }
    }
}
