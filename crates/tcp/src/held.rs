//! [`TcpHeld`]: a conversation in the hands of the test.

use standin_reply::{HandOverError, Held, WaitError};
use standin_socket::Address;
use standin_socket::operation::{Place, Thread, Wait, now};

use crate::base::TcpBase;
use crate::{TcpConnection, TcpError};

/// A conversation that the test has in its hands: the driver does not answer for it meanwhile.
///
/// It comes from `held` or `take_over` of a [`TcpServer`](crate::TcpServer) or a
/// [`TcpClient`](crate::TcpClient) that answers by itself. The test looks around, receives and
/// sends as it likes, with the driver's `io_timeout` and `encoding`, and then
/// [hands it back](TcpHeld::hand_back) or [keeps](TcpHeld::take) the connection. Dropping it hands
/// it back. What is received here is neither counted nor answered by rules.
#[derive(Debug)]
pub struct TcpHeld {
    held: Held,
    /// The same connection, without another handle.
    connection: TcpConnection,
}

/// The operations on a held conversation, in one table like that of
/// [`over_a_connection`](crate::over_a_connection): sends and receives.
#[doc(hidden)]
#[macro_export]
macro_rules! over_a_held_conversation {
    ($callback:ident) => {
        $callback! { send:
            send, send_async(bytes: impl AsRef<[u8]>) -> usize,
                "Sends all of `bytes`, as they are, and returns how many they are.";
            send_text, send_text_async(text: impl AsRef<str>) -> usize,
                "Sends all of `text`, and returns how many bytes it became.";
        }
        $callback! { receive:
            receive_exactly, receive_exactly_async(size: usize) -> Vec<u8>,
                "Receives exactly `size` bytes.";
            receive_exactly_text, receive_exactly_text_async(size: usize) -> String,
                "Receives exactly `size` bytes, as text.";
            receive_some, receive_some_async(limit: usize) -> Vec<u8>,
                "Receives what comes first, from 1 to `limit` bytes.";
            receive_until, receive_until_async(delimiter: impl AsRef<[u8]>) -> Vec<u8>,
                "Receives up to and including `delimiter`.";
            receive_line, receive_line_async() -> Vec<u8>,
                "Receives a line, and returns it without its LF or CRLF.";
            receive_line_text, receive_line_text_async() -> String,
                "Receives a line, and returns it without its LF or CRLF, as text.";
            receive_to_end, receive_to_end_async() -> Vec<u8>,
                "Receives everything until the peer closes its end.";
            expect, expect_async(expected: impl AsRef<[u8]>) -> (),
                "Receives `expected`; anything else is an error.";
            expect_text, expect_text_async(expected: impl AsRef<str>) -> (),
                "Receives the text `expected`; anything else is an error.";
        }
    };
}

/// The methods that talk, each as those of [`TcpConnection`].
macro_rules! talk {
    (receive: $($name:ident, $_:ident($($argument:ident: $kind:ty),*) -> $result:ty, $what:literal;)+) => {
        $(
            #[doc = $what]
            ///
            /// # Errors
            ///
            #[doc = concat!("Returns the errors of [`TcpConnection::", stringify!($name), "`].")]
            #[track_caller]
            pub fn $name(&mut self, $($argument: $kind),*) -> Result<$result, TcpError> {
                self.connection.$name($($argument),*)
            }
        )+
    };
    (send: $($name:ident, $_:ident($($argument:ident: $kind:ty),*) -> $result:ty, $what:literal;)+) => {
        $(
            #[doc = $what]
            /// Before that goes what was still to be sent when the test took the conversation over.
            ///
            /// # Errors
            ///
            #[doc = concat!("Returns the errors of [`TcpConnection::", stringify!($name), "`].")]
            #[track_caller]
            pub fn $name(&mut self, $($argument: $kind),*) -> Result<$result, TcpError> {
                self.send_rest()?;
                self.connection.$name($($argument),*)
            }
        )+
    };
}

impl TcpHeld {
    /// Returns the index of the connection, counted from 0.
    pub fn index(&self) -> usize {
        self.held.index()
    }

    /// Returns the name under which it was held; `None` if the test has taken it over.
    pub fn name(&self) -> Option<&str> {
        self.held.name()
    }

    /// Returns the address of the peer's end.
    pub fn peer_address(&self) -> &Address {
        self.held.peer_address()
    }

    /// Returns the frame for which it is held; empty if it is held by a greeting, `None` if the
    /// test has taken it over in the middle of something else.
    pub fn frame(&self) -> Option<&[u8]> {
        self.held.frame()
    }

    /// Returns the bytes that the group of that name matched in the held frame.
    pub fn capture(&self, name: &str) -> Option<&[u8]> {
        self.held.capture(name)
    }

    /// Returns the state that the connection is in, if any.
    pub fn state(&self) -> Option<&str> {
        self.held.state()
    }

    /// Sends `payload` as one frame of the replies' framing, and returns how many bytes that has;
    /// as it is if the replies are raw.
    ///
    /// # Errors
    ///
    /// Returns an error if no frame can carry it, or it cannot be sent in time.
    #[track_caller]
    pub fn send_frame(&mut self, payload: impl AsRef<[u8]>) -> Result<usize, TcpError> {
        now(self.send_frame_with(Thread, Place::caller(), payload))
    }

    /// Does the same as [`send_frame`](TcpHeld::send_frame), waiting with `wait`.
    #[doc(hidden)]
    pub async fn send_frame_with(
        &mut self,
        wait: impl Wait,
        place: Place,
        payload: impl AsRef<[u8]>,
    ) -> Result<usize, TcpError> {
        let timeout = self.connection.timeout();
        let sent = self
            .held
            .send_frame_with(wait, place, payload, timeout)
            .await;
        self.connection.noted(sent)
    }

    /// Receives one frame of the replies' framing, and returns its payload; if the replies are raw,
    /// the bytes that have arrived.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none in time.
    #[track_caller]
    pub fn receive_frame(&mut self) -> Result<Vec<u8>, TcpError> {
        now(self.receive_frame_with(Thread, Place::caller()))
    }

    /// Does the same as [`receive_frame`](TcpHeld::receive_frame), waiting with `wait`.
    #[doc(hidden)]
    pub async fn receive_frame_with(
        &mut self,
        wait: impl Wait,
        place: Place,
    ) -> Result<Vec<u8>, TcpError> {
        let timeout = self.connection.timeout();
        let received = self.held.receive_frame_with(wait, place, timeout).await;
        self.connection.noted(received)
    }

    crate::over_a_held_conversation! { talk }

    /// Begins TLS in the middle of the conversation, as [`TcpConnection::start_tls`] does. Before
    /// that goes what was still to be sent when the test took the conversation over. Handed back,
    /// the conversation continues after the handshake.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpConnection::start_tls`], and one if the rest cannot be sent.
    #[cfg(feature = "tls")]
    #[track_caller]
    pub fn start_tls(&mut self) -> Result<(), TcpError> {
        now(self.start_tls_with(Thread, Place::caller()))
    }

    /// Does the same as [`start_tls`](TcpHeld::start_tls), waiting with `wait`.
    #[cfg(feature = "tls")]
    #[doc(hidden)]
    pub async fn start_tls_with(&mut self, wait: impl Wait, place: Place) -> Result<(), TcpError> {
        self.send_rest_with(wait, place).await?;
        self.connection.start_tls()
    }

    /// Ends the sending direction.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpConnection::shutdown_write`].
    #[track_caller]
    pub fn shutdown_write(&mut self) -> Result<(), TcpError> {
        self.connection.shutdown_write()
    }

    /// Hands the conversation back. It continues where it was, with the bytes that arrived
    /// meanwhile. A stopped driver closes it.
    pub fn hand_back(self) {
        self.held.hand_back();
    }

    /// Keeps the connection, which becomes an ordinary one of the driver; the conversation ends.
    /// Its dialogue is judged by its progress so far.
    pub fn take(self) -> TcpConnection {
        // The same connection, which now belongs to everybody.
        self.held.take();
        self.connection
    }

    /// Returns the same connection, for a layer above that has limits and encodings of its own.
    /// What is sent on it goes after [`send_rest_with`](TcpHeld::send_rest_with).
    #[doc(hidden)]
    pub fn connection(&self) -> &TcpConnection {
        &self.connection
    }

    /// Sends what was still to be sent when the test took the conversation over, with `wait` to
    /// wait for it.
    #[doc(hidden)]
    pub async fn send_rest_with(&mut self, wait: impl Wait, place: Place) -> Result<(), TcpError> {
        let timeout = self.connection.timeout();
        let sent = self.held.send_rest_with(&wait, place, timeout).await;
        self.connection.noted(sent)
    }

    /// Sends what was still to be sent when the test took the conversation over.
    #[doc(hidden)]
    #[track_caller]
    pub fn send_rest(&mut self) -> Result<(), TcpError> {
        now(self.send_rest_with(Thread, Place::caller()))
    }
}

impl<S: Default> TcpBase<S> {
    /// The conversation as the driver's users get it.
    pub(crate) fn hand_over(&self, held: Result<Held, HandOverError>) -> Result<TcpHeld, TcpError> {
        match held {
            Ok(held) => Ok(TcpHeld {
                connection: self.handle(held.connection().clone()),
                held,
            }),
            Err(error @ HandOverError::Aborted { .. }) => {
                // What has failed elsewhere says more than that something has.
                self.uninterrupted()?;
                Err(self.not_held(error))
            }
            Err(error) => Err(self.not_held(error)),
        }
    }

    fn not_held(&self, failed: HandOverError) -> TcpError {
        let note = self.driver.explainer().explain(self.name());
        TcpError::HandOver {
            // The environment would say the same once more.
            note: note.filter(|_| !matches!(failed, HandOverError::Unexpected(_))),
            failed,
        }
    }

    /// The error of a wait for something that has not happened.
    pub(crate) fn not_seen(&self, failed: WaitError) -> TcpError {
        if matches!(failed, WaitError::Aborted { .. })
            && let Err(interrupted) = self.uninterrupted()
        {
            return interrupted;
        }
        let note = self.driver.explainer().explain(self.name());
        TcpError::NotSeen {
            note: note.filter(|_| !matches!(failed, WaitError::Unexpected(_))),
            failed,
        }
    }
}
