//! Connecting: the addresses of a target in turn, and all of them again.

use std::{io, net::SocketAddr, time::Duration};

use standin_record::Place;

use super::Inner;
use crate::{
    address::{self, Address},
    connection::{Connection, Owner, Parts},
    error::{Attempt, ConnectError, ConnectFailure, Party, Role},
    recording::{Recording, last_records},
    server,
    state::Event,
    sys::{ConnectProgress, Connecting, Interest, Stream},
    time::{Deadline, Doubling, Remaining},
    turn_lock::{NotNow, Turn},
};

/// How long to wait before a connect that failed is tried again, at first and at most. There is no
/// event for a port that begins to be listened on.
const RETRY: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// How long the first of several attempts may take, and how long any of them may: a round in which
/// that was too short is followed by one that allows twice as much. The system repeats what got
/// lost after a second, two more, four more, and gives up after some two minutes: a new attempt
/// finds a peer sooner that has just come back. A peer that needs longer to answer gets it in a
/// later round.
const ATTEMPT: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(120));

impl Inner {
    pub(super) fn connect(
        &self,
        owner: Owner,
        deadline: &mut Deadline,
        place: Place,
    ) -> Result<Connection, ConnectError> {
        let mut attempts = Vec::new();
        let connected = self
            .slot
            .enter(deadline)
            .map_err(ConnectStop::NotNow)
            .and_then(|(mut turn, earlier)| {
                if let Some(earlier) = earlier {
                    earlier.close_at(Event::Close, place);
                }
                self.connect_in_turn(&mut turn, owner, deadline, &mut attempts, place)
            });
        let not_now = match connected {
            Ok(connection) => {
                connection.trace_made("connected");
                return Ok(connection);
            }
            Err(ConnectStop::NotNow(not_now)) => Some(not_now),
            Err(ConnectStop::Failed) => None,
            Err(ConnectStop::Resolve { host, source }) => {
                return Err(ConnectError::Resolve {
                    party: Box::new(self.party()),
                    host,
                    source,
                });
            }
        };
        Err(self.error(not_now, attempts, deadline))
    }

    fn connect_in_turn(
        &self,
        turn: &mut Turn<'_, usize>,
        owner: Owner,
        deadline: &mut Deadline,
        attempts: &mut Vec<Attempt>,
        place: Place,
    ) -> Result<Connection, ConnectStop> {
        let routes = self.routes()?;
        deadline.start();
        let mut pause = Doubling::new(RETRY);
        let mut longest = Doubling::new(ATTEMPT);
        loop {
            attempts.clear();
            let mut may_come = false;
            let mut was_cut_short = false;
            for (nth, (address, from)) in routes.iter().enumerate() {
                let limit = self.limit_of_attempt(deadline, routes.len() - nth, longest.now());
                let outcome = self.try_address(turn, address, from.as_ref(), limit);
                let (error, is_temporary) = match outcome {
                    Ok((stream, local)) => {
                        let ends = (local, address.clone());
                        return self.finish(turn, owner, stream, ends, place);
                    }
                    Err(Refusal::NotNow(NotNow::Closed)) => {
                        return Err(ConnectStop::NotNow(NotNow::Closed));
                    }
                    Err(Refusal::NotNow(NotNow::TimedOut)) => {
                        was_cut_short = true;
                        let error = io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
                        (error, self.settings.retry)
                    }
                    Err(Refusal::NotNow(NotNow::Io(error)) | Refusal::Socket(error)) => {
                        (error, false)
                    }
                    Err(Refusal::Connect(error)) => {
                        let is_temporary = self.may_come(&error, from.as_ref());
                        (error, is_temporary)
                    }
                };
                may_come |= is_temporary;
                attempts.push(Attempt {
                    address: address.clone(),
                    error,
                });
            }
            if !may_come {
                return Err(ConnectStop::Failed);
            }
            self.back_off(turn, deadline, &mut pause)
                .map_err(ConnectStop::NotNow)?;
            if was_cut_short {
                longest.double();
            }
        }
    }

    /// Whether a connect that the system answered so may come to pass a little later.
    fn may_come(&self, error: &io::Error, from: Option<&SocketAddr>) -> bool {
        match error.kind() {
            // The only connection that is possible from this port is still in the way.
            io::ErrorKind::AddrNotAvailable => {
                self.settings.retry || from.is_some_and(|from| from.port() != 0)
            }
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::TimedOut
            // A Unix socket that is not there yet is what a refused port is.
            | io::ErrorKind::NotFound => self.settings.retry,
            _ => false,
        }
    }

    /// How long one address may be tried, of so many that are left; `longest` if it will be tried
    /// again.
    fn limit_of_attempt(
        &self,
        deadline: &mut Deadline,
        addresses_left: usize,
        longest: Duration,
    ) -> Option<Duration> {
        let share = |left: Duration| left / u32::try_from(addresses_left).unwrap_or(u32::MAX);
        let limit = match (deadline.remaining(), self.settings.connect_timeout) {
            (Remaining::Nothing, _) => Some(Duration::ZERO),
            (Remaining::Time(left), Some(limit)) => Some(limit.min(left)),
            (Remaining::Time(left), None) => Some(share(left)),
            (Remaining::Unlimited, limit) => limit,
        };
        if self.settings.retry {
            Some(limit.map_or(longest, |limit| limit.min(longest)))
        } else {
            limit
        }
    }

    /// The addresses to connect to, each with the address to connect from.
    fn routes(&self) -> Result<Vec<(Address, Option<SocketAddr>)>, ConnectStop> {
        let resolve = |host: &str, port| {
            address::resolve(host, port).map_err(|source| ConnectStop::Resolve {
                host: host.to_owned(),
                source,
            })
        };
        let target = &self.settings.target;
        if target.unix.is_some() {
            return Ok(vec![(target.address(), None)]);
        }
        let addresses = resolve(&target.host, target.port)?;
        let Some((host, port)) = &self.settings.interface else {
            return Ok(addresses
                .into_iter()
                .map(|address| (Address::Tcp(address), None))
                .collect());
        };
        let interfaces = resolve(host, *port)?;
        let from = |to: &SocketAddr| {
            let same_family = interfaces
                .iter()
                .find(|from| from.is_ipv4() == to.is_ipv4());
            same_family.or(interfaces.first()).copied()
        };
        let mut routes: Vec<_> = addresses
            .iter()
            .map(|to| (Address::Tcp(*to), from(to)))
            .collect();
        // An address of the other family cannot be reached from the interface: try those that can
        // first.
        routes.sort_by_key(|(to, from)| {
            to.socket_addr().map(|to| to.is_ipv4()) != from.map(|from| from.is_ipv4())
        });
        Ok(routes)
    }

    fn try_address(
        &self,
        turn: &Turn<'_, usize>,
        address: &Address,
        from: Option<&SocketAddr>,
        limit: Option<Duration>,
    ) -> Result<(Stream, Address), Refusal> {
        let mut deadline = Deadline::new(limit);
        deadline.start();
        let mut connecting = self.open(address, from)?;
        let mut pause = Doubling::new(RETRY);
        loop {
            match connecting.progress().map_err(Refusal::Connect)? {
                ConnectProgress::Connected => break,
                ConnectProgress::UnderWay => {
                    // On one machine the outcome is known by now, nearly always.
                    if connecting.progress().map_err(Refusal::Connect)?
                        == ConnectProgress::Connected
                    {
                        break;
                    }
                    if connecting.stays_here()
                        && address.socket_addr().is_some_and(server::drain_backlog)
                    {
                        // The queue was full, and the system would try again in a second. We can at
                        // once.
                        connecting = self.open(address, from)?;
                        continue;
                    }
                    turn.wait(
                        connecting.source(),
                        Interest::Writable,
                        deadline.remaining(),
                    )?;
                }
                ConnectProgress::QueueFull => self.back_off(turn, &mut deadline, &mut pause)?,
            }
        }
        let stream = connecting.into_stream().map_err(Refusal::Socket)?;
        let local = stream.local_address().map_err(Refusal::Socket)?;
        if local == *address && local.socket_addr().is_some() {
            // Nobody listens on a port that the system may also choose for a connecting socket: it
            // can choose the very port that it connects to, and TCP then connects the socket to
            // itself.
            return Err(Refusal::Connect(io::ErrorKind::ConnectionRefused.into()));
        }
        Ok((stream, local))
    }

    /// A socket that is ready to connect.
    fn open(&self, address: &Address, from: Option<&SocketAddr>) -> Result<Connecting, Refusal> {
        let open = || {
            let connecting = Connecting::new(address)?;
            self.settings
                .options
                .apply(&connecting.options(), address)?;
            if let Some(from) = from {
                connecting.bind(*from)?;
            }
            Ok(connecting)
        };
        open().map_err(Refusal::Socket)
    }

    /// Waits before trying again, but not beyond the deadline; longer the next time.
    fn back_off(
        &self,
        turn: &Turn<'_, usize>,
        deadline: &mut Deadline,
        pause: &mut Doubling,
    ) -> Result<(), NotNow> {
        match deadline.remaining().at_most(pause.now()) {
            Remaining::Time(time) => {
                pause.double();
                turn.pause(time)
            }
            _ => Err(NotNow::TimedOut),
        }
    }

    fn finish(
        &self,
        turn: &mut Turn<'_, usize>,
        owner: Owner,
        stream: Stream,
        (local, peer): (Address, Address),
        place: Place,
    ) -> Result<Connection, ConnectStop> {
        let recording = Recording::new(
            self.settings.driver.as_ref(),
            &standin_record::Event::Connected,
            [&local, &peer],
            Some(place),
        );
        let connection = Connection::new(Parts {
            role: Role::Client,
            label: self.settings.label.clone(),
            index: *turn.value(),
            local,
            peer,
            stream,
            recording,
            receive_limit: self.settings.options.receive_limit,
            listed: None,
            owner,
        });
        match self.slot.put(turn, &connection) {
            Ok(()) => Ok(connection),
            Err(not_now) => {
                connection.close_at(Event::Close, place);
                Err(ConnectStop::NotNow(not_now))
            }
        }
    }

    fn party(&self) -> Party {
        Party {
            role: Role::Client,
            label: self.settings.label.clone(),
            index: None,
            local: None,
            peer: None,
            note: None,
            records: last_records(self.settings.driver.as_ref()),
        }
    }

    #[cold]
    fn error(
        &self,
        not_now: Option<NotNow>,
        mut attempts: Vec<Attempt>,
        deadline: &Deadline,
    ) -> ConnectError {
        let kind = match (self.slot.is_aborted(), not_now) {
            (true, _) => ConnectError::Aborted as fn(Box<ConnectFailure>) -> ConnectError,
            (_, Some(NotNow::Closed)) => ConnectError::Closed,
            (_, Some(NotNow::TimedOut)) => ConnectError::TimedOut,
            (_, Some(NotNow::Io(error))) => {
                attempts.push(Attempt {
                    address: self.settings.target.address(),
                    error,
                });
                ConnectError::Io
            }
            (_, None) => {
                let any = |kind| attempts.iter().any(|attempt| attempt.error.kind() == kind);
                if any(io::ErrorKind::TimedOut) {
                    ConnectError::TimedOut
                } else if any(io::ErrorKind::ConnectionRefused) {
                    // Other addresses may fail otherwise: a machine without IPv6 cannot try `::1`.
                    ConnectError::Refused
                } else {
                    ConnectError::Io
                }
            }
        };
        kind(Box::new(ConnectFailure {
            party: self.party(),
            target: self.settings.target.to_string(),
            elapsed: deadline.elapsed(),
            limit: deadline.limit(),
            attempts,
        }))
    }
}

/// Why one address brought no connection.
#[derive(Debug)]
enum Refusal {
    NotNow(NotNow),
    /// There is no socket that could connect.
    Socket(io::Error),
    /// What became of connecting it.
    Connect(io::Error),
}

impl From<NotNow> for Refusal {
    fn from(not_now: NotNow) -> Self {
        Refusal::NotNow(not_now)
    }
}

/// What ended a connect early.
#[derive(Debug)]
enum ConnectStop {
    NotNow(NotNow),
    /// Every address failed.
    Failed,
    Resolve {
        host: String,
        source: io::Error,
    },
}
