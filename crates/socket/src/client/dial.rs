//! Connecting without waiting.

use std::{fmt, io};

use mio::{Interest, Registry, Token, event};
use standin_record::Event;

use super::{ClientBuilder, Settings};
use crate::{
    address::Address,
    connection::{Connection, OwnedConnection, Owner, Parts},
    error::Role,
    recording::Recording,
    sys::{ConnectProgress, Connecting},
};

/// A connect in progress, for code that never waits: an event loop. [`ClientBuilder::dial`] begins
/// one. Dropping it cancels it.
///
/// It can be registered with a `mio::Poll`: it becomes writable when there is an outcome.
pub struct Dial {
    settings: Settings,
    index: usize,
    to: Address,
    /// `None` once there is an outcome.
    connecting: Option<Connecting>,
}

impl ClientBuilder {
    /// Begins to connect to an address, regardless of the builder's [host](ClientBuilder::host) and
    /// [port](ClientBuilder::port), and does not wait. The connection gets that index.
    ///
    /// ```
    /// use std::time::Duration;
    /// use mio::{Events, Interest, Poll, Token};
    /// use standin_socket::{Client, Server, Tried};
    ///
    /// let server = Server::builder().bind()?;
    /// let mut dial = Client::builder().dial(server.local_address(), 0)?;
    /// let mut poll = Poll::new()?;
    /// poll.registry().register(&mut dial, Token(0), Interest::WRITABLE)?;
    /// let mut connection = loop {
    ///     if let Some(connection) = dial.try_finish()? {
    ///         break connection;
    ///     }
    ///     poll.poll(&mut Events::with_capacity(8), Some(Duration::from_secs(10)))?;
    /// };
    /// assert!(matches!(connection.try_send(b"hello"), Tried::Done(5)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the system has no socket for it.
    pub fn dial(&self, to: &Address, index: usize) -> io::Result<Dial> {
        let connecting = Connecting::new(to)?;
        self.settings.options.apply(&connecting.options(), to)?;
        // Its outcome is asked for later.
        let begun = connecting.progress();
        let dial = Dial {
            settings: self.settings.clone(),
            index,
            to: to.clone(),
            connecting: Some(connecting),
        };
        begun.map(|_| dial)
    }
}

impl Dial {
    /// Returns the address that it connects to.
    pub fn to(&self) -> &Address {
        &self.to
    }

    /// Returns the connection if it is established; `None` while the connect is in progress.
    ///
    /// # Errors
    ///
    /// Returns an error if the peer refuses or cannot be reached, or there was an outcome already.
    pub fn try_finish(&mut self) -> io::Result<Option<OwnedConnection>> {
        let Some(connecting) = &self.connecting else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        match connecting.progress() {
            Ok(ConnectProgress::Connected) => {}
            Ok(ConnectProgress::UnderWay) => return Ok(None),
            Ok(ConnectProgress::QueueFull) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => return Err(error),
        }
        let Some(connecting) = self.connecting.take() else {
            return Ok(None);
        };
        let stream = connecting.into_stream()?;
        let local = stream.local_address()?;
        if local == self.to && local.socket_addr().is_some() {
            // Connected to itself: nobody listens there.
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let recording = Recording::new(
            self.settings.driver.as_ref(),
            &Event::Connected,
            [&local, &self.to],
            None,
        );
        let connection = Connection::new(Parts {
            role: Role::Client,
            label: self.settings.label.clone(),
            index: self.index,
            local,
            peer: self.to.clone(),
            stream,
            recording,
            receive_limit: self.settings.options.receive_limit,
            listed: None,
            owner: Owner::one(),
        });
        connection.trace_made("connected");
        Ok(Some(OwnedConnection::new(connection)))
    }

    fn source(&mut self) -> io::Result<crate::sys::Polled> {
        let connecting = self.connecting.as_ref();
        let connecting = connecting.ok_or(io::ErrorKind::NotConnected)?;
        Ok(connecting.polled())
    }
}

impl event::Source for Dial {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        self.source()?.register(registry, token, interests)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        self.source()?.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source()?.deregister(registry)
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial")
            .field("label", &self.settings.label)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}
