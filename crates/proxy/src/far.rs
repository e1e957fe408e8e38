//! The way to the target.

use std::io;
use std::time::{Duration, Instant};

use standin_reactor::{Slot, Turn};
use standin_socket::{Address, ClientBuilder, Dial};

use crate::side::Side;
use crate::time::later;

/// The way to the target.
pub(crate) enum Far {
    /// Not begun: these are to be tried, from the end.
    Ahead(Vec<Address>),
    UnderWay {
        dial: Box<Dial>,
        /// To be tried after that.
        others: Vec<Address>,
        until: Instant,
    },
    There(Side),
}

/// How far a connect has come.
pub(crate) enum Progress {
    There,
    /// The target has just been reached.
    Reached,
    /// It is tried until then.
    UnderWay(Instant),
}

impl Far {
    /// Not begun. These are to be tried, the first one first.
    pub(crate) fn new(mut targets: Vec<Address>) -> Far {
        targets.reverse();
        Far::Ahead(targets)
    }

    pub(crate) fn side(&mut self) -> Option<&mut Side> {
        match self {
            Far::There(side) => Some(side),
            Far::Ahead(_) | Far::UnderWay { .. } => None,
        }
    }

    /// Goes on connecting, for the connection of this index. Each try may take as long as `limit`.
    /// Fails as the last try has.
    pub(crate) fn connect(
        &mut self,
        turn: &mut Turn<'_>,
        client: &ClientBuilder,
        index: usize,
        limit: impl Fn() -> Duration,
    ) -> io::Result<Progress> {
        loop {
            let (error, others) = match self {
                Far::There(_) => return Ok(Progress::There),
                Far::Ahead(targets) => {
                    let Some(target) = targets.pop() else {
                        return Err(io::ErrorKind::AddrNotAvailable.into());
                    };
                    let others = std::mem::take(targets);
                    let dial = client.dial(&target, index).and_then(|mut dial| {
                        turn.register_as(Slot::Second, &mut dial)?;
                        Ok(dial)
                    });
                    match dial {
                        Ok(dial) => {
                            *self = Far::UnderWay {
                                dial: Box::new(dial),
                                others,
                                until: later(turn.now(), limit()),
                            };
                            continue;
                        }
                        Err(error) => (error, others),
                    }
                }
                Far::UnderWay {
                    dial,
                    others,
                    until,
                } => match dial.try_finish() {
                    Ok(Some(connection)) => {
                        let mut side = Side::new(connection, Slot::Second);
                        side.register(turn)?;
                        *self = Far::There(side);
                        return Ok(Progress::Reached);
                    }
                    Ok(None) if *until > turn.now() => return Ok(Progress::UnderWay(*until)),
                    Ok(None) => {
                        let error = io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
                        (error, std::mem::take(others))
                    }
                    Err(error) => (error, std::mem::take(others)),
                },
            };
            if others.is_empty() {
                return Err(error);
            }
            *self = Far::Ahead(others);
        }
    }
}
