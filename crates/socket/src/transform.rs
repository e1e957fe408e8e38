//! What goes over the wire in the place of what is said.

use std::{any::Any, fmt, sync::Arc};

use miette::Diagnostic;

/// What turns the bytes of a conversation into those on the wire, and back, such as encryption.
///
/// A connection has at most one, from [`Upgrade::finish`](crate::Upgrade::finish) on. It is called
/// by one thread at a time, under a lock, and must neither wait nor use the connection.
pub trait Transform: fmt::Debug + Send {
    /// Takes bytes from the wire, until there is something to receive, and leaves the others for
    /// the next time. What is to be sent because of them is added to `output`.
    ///
    /// # Errors
    ///
    /// Returns an error, now and every time after, if nothing can be received any more.
    fn read_wire(&mut self, wire: &mut &[u8], output: &mut Vec<u8>) -> Result<(), TransformError>;

    /// Says that nothing comes from the wire any more.
    ///
    /// # Errors
    ///
    /// Returns an error if something is missing.
    fn wire_ended(&mut self) -> Result<(), TransformError>;

    /// Gives what there is to receive, as much as `target`, which is not empty, has room for.
    ///
    /// # Errors
    ///
    /// Returns an error, now and every time after, if there never will be anything.
    fn receive(&mut self, target: &mut [u8]) -> Result<Received, TransformError>;

    /// Adds to `output` what stands for `bytes` on the wire.
    ///
    /// # Errors
    ///
    /// Returns an error, now and every time after, if nothing can be sent any more.
    fn send(&mut self, bytes: &[u8], output: &mut Vec<u8>) -> Result<(), TransformError>;

    /// Adds to `output` what says that nothing more will be sent, once.
    fn close(&mut self, output: &mut Vec<u8>);

    /// What there is to know of it, for whoever knows the type.
    fn details(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }
}

/// What there is to receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes.
    Bytes(usize),
    /// Nothing before more has come from the wire.
    Nothing,
    /// Nothing any more: the peer has said so.
    Ended,
}

/// Why a [`Transform`] cannot go on: the error of whoever made it.
#[derive(Clone)]
pub struct TransformError(Arc<dyn Diagnostic + Send + Sync>);

impl TransformError {
    /// The error that is shown as the cause.
    pub fn new(error: impl Diagnostic + Send + Sync + 'static) -> TransformError {
        TransformError(Arc::new(error))
    }
}

impl fmt::Display for TransformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for TransformError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl Diagnostic for TransformError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.help()
    }
}

standin_error::reportable!(TransformError);
