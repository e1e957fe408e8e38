//! Drivers that answer by themselves.

use std::{future::Future, time::Duration};

use standin_reply::Seen;
use standin_socket::operation::Place;
use standin_tcp::{TcpClient, TcpError, TcpHeld, TcpServer};

use crate::runtime::Task;

/// How a test takes part in what a driver does by itself.
pub trait AnswersAsync {
    /// Returns the conversation that a rule or dialogue has held under this name for the longest
    /// time, as soon as there is one.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpServer::held`].
    fn held_async(
        &self,
        name: impl AsRef<str>,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<TcpHeld, TcpError>>;

    /// Takes over the conversation of the connection with that index, at any point. A dropped
    /// future takes nothing.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpServer::take_over`].
    fn take_over_async(
        &self,
        index: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<TcpHeld, TcpError>>;

    /// Waits until something has happened.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpServer::wait_until`].
    fn wait_until_async(
        &self,
        seen: Seen,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<(), TcpError>>;
}

macro_rules! answers {
    ($($driver:ty),+) => {$(
        impl AnswersAsync for $driver {
            async fn held_async(
                &self,
                name: impl AsRef<str>,
                timeout: impl Into<Option<Duration>>,
            ) -> Result<TcpHeld, TcpError> {
                self.held_with(Task, name.as_ref(), timeout.into()).await
            }

            fn take_over_async(
                &self,
                index: usize,
                timeout: impl Into<Option<Duration>>,
            ) -> impl Future<Output = Result<TcpHeld, TcpError>> {
                self.take_over_with(Task, index, timeout.into())
            }

            fn wait_until_async(
                &self,
                seen: Seen,
                timeout: impl Into<Option<Duration>>,
            ) -> impl Future<Output = Result<(), TcpError>> {
                self.wait_until_with(Task, seen, timeout.into())
            }
        }
    )+};
}

answers! { TcpClient, TcpServer }

/// Generates a trait from the table of sends and receives.
macro_rules! talk {
    (send: $($name:ident, $name_async:ident($($argument:ident: $kind:ty),*) -> $result:ty, $what:literal;)+) => {
        $(
            #[doc = $what]
            ///
            /// # Errors
            ///
            #[doc = concat!("Returns the errors of [`TcpHeld::", stringify!($name), "`].")]
            #[track_caller]
            fn $name_async(
                &mut self,
                $($argument: $kind),*
            ) -> impl Future<Output = Result<$result, TcpError>> {
                let (held, place) = (self.meant(), Place::caller());
                async move {
                    held.send_rest_with(Task, place).await?;
                    held.connection().talk(Task, place).$name($($argument),*).await
                }
            }
        )+
    };
    (receive: $($name:ident, $name_async:ident($($argument:ident: $kind:ty),*) -> $result:ty, $what:literal;)+) => {
        $(
            #[doc = $what]
            ///
            /// # Errors
            ///
            #[doc = concat!("Returns the errors of [`TcpHeld::", stringify!($name), "`].")]
            #[track_caller]
            fn $name_async(
                &mut self,
                $($argument: $kind),*
            ) -> impl Future<Output = Result<$result, TcpError>> {
                let (held, place) = (self.meant(), Place::caller());
                held.connection().talk(Task, place).$name($($argument),*)
            }
        )+
    };
}

/// The sends and receives of a conversation that the test holds. A send first sends the unsent
/// output from before the test took the conversation over; none of that is sent twice, even if a
/// future is dropped.
pub trait HeldAsync {
    /// The conversation.
    #[doc(hidden)]
    fn meant(&mut self) -> &mut TcpHeld;

    standin_tcp::over_a_held_conversation! { talk }

    /// Sends `payload` as one frame of the replies' framing.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpHeld::send_frame`].
    #[track_caller]
    fn send_frame_async(
        &mut self,
        payload: impl AsRef<[u8]>,
    ) -> impl Future<Output = Result<usize, TcpError>> {
        let (held, place) = (self.meant(), Place::caller());
        held.send_frame_with(Task, place, payload)
    }

    /// Receives one frame of the replies' framing, and returns its payload.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpHeld::receive_frame`].
    #[track_caller]
    fn receive_frame_async(&mut self) -> impl Future<Output = Result<Vec<u8>, TcpError>> {
        let (held, place) = (self.meant(), Place::caller());
        held.receive_frame_with(Task, place)
    }

    /// Begins TLS in the middle of the conversation. The future waits for what was still to be
    /// sent, not for the handshake: sends and receives after it do.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpHeld::start_tls`].
    #[cfg(feature = "tls")]
    #[track_caller]
    fn start_tls_async(&mut self) -> impl Future<Output = Result<(), TcpError>> {
        let (held, place) = (self.meant(), Place::caller());
        held.start_tls_with(Task, place)
    }
}

impl HeldAsync for TcpHeld {
    fn meant(&mut self) -> &mut TcpHeld {
        self
    }
}
