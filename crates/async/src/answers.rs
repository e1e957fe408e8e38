//! Drivers that answer by themselves.

use std::{future::Future, time::Duration};

use standin_reply::Seen;
use standin_socket::operation::Place;
use standin_tcp::{TcpClient, TcpError, TcpHeld, TcpServer};

use crate::runtime::Task;

/// How a test takes part in what a driver does by itself.
pub trait AnswersAsync {
    /// Gives the test the conversation that a rule or dialogue has held under this name for the
    /// longest time, as soon as there is one.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpServer::held`].
    fn held_async(
        &self,
        name: impl AsRef<str>,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<TcpHeld, TcpError>>;

    /// Gives the test the conversation of the connection of that index, wherever it is. A future
    /// that is dropped takes nothing.
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

/// What goes over a conversation that the test has in its hands. Before what is sent goes what was
/// still to be sent when the test took it over; of that nothing is sent twice, also when a future
/// is dropped.
pub trait HeldAsync {
    /// Sends all of `bytes`, as they are, and returns how many they are.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpHeld::send`].
    fn send_async(
        &mut self,
        bytes: impl AsRef<[u8]>,
    ) -> impl Future<Output = Result<usize, TcpError>>;

    /// Sends all of `text`, and returns how many bytes it became.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpHeld::send_text`].
    fn send_text_async(
        &mut self,
        text: impl AsRef<str>,
    ) -> impl Future<Output = Result<usize, TcpError>>;

    /// Receives exactly `size` bytes.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpHeld::receive_exactly`].
    fn receive_exactly_async(
        &mut self,
        size: usize,
    ) -> impl Future<Output = Result<Vec<u8>, TcpError>>;

    /// Receives what comes first, from 1 to `limit` bytes.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpHeld::receive_some`].
    fn receive_some_async(
        &mut self,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<u8>, TcpError>>;

    /// Receives a line, and returns it without its LF or CRLF.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpHeld::receive_line`].
    fn receive_line_async(&mut self) -> impl Future<Output = Result<Vec<u8>, TcpError>>;

    /// Receives a line, and returns it without its LF or CRLF, as text.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpHeld::receive_line_text`].
    fn receive_line_text_async(&mut self) -> impl Future<Output = Result<String, TcpError>>;

    /// Receives everything until the peer closes its end.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpHeld::receive_to_end`].
    fn receive_to_end_async(&mut self) -> impl Future<Output = Result<Vec<u8>, TcpError>>;

    /// Receives `expected`, and nothing else will do.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpHeld::expect`].
    fn expect_async(
        &mut self,
        expected: impl AsRef<[u8]>,
    ) -> impl Future<Output = Result<(), TcpError>>;
}

impl HeldAsync for TcpHeld {
    #[track_caller]
    fn send_async(
        &mut self,
        bytes: impl AsRef<[u8]>,
    ) -> impl Future<Output = Result<usize, TcpError>> {
        let place = Place::caller();
        async move {
            rest(self, place).await?;
            self.connection().talk(Task, place).send(bytes).await
        }
    }

    #[track_caller]
    fn send_text_async(
        &mut self,
        text: impl AsRef<str>,
    ) -> impl Future<Output = Result<usize, TcpError>> {
        let place = Place::caller();
        async move {
            rest(self, place).await?;
            self.connection().talk(Task, place).send_text(text).await
        }
    }

    #[track_caller]
    fn receive_exactly_async(
        &mut self,
        size: usize,
    ) -> impl Future<Output = Result<Vec<u8>, TcpError>> {
        self.connection()
            .talk(Task, Place::caller())
            .receive_exactly(size)
    }

    #[track_caller]
    fn receive_some_async(
        &mut self,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<u8>, TcpError>> {
        self.connection()
            .talk(Task, Place::caller())
            .receive_some(limit)
    }

    #[track_caller]
    fn receive_line_async(&mut self) -> impl Future<Output = Result<Vec<u8>, TcpError>> {
        self.connection().talk(Task, Place::caller()).receive_line()
    }

    #[track_caller]
    fn receive_line_text_async(&mut self) -> impl Future<Output = Result<String, TcpError>> {
        self.connection()
            .talk(Task, Place::caller())
            .receive_line_text()
    }

    #[track_caller]
    fn receive_to_end_async(&mut self) -> impl Future<Output = Result<Vec<u8>, TcpError>> {
        self.connection()
            .talk(Task, Place::caller())
            .receive_to_end()
    }

    #[track_caller]
    fn expect_async(
        &mut self,
        expected: impl AsRef<[u8]>,
    ) -> impl Future<Output = Result<(), TcpError>> {
        self.connection()
            .talk(Task, Place::caller())
            .expect(expected)
    }
}

/// Sends what was still to be sent.
async fn rest(held: &mut TcpHeld, place: Place) -> Result<(), TcpError> {
    held.send_rest_with(Task, place).await
}
