//! [`Session`]: a connection on which both sides have agreed, without a socket.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::sync::{Arc, OnceLock};

use rustls::Connection;

use crate::defect::Defect;
use crate::error::{Side, TlsError};
use crate::explain::Context;
use crate::info::TlsInfo;
use crate::verify::take_shown;

/// A connection after the handshake: plain bytes go in on one end, and encrypted bytes come out on
/// the other. It uses no socket.
pub struct Session {
    tls: Box<Connection>,
    context: Arc<Context>,
    /// Made on demand.
    info: OnceLock<Arc<TlsInfo>>,
    /// The first data is to be spoiled.
    spoils: bool,
    /// Spoiled data, which is sent before anything else.
    spoiled: Vec<u8>,
    has_closed: bool,
    error: Option<TlsError>,
}

/// The outcome of decrypting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// So many bytes.
    Bytes(usize),
    /// Nothing before more bytes arrive from the wire.
    Nothing,
    /// The end: the peer has announced it.
    Ended,
}

impl Session {
    pub(crate) fn new(tls: Box<Connection>, context: Arc<Context>) -> Session {
        Session {
            spoils: context.tls.defect == Some(Defect::BadRecord),
            spoiled: Vec::new(),
            tls,
            context,
            info: OnceLock::new(),
            has_closed: false,
            error: None,
        }
    }

    /// Returns the negotiated parameters.
    pub fn info(&self) -> &Arc<TlsInfo> {
        let info = || TlsInfo::of(&self.tls, self.context.asks_for.as_deref());
        self.info.get_or_init(|| Arc::new(info()))
    }

    /// Returns the recorded text of the handshake.
    pub(crate) fn note(&self) -> String {
        TlsInfo::note(&self.tls, self.context.asks_for.as_deref())
    }

    /// Returns why nothing more can be received, if that is the case.
    pub fn error(&self) -> Option<&TlsError> {
        self.error.as_ref()
    }

    /// Takes bytes from the wire, until there is something to receive; those that it does not take
    /// are for the next time. There may be something to send afterwards.
    ///
    /// # Errors
    ///
    /// Returns an error, now and every time after, if the peer has ended the connection by an
    /// alert, or what it sends makes no sense.
    pub fn read_wire(&mut self, wire: &mut &[u8]) -> Result<(), TlsError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        while !wire.is_empty() {
            // There is room: all that could be received was.
            let taken = self.tls.read_tls(wire).unwrap_or(0);
            match self.tls.process_new_packets() {
                Ok(state) if state.plaintext_bytes_to_read() > 0 => break,
                Ok(_) if taken == 0 => *wire = &[],
                Ok(_) => {}
                Err(error) => {
                    let error = self.context.explain(error, false, take_shown(), None);
                    return Err(self.error.insert(error).clone());
                }
            }
        }
        Ok(())
    }

    /// Notes the end of the stream from the wire.
    ///
    /// # Errors
    ///
    /// Returns an error if the peer has not announced the end, and that is required.
    pub fn wire_ended(&mut self) -> Result<(), TlsError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let has_said = self.read_plain(&mut [0]) == Plain::Ended;
        let is_strict = self.context.tls.require_close_notify;
        if has_said || !is_strict.unwrap_or(self.context.side == Side::Client) {
            return Ok(());
        }
        Err(TlsError::Truncated {
            peer: self.context.peer(),
        })
    }

    /// Moves decrypted bytes out.
    pub fn read_plain(&mut self, target: &mut [u8]) -> Plain {
        match self.tls.reader().read(target) {
            Ok(0) if target.is_empty() => Plain::Nothing,
            Ok(0) => Plain::Ended,
            Ok(count) => Plain::Bytes(count),
            Err(_) => Plain::Nothing,
        }
    }

    /// Encrypts `bytes` for the wire.
    pub fn write_plain(&mut self, bytes: &[u8]) {
        // It takes everything, as its memory has no limit.
        let _ = self.tls.writer().write_all(bytes);
        if self.spoils && !bytes.is_empty() {
            self.spoils = false;
            drain(&mut self.tls, &mut self.spoiled);
            if let Some(last) = self.spoiled.last_mut() {
                *last ^= 1;
            }
        }
    }

    /// Prepares the announcement of the end, once.
    pub fn close(&mut self) {
        let is_quiet = self.context.tls.defect == Some(Defect::NoCloseNotify);
        if !std::mem::replace(&mut self.has_closed, true) && !is_quiet {
            self.tls.send_close_notify();
        }
    }

    /// Returns whether there are bytes for the wire: those that were written, or others such as
    /// alerts and new keys.
    pub fn wants_write(&self) -> bool {
        !self.spoiled.is_empty() || self.tls.wants_write()
    }

    /// Writes some of that to `wire`, by one call.
    ///
    /// # Errors
    ///
    /// Returns the error of `wire`. What it has not taken is kept.
    pub fn write_wire(&mut self, wire: &mut dyn io::Write) -> io::Result<()> {
        if self.spoiled.is_empty() {
            return self.tls.write_tls(wire).map(drop);
        }
        let count = wire.write(&self.spoiled)?;
        self.spoiled.drain(..count);
        Ok(())
    }
}

/// Moves the pending output to `output`.
pub(crate) fn drain(tls: &mut Connection, output: &mut Vec<u8>) {
    // Memory takes everything.
    while tls.wants_write() && tls.write_tls(output).is_ok() {}
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("side", &self.context.side)
            .field("info", self.info())
            .finish_non_exhaustive()
    }
}
