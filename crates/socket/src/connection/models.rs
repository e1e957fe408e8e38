//! Every interleaving of threads that receive, send, close, reset and run a user's code on one
//! connection, within a bound on preemptions. Loom has no clock, so that a wake-up that is missing
//! shows as a deadlock.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p standin-socket --lib models`

use std::{io, sync::Arc, time::Duration};

use loom::{
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use standin_sync::Unpoisoned;

use super::{
    core::Core,
    layer::{Layer, LayerIn},
};
use crate::{
    state::{Event, Fault, Inbound, LocalEnd, Outbound},
    time::Deadline,
    transform::{Received, Transform, TransformError},
    turn_lock::NotNow,
};

/// A stream as the system has it: calls that wait, until there is something or it is shut down.
struct Stream {
    system: Mutex<System>,
    changed: Condvar,
    /// How many streams there are.
    open: Arc<AtomicUsize>,
}

#[derive(Default)]
struct System {
    bytes: usize,
    room: usize,
    is_shut: bool,
    is_reset: bool,
    /// Reported once, to the first caller.
    error: Option<i32>,
}

impl Stream {
    fn change(&self, change: impl FnOnce(&mut System)) {
        change(&mut self.system.lock().unwrap());
        self.changed.notify_all();
    }

    /// Waits until `ready` gives something.
    fn wait<R>(&self, mut ready: impl FnMut(&mut System) -> Option<R>) -> R {
        let mut system = self.system.lock().unwrap();
        loop {
            match ready(&mut system) {
                Some(result) => return result,
                None => {
                    system = self.changed.wait(system).unpoisoned();
                }
            }
        }
    }

    fn receive(&self) -> io::Result<usize> {
        self.wait(|system| {
            if system.bytes > 0 {
                system.bytes -= 1;
                return Some(Ok(1));
            }
            if let Some(error) = system.error.take() {
                return Some(Err(io::Error::from_raw_os_error(error)));
            }
            system.is_shut.then_some(Ok(0))
        })
    }

    fn send(&self) -> io::Result<usize> {
        self.wait(|system| {
            if let Some(error) = system.error.take() {
                return Some(Err(io::Error::from_raw_os_error(error)));
            }
            if system.is_shut {
                return Some(Err(io::ErrorKind::BrokenPipe.into()));
            }
            (system.room > 0).then(|| {
                system.room -= 1;
                Ok(1)
            })
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.open.fetch_sub(1, SeqCst);
    }
}

/// A connection and the number of its descriptors.
struct Model {
    core: Core<Stream>,
    open: Arc<AtomicUsize>,
}

impl Model {
    fn new(bytes: usize, room: usize) -> Arc<Model> {
        let open = Arc::new(AtomicUsize::new(1));
        Arc::new(Model {
            core: Core::new(Stream {
                system: Mutex::new(System {
                    bytes,
                    room,
                    ..System::default()
                }),
                changed: Condvar::new(),
                open: Arc::clone(&open),
            }),
            open,
        })
    }

    /// Receives one byte, as a receive does; how the connection stands otherwise.
    fn receive(&self, limit: Option<Duration>) -> Result<(), NotNow> {
        let mut turn = self.core.receiving.enter(&mut Deadline::new(limit))?;
        if !self.core.is_open() {
            return Err(NotNow::Closed);
        }
        let (incoming, line) = turn.parts();
        let Some(stream) = &incoming.stream else {
            return Err(NotNow::Closed);
        };
        match line.idle_while(|| stream.receive()) {
            Ok(0) => {
                self.core.state.apply(Event::EndReached);
                Err(NotNow::Closed)
            }
            Ok(_) => Ok(()),
            Err(error) => {
                let fault = Fault::new(&error).unwrap();
                self.core.state.apply(Event::InboundFailed(fault));
                Err(NotNow::Closed)
            }
        }
    }

    /// Sends one byte, as a send does.
    fn send(&self) -> Result<(), NotNow> {
        let mut turn = self.core.sending.enter(&mut Deadline::new(None))?;
        if !self.core.is_open() {
            return Err(NotNow::Closed);
        }
        let (outgoing, line) = turn.parts();
        let Some(stream) = &outgoing.stream else {
            return Err(NotNow::Closed);
        };
        match line.idle_while(|| stream.send()) {
            Ok(_) => Ok(()),
            Err(error) => {
                let event = match Fault::new(&error) {
                    Some(fault) => Event::OutboundFailed(fault),
                    None => Event::Refused,
                };
                self.core.state.apply(event);
                Err(NotNow::Closed)
            }
        }
    }

    /// Closes, and finds the descriptor gone.
    fn close(&self, event: Event) -> bool {
        let is_first = self.core.close(event, |stream| {
            stream.change(|system| system.is_shut = true);
        });
        assert_eq!(self.open.load(SeqCst), 0, "the descriptor is there");
        assert_ne!(self.core.stand().local, LocalEnd::Open);
        is_first
    }

    /// Resets, and finds the descriptor gone.
    fn reset(&self) -> bool {
        let is_first = self.core.close(Event::Close, |stream| {
            stream.change(|system| {
                assert!(!system.is_shut, "the peer has seen an end before");
                system.is_reset = true;
                system.is_shut = true;
                system.error = Some(104);
            });
        });
        assert_eq!(self.open.load(SeqCst), 0, "the descriptor is there");
        is_first
    }
}

fn explore(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 20_000;
    builder.check(model);
}

fn spawn<T: 'static>(
    model: &Arc<Model>,
    work: impl FnOnce(&Model) -> T + 'static,
) -> thread::JoinHandle<T> {
    let model = Arc::clone(model);
    thread::spawn(move || work(&model))
}

#[test]
fn a_close_ends_a_receive_and_a_send_and_lets_go() {
    explore(Some(3), || {
        let model = Model::new(0, 0);
        let receiver = spawn(&model, |model| model.receive(None));
        let sender = spawn(&model, Model::send);
        assert!(model.close(Event::Close));
        assert!(matches!(receiver.join().unwrap(), Err(NotNow::Closed)));
        assert!(matches!(sender.join().unwrap(), Err(NotNow::Closed)));
        // What the close did is not taken for the peer's doing.
        let stand = model.core.stand();
        assert_eq!(
            (stand.inbound, stand.outbound),
            (Inbound::Open, Outbound::Open)
        );
    });
}

#[test]
fn of_two_who_end_it_one_is_first_and_both_find_it_ended() {
    explore(Some(2), || {
        let model = Model::new(0, 0);
        let receiver = spawn(&model, |model| model.receive(None));
        let other = spawn(&model, |model| model.close(Event::Abort));
        let first = model.close(Event::Close);
        assert_ne!(first, other.join().unwrap());
        assert!(receiver.join().unwrap().is_err());
        let expected = if first {
            LocalEnd::Closed
        } else {
            LocalEnd::Aborted
        };
        assert_eq!(model.core.stand().local, expected);
    });
}

#[test]
fn a_reset_shows_the_peer_no_end_before() {
    explore(Some(2), || {
        let model = Model::new(0, 1);
        let sender = spawn(&model, |model| while model.send().is_ok() {});
        let closer = spawn(&model, |model| model.close(Event::Close));
        let reset = model.reset();
        assert_ne!(reset, closer.join().unwrap());
        sender.join().unwrap();
    });
}

#[test]
fn two_receivers_take_turns_and_both_end() {
    explore(Some(2), || {
        let model = Model::new(1, 0);
        let others: Vec<_> = (0..2)
            .map(|_| spawn(&model, |model| model.receive(None).is_ok()))
            .collect();
        model.close(Event::Close);
        let received = others
            .into_iter()
            .map(|other| usize::from(other.join().unwrap()))
            .sum::<usize>();
        assert!(received <= 1);
    });
}

#[test]
fn a_close_does_not_wait_for_a_users_code() {
    explore(Some(3), || {
        let model = Model::new(0, 0);
        let closed = Arc::new((Mutex::new(false), Condvar::new()));
        let matcher = {
            let closed = Arc::clone(&closed);
            spawn(&model, move |model| {
                let Ok(mut turn) = model.core.receiving.enter(&mut Deadline::new(None)) else {
                    return;
                };
                turn.lend(|| {
                    // Goes on until the close has returned.
                    let mut is_closed = closed.0.lock().unwrap();
                    while !*is_closed {
                        is_closed = closed.1.wait(is_closed).unwrap();
                    }
                });
                assert!(turn.value().stream.is_none());
            })
        };
        model.close(Event::Close);
        *closed.0.lock().unwrap() = true;
        closed.1.notify_all();
        matcher.join().unwrap();
    });
}

#[test]
fn a_users_code_may_close_while_another_thread_does() {
    explore(Some(2), || {
        let model = Model::new(0, 0);
        let matcher = spawn(&model, |model| {
            let Ok(mut turn) = model.core.receiving.enter(&mut Deadline::new(None)) else {
                return;
            };
            turn.lend(|| model.close(Event::Abort));
            assert!(turn.value().stream.is_none());
        });
        let sender = spawn(&model, Model::send);
        model.close(Event::Close);
        matcher.join().unwrap();
        assert!(sender.join().unwrap().is_err());
    });
}

#[test]
fn a_users_code_may_close_while_another_thread_asks_for_its_turn() {
    explore(Some(3), || {
        let model = Model::new(0, 0);
        let matcher = spawn(&model, |model| {
            let mut turn = model
                .core
                .receiving
                .enter(&mut Deadline::new(None))
                .unwrap();
            turn.lend(|| model.close(Event::Abort));
            assert!(turn.value().stream.is_none());
        });
        drop(model.core.receiving.try_enter());
        matcher.join().unwrap();
    });
}

#[test]
fn a_lent_turn_is_nobody_elses() {
    explore(Some(3), || {
        let model = Model::new(2, 0);
        let inside = Arc::new(AtomicBool::new(false));
        let matcher = {
            let inside = Arc::clone(&inside);
            spawn(&model, move |model| {
                let mut turn = model
                    .core
                    .receiving
                    .enter(&mut Deadline::new(None))
                    .unwrap();
                turn.lend(|| {
                    inside.store(true, SeqCst);
                    inside.store(false, SeqCst);
                });
            })
        };
        let mut turn = model
            .core
            .receiving
            .enter(&mut Deadline::new(None))
            .unwrap();
        assert!(!inside.load(SeqCst));
        turn.value().buffer.put_back(vec![1]);
        drop(turn);
        matcher.join().unwrap();
    });
}

#[test]
fn who_does_not_wait_lets_those_finish_who_only_look() {
    explore(None, || {
        let model = Model::new(1, 0);
        let looker = spawn(&model, |model| {
            let mut turn = model
                .core
                .receiving
                .enter(&mut Deadline::new(None))
                .unwrap();
            turn.value().buffer.put_back(Vec::new());
        });
        let turn = model
            .core
            .receiving
            .enter(&mut Deadline::new(Some(Duration::ZERO)));
        assert!(turn.is_ok(), "the other thread never waits");
        drop(turn);
        looker.join().unwrap();
    });
}

#[test]
fn who_does_not_wait_gives_up_when_another_waits() {
    explore(None, || {
        let model = Model::new(0, 0);
        let receiver = spawn(&model, |model| model.receive(None));
        // Would wait forever if it had the turn: the byte comes afterwards.
        let entered = model
            .core
            .receiving
            .enter(&mut Deadline::new(Some(Duration::ZERO)));
        assert!(matches!(entered, Ok(_) | Err(NotNow::TimedOut)));
        drop(entered);
        let sent = model.core.with_stream(|stream| {
            stream.change(|system| system.bytes += 1);
            Ok(())
        });
        sent.unwrap();
        receiver.join().unwrap().unwrap();
    });
}

#[test]
fn what_came_before_a_reset_is_received_whoever_meets_it_first() {
    explore(Some(3), || {
        let model = Model::new(1, 0);
        let resetting = spawn(&model, |model| {
            let reset = model.core.with_stream(|stream| {
                stream.change(|system| {
                    system.error = Some(104);
                    system.is_shut = true;
                });
                Ok(())
            });
            reset.unwrap();
        });
        let sender = spawn(&model, Model::send);
        model.receive(None).expect("the byte was there before");
        assert!(model.receive(None).is_err());
        resetting.join().unwrap();
        assert!(sender.join().unwrap().is_err());
        let stand = model.core.stand();
        assert!(stand.fault.is_some_and(Fault::is_reset), "{stand:?}");
        assert!(
            matches!(stand.inbound, Inbound::Failed | Inbound::Ended),
            "{stand:?}"
        );
    });
}

/// Answers each byte from the wire with one of its own.
#[derive(Debug, Default)]
struct Answers {
    output: Vec<u8>,
}

impl Transform for Answers {
    fn read_wire(&mut self, wire: &mut &[u8]) -> Result<(), TransformError> {
        self.output.extend_from_slice(wire);
        *wire = &[];
        Ok(())
    }

    fn wire_ended(&mut self) -> Result<(), TransformError> {
        Ok(())
    }

    fn receive(&mut self, _: &mut [u8]) -> Result<Received, TransformError> {
        Ok(Received::Nothing)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), TransformError> {
        self.output.extend_from_slice(bytes);
        Ok(())
    }

    fn close(&mut self) {}

    fn wants_write(&self) -> bool {
        !self.output.is_empty()
    }

    fn write_wire(&mut self, wire: &mut dyn io::Write) -> io::Result<()> {
        wire.write_all(&std::mem::take(&mut self.output))
    }
}

/// What a receive has to send goes to the wire, by itself or by the thread that has the
/// turn to send.
#[test]
fn what_a_receive_answers_is_never_left_behind() {
    explore(None, || {
        let model = Model::new(0, 0);
        let layer = Arc::new(Layer::new(Box::new(Answers::default())));
        let wire = Arc::new(Mutex::new(Vec::new()));
        let flush = |layer: &Layer, wire: &Mutex<Vec<u8>>| {
            let mut written = Vec::new();
            assert!(layer.write(&mut written).unwrap());
            wire.lock().unwrap().extend(written);
        };
        let sender = {
            let (model, layer, wire) = (Arc::clone(&model), Arc::clone(&layer), Arc::clone(&wire));
            thread::spawn(move || {
                let turn = model.core.sending.enter(&mut Deadline::new(None));
                layer.send(b"s").unwrap();
                flush(&layer, &wire);
                drop(turn);
                layer.flush_if_free(&model.core.sending, |_| {
                    flush(&layer, &wire);
                    true
                });
            })
        };
        let mut incoming = LayerIn::new(Arc::clone(&layer), b"r".to_vec());
        incoming.receive(&mut [0]).unwrap();
        layer.flush_if_free(&model.core.sending, |_| {
            flush(&layer, &wire);
            true
        });
        sender.join().unwrap();
        let mut wire = wire.lock().unwrap();
        wire.sort();
        assert_eq!(*wire, b"rs");
    });
}

/// Who waits for a turn that is held gets it when the hold ends, or learns that the connection is
/// closed.
#[test]
fn a_turn_that_is_held_is_given_back_or_closed() {
    for closes in [false, true] {
        explore(None, move || {
            let model = Model::new(1, 0);
            let turn = model.core.receiving.try_enter().unwrap();
            turn.hold();
            let waits = {
                let model = Arc::clone(&model);
                thread::spawn(move || model.receive(None))
            };
            if closes {
                model.close(Event::Close);
            }
            model.core.receiving.end_hold(|_| {});
            let outcome = waits.join().unwrap();
            assert_eq!(outcome.is_ok(), !closes, "{outcome:?}");
        });
    }
}
