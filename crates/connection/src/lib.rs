#![doc = include_str!("../README.md")]

mod extractor;
mod graph;
mod group;
mod info;
mod platform;
#[cfg(target_os = "linux")]
mod proc;
mod process;
mod protocol;

pub use extractor::{
    ConnectionExtractor, ConnectionSource, ExtractError, OwnConnection, ProcessState,
};
pub use graph::{Connected, ConnectionGraph, Edge, Evidence, Node, VerifyError};
pub use group::{ConnectionGroup, GroupMember};
pub use info::{ConnectionInfo, Ends};
pub use platform::listening_addresses;
pub use process::{
    FileAccess, FileRow, ProcessError, ProcessFiles, ProcessScope, ProcessSockets, SocketRow,
    SocketState, Transport, UnknownTransport, open_files, open_sockets,
};
pub use protocol::{Direction, Identifier, Protocol};
