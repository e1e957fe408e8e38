//! Code of a user's that answers and frames.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use standin_socket::framing::Framing;
use standin_sync::Unpoisoned;

use crate::{Answer, Frame};

/// A framing of a connection.
pub(crate) type AnyFraming = Box<dyn Framing + Send>;

/// Creates the framing of each connection; without one, the bytes are raw.
pub(crate) type NewFraming = Arc<dyn Fn() -> AnyFraming + Send + Sync>;

/// The state of a connection that a closure keeps.
pub(crate) type State = Option<Box<dyn Any + Send>>;

/// A closure that answers frames, with its state of the connection.
#[derive(Clone)]
pub(crate) struct Closure(Arc<Mutex<Ask>>);

type Ask = dyn FnMut(&Frame<'_>, &mut State) -> Option<Answer> + Send;

impl Closure {
    pub(crate) fn new(
        ask: impl FnMut(&Frame<'_>, &mut State) -> Option<Answer> + Send + 'static,
    ) -> Closure {
        Closure(Arc::new(Mutex::new(ask)))
    }

    /// A panic of the closure is passed on, and it is called again for the next frame.
    pub(crate) fn ask(&self, frame: &Frame<'_>, state: &mut State) -> Option<Answer> {
        (self.0.lock().unpoisoned())(frame, state)
    }
}

/// Runs code of a user's; an error is the message of its panic. What it has left half done is no
/// longer used: its connection is closed.
pub(crate) fn guarded<R>(code: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        text.unwrap_or("no message").to_owned()
    })
}
