use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use miette::Diagnostic;
use thiserror::Error;

use crate::{Direction, Fault, FaultKind};

/// A place in a conversation, and what happens there: `wan:0:down:frame2:reset`.
///
/// Its text form is the name of the proxy, the index of the connection, the direction, the frame or
/// byte that is not passed on (`frame2`, `frame2+10` after ten bytes of it, `byte17`; counted from
/// 0), and the fault (`reset`, `close`, `half-close`, `silence`, `drop`, `corrupt`, `delay=100ms`).
///
/// ```
/// use standin_proxy::{Cut, Direction, FaultKind};
///
/// let cut: Cut = "wan:0:down:frame2+10:reset".parse()?;
/// assert_eq!(cut.connection(), 0);
/// assert_eq!(cut.direction(), Direction::Down);
/// assert_eq!(cut.kind(), FaultKind::Reset);
/// assert_eq!(cut.to_string(), "wan:0:down:frame2+10:reset");
/// # Ok::<(), standin_proxy::ParseCutError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cut {
    pub(crate) proxy: String,
    pub(crate) connection: usize,
    pub(crate) direction: Direction,
    pub(crate) place: Place,
    pub(crate) kind: FaultKind,
}

/// The frame or byte that is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// A frame, after this many bytes of it.
    Frame { index: u64, offset: u64 },
    /// A byte.
    Byte(u64),
}

impl Cut {
    /// Returns the name of the proxy.
    pub fn proxy(&self) -> &str {
        &self.proxy
    }

    /// Returns the index of the connection, in the order in which the proxy accepts them.
    pub fn connection(&self) -> usize {
        self.connection
    }

    /// Returns the direction of the cut.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Returns the fault.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    pub(crate) fn fault(&self) -> Fault {
        let fault = Fault::new(self.kind)
            .on(self.direction)
            .of_connection(self.connection)
            .optional();
        match self.place {
            Place::Frame { index, offset } => fault.in_frame(index, offset),
            Place::Byte(index) => fault.at_byte(index),
        }
    }

    /// The place alone: `wan:0:down:frame2`.
    pub(crate) fn boundary(&self) -> String {
        let Cut {
            proxy,
            connection,
            direction,
            place,
            kind: _,
        } = self;
        format!("{proxy}:{connection}:{direction}:{place}")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Frame { index, offset: 0 } => write!(f, "frame{index}"),
            Place::Frame { index, offset } => write!(f, "frame{index}+{offset}"),
            Place::Byte(index) => write!(f, "byte{index}"),
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let boundary = self.boundary();
        match self.kind {
            FaultKind::Delay(time) => write!(f, "{boundary}:delay={}ms", time.as_millis()),
            kind => write!(f, "{boundary}:{kind}"),
        }
    }
}

/// A text is not a [`Cut`].
#[derive(Clone, PartialEq, Eq, Error, Diagnostic)]
#[error("\"{text}\" is not a cut")]
#[diagnostic(
    code(standin::proxy::parse_cut),
    help("write it as the report of every cut shows it, such as `wan:0:down:frame2:reset`")
)]
pub struct ParseCutError {
    text: String,
}

standin_error::reportable!(ParseCutError);

impl FromStr for Cut {
    type Err = ParseCutError;

    fn from_str(text: &str) -> Result<Cut, ParseCutError> {
        parse(text).ok_or_else(|| ParseCutError {
            text: text.to_owned(),
        })
    }
}

fn parse(text: &str) -> Option<Cut> {
    // A name may have colons in it.
    let mut parts = text.trim().rsplitn(5, ':');
    let kind = parts.next()?;
    let place = parts.next()?;
    let direction = parts.next()?;
    let connection = parts.next()?;
    let proxy = parts.next().filter(|proxy| !proxy.is_empty())?;
    Some(Cut {
        proxy: proxy.to_owned(),
        connection: connection.parse().ok()?,
        direction: match direction {
            "up" => Direction::Up,
            "down" => Direction::Down,
            _ => return None,
        },
        place: match (place.strip_prefix("frame"), place.strip_prefix("byte")) {
            (Some(frame), _) => {
                let (index, offset) = frame.split_once('+').unwrap_or((frame, "0"));
                Place::Frame {
                    index: index.parse().ok()?,
                    offset: offset.parse().ok()?,
                }
            }
            (_, Some(byte)) => Place::Byte(byte.parse().ok()?),
            (None, None) => return None,
        },
        kind: match kind {
            "reset" => FaultKind::Reset,
            "close" => FaultKind::Close,
            "half-close" => FaultKind::HalfClose,
            "silence" => FaultKind::Silence,
            "drop" => FaultKind::Drop,
            "corrupt" => FaultKind::Corrupt,
            delay => {
                let millis = delay.strip_prefix("delay=")?.strip_suffix("ms")?;
                FaultKind::Delay(Duration::from_millis(millis.parse().ok()?))
            }
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_again() {
        for text in [
            "wan:0:up:frame0:reset",
            "wan:12:down:frame3+7:half-close",
            "a:b:0:up:byte9:delay=100ms",
        ] {
            let cut: Cut = text.parse().expect("a cut");
            assert_eq!(cut.to_string(), text);
        }
        for text in [
            "",
            "wan",
            ":0:up:frame0:reset",
            "wan:0:up:frame:reset",
            "wan:0:up:frame0:cut",
        ] {
            assert!(text.parse::<Cut>().is_err(), "{text}");
        }
    }
}
