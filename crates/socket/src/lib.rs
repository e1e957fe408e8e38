#![doc = include_str!("../README.md")]

mod address;
mod buffer;
mod client;
mod connection;
mod dump;
mod error;
pub mod framing;
mod lane;
mod leak;
mod options;
mod server;
mod sys;
mod time;
mod wait;

pub use address::Address;
pub use client::{Client, ClientBuilder};
pub use connection::Connection;
pub use error::{
    AcceptError, Attempt, BindError, CloseError, ConnectError, ConnectFailure, Difference,
    Evidence, Failure, Party, ReceiveError, ReceiveFailure, Role, SendError, SendFailure,
    StreamState,
};
pub use leak::{LeakCheck, LeakError, Leftovers};
pub use server::{FullQueue, Server, ServerBuilder};
