//! Sending and receiving text.

use std::sync::{Mutex, MutexGuard};

use standin_record::Tape;
use standin_socket::framing::{Found, FrameError, Framing};
use standin_socket::operation::{Place, Thread, now};

use standin_sync::Unpoisoned;

use super::TcpConnection;
use crate::encoding::Mode;
use crate::{Encoding, TcpError};

/// The decoder state after the text received on a connection so far.
#[derive(Debug, Default)]
struct Incoming(Mutex<Option<(Encoding, Mode)>>);

impl TcpConnection {
    /// Sends all of `text`, and returns how many bytes it became.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send`](TcpConnection::send), and an error if the encoding lacks a
    /// character of it; nothing is sent then.
    #[track_caller]
    pub fn send_text(&self, text: impl AsRef<str>) -> Result<usize, TcpError> {
        now(self.talk(Thread, Place::caller()).send_text(text))
    }

    /// Receives exactly `size` bytes, as text.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`receive_exactly`](TcpConnection::receive_exactly), and an error if
    /// the bytes are not text in the encoding; they are kept for the next receive then.
    #[track_caller]
    pub fn receive_exactly_text(&self, size: usize) -> Result<String, TcpError> {
        now(self
            .talk(Thread, Place::caller())
            .receive_exactly_text(size))
    }

    /// Receives what comes first, at most `limit` bytes of it, as text.
    ///
    /// It returns whole characters, wherever the stream was cut: the beginning of a character waits
    /// for the next receive, and if nothing else has arrived, this receive waits for the rest of
    /// it.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`receive_some`](TcpConnection::receive_some), and an error if the
    /// bytes are not text in the encoding, or hold no whole character because the limit is less
    /// than that or the stream ends within it; they are kept for the next receive then.
    #[track_caller]
    pub fn receive_some_text(&self, limit: usize) -> Result<String, TcpError> {
        now(self.talk(Thread, Place::caller()).receive_some_text(limit))
    }

    /// Receives up to and including `delimiter`, as text. What comes after it is
    /// kept for the next receive.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`receive_until`](TcpConnection::receive_until), and an error if the
    /// bytes are not text in the encoding; they are kept for the next receive then.
    #[track_caller]
    pub fn receive_until_text(&self, delimiter: impl AsRef<str>) -> Result<String, TcpError> {
        now(self
            .talk(Thread, Place::caller())
            .receive_until_text(delimiter))
    }

    /// Receives a line, which ends with LF or CRLF, as text without its end.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`receive_until_text`](TcpConnection::receive_until_text).
    #[track_caller]
    pub fn receive_line_text(&self) -> Result<String, TcpError> {
        now(self.talk(Thread, Place::caller()).receive_line_text())
    }

    /// Receives everything until the peer closes its end, as text.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`receive_to_end`](TcpConnection::receive_to_end), and an error if the
    /// bytes are not text in the encoding; they are kept for the next receive then.
    #[track_caller]
    pub fn receive_to_end_text(&self) -> Result<String, TcpError> {
        now(self.talk(Thread, Place::caller()).receive_to_end_text())
    }

    /// Receives the bytes that `expected` is in the encoding, and nothing else will
    /// do.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`expect`](TcpConnection::expect), and an error if the encoding lacks
    /// a character of the text.
    #[track_caller]
    pub fn expect_text(&self, expected: impl AsRef<str>) -> Result<(), TcpError> {
        now(self.talk(Thread, Place::caller()).expect_text(expected))
    }

    pub(super) fn encode<'a>(&self, text: &'a str) -> Result<std::borrow::Cow<'a, [u8]>, TcpError> {
        self.encoding
            .encode(text)
            .map_err(|character| TcpError::Encode {
                driver: self.driver(),
                encoding: self.encoding,
                character,
            })
    }

    /// The text of bytes that are to be whole.
    pub(super) fn decode(&self, bytes: Vec<u8>) -> Result<String, TcpError> {
        match self.encoding.decode_piece(&self.mode(), &bytes) {
            Ok(piece) if piece.size == bytes.len() => {
                self.set_mode(piece.mode);
                Ok(piece.text)
            }
            Ok(piece) => Err(self.undecodable(bytes, piece.size)),
            Err(position) => Err(self.undecodable(bytes, position)),
        }
    }

    /// Hands the bytes back to the connection.
    pub(super) fn undecodable(&self, bytes: Vec<u8>, position: usize) -> TcpError {
        let tape = self.socket.tape();
        let shown = match tape {
            Some(tape) => tape.redact().bytes(&bytes).into_owned(),
            None => bytes.clone(),
        };
        let error = TcpError::Decode {
            driver: self.driver(),
            encoding: self.encoding,
            bytes: shown,
            position,
            records: tape.map(Tape::last_records),
        };
        self.socket.unread(bytes);
        error
    }

    /// The decoder state of the stream in this handle's encoding.
    pub(super) fn mode(&self) -> Mode {
        if !self.encoding.has_modes() {
            return Mode::default();
        }
        match &*lock(&self.socket.attached::<Incoming>().0) {
            Some((encoding, mode)) if *encoding == self.encoding => mode.clone(),
            _ => Mode::default(),
        }
    }

    pub(super) fn set_mode(&self, mode: Mode) {
        if self.encoding.has_modes() {
            *lock(&self.socket.attached::<Incoming>().0) = Some((self.encoding, mode));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unpoisoned()
}

/// Text up to a delimiter, in an encoding whose characters may hold the bytes of
/// the delimiter: character by character.
pub(super) struct Until<'a> {
    encoding: Encoding,
    mode: Mode,
    delimiter: &'a str,
    /// How many bytes have become text.
    done: usize,
    text: String,
}

impl<'a> Until<'a> {
    pub(super) fn of(connection: &TcpConnection, delimiter: &'a str) -> Until<'a> {
        Until {
            encoding: connection.encoding,
            mode: connection.mode(),
            delimiter,
            done: 0,
            text: String::new(),
        }
    }

    /// The text that was found.
    pub(super) fn into_text(self, connection: &TcpConnection) -> String {
        connection.set_mode(self.mode);
        self.text
    }
}

impl Framing for Until<'_> {
    fn find(&mut self, bytes: &[u8], _seen: usize) -> Result<Found, FrameError> {
        if self.delimiter.is_empty() {
            return Err(FrameError::EmptyDelimiter);
        }
        let mut end = self.done + 1;
        while end <= bytes.len() {
            let piece = self
                .encoding
                .decode_piece(&self.mode, &bytes[self.done..end])
                .map_err(|position| {
                    let at = self.done + position;
                    FrameError::invalid(format!("byte {at} is not valid {}", self.encoding))
                })?;
            self.done += piece.size;
            self.mode = piece.mode;
            self.text.push_str(&piece.text);
            if !piece.text.is_empty() && self.text.ends_with(self.delimiter) {
                return Ok(Found::frame(0..self.done, self.done));
            }
            end += 1;
        }
        Ok(Found::Incomplete)
    }

    fn describe(&self) -> std::borrow::Cow<'static, str> {
        format!("text up to {:?}", self.delimiter).into()
    }
}
