use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use regex::bytes::Regex;
use standin_config::{Config, Misfit, OptionValue};

use crate::Direction;
use crate::counted::counted;
use crate::link::check_ip;

/// The effect of a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, OptionValue)]
#[non_exhaustive]
pub enum FaultKind {
    /// Resets the connection on both sides. Bytes that one side's system has not taken before are
    /// lost, as with any reset.
    Reset,
    /// Closes the connection on both sides, after everything that was to go through before.
    Close,
    /// Ends the direction, after everything that was to go through before. The other one continues.
    HalfClose,
    /// Stops all traffic in both directions silently, until the proxy is
    /// [healed](crate::TcpProxy::heal). Nothing is lost: bytes stay with the sender's system, as on
    /// a line that is down.
    Silence,
    /// Leaves out the frame.
    Drop,
    /// Turns around all bits of the next byte.
    Corrupt,
    /// Delays the following bytes by this time, once.
    Delay(Duration),
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FaultKind::Reset => "reset",
            FaultKind::Close => "close",
            FaultKind::HalfClose => "half-close",
            FaultKind::Silence => "silence",
            FaultKind::Drop => "drop",
            FaultKind::Corrupt => "corrupt",
            FaultKind::Delay(time) => return write!(f, "delay {time:?}"),
        })
    }
}

/// Something that happens to a connection on its way through a proxy, and where.
///
/// It happens once on each connection; without a place, as soon as the connection exists. A fault
/// that has happened on no connection by the end is an unmet expectation, unless it is
/// [optional](Fault::optional): its test would test nothing.
///
/// ```
/// use standin_proxy::{Direction, Fault};
///
/// // The second connection breaks off in the middle of the answer.
/// let fault = Fault::reset().on(Direction::Down).after_bytes(1024).of_connection(1);
/// assert_eq!(fault.to_string(), "reset down after 1024 bytes of connection 1");
/// // The commit gets lost.
/// let fault = Fault::drop_frame().on_frame("^COMMIT");
/// assert_eq!(fault.to_string(), "drop up on the frame that matches /^COMMIT/");
/// ```
#[derive(Clone, Debug, PartialEq, Config)]
#[config(
    table,
    check(kind, after_bytes, at_byte, after_frames, at_frame, offset, expression) = misfits
)]
pub struct Fault {
    /// The effect: `"reset"`, `"close"`, `"half-close"`, `"silence"`, `"drop"` (of a frame),
    /// `"corrupt"` (of the next byte), or `{ delay = "50ms" }`.
    pub(crate) kind: FaultKind,
    /// Which way the bytes go that it is about: `"up"`, to the target, or `"down"`.
    #[config(default = Direction::Up)]
    pub(crate) direction: Direction,
    /// As soon as this many bytes have passed.
    pub(crate) after_bytes: Option<u64>,
    /// When the byte of this index comes, counted from 0: it does not go through.
    pub(crate) at_byte: Option<u64>,
    /// As soon as this many frames have passed. Frames need the option `framing`.
    pub(crate) after_frames: Option<u64>,
    /// When the frame with this index arrives, counted from 0: it is not passed on.
    pub(crate) at_frame: Option<u64>,
    /// So many bytes of the frame `at_frame` go through before.
    #[config(default = 0)]
    pub(crate) offset: u64,
    /// When a frame comes in which this regular expression matches: it does not go through.
    #[config(key = "match", example = "^COMMIT", check = |text: &String| regex_of(text).map(drop))]
    pub(crate) expression: Option<String>,
    /// Only on the connection of this index, counted from 0. Default: on all.
    pub(crate) connection: Option<usize>,
    /// Only on connections from this IP address. Default: from all.
    #[config(check = |text: &String| check_ip(text))]
    pub(crate) peer: Option<String>,
    /// The probability per connection; the seed determines which connections. Default:
    /// all.
    #[config(range = 0.0..=1.0)]
    pub(crate) probability: Option<f64>,
    /// Whether the test is fine without it.
    #[config(default = false)]
    pub(crate) optional: bool,
}

impl Fault {
    /// Creates a fault of that kind, towards the target, as soon as there is a connection.
    pub fn new(kind: FaultKind) -> Fault {
        Fault {
            kind,
            direction: Direction::Up,
            after_bytes: None,
            at_byte: None,
            after_frames: None,
            at_frame: None,
            offset: 0,
            expression: None,
            connection: None,
            peer: None,
            probability: None,
            optional: false,
        }
    }

    /// Creates a [`FaultKind::Reset`].
    pub fn reset() -> Fault {
        Fault::new(FaultKind::Reset)
    }

    /// Creates a [`FaultKind::Close`]. Without a place the connection is accepted and closed.
    pub fn close() -> Fault {
        Fault::new(FaultKind::Close)
    }

    /// Creates a [`FaultKind::HalfClose`].
    pub fn half_close() -> Fault {
        Fault::new(FaultKind::HalfClose)
    }

    /// Creates a [`FaultKind::Silence`].
    pub fn silence() -> Fault {
        Fault::new(FaultKind::Silence)
    }

    /// Creates a [`FaultKind::Drop`].
    pub fn drop_frame() -> Fault {
        Fault::new(FaultKind::Drop)
    }

    /// Creates a [`FaultKind::Corrupt`].
    pub fn corrupt() -> Fault {
        Fault::new(FaultKind::Corrupt)
    }

    /// Creates a [`FaultKind::Delay`].
    pub fn delay(time: Duration) -> Fault {
        Fault::new(FaultKind::Delay(time))
    }

    /// Sets the direction that it affects. Default: up, to the target.
    #[must_use]
    pub fn on(mut self, direction: Direction) -> Fault {
        self.direction = direction;
        self
    }

    /// Places it after that many bytes have passed.
    #[must_use]
    pub fn after_bytes(self, count: u64) -> Fault {
        Fault {
            after_bytes: Some(count),
            ..self.anywhere()
        }
    }

    /// Applies the fault when the byte with that index comes, counted from 0: it does not go
    /// through.
    #[must_use]
    pub fn at_byte(self, index: u64) -> Fault {
        Fault {
            at_byte: Some(index),
            ..self.anywhere()
        }
    }

    /// Places it after that many frames have passed. The proxy needs a
    /// [framing](crate::TcpProxyBuilder::framed).
    #[must_use]
    pub fn after_frames(self, count: u64) -> Fault {
        Fault {
            after_frames: Some(count),
            ..self.anywhere()
        }
    }

    /// Places it at the frame with that index, counted from 0, which is not passed on. The proxy
    /// needs a [framing](crate::TcpProxyBuilder::framed).
    #[must_use]
    pub fn at_frame(self, index: u64) -> Fault {
        self.in_frame(index, 0)
    }

    /// Places it within the frame with that index, counted from 0: that many of its bytes pass.
    #[must_use]
    pub fn in_frame(self, index: u64, bytes: u64) -> Fault {
        Fault {
            at_frame: Some(index),
            offset: bytes,
            ..self.anywhere()
        }
    }

    /// Applies the fault when a frame comes that a regular expression matches: it does not go
    /// through. Until it is clear whether one matches, no part of a frame does. The proxy needs a
    /// [framing](crate::TcpProxyBuilder::framed).
    #[must_use]
    pub fn on_frame(self, expression: impl Into<String>) -> Fault {
        Fault {
            expression: Some(expression.into()),
            ..self.anywhere()
        }
    }

    /// Limits the fault to the connection with that index, counted from 0 in the order in which
    /// they come.
    #[must_use]
    pub fn of_connection(mut self, index: usize) -> Fault {
        self.connection = Some(index);
        self
    }

    /// Limits the fault to connections from that IP address.
    #[must_use]
    pub fn from_peer(mut self, peer: IpAddr) -> Fault {
        self.peer = Some(peer.to_string());
        self
    }

    /// Limits it to some of the connections, with this `probability` from 0 to 1. The proxy's seed,
    /// which a failure shows, determines which ones.
    #[must_use]
    pub fn with_probability(mut self, probability: f64) -> Fault {
        self.probability = Some(probability);
        self
    }

    /// Declares that the test does not fail if the fault never happens.
    #[must_use]
    pub fn optional(mut self) -> Fault {
        self.optional = true;
        self
    }

    /// Returns its effect.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// Returns the direction that it is about.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    fn anywhere(self) -> Fault {
        Fault {
            after_bytes: None,
            at_byte: None,
            after_frames: None,
            at_frame: None,
            offset: 0,
            expression: None,
            ..self
        }
    }

    /// Whether it is about frames.
    pub(crate) fn needs_frames(&self) -> bool {
        self.after_frames.is_some()
            || self.at_frame.is_some()
            || self.expression.is_some()
            || self.kind == FaultKind::Drop
    }

    /// Where it happens, or what is wrong with it: the key, and what that is.
    pub(crate) fn point(&self) -> Result<Point, (&'static str, String)> {
        if let Some(wrong) = self.misplaced().into_iter().next() {
            return Err(wrong);
        }
        if let Some(peer) = &self.peer {
            check_ip(peer).map_err(|reason| ("peer", reason))?;
        }
        if let Some(probability) = self.probability
            && !(0.0..=1.0).contains(&probability)
        {
            return Err(("probability", "it must be from 0 to 1".to_owned()));
        }
        if let Some(expression) = &self.expression {
            let regex = regex_of(expression).map_err(|reason| ("match", reason))?;
            return Ok(Point::Frame(regex));
        }
        let places = self.places().into_iter();
        let point = places.filter_map(|(_, point)| point).next();
        Ok(point.unwrap_or(Point::Begin))
    }

    /// Where it may happen besides at a frame that matches, each with its key.
    fn places(&self) -> [(&'static str, Option<Point>); 4] {
        let in_frame = |frame| Point::InFrame {
            frame,
            offset: self.offset,
        };
        [
            ("after_bytes", self.after_bytes.map(Point::AfterBytes)),
            ("at_byte", self.at_byte.map(Point::AtByte)),
            ("after_frames", self.after_frames.map(Point::AfterFrames)),
            ("at_frame", self.at_frame.map(in_frame)),
        ]
    }

    /// What is wrong with the place: keys, and what that is.
    fn misplaced(&self) -> Vec<(&'static str, String)> {
        let places = self.places();
        let places = places.iter().filter(|(_, place)| place.is_some());
        let keys = places.map(|(key, _)| *key);
        let keys: Vec<&str> = keys
            .chain(self.expression.as_ref().map(|_| "match"))
            .collect();
        let mut wrong: Vec<(&'static str, String)> = keys
            .windows(2)
            .map(|two| (two[1], format!("`{}` says another place", two[0])))
            .collect();
        if self.offset > 0 && self.at_frame.is_none() {
            wrong.push(("offset", "it has no effect without `at_frame`".to_owned()));
        }
        let is_of_a_frame = match self.at_frame {
            Some(_) => self.offset == 0,
            None => self.expression.is_some(),
        };
        if self.kind == FaultKind::Drop && !is_of_a_frame {
            let message = "\"drop\" is about one frame: say which by `at_frame` or `match`";
            wrong.push(("kind", message.to_owned()));
        }
        wrong
    }

    /// Whether it is meant for a connection.
    pub(crate) fn is_for(&self, connection: usize, peer: Option<IpAddr>) -> bool {
        let is_meant = |wanted: &String| peer.is_some_and(|peer| Ok(peer) == wanted.parse());
        self.connection.is_none_or(|wanted| wanted == connection)
            && self.peer.as_ref().is_none_or(is_meant)
    }
}

fn misfits(
    kind: &FaultKind,
    after_bytes: &Option<u64>,
    at_byte: &Option<u64>,
    after_frames: &Option<u64>,
    at_frame: &Option<u64>,
    offset: &u64,
    expression: &Option<String>,
) -> Vec<Misfit> {
    let fault = Fault {
        after_bytes: *after_bytes,
        at_byte: *at_byte,
        after_frames: *after_frames,
        at_frame: *at_frame,
        offset: *offset,
        expression: expression.clone(),
        ..Fault::new(*kind)
    };
    let wrong = fault.misplaced().into_iter();
    wrong
        .map(|(key, message)| Misfit::new(key, message))
        .collect()
}

fn regex_of(expression: &str) -> Result<Regex, String> {
    Regex::new(expression).map_err(|error| {
        // The last line has the reason; the others draw the expression.
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default().trim();
        let reason = last.strip_prefix("error: ").unwrap_or(last);
        format!("it is not a regular expression: {reason}")
    })
}

/// Where a fault happens in a direction of a connection.
#[derive(Clone, Debug)]
pub(crate) enum Point {
    Begin,
    AfterBytes(u64),
    AtByte(u64),
    AfterFrames(u64),
    InFrame { frame: u64, offset: u64 },
    Frame(Regex),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.direction)?;
        if let Some(count) = self.after_bytes {
            write!(f, " after {}", counted(count, "byte"))?;
        }
        if let Some(index) = self.at_byte {
            write!(f, " at byte {index}")?;
        }
        if let Some(count) = self.after_frames {
            write!(f, " after {}", counted(count, "frame"))?;
        }
        if let Some(index) = self.at_frame {
            match self.offset {
                0 => write!(f, " at frame {index}")?,
                bytes => write!(f, " after {} of frame {index}", counted(bytes, "byte"))?,
            }
        }
        if let Some(expression) = &self.expression {
            write!(f, " on the frame that matches /{expression}/")?;
        }
        if let Some(index) = self.connection {
            write!(f, " of connection {index}")?;
        }
        if let Some(peer) = &self.peer {
            write!(f, " from {peer}")?;
        }
        if let Some(probability) = self.probability {
            write!(f, " with probability {probability}")?;
        }
        Ok(())
    }
}
