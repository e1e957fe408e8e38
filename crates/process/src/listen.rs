//! Ports that a process listens on, known before it starts.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};

use standin_config::{Config, Constraint, OptionValue, Port, Setting};

use crate::sys;

/// A port that a process shall listen on, chosen before it starts, and without
/// a moment in which another program could take it.
///
/// - [`hand_over`](Listen::hand_over): the driver binds and listens, and the
///   process inherits the socket as systemd would pass it: the descriptors from 3
///   on, and the variables `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES`.
///   Clients can connect at once; they are served when the process is up. With
///   the option `shell` it is the shell that `LISTEN_PID` names.
/// - [`reserve`](Listen::reserve): the process binds by itself, to a port that the
///   system gives to nobody else who does not ask for it. It has a minute for
///   that, and must allow the reuse of addresses, as almost all servers do.
///
/// The driver publishes `ports.<name>`, and `host` and `port` of the first one,
/// for its own arguments and for other drivers.
///
/// In an environment file it is `{ name = "http" }`, with `host` (by default
/// `"localhost"`), `port` (by default 0: the system chooses) and
/// `mode = "hand-over"` or `"reserve"`.
#[derive(Clone, Debug, PartialEq, Eq, Config)]
#[config(table)]
pub struct Listen {
    /// The name under which the port is published: `ports.<name>`.
    #[config(constraint = name_rule())]
    name: String,
    /// Host name or address to listen on.
    #[config(default = "localhost")]
    host: Setting<String>,
    /// Port to listen on; with 0 the system chooses.
    #[config(default = 0)]
    port: Setting<Port>,
    /// Whether the process inherits the listening socket (`hand-over`), or binds by itself to a
    /// port that nobody else gets (`reserve`).
    #[config(default = Mode::HandOver)]
    mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, OptionValue)]
enum Mode {
    HandOver,
    Reserve,
}

impl Listen {
    /// A socket that the process inherits.
    pub fn hand_over(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            host: Setting::from("localhost"),
            port: Setting::from(0),
            mode: Mode::HandOver,
        }
    }

    /// A port that the process binds to itself.
    pub fn reserve(name: impl Into<String>) -> Self {
        Self {
            mode: Mode::Reserve,
            ..Self::hand_over(name)
        }
    }

    /// The host to listen on, instead of `localhost`.
    #[must_use]
    pub fn host(mut self, host: impl Into<Setting<String>>) -> Self {
        self.host = host.into();
        self
    }

    /// The port, instead of one that the system chooses.
    #[must_use]
    pub fn port(mut self, port: impl Into<Setting<Port>>) -> Self {
        self.port = port.into();
        self
    }

    /// The name under which the port is published.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn settings(&self) -> (&Setting<String>, &Setting<Port>) {
        (&self.host, &self.port)
    }

    pub(crate) fn bind(&self, host: &str, port: u16) -> io::Result<Bound> {
        let listener = bind((host, port).to_socket_addrs()?)?;
        let port = listener.local_addr()?.port();
        let listener = match self.mode {
            Mode::HandOver => Some(listener),
            Mode::Reserve => {
                reserve(&listener)?;
                None
            }
        };
        Ok(Bound {
            name: self.name.clone(),
            host: host.to_owned(),
            port,
            listener,
        })
    }
}

/// Binds to the first of the addresses that this machine has. Not to the next one if
/// that is taken there: clients of the name would meet whoever took it.
fn bind(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpListener> {
    let mut missing = None;
    for address in addresses {
        match TcpListener::bind(address) {
            Err(error) if sys::has_no_such_address(&error) => missing = Some(error),
            bound => return bound,
        }
    }
    Err(missing.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable)))
}

/// A port that is ours to give.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `None` for one that is reserved.
    pub(crate) listener: Option<TcpListener>,
}

/// Leaves a connection of the port behind that this side has closed first. For a
/// minute the system remembers it, and while it does it gives the port to nobody
/// who asks for any port; who asks for this one, reusing the address, gets it.
fn reserve(listener: &TcpListener) -> io::Result<()> {
    let mut peer = TcpStream::connect(listener.local_addr()?)?;
    drop(listener.accept()?);
    peer.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Colons are what separates the names in `LISTEN_FDNAMES`.
fn name_rule() -> Constraint {
    let check = |name: &String| match is_name(name) {
        true => Ok(()),
        false => Err("the name of a port is not empty, and has no `:` or control character in it"),
    };
    Constraint::check(check).with_pattern(r"^[^:\x00-\x1f\x7f-\x9f]+$")
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c == ':' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_port_is_given_to_nobody_but_who_asks_for_it() {
        let bound = Listen::reserve("http").bind("127.0.0.1", 0).unwrap();
        let others: Vec<TcpListener> = (0..200)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        for other in &others {
            assert_ne!(other.local_addr().unwrap().port(), bound.port);
        }
        TcpListener::bind(("127.0.0.1", bound.port)).unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_port_that_is_taken_on_the_first_address_is_taken() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        // All of 127.0.0.0/8 is this machine's; 192.0.2.0/24 is nobody's.
        let to = |text: &str| SocketAddr::new(text.parse().unwrap(), port);
        let error = bind([to("127.0.0.1"), to("127.0.0.2")].into_iter()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let bound = bind([to("192.0.2.1"), to("127.0.0.2")].into_iter()).unwrap();
        assert_eq!(bound.local_addr().unwrap(), to("127.0.0.2"));
        bind(std::iter::empty()).unwrap_err();
    }

    #[test]
    fn can_be_written_and_read() {
        for listen in [
            Listen::hand_over("http"),
            Listen::reserve("http").host("::1").port(80),
        ] {
            let value = listen.to_value();
            assert_eq!(Listen::from_value(&value).unwrap(), listen);
        }
        assert!(Listen::hand_over("a:b").check().is_err());
    }
}
