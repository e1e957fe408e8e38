//! Sends and receives on connections of drivers.

use std::{future::Future, time::Duration};

use standin_socket::operation::Place;
use standin_tcp::{TcpClient, TcpConnection, TcpError, TcpServer};

use crate::runtime::Task;

/// Generates a trait from the table of sends and receives.
macro_rules! talk {
    ($($name:ident, $name_async:ident($($argument:ident: $kind:ty),*) -> $result:ty, $what:literal;)+) => {
        /// Sends and receives on a connection: on a [`TcpConnection`], and on the default
        /// connection of a [`TcpServer`] or a [`TcpClient`].
        ///
        /// Each method is the async form of the one with the same name except for `_async`: it does
        /// the same, within the same time, with the same errors.
        ///
        /// Dropping a future cancels the operation. Received bytes stay with the connection for the
        /// next receive. A cancelled send may have sent a part, like a send that fails.
        pub trait TalkAsync {
            /// The connection that is meant.
            #[doc(hidden)]
            fn meant(&self) -> Result<TcpConnection, TcpError>;

            $(
                #[doc = $what]
                ///
                /// # Errors
                ///
                #[doc = concat!("Returns the errors of [`TcpConnection::", stringify!($name), "`].")]
                #[track_caller]
                fn $name_async(
                    &self,
                    $($argument: $kind),*
                ) -> impl Future<Output = Result<$result, TcpError>> {
                    let (connection, place) = (self.meant(), Place::caller());
                    async move { connection?.talk(Task, place).$name($($argument),*).await }
                }
            )+
        }
    };
}

standin_tcp::over_a_connection! { [talk] }

impl TalkAsync for TcpConnection {
    fn meant(&self) -> Result<TcpConnection, TcpError> {
        Ok(self.clone())
    }
}

impl TalkAsync for TcpServer {
    fn meant(&self) -> Result<TcpConnection, TcpError> {
        self.latest_connection()
    }
}

impl TalkAsync for TcpClient {
    fn meant(&self) -> Result<TcpConnection, TcpError> {
        self.connection()
    }
}

/// The operations of connections only.
pub trait ConnectionAsync {
    /// Receives what comes first into `target`, and returns how many bytes that is.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpConnection::receive_into`].
    fn receive_into_async(
        &self,
        target: &mut [u8],
    ) -> impl Future<Output = Result<usize, TcpError>>;

    /// Receives everything until no bytes arrive for the time of `silence`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpConnection::receive_until_silence`].
    fn receive_until_silence_async(
        &self,
        silence: Duration,
    ) -> impl Future<Output = Result<Vec<u8>, TcpError>>;

    /// Sends `bytes` in pieces of `size` bytes, a pause of `every` between them. Of one that is
    /// dropped a part may have gone.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpConnection::send_in_pieces`].
    fn send_in_pieces_async(
        &self,
        bytes: impl AsRef<[u8]>,
        size: usize,
        every: Duration,
    ) -> impl Future<Output = Result<usize, TcpError>>;

    /// Waits for the time of `delay` and then sends `bytes`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpConnection::send_delayed`].
    fn send_delayed_async(
        &self,
        bytes: impl AsRef<[u8]>,
        delay: Duration,
    ) -> impl Future<Output = Result<usize, TcpError>>;

    /// Receives exactly `count` bytes, returns them, and resets the connection.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpConnection::reset_after_receiving`].
    fn reset_after_receiving_async(
        &self,
        count: usize,
    ) -> impl Future<Output = Result<Vec<u8>, TcpError>>;

    /// Sends the first `count` of `bytes`, returns how many were sent, and resets the connection.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpConnection::reset_after_sending`].
    fn reset_after_sending_async(
        &self,
        bytes: impl AsRef<[u8]>,
        count: usize,
    ) -> impl Future<Output = Result<usize, TcpError>>;
}

impl ConnectionAsync for TcpConnection {
    #[track_caller]
    fn receive_into_async(
        &self,
        target: &mut [u8],
    ) -> impl Future<Output = Result<usize, TcpError>> {
        self.talk(Task, Place::caller()).receive_into(target)
    }

    #[track_caller]
    fn receive_until_silence_async(
        &self,
        silence: Duration,
    ) -> impl Future<Output = Result<Vec<u8>, TcpError>> {
        self.talk(Task, Place::caller())
            .receive_until_silence(silence)
    }

    #[track_caller]
    fn send_in_pieces_async(
        &self,
        bytes: impl AsRef<[u8]>,
        size: usize,
        every: Duration,
    ) -> impl Future<Output = Result<usize, TcpError>> {
        self.talk(Task, Place::caller())
            .send_in_pieces(bytes, size, every)
    }

    #[track_caller]
    fn send_delayed_async(
        &self,
        bytes: impl AsRef<[u8]>,
        delay: Duration,
    ) -> impl Future<Output = Result<usize, TcpError>> {
        self.talk(Task, Place::caller()).send_delayed(bytes, delay)
    }

    #[track_caller]
    fn reset_after_receiving_async(
        &self,
        count: usize,
    ) -> impl Future<Output = Result<Vec<u8>, TcpError>> {
        self.talk(Task, Place::caller())
            .reset_after_receiving(count)
    }

    #[track_caller]
    fn reset_after_sending_async(
        &self,
        bytes: impl AsRef<[u8]>,
        count: usize,
    ) -> impl Future<Output = Result<usize, TcpError>> {
        self.talk(Task, Place::caller())
            .reset_after_sending(bytes, count)
    }
}

/// How a server accepts connections.
pub trait ServerAsync {
    /// Accepts the next connection. Zero accepts one that is waiting already; `None` waits until
    /// one comes or the server stops.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> standin_error::Result<()> {
    /// use std::time::Duration;
    ///
    /// use standin_async::{ServerAsync, TalkAsync};
    /// use standin_driver::Lifecycle;
    /// use standin_tcp::TcpServer;
    ///
    /// let server = TcpServer::builder("server").build()?;
    /// server.start()?;
    /// let address = ("127.0.0.1", server.port().unwrap_or(0));
    /// // In the same thread as the test.
    /// let service = tokio::spawn(tokio::net::TcpStream::connect(address));
    /// server.accept_connection_async(Duration::from_secs(10)).await?;
    /// server.send_text_async("hello").await?;
    /// # drop(service);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "tokio"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpServer::accept_connection`].
    fn accept_connection_async(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<TcpConnection, TcpError>>;
}

impl ServerAsync for TcpServer {
    #[track_caller]
    fn accept_connection_async(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<TcpConnection, TcpError>> {
        self.accept_with(Task, Place::caller(), timeout.into())
    }
}

/// How a client connects.
pub trait ClientAsync {
    /// Connects to the server, within the time that the driver may take to start, or connects
    /// again: a connection that the client has already is closed.
    ///
    /// The name of the server's host is looked up by the system before the first wait, which blocks
    /// the thread for as long as that takes.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpClient::connect`].
    fn connect_async(&self) -> impl Future<Output = Result<TcpConnection, TcpError>>;

    /// Connects, and lets the replies of the client use the connection.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpClient::play`].
    fn play_async(&self) -> impl Future<Output = Result<(), TcpError>>;
}

impl ClientAsync for TcpClient {
    #[track_caller]
    fn connect_async(&self) -> impl Future<Output = Result<TcpConnection, TcpError>> {
        self.connect_with(Task, Place::caller())
    }

    #[track_caller]
    fn play_async(&self) -> impl Future<Output = Result<(), TcpError>> {
        self.play_with(Task, Place::caller())
    }
}
