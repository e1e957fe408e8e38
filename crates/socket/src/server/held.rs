//! A port for another program.

use std::{
    io::{self, Read},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
};

use super::{
    bind::{self, How, Place},
    builder::DEFAULT_BACKLOG,
};
use crate::{
    address::Address,
    error::{Attempt, BindError},
    options::BindOptions,
    sys::Reservation,
};

/// A port of a host, reserved for another program to listen on.
///
/// The port of a name with several addresses is held on all of them, as a [`Server`](super::Server)
/// holds its own. The program either [inherits](HeldPort::hand_over) the listening socket, or binds
/// to the port itself once it was [left](HeldPort::leave) to it.
///
/// ```
/// use standin_socket::HeldPort;
///
/// let port = HeldPort::bind("http", "localhost", 0)?;
/// let (listener, others) = port.hand_over();
/// // The program that inherits `listener` accepts the peers of `localhost`, and no other does
/// // while `others` is there.
/// assert_eq!(listener.local_addr()?.ip().to_string(), "127.0.0.1");
/// # drop(others);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct HeldPort {
    label: Arc<str>,
    host: String,
    address: SocketAddr,
    listener: TcpListener,
    others: OtherAddresses,
}

/// Blocks a [held port](HeldPort) on the addresses of its host that are not listened on, until it
/// is dropped.
#[derive(Debug)]
#[must_use = "dropping it gives the port away"]
pub struct OtherAddresses(Vec<Reservation>);

impl HeldPort {
    /// Binds to `port` of `host`, a name or an IP address of this machine, and listens; with port 0
    /// the system chooses one that is free on every address of the host. `label` is for errors.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`ServerBuilder::bind`](super::ServerBuilder::bind).
    pub fn bind(label: &str, host: &str, port: u16) -> Result<HeldPort, BindError> {
        let label = Arc::from(label);
        let how = How {
            backlog: DEFAULT_BACKLOG,
            binding: BindOptions::default(),
            // The program sets its own.
            options: None,
        };
        let bound = bind::bind(Place::Host(host.to_owned()), port, how, Some(&label))?;
        let failed = |error| failed(&label, host, port, &bound.address, error);
        let listener = bound.listener.try_clone_tcp().map_err(failed)?;
        // As a program expects what it inherits to be.
        listener.set_nonblocking(false).map_err(failed)?;
        Ok(HeldPort {
            address: listener.local_addr().map_err(failed)?,
            host: bound.host,
            listener,
            others: OtherAddresses(bound.reserved),
            label,
        })
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns the listening socket, for the program to inherit, and a guard that blocks the other
    /// addresses of the host while the program runs.
    pub fn hand_over(self) -> (TcpListener, OtherAddresses) {
        (self.listener, self.others)
    }

    /// Releases the port to a program that binds to it by number and reuses the address
    /// (`SO_REUSEADDR`), as almost all servers do. For a minute, the system assigns it to no other
    /// program.
    ///
    /// # Errors
    ///
    /// Returns an error if the host has no connection to itself.
    pub fn leave(self) -> Result<(), BindError> {
        let failed = |error| {
            let address = Address::from(self.address);
            failed(
                &self.label,
                &self.host,
                self.address.port(),
                &address,
                error,
            )
        };
        leave(self.listener).map_err(failed)?;
        for other in self.others.0 {
            other.listen().and_then(leave).map_err(failed)?;
        }
        Ok(())
    }
}

fn failed(
    label: &Arc<str>,
    host: &str,
    port: u16,
    address: &Address,
    error: io::Error,
) -> BindError {
    let attempt = Attempt {
        address: address.clone(),
        error,
    };
    bind::error(
        bind::party(Some(label)),
        format!("{host}:{port}"),
        vec![attempt],
    )
}

/// Leaves a connection of the port behind that this side has closed first. For a minute the system
/// remembers it (TIME_WAIT), and does not assign the port to programs that ask for any port; a
/// program that asks for this one, reusing the address, gets it.
fn leave(listener: TcpListener) -> io::Result<()> {
    let mut peer = TcpStream::connect(listener.local_addr()?)?;
    drop(listener.accept()?);
    peer.read_to_end(&mut Vec::new())?;
    Ok(())
}
