//! What a server should not do, done on purpose.

use std::{
    collections::HashSet,
    fmt, io,
    sync::{MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use super::{
    Server,
    bind::{self, How},
    state,
};
use crate::{
    address::Address,
    lane::Lane,
    sys::{self, Connecting, Interest, Progress, SocketFile},
    time::Remaining,
};

impl Server {
    /// Refuses connections from now on, and drops those that nobody accepted yet. The port stays this server's: it can
    /// [come back](Server::come_back), and meanwhile a connect gets `ECONNREFUSED`. Accepted connections go on; an
    /// accept waits.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use standin_socket::{Client, ConnectError, Server};
    ///
    /// let limit = Duration::from_secs(10);
    /// let server = Server::builder().bind()?;
    /// let client = Client::builder().port(server.port()).build();
    ///
    /// server.refuse()?;
    /// assert!(matches!(client.connect(limit), Err(ConnectError::Refused(_))));
    /// server.come_back()?;
    /// assert!(client.connect(limit).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the server is closed.
    pub fn refuse(&self) -> io::Result<()> {
        let inner = &*self.inner;
        let _changing = inner.changing();
        if !self.is_open() {
            return Err(closed());
        }
        inner.away.store(true, Ordering::SeqCst);
        // A socket that can stop listening without being closed keeps its port.
        let stopped = inner.listener().as_ref().is_some_and(|listener| {
            listener.can_listen_again() && sys::pause_listening(listener).is_ok()
        });
        // Whoever waits in an accept uses the listener. It looks again, and then waits without.
        inner.accepting.nudge();
        if !stopped {
            // A Unix socket's address is its file, which stays.
            drop(
                inner
                    .listener
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take(),
            );
        }
        if let Some(mut turn) = inner.accepting.try_enter() {
            turn.value().clear();
        }
        Ok(())
    }

    /// Goes away as a server that is stopped: closes every connection, and [refuses](Server::refuse) new ones until it
    /// [comes back](Server::come_back).
    ///
    /// # Errors
    /// When the server is closed.
    pub fn go_away(&self) -> io::Result<()> {
        self.refuse()?;
        self.close_all();
        Ok(())
    }

    /// Listens again, on the same port, after [`refuse`](Server::refuse) or [`go_away`](Server::go_away). Indices go on
    /// where they were. Does nothing when the server listens.
    ///
    /// # Errors
    /// When the server is closed, or another process has taken the port, which only happens where the platform or an
    /// adopted listener cannot keep it.
    pub fn come_back(&self) -> io::Result<()> {
        let inner = &*self.inner;
        let _changing = inner.changing();
        if self.is_open() && !inner.away.load(Ordering::SeqCst) {
            return Ok(());
        }
        // Nobody keeps us waiting: who waits in an accept does so without the listener now.
        let mut slot = inner
            .listener
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if !self.is_open() {
            return Err(closed());
        }
        if let Some(listener) = &*slot {
            sys::listen_again(listener, inner.backlog)?;
        }
        // A port that the system had chosen is not kept by every socket, and it may have chosen another one now.
        if !slot.as_ref().is_some_and(|listener| {
            listener
                .local_address()
                .is_ok_and(|now| now == inner.address)
        }) {
            *slot = None;
            inner.remove_file();
            let how = How {
                backlog: inner.backlog,
                reuse_address: true,
                options: &inner.options,
            };
            let socket = sys::bound(&inner.address, true)?;
            // From here on there is a file, whatever happens next.
            *inner.file() = inner.address.path().and_then(SocketFile::at);
            *slot = Some(bind::listen(socket, &inner.address, how)?.0);
        }
        inner.away.store(false, Ordering::SeqCst);
        drop(slot);
        inner.accepting.nudge();
        Ok(())
    }

    /// Accepts nothing: fills the queue of pending connections, so that a peer's connect is neither accepted nor
    /// refused and hangs until its own timeout, as with a server that is stuck. Ends when the result is dropped.
    ///
    /// Who is in the queue already stays, and can be accepted.
    ///
    /// # Errors
    /// When the server is closed or a Unix socket's, or the queue cannot be filled.
    pub fn fill_queue(&self) -> io::Result<FullQueue> {
        let inner = &*self.inner;
        let Address::Tcp(mut target) = inner.address else {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "only the queue of a TCP server can be filled",
            ));
        };
        if target.ip().is_unspecified() {
            target.set_ip(if target.is_ipv4() {
                [127, 0, 0, 1].into()
            } else {
                std::net::Ipv6Addr::LOCALHOST.into()
            });
        }
        inner.shorten_queue(0)?;
        let mut queue = FullQueue {
            server: self.clone(),
            fillers: Vec::new(),
        };
        loop {
            let filler = Connecting::new(&Address::Tcp(target))?;
            if !is_connected(&filler)? {
                return Ok(queue);
            }
            let filler = filler.into_stream()?;
            // Recognised by their addresses, they are passed over by accept.
            inner.fillers().insert(filler.local_address()?);
            queue.fillers.push(filler);
        }
    }
}

/// Whether a connect to this machine comes to pass, which is a matter of moments, or is left without an answer.
fn is_connected(connecting: &Connecting) -> io::Result<bool> {
    let lane = Lane::new(());
    let turn = lane.try_enter().expect("nobody else knows this lane");
    for _ in 0..2 {
        if connecting.progress()? == Progress::Connected {
            return Ok(true);
        }
        let _ = turn.wait(
            connecting.source(),
            Interest::Writable,
            Remaining::Time(Duration::from_millis(100)),
        );
    }
    Ok(false)
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the server is closed")
}

/// Keeps a server's queue of pending connections full until it is dropped. See [`Server::fill_queue`].
#[must_use = "dropping it empties the queue at once"]
pub struct FullQueue {
    server: Server,
    fillers: Vec<sys::Stream>,
}

impl Drop for FullQueue {
    fn drop(&mut self) {
        self.fillers.clear();
        let inner = &*self.server.inner;
        if inner.state.load(Ordering::SeqCst) != state::OPEN {
            return;
        }
        // Takes the fillers out of the queue, and everybody else into ours.
        if let Some(mut turn) = inner.accepting.try_enter() {
            let _ = inner.collect(&mut turn);
        }
        let _ = inner.shorten_queue(inner.backlog);
    }
}

impl fmt::Debug for FullQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FullQueue")
            .field("server", &self.server)
            .field("fillers", &self.fillers.len())
            .finish()
    }
}

impl super::Inner {
    /// Gives the queue another length. Linux allows that at any time.
    fn shorten_queue(&self, length: i32) -> io::Result<()> {
        match &*self.listener() {
            Some(listener) if !self.away.load(Ordering::SeqCst) => {
                self.queue_is_short
                    .store(length < self.backlog, Ordering::SeqCst);
                listener.options().listen(length)
            }
            _ => Err(closed()),
        }
    }

    /// Held while the server goes away or comes back.
    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fillers(&self) -> MutexGuard<'_, HashSet<Address>> {
        self.fillers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
