//! How a server gets its address.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use super::builder::Place;
use crate::{
    address::{self, Address},
    error::{Attempt, BindError, Party, Role},
    options::{BindOptions, SocketOptions},
    sys::{self, Listener, Reservation},
};

/// How often the system may choose a port that is not free on every address of a name.
const CHOICES: usize = 64;

/// What to set before a socket listens.
#[derive(Clone, Copy, Debug)]
pub(super) struct How<'a> {
    pub(super) backlog: i32,
    pub(super) binding: BindOptions,
    pub(super) options: &'a SocketOptions,
}

/// What a server listens on.
#[derive(Debug)]
pub(super) struct Bound {
    /// As the user gave it.
    pub(super) host: String,
    pub(super) address: Address,
    pub(super) listener: Listener,
    /// The same port on the other addresses of the host.
    pub(super) reserved: Vec<Reservation>,
}

pub(super) fn bind(
    place: Place,
    port: u16,
    how: How<'_>,
    label: Option<&Arc<str>>,
) -> Result<Bound, BindError> {
    let party = || {
        Box::new(Party {
            role: Role::Server,
            label: label.cloned(),
            index: None,
            local: None,
            peer: None,
            note: None,
        })
    };
    let (host, target, bound) = match place {
        Place::Host(host) => {
            let addresses = match address::resolve(&host, port) {
                Ok(addresses) => addresses,
                Err(source) => {
                    return Err(BindError::Resolve {
                        party: party(),
                        host,
                        source,
                    });
                }
            };
            let target = match addresses.as_slice() {
                [address] => address.to_string(),
                _ => format!("{host}:{port}"),
            };
            let bound = bind_name(&addresses, how);
            (host, target, bound)
        }
        Place::Unix(path) => {
            let address = Address::Unix(path);
            let host = address.to_string();
            let target = host.clone();
            let bound = sys::bound(&address, how.binding)
                .and_then(|socket| listen(socket, &address, how))
                .map(|(listener, address)| (listener, address, Vec::new()))
                .map_err(|error| vec![Attempt { address, error }]);
            (host, target, bound)
        }
        Place::Listener(listener) => {
            // The system knows no address of a socket that it does not know.
            let address = listener
                .local_addr()
                .unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
            let bound = adopt(listener, how.options)
                .map(|(listener, address)| (listener, address, Vec::new()))
                .map_err(|error| {
                    let address = Address::from(address);
                    vec![Attempt { address, error }]
                });
            (address.ip().to_string(), address.to_string(), bound)
        }
    };
    match bound {
        Ok((listener, address, reserved)) => Ok(Bound {
            host,
            address,
            listener,
            reserved,
        }),
        Err(attempts) => Err(error(party(), target, attempts)),
    }
}

/// Listens on the first of a name's addresses that this machine has, and reserves the port on the others.
///
/// A port that somebody else has on one of them is not passed over: a client of the name could reach that server
/// instead of this one, and so could a client that prefers another of the addresses than we do.
fn bind_name(
    addresses: &[SocketAddr],
    how: How<'_>,
) -> Result<(Listener, Address, Vec<Reservation>), Vec<Attempt>> {
    let is_chosen = addresses.iter().all(|address| address.port() == 0);
    // Kept until the end, so that the system does not choose the same port again.
    let mut rejected = Vec::new();
    loop {
        let (place, socket) = first_available(addresses, how.binding)?;
        let failed = |address: SocketAddr| {
            move |error| {
                let address = Address::from(address);
                vec![Attempt { address, error }]
            }
        };
        let here = addresses[place];
        let port = socket
            .local_addr()
            .map(|address| address.as_socket().map_or(0, |address| address.port()))
            .map_err(failed(here))?;
        let others = addresses[place + 1..]
            .iter()
            .map(|other| SocketAddr::new(other.ip(), port));
        match reserve(others) {
            Ok(reserved) => {
                let (listener, address) =
                    listen(socket, &Address::from(here), how).map_err(failed(here))?;
                return Ok((listener, address, reserved));
            }
            Err(attempt)
                if is_chosen
                    && attempt.error.kind() == io::ErrorKind::AddrInUse
                    && rejected.len() < CHOICES =>
            {
                rejected.push(socket);
            }
            Err(attempt) => return Err(vec![attempt]),
        }
    }
}

/// Binds the first address that this machine has; says which that is.
fn first_available(
    addresses: &[SocketAddr],
    binding: BindOptions,
) -> Result<(usize, socket2::Socket), Vec<Attempt>> {
    let mut attempts = Vec::new();
    for (place, address) in addresses.iter().enumerate() {
        let address = Address::from(*address);
        match sys::bound(&address, binding) {
            Ok(socket) => return Ok((place, socket)),
            Err(error) => {
                let go_on = sys::is_unavailable(&error);
                attempts.push(Attempt { address, error });
                if !go_on {
                    break;
                }
            }
        }
    }
    Err(attempts)
}

fn reserve(addresses: impl Iterator<Item = SocketAddr>) -> Result<Vec<Reservation>, Attempt> {
    let mut reserved = Vec::new();
    for address in addresses {
        match Reservation::of(address) {
            Ok(reservation) => reserved.push(reservation),
            Err(error) if sys::is_unavailable(&error) => {}
            Err(error) => {
                let address = Address::from(address);
                return Err(Attempt { address, error });
            }
        }
    }
    Ok(reserved)
}

/// Makes a bound socket listen.
pub(super) fn listen(
    socket: socket2::Socket,
    address: &Address,
    how: How<'_>,
) -> io::Result<(Listener, Address)> {
    how.options.apply(&(&socket).into(), address)?;
    socket.listen(how.backlog)?;
    let listener = Listener::from_socket(socket, address)?;
    let address = listener.local_address()?;
    Ok((listener, address))
}

fn adopt(listener: TcpListener, options: &SocketOptions) -> io::Result<(Listener, Address)> {
    let listener = Listener::from_tcp(listener)?;
    let address = listener.local_address()?;
    options.apply(&listener.options(), &address)?;
    Ok((listener, address))
}

fn error(party: Box<Party>, target: String, attempts: Vec<Attempt>) -> BindError {
    if attempts
        .iter()
        .any(|attempt| attempt.error.kind() == io::ErrorKind::AddrInUse)
    {
        BindError::InUse {
            party,
            target,
            attempts,
        }
    } else {
        BindError::Io {
            party,
            target,
            attempts,
        }
    }
}
