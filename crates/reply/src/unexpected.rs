//! Unexpected events.

use std::fmt;
use std::sync::Arc;

use miette::Diagnostic;
use standin_record::LastRecords;
use standin_socket::framing::FrameError;
use standin_socket::{End, TransformError};

use crate::Times;
use crate::excerpt::Excerpt;

/// An unexpected event between a peer and its responder, with the evidence.
#[derive(Clone)]
pub struct Unexpected {
    pub(crate) who: Option<Arc<str>>,
    pub(crate) connection: Option<usize>,
    pub(crate) ends: Option<Arc<str>>,
    pub(crate) surprise: Surprise,
    pub(crate) said: Said,
    /// The records of the connection until then.
    pub(crate) records: Option<LastRecords>,
}

/// The last message sent on a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) frame: Option<Excerpt>,
    pub(crate) answer: Option<Excerpt>,
}

impl Said {
    /// How much is kept of each.
    pub(crate) const KEPT: usize = 64;

    /// A frame with this beginning and size arrived.
    pub(crate) fn hear(&mut self, head: &[u8], len: usize) {
        self.frame.get_or_insert_default().replace(head, len);
    }

    /// This was sent.
    pub(crate) fn say(&mut self, answer: &[u8]) {
        let head = &answer[..answer.len().min(Self::KEPT)];
        let excerpt = self.answer.get_or_insert_default();
        excerpt.replace(head, answer.len());
    }
}

/// The unexpected event.
#[derive(Clone, Debug)]
pub(crate) enum Surprise {
    /// Nothing answers a frame.
    Frame {
        frame: Excerpt,
        /// The candidates, and how they differ.
        candidates: Vec<Candidate>,
        /// How many more candidates there are.
        more: usize,
        /// The step of the dialogue that waits for something else.
        step: Option<String>,
    },
    /// The bytes are not a valid frame.
    NotAFrame { bytes: Excerpt, source: FrameError },
    /// The frame is too long.
    TooLong { head: Excerpt, limit: usize },
    /// The stream ended in the middle of a frame.
    EndInFrame { rest: Excerpt, ended: Ended },
    /// The stream ended in the middle of a dialogue.
    EndInDialogue { step: String, ended: Ended },
    /// A user's code panicked.
    Panicked { what: String, message: String },
    /// An answer could not be made.
    NoAnswer { reason: String },
    /// TLS could not be begun.
    NoTls { reason: String },
    /// The system does not let the server accept.
    NotAccepted { reason: String },
    /// There may be fewer connections.
    TooMany { allowed: Times },
}

/// A candidate for a frame, and why it does not match.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) what: String,
    pub(crate) why: String,
    /// Whether it is closer than all others.
    pub(crate) is_closest: bool,
}

impl Surprise {
    /// It in one line, as something that is not as expected.
    pub(crate) fn headline(&self) -> String {
        let text = self.to_string();
        let line = text.lines().next().unwrap_or_default();
        line.strip_prefix("unexpected ").unwrap_or(line).to_owned()
    }
}

impl Unexpected {
    /// Returns the index of the connection on which it happened, counted from 0; `None` if there
    /// was none.
    pub fn connection(&self) -> Option<usize> {
        self.connection
    }

    /// Returns the unmatched frame, or the bytes that are not a frame; at most the first 512 bytes.
    /// `None` if it is about something else.
    pub fn frame(&self) -> Option<&[u8]> {
        match &self.surprise {
            Surprise::Frame { frame: bytes, .. }
            | Surprise::NotAFrame { bytes, .. }
            | Surprise::TooLong { head: bytes, .. }
            | Surprise::EndInFrame { rest: bytes, .. } => Some(bytes.head()),
            _ => None,
        }
    }

    /// Returns the records of its connection until then, if it is recorded. The message ends with
    /// them.
    pub fn records(&self) -> Option<&LastRecords> {
        self.records.as_ref()
    }

    /// Adds which addresses the connection is between.
    #[must_use]
    pub fn between(mut self, ends: impl Into<Arc<str>>) -> Unexpected {
        self.ends = Some(ends.into());
        self
    }
}

standin_error::reportable!(Unexpected);

impl fmt::Display for Unexpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = self.who.as_deref().unwrap_or("the replies");
        f.write_str(who)?;
        if let Some(connection) = self.connection {
            write!(f, ", connection {connection}")?;
        }
        if let Some(ends) = &self.ends {
            write!(f, " ({ends})")?;
        }
        write!(f, ": {}", self.surprise)?;
        if let Some(records) = &self.records {
            return write!(f, "\n\n{records}");
        }
        match &self.said.frame {
            Some(frame) => {
                let before = match self.surprise {
                    Surprise::NoAnswer { .. } | Surprise::NoTls { .. } => "",
                    _ => " before",
                };
                write!(f, "\n  the frame{before} was {frame}")?;
            }
            None if self.said.answer.is_none() => return Ok(()),
            None => f.write_str("\n  it was the first frame")?,
        }
        match &self.said.answer {
            Some(answer) => write!(f, "; what was sent last is {answer}"),
            None => f.write_str("; nothing was sent"),
        }
    }
}

impl fmt::Display for Surprise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Surprise::Frame {
                frame,
                candidates,
                more,
                step,
            } => {
                write!(f, "unexpected frame {frame}")?;
                if let Some(step) = step {
                    write!(f, " at {step}")?;
                } else if candidates.is_empty() {
                    f.write_str(": there is nothing that answers frames")?;
                }
                for candidate in candidates {
                    write!(f, "\n  {candidate}")?;
                }
                match more {
                    0 => Ok(()),
                    more => write!(f, "\n  {more} more do not match"),
                }
            }
            Surprise::NotAFrame { bytes, source } => {
                write!(f, "what arrived is not a frame: {source}: {bytes}")
            }
            Surprise::TooLong { head, limit } => {
                write!(f, "a frame is longer than {limit} bytes; it begins {head}")
            }
            Surprise::EndInFrame { rest, ended } => {
                ended.say(f, &format_args!("in the middle of a frame: {rest}"))
            }
            Surprise::EndInDialogue { step, ended } => {
                ended.say(f, &format_args!("in the middle of the dialogue, at {step}"))
            }
            Surprise::Panicked { what, message } => write!(f, "{what} panicked: {message}"),
            Surprise::NoAnswer { reason } => write!(f, "the answer could not be sent: {reason}"),
            Surprise::NoTls { reason } => write!(f, "TLS could not be started: {reason}"),
            Surprise::NotAccepted { reason } => f.write_str(reason),
            Surprise::TooMany { allowed } => match allowed.most() {
                Some(0) => f.write_str("no connection is allowed"),
                most => write!(
                    f,
                    "one connection too many: at most {} are allowed",
                    most.unwrap_or(0)
                ),
            },
        }
    }
}

/// How a stream has ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    how: String,
    /// Neither side has ended it on purpose.
    is_failure: bool,
    /// What helps against the failure, if it says so.
    help: Option<String>,
}

impl Ended {
    pub(crate) fn new(end: &End) -> Ended {
        let failure = match end {
            End::Failed(error) => Some(error),
            _ => None,
        };
        let transform = failure.and_then(|error| error.get_ref()?.downcast_ref::<TransformError>());
        Ended {
            how: end.to_string(),
            is_failure: failure.is_some(),
            help: transform.and_then(|error| Some(error.help()?.to_string())),
        }
    }

    /// Writes that it ended there.
    fn say(&self, f: &mut fmt::Formatter<'_>, place: &dyn fmt::Display) -> fmt::Result {
        let how = &self.how;
        match self.is_failure {
            true => write!(f, "the connection failed {place}: {how}"),
            false => write!(f, "{how} {place}"),
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let closest = if self.is_closest {
            " (the closest)"
        } else {
            ""
        };
        write!(f, "{}: {}{closest}", self.what, self.why)
    }
}

impl std::error::Error for Unexpected {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.surprise {
            Surprise::NotAFrame { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl Diagnostic for Unexpected {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(match &self.surprise {
            Surprise::Frame { .. } => "standin::reply::unexpected_frame",
            Surprise::NotAFrame { .. } => "standin::reply::not_a_frame",
            Surprise::TooLong { .. } => "standin::reply::frame_too_long",
            Surprise::EndInFrame { .. } => "standin::reply::end_in_frame",
            Surprise::EndInDialogue { .. } => "standin::reply::end_in_dialogue",
            Surprise::Panicked { .. } => "standin::reply::panicked",
            Surprise::NoAnswer { .. } => "standin::reply::no_answer",
            Surprise::NoTls { .. } => "standin::reply::start_tls",
            Surprise::NotAccepted { .. } => "standin::reply::not_accepted",
            Surprise::TooMany { .. } => "standin::reply::too_many_connections",
        }))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        if let Surprise::EndInFrame { ended, .. } | Surprise::EndInDialogue { ended, .. } =
            &self.surprise
            && let Some(help) = &ended.help
        {
            return Some(Box::new(help));
        }
        Some(Box::new(match &self.surprise {
            Surprise::Frame { step: None, .. } => {
                "add a rule for it, or handle it with `otherwise`"
            }
            Surprise::Frame { step: Some(_), .. } => {
                "change what the dialogue expects, or handle it with `otherwise`"
            }
            Surprise::NotAFrame { .. } => "compare the framing with the peer's",
            Surprise::TooLong { .. } => {
                "raise the receive limit if such frames are expected, or compare the framing with the peer's"
            }
            Surprise::EndInFrame { .. } => {
                "the peer was killed, or it uses another framing: lines end with a newline"
            }
            Surprise::EndInDialogue { .. } => {
                "the peer sent less than was expected; `branch` allows several ways to go on"
            }
            Surprise::Panicked { .. } => "the panic's own message is in the output of the test",
            Surprise::NoAnswer { .. } => {
                "change the answer; without `framed`, its bytes are sent as they are"
            }
            Surprise::NoTls { .. } => {
                "an answer starts TLS once in a connection, which must not begin with TLS"
            }
            Surprise::NotAccepted { .. } => {
                "peers wait until it can; \"too many open files\" means the limit on descriptors (ulimit -n)"
            }
            Surprise::TooMany { .. } => "`connections` sets the limit",
        }))
    }
}
