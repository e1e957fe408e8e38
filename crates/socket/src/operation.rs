//! Operations as values, independent of the waiter.
//!
//! A method such as [`Connection::receive_line`](crate::Connection::receive_line) makes an
//! [`Operation`] and has the calling thread wait for it. The same operation can be tried again and
//! again by code that must not block a thread, such as a task of a runtime: see
//! [`Connection::operations`](crate::Connection::operations). The one and the other way do the
//! same, since what is received, sent or accepted is decided here only.

pub use standin_record::Place;
pub use standin_sync::operation::{
    Attempt, Descriptor, Interest, Kept, Operation, Thread, Wait, Waits, now,
};
