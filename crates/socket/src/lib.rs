#![doc = include_str!("../README.md")]
//!
//! # How a wait works
//!
//! The thread that calls does the waiting, in this order:
//!
//! 1. An operation first tries without waiting. Most need no more.
//! 2. A receive or send that has to wait does so in the system's blocking call, with the rest of
//!    its deadline as the socket's timeout. That costs as much as plain blocking sockets. When the
//!    last operations had to wait, the next one waits at once. A send on a Unix socket, for which
//!    the system would restart the timeout for each piece, polls the socket instead.
//! 3. An accept, a connect or a pause waits on an event queue that belongs to the thread.
//! 4. Closing, aborting or resetting marks the connection first, then shuts its socket down and
//!    wakes the event queues: waiting threads return at once, find the mark, and report who ended
//!    the wait. The descriptor is closed when the last thread has released it, and only then does
//!    closing return. It does not wait for user code that a receive calls: that code runs without
//!    holding the stream.
//!
//! A timeout covers the whole operation with everything in it. Nothing here starts a thread or
//! sleeps and looks again, with three exceptions for which there is no event: a connect that failed
//! and tries again, a Unix socket whose queue is full, and the leak check.
//!
//! # What stays where
//!
//! Bytes stay in the system's buffers until a receive asks for them. Receives of a known size read
//! no more than that; those that look for an end read ahead, and the rest comes first in the next
//! receive, of any kind. With a [`Transform`], a receive may read up to one record more than
//! requested.

mod address;
mod buffer;
mod client;
mod connection;
mod dump;
mod error;
pub mod framing;
mod leak;
pub mod operation;
mod options;
mod recording;
mod server;
mod state;
mod sync;
mod sys;
mod time;
mod transform;
mod turn_lock;
mod wait;

pub use address::Address;
pub use client::{Client, ClientBuilder, Dial};
pub use connection::{Connection, End, Operations, OwnedConnection, Tried, Upgrade};
pub use error::{
    AcceptError, Attempt, BindError, Circumstances, CloseError, ConnectError, ConnectFailure,
    ControlError, Difference, Evidence, Party, ReceiveError, ReceiveFailure, Role, SendError,
    SendFailure, StreamState,
};
pub use leak::{LeakCheck, LeakError, Leftovers};
pub use server::{Arrival, Arrivals, FullQueue, HeldPort, OtherAddresses, Server, ServerBuilder};
pub use transform::{Received, Transform, TransformError};
