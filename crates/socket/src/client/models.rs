//! Every interleaving of threads that connect, close and abort one client.

use std::sync::Arc;

use loom::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
};

use super::slot::ConnectionSlot;
use crate::{time::Deadline, turn_lock::NotNow};

/// A connection that knows whether it is open.
#[derive(Clone)]
struct Connection {
    index: usize,
    is_open: Arc<AtomicBool>,
}

impl Connection {
    fn close(&self) {
        self.is_open.store(false, SeqCst);
    }
}

/// Connects as a client does.
fn connect(slot: &ConnectionSlot<Connection>) -> Result<Connection, NotNow> {
    let mut turn = slot.part().enter(&mut Deadline::new(None))?;
    if let Some(earlier) = slot.begin(&turn)? {
        earlier.close();
    }
    let connection = Connection {
        index: *turn.value(),
        is_open: Arc::new(AtomicBool::new(true)),
    };
    match slot.put(&mut turn, &connection) {
        Ok(()) => Ok(connection),
        Err(not_now) => {
            connection.close();
            Err(not_now)
        }
    }
}

fn close(slot: &ConnectionSlot<Connection>) {
    if let Some(connection) = slot.clear() {
        connection.close();
    }
}

fn explore(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 20_000;
    builder.check(model);
}

fn spawn<T: 'static>(
    slot: &Arc<ConnectionSlot<Connection>>,
    work: impl FnOnce(&ConnectionSlot<Connection>) -> T + 'static,
) -> thread::JoinHandle<T> {
    let slot = Arc::clone(slot);
    thread::spawn(move || work(&slot))
}

#[test]
fn the_last_of_those_who_connect_wins() {
    explore(Some(3), || {
        let slot = Arc::new(ConnectionSlot::new());
        let others: Vec<_> = (0..2)
            .map(|_| spawn(&slot, |slot| connect(slot).unwrap()))
            .collect();
        let mut made = vec![connect(&slot).unwrap()];
        made.extend(others.into_iter().map(|other| other.join().unwrap()));
        let current = slot.connection().unwrap();
        assert_eq!(current.index, 2);
        for made in made {
            assert_eq!(made.is_open.load(SeqCst), made.index == 2);
        }
    });
}

#[test]
fn a_close_leaves_nothing_open_that_began_before_and_breaks_nothing_after() {
    explore(Some(3), || {
        let slot = Arc::new(ConnectionSlot::new());
        let connecting = spawn(&slot, |slot| connect(slot).ok());
        let closing = spawn(&slot, close);
        close(&slot);
        let made = connecting.join().unwrap();
        closing.join().unwrap();
        // What is current is open, and what is open is current.
        let current = slot.connection();
        if let Some(current) = &current {
            assert!(current.is_open.load(SeqCst));
        }
        if let Some(made) = made {
            assert_eq!(made.is_open.load(SeqCst), current.is_some());
        }
        // A connect that begins now knows nothing of the closes.
        assert!(connect(&slot).unwrap().is_open.load(SeqCst));
    });
}

#[test]
fn an_abort_is_for_good() {
    explore(Some(3), || {
        let slot = Arc::new(ConnectionSlot::new());
        let connecting = spawn(&slot, |slot| connect(slot).ok());
        let closing = spawn(&slot, close);
        if let Some(connection) = slot.abort() {
            connection.close();
        }
        assert!(connect(&slot).is_err());
        closing.join().unwrap();
        if let Some(made) = connecting.join().unwrap() {
            assert!(!made.is_open.load(SeqCst));
        }
        assert!(slot.connection().is_none() && slot.is_aborted());
    });
}
