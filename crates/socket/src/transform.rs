//! The encoding of a connection's bytes on the wire.

use std::{any::Any, fmt, io, sync::Arc};

use miette::Diagnostic;

/// Encodes the bytes of a connection for the wire, and decodes them, such as encryption.
///
/// A connection has at most one, from [`Upgrade::finish`](crate::Upgrade::finish) on. It is called
/// by one thread at a time, under a lock, and must neither wait nor use the connection.
pub trait Transform: fmt::Debug + Send {
    /// Takes bytes from the wire, until there is something to receive, and leaves the others for
    /// the next time. There may be something to [write](Transform::write_wire) because of them.
    ///
    /// # Errors
    ///
    /// Returns an error, now and every time after, if nothing more can be received.
    fn read_wire(&mut self, wire: &mut &[u8]) -> Result<(), TransformError>;

    /// Notes the end of the stream from the wire.
    ///
    /// # Errors
    ///
    /// Returns an error if something is missing.
    fn wire_ended(&mut self) -> Result<(), TransformError>;

    /// Moves received bytes into `target`, which is not empty, as many as fit.
    ///
    /// # Errors
    ///
    /// Returns an error, now and every time after, if there never will be anything.
    fn receive(&mut self, target: &mut [u8]) -> Result<Received, TransformError>;

    /// Encodes `bytes` for the wire.
    ///
    /// # Errors
    ///
    /// Returns an error, now and every time after, if nothing more can be sent.
    fn send(&mut self, bytes: &[u8]) -> Result<(), TransformError>;

    /// Encodes the end of the stream for the wire, once.
    fn close(&mut self);

    /// Whether there is output for the wire.
    fn wants_write(&self) -> bool;

    /// Writes output to `wire`, by one call. What `wire` does not accept is kept.
    ///
    /// # Errors
    ///
    /// Returns the error of `wire`.
    fn write_wire(&mut self, wire: &mut dyn io::Write) -> io::Result<()>;

    /// Returns details of the transform, for callers that know their type.
    fn details(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }
}

/// The outcome of decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes.
    Bytes(usize),
    /// Nothing before more bytes arrive from the wire.
    Nothing,
    /// The end: the peer has announced it.
    Ended,
}

/// Why a [`Transform`] cannot continue: its own error.
#[derive(Clone)]
pub struct TransformError(Arc<dyn Diagnostic + Send + Sync>);

impl TransformError {
    /// Wraps the error that is shown as the cause.
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
