//! The course of a connect: the addresses of a target in turn, and all of them again. It never
//! waits, but returns what to wait for.

use std::{
    io, mem,
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::Inner;
use crate::{
    address::{self, Address},
    error::Attempt,
    server,
    sys::{ConnectProgress, Connecting, Stream},
    time::{Deadline, Doubling, Remaining},
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

/// A connect under way.
#[derive(Debug)]
pub(super) struct Course {
    routes: Vec<(Address, Option<SocketAddr>)>,
    /// What has become of the addresses of this round.
    pub(super) attempts: Vec<Attempt>,
    pause: Doubling,
    longest: Doubling,
    may_come: bool,
    was_cut_short: bool,
    round_is_over: bool,
    trying: Option<Trying>,
    /// How many sockets there were.
    pub(super) sockets: usize,
    /// Nothing is tried until then.
    rests: Option<Instant>,
}

/// An address that is tried.
#[derive(Debug)]
struct Trying {
    connecting: Connecting,
    deadline: Deadline,
    pause: Doubling,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Step {
    /// There is a connection, between these ends: our own and the peer's.
    Connected(Stream, [Address; 2]),
    /// To wait for the [outcome](Course::connecting), so long at most.
    Outcome(Remaining),
    /// To wait until then.
    Rest(Instant),
}

/// What ended a connect early.
#[derive(Debug)]
pub(super) enum ConnectStop {
    TimedOut,
    /// Every address failed.
    Failed,
    Resolve {
        host: String,
        source: io::Error,
    },
}

impl Course {
    pub(super) fn of(inner: &Inner, deadline: &mut Deadline) -> Result<Course, ConnectStop> {
        let routes = inner.routes()?;
        deadline.start();
        Ok(Course {
            routes,
            attempts: Vec::new(),
            pause: Doubling::new(RETRY),
            longest: Doubling::new(ATTEMPT),
            may_come: false,
            was_cut_short: false,
            round_is_over: false,
            trying: None,
            sockets: 0,
            rests: None,
        })
    }

    /// What connects now.
    pub(super) fn connecting(&self) -> Option<&Connecting> {
        self.trying.as_ref().map(|trying| &trying.connecting)
    }

    /// Goes on as far as that is possible without waiting.
    pub(super) fn advance(
        &mut self,
        inner: &Inner,
        deadline: &mut Deadline,
    ) -> Result<Step, ConnectStop> {
        loop {
            if let Some(until) = self.rests.filter(|until| Instant::now() < *until) {
                return Ok(Step::Rest(until));
            }
            self.rests = None;
            if mem::take(&mut self.round_is_over) {
                self.attempts.clear();
                self.may_come = false;
                self.was_cut_short = false;
            }
            let Some((address, from)) = self.routes.get(self.attempts.len()) else {
                self.end_round(deadline)?;
                continue;
            };
            let refusal = match &mut self.trying {
                None => {
                    let left = self.routes.len() - self.attempts.len();
                    let limit = inner.limit_of_attempt(deadline, left, self.longest.now());
                    let mut deadline = Deadline::new(limit);
                    deadline.start();
                    match inner.open(address, from.as_ref()) {
                        Ok(connecting) => {
                            self.sockets += 1;
                            self.trying = Some(Trying {
                                connecting,
                                deadline,
                                pause: Doubling::new(RETRY),
                            });
                            continue;
                        }
                        Err(refusal) => refusal,
                    }
                }
                Some(trying) => {
                    match trying.advance(inner, address, from.as_ref(), &mut self.sockets) {
                        Ok(Progress::Outcome(left)) => return Ok(Step::Outcome(left)),
                        Ok(Progress::Rest(until)) => {
                            self.rests = Some(until);
                            continue;
                        }
                        Ok(Progress::Connected) => match self.trying.take().map(Trying::finish) {
                            Some(Ok((stream, local))) if !is_itself(&local, address) => {
                                return Ok(Step::Connected(stream, [local, address.clone()]));
                            }
                            Some(Err(error)) => Refusal::Socket(error),
                            // Nobody listens on a port that the system may also choose for a
                            // connecting socket: it can choose the very port that it connects to,
                            // and TCP then connects the socket to itself.
                            _ => Refusal::Connect(io::ErrorKind::ConnectionRefused.into()),
                        },
                        Err(refusal) => refusal,
                    }
                }
            };
            self.trying = None;
            let (error, is_temporary) = match refusal {
                Refusal::TimedOut => {
                    self.was_cut_short = true;
                    let error = io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
                    (error, inner.settings.retry)
                }
                Refusal::Socket(error) => (error, false),
                Refusal::Connect(error) => {
                    let is_temporary = inner.may_come(&error, from.as_ref());
                    (error, is_temporary)
                }
            };
            self.may_come |= is_temporary;
            let address = address.clone();
            self.attempts.push(Attempt { address, error });
        }
    }

    /// Every address has failed: they are tried again after a rest, if that may help.
    fn end_round(&mut self, deadline: &mut Deadline) -> Result<(), ConnectStop> {
        if !self.may_come {
            return Err(ConnectStop::Failed);
        }
        let rest = self.pause.rest(deadline).ok_or(ConnectStop::TimedOut)?;
        self.rests = Some(rest);
        if self.was_cut_short {
            self.longest.double();
        }
        self.round_is_over = true;
        Ok(())
    }
}

/// How the attempt at one address goes.
enum Progress {
    Connected,
    Outcome(Remaining),
    Rest(Instant),
}

/// Why one address brought no connection.
enum Refusal {
    TimedOut,
    /// There is no socket that could connect.
    Socket(io::Error),
    /// What became of connecting it.
    Connect(io::Error),
}

impl Trying {
    fn advance(
        &mut self,
        inner: &Inner,
        address: &Address,
        from: Option<&SocketAddr>,
        sockets: &mut usize,
    ) -> Result<Progress, Refusal> {
        loop {
            let progress = || self.connecting.progress().map_err(Refusal::Connect);
            match progress()? {
                ConnectProgress::Connected => return Ok(Progress::Connected),
                ConnectProgress::UnderWay => {
                    // On one machine the outcome is known already, nearly always.
                    if progress()? == ConnectProgress::Connected {
                        return Ok(Progress::Connected);
                    }
                    if self.connecting.stays_here()
                        && address.socket_addr().is_some_and(server::drain_backlog)
                    {
                        // The queue was full, and the system would try again in a second. We can at
                        // once.
                        self.connecting = inner.open(address, from)?;
                        *sockets += 1;
                        continue;
                    }
                    return match self.deadline.remaining() {
                        Remaining::Nothing => Err(Refusal::TimedOut),
                        left => Ok(Progress::Outcome(left)),
                    };
                }
                ConnectProgress::QueueFull => {
                    let rest = self.pause.rest(&mut self.deadline);
                    return rest.map(Progress::Rest).ok_or(Refusal::TimedOut);
                }
            }
        }
    }

    fn finish(self) -> io::Result<(Stream, Address)> {
        let stream = self.connecting.into_stream()?;
        let local = stream.local_address()?;
        Ok((stream, local))
    }
}

impl Doubling {
    /// The end of a rest before trying again, which is longer the next time; `None` if that would
    /// be beyond the deadline.
    fn rest(&mut self, deadline: &mut Deadline) -> Option<Instant> {
        match deadline.remaining().at_most(self.now()) {
            Remaining::Time(time) => {
                self.double();
                Some(Instant::now() + time)
            }
            _ => None,
        }
    }
}

fn is_itself(local: &Address, peer: &Address) -> bool {
    local == peer && local.socket_addr().is_some()
}

impl Inner {
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
}
