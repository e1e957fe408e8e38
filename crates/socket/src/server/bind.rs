//! How a server gets its address.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
};

use crate::{
    address::{self, Address},
    error::{Attempt, BindError, Party, Role},
    options::{BindOptions, SocketOptions},
    sys::{self, Listener, Reservation},
};

/// How often the system may choose a port that is not free on every address of a name.
const CHOICES: usize = 64;

/// Where a server listens.
#[derive(Debug)]
pub(super) enum Place {
    Host(String),
    Unix(PathBuf),
    Listener(TcpListener),
}

/// Options to set before a socket listens.
#[derive(Clone, Copy, Debug)]
pub(super) struct How<'a> {
    pub(super) backlog: i32,
    pub(super) binding: BindOptions,
    /// `None` for the socket of another program.
    pub(super) options: Option<&'a SocketOptions>,
}

/// The address that a server listens on.
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
    let party = || party(label);
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

/// Listens on the first of a name's addresses that this machine has, and reserves the port on the
/// others.
///
/// If another program uses the port on one of them, that is an error: a client of the name could
/// reach that server instead of this one, and so could a client that prefers another address.
fn bind_name(
    addresses: &[SocketAddr],
    how: How<'_>,
) -> Result<(Listener, Address, Vec<Reservation>), Vec<Attempt>> {
    if addresses.iter().any(|address| address.port() != 0) {
        return bind_at(addresses, how);
    }
    // Kept until the end, so that the system does not choose the same port again.
    let mut rejected = Vec::new();
    loop {
        let Some((place, reservation)) = choose(addresses) else {
            return bind_at(addresses, how);
        };
        let mut others = addresses.to_vec();
        others.remove(place);
        others
            .iter_mut()
            .for_each(|other| other.set_port(reservation.port()));
        match bind_at(&others, how) {
            Ok((listener, address, mut reserved)) => {
                reserved.push(reservation);
                return Ok((listener, address, reserved));
            }
            Err(attempts) => {
                let is_any = |is: fn(&io::Error) -> bool| attempts.iter().any(|at| is(&at.error));
                let is_in_use = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
                if is_any(is_in_use) && rejected.len() < CHOICES {
                    rejected.push(reservation);
                } else if is_any(|error| !sys::is_unavailable(error)) {
                    return Err(attempts);
                } else {
                    // The reserved one is the only one that this machine has.
                    drop(reservation);
                    return bind_at(addresses, how);
                }
            }
        }
    }
}

/// Has the system choose a port on one of the further addresses of a name. The listener asks for
/// that port, and so keeps it while it does not listen, which it would not if the port was chosen
/// for itself.
fn choose(addresses: &[SocketAddr]) -> Option<(usize, Reservation)> {
    let further = addresses.iter().enumerate().skip(1).rev();
    further
        .filter_map(|(place, address)| Some((place, Reservation::of(*address).ok()?)))
        .next()
}

/// Listens on the first address that this machine has, and reserves its port on those behind it.
fn bind_at(
    addresses: &[SocketAddr],
    how: How<'_>,
) -> Result<(Listener, Address, Vec<Reservation>), Vec<Attempt>> {
    let (place, socket) = first_available(addresses, how.binding)?;
    let here = addresses[place];
    let failed = |error| {
        let address = Address::from(here);
        vec![Attempt { address, error }]
    };
    let port = sys::port_of(&socket).map_err(failed)?;
    let others = addresses[place + 1..]
        .iter()
        .map(|other| SocketAddr::new(other.ip(), port));
    let reserved = reserve(others).map_err(|attempt| vec![attempt])?;
    let (listener, address) = listen(socket, &Address::from(here), how).map_err(failed)?;
    Ok((listener, address, reserved))
}

/// Binds the first address that this machine has; returns which one.
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
    if let Some(options) = how.options {
        options.apply(&(&socket).into(), address)?;
    }
    socket.listen(how.backlog)?;
    let listener = Listener::from_socket(socket, address)?;
    let address = listener.local_address()?;
    Ok((listener, address))
}

fn adopt(
    listener: TcpListener,
    options: Option<&SocketOptions>,
) -> io::Result<(Listener, Address)> {
    let listener = Listener::from_tcp(listener)?;
    let address = listener.local_address()?;
    if let Some(options) = options {
        options.apply(&listener.options(), &address)?;
    }
    Ok((listener, address))
}

pub(super) fn party(label: Option<&Arc<str>>) -> Box<Party> {
    Box::new(Party {
        role: Role::Server,
        label: label.cloned(),
        index: None,
        local: None,
        peer: None,
        note: None,
        records: None,
    })
}

pub(super) fn error(party: Box<Party>, target: String, attempts: Vec<Attempt>) -> BindError {
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
