//! The answers of a peer.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// An answer of a peer: sends pieces, waits before some of them, and then continues or ends the
/// conversation.
///
/// Made by [`reply`], [`reply_bytes`], [`reply_hex`], [`reply_file`], [`echo`], [`no_reply`] or
/// [`hold`]. A text is a [`reply`], bytes are [`reply_bytes`].
///
/// ```
/// use std::time::Duration;
/// use standin_reply::{Answer, Then, reply, reply_bytes};
///
/// let answer = reply("hello {{ who }}\n")
///     .and(reply_bytes([0, 1]).after(Duration::from_millis(20)))
///     .then(Then::Close);
/// # let _: Answer = answer;
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Answer {
    pub(crate) steps: Vec<Step>,
    pub(crate) then: Then,
    pub(crate) state: Option<Change>,
}

/// A part of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Pause(Duration),
    Send(Piece),
}

/// Something to send.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) content: Content,
    pub(crate) framed: bool,
}

/// Where the bytes of a piece come from.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Template(Arc<str>),
    Bytes(Arc<[u8]>),
    Hex(Arc<str>),
    File(PathBuf),
    Frame,
}

/// The next state of the connection.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Enter(Arc<str>),
    Leave,
}

/// Sends a text, as UTF-8. What is between `{{` and `}}` is a template (minijinja's, in the syntax
/// of Jinja) over
///
/// - the groups with names in the [`pattern`](crate::pattern) that matched, `{{ account }}`; in a
///   dialogue those of all its steps before;
/// - `{{ frame }}`, the frame that is answered, and `{{ connection.index }}`;
/// - names that the driver adds: `{{ context["server"].port }}`.
///
/// Nothing is added: with [`Lines`](standin_socket::framing::Lines), the text ends with `\n`, or
/// is [`framed`](Answer::framed).
pub fn reply(template: impl AsRef<str>) -> Answer {
    Answer::send(Content::Template(template.as_ref().into()))
}

/// Sends bytes, also those of a text, as they are.
pub fn reply_bytes(bytes: impl AsRef<[u8]>) -> Answer {
    Answer::send(Content::Bytes(bytes.as_ref().into()))
}

/// Sends the bytes of a hexadecimal text: `"00 ff 0a"`. Spaces, line ends and colons between bytes
/// are ignored.
pub fn reply_hex(digits: impl AsRef<str>) -> Answer {
    Answer::send(Content::Hex(digits.as_ref().into()))
}

/// Sends what a file has in it, as it is. It is read once, before the first connection.
pub fn reply_file(path: impl Into<PathBuf>) -> Answer {
    Answer::send(Content::File(path.into()))
}

/// Sends the received frame back: the payload, unless it is [`framed`](Answer::framed) again.
pub fn echo() -> Answer {
    Answer::send(Content::Frame)
}

/// Sends nothing.
pub fn no_reply() -> Answer {
    Answer::default()
}

/// Sends nothing and leaves the conversation to the test: see [`Then::Hold`].
pub fn hold(name: impl AsRef<str>) -> Answer {
    no_reply().then(Then::hold(name))
}

/// What a peer does after its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Then {
    /// Goes on with the next frame. This is the default.
    #[default]
    Continue,
    /// Closes the connection, once the answer is sent.
    Close,
    /// Sends the end of the stream, once the answer is sent, and continues with the next frame.
    /// What further answers send is dropped.
    HalfClose,
    /// Resets the connection, once the system has taken the answer. Much of it may never reach the
    /// peer.
    Reset,
    /// Keeps the connection open, but stops receiving.
    StopReading,
    /// Begins TLS, once the answer is sent, and continues with the next frame after the handshake:
    /// as SMTP does after `STARTTLS`. [`Script::start_tls`](crate::Script::start_tls) says how;
    /// drivers do that by themselves.
    StartTls,
    /// Holds the conversation for the test, which gets it by this name.
    Hold(Arc<str>),
}

impl Then {
    /// Returns [`Then::Hold`] with a name.
    pub fn hold(name: impl AsRef<str>) -> Then {
        Then::Hold(name.as_ref().into())
    }
}

/// Why a text is not a valid `then`.
#[derive(thiserror::Error, miette::Diagnostic)]
#[error("\"{text}\" is not something to do after an answer")]
#[diagnostic(
    code(standin::reply::then),
    help(
        "write \"continue\", \"close\", \"half-close\", \"reset\", \"stop-reading\" or \
         \"start-tls\""
    )
)]
pub struct ParseThenError {
    text: String,
}

standin_error::reportable!(ParseThenError);

/// Reads `continue`, `close`, `half-close`, `reset`, `stop-reading` and `start-tls`.
impl FromStr for Then {
    type Err = ParseThenError;

    fn from_str(text: &str) -> Result<Then, ParseThenError> {
        Ok(match text {
            "continue" => Then::Continue,
            "close" => Then::Close,
            "half-close" => Then::HalfClose,
            "reset" => Then::Reset,
            "stop-reading" => Then::StopReading,
            "start-tls" => Then::StartTls,
            _ => {
                return Err(ParseThenError {
                    text: text.to_owned(),
                });
            }
        })
    }
}

impl Answer {
    fn send(content: Content) -> Answer {
        Answer {
            steps: vec![Step::Send(Piece {
                content,
                framed: false,
            })],
            ..Answer::default()
        }
    }

    /// Waits before the answer. What the peer sends meanwhile is answered after it, in order.
    pub fn after(mut self, delay: Duration) -> Answer {
        self.steps.insert(0, Step::Pause(delay));
        self
    }

    /// Appends the pieces of another answer, with its delays. The `then` and the state of `next`
    /// apply too.
    pub fn and(mut self, next: impl Into<Answer>) -> Answer {
        let next = next.into();
        self.steps.extend(next.steps);
        if next.then != Then::Continue {
            self.then = next.then;
        }
        self.state = next.state.or(self.state);
        self
    }

    /// Makes each of the pieces so far the payload of a frame: with
    /// [`Lines`](standin_socket::framing::Lines) a line's end is added, with
    /// [`LengthPrefix`](standin_socket::framing::LengthPrefix) the length. Default: pieces are
    /// sent as they are.
    pub fn framed(mut self) -> Answer {
        for step in &mut self.steps {
            if let Step::Send(piece) = step {
                piece.framed = true;
            }
        }
        self
    }

    /// Sets what the peer does after the answer. Default: [`Then::Continue`].
    pub fn then(mut self, then: Then) -> Answer {
        self.then = then;
        self
    }

    /// Moves the connection into a state, in which only the rules for that
    /// [state](crate::When::in_state) and those for any state apply.
    pub fn enter(mut self, state: impl AsRef<str>) -> Answer {
        self.state = Some(Change::Enter(state.as_ref().into()));
        self
    }

    /// Brings the connection back into no state, as it was in the beginning.
    pub fn leave_state(mut self) -> Answer {
        self.state = Some(Change::Leave);
        self
    }
}

impl From<&str> for Answer {
    fn from(template: &str) -> Answer {
        reply(template)
    }
}

impl From<String> for Answer {
    fn from(template: String) -> Answer {
        reply(template)
    }
}

impl From<&[u8]> for Answer {
    fn from(bytes: &[u8]) -> Answer {
        reply_bytes(bytes)
    }
}

impl From<Vec<u8>> for Answer {
    fn from(bytes: Vec<u8>) -> Answer {
        reply_bytes(bytes)
    }
}

impl<const N: usize> From<&[u8; N]> for Answer {
    fn from(bytes: &[u8; N]) -> Answer {
        reply_bytes(bytes)
    }
}

impl<const N: usize> From<[u8; N]> for Answer {
    fn from(bytes: [u8; N]) -> Answer {
        reply_bytes(bytes)
    }
}

/// Parses hexadecimal digits, as [`reply_hex`] does.
///
/// # Errors
///
/// Returns what is wrong with the text, as a part of a sentence.
pub fn bytes_of_hex(digits: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    let mut high = None;
    for (at, character) in digits.char_indices() {
        if character.is_ascii_whitespace() || character == ':' {
            if high.is_some() {
                return Err(format!("the byte before character {at} has only one digit"));
            }
            continue;
        }
        let digit = character
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or_else(|| format!("{character:?} at character {at} is not a hexadecimal digit"))?;
        match high.take() {
            None => high = Some(digit),
            Some(high) => bytes.push(high << 4 | digit),
        }
    }
    match high {
        None => Ok(bytes),
        Some(_) => Err("the last byte has only one digit".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hexadecimal_digits() {
        assert_eq!(bytes_of_hex("00ff 0A:1b\n").unwrap(), [0, 255, 10, 27]);
        assert!(bytes_of_hex("").unwrap().is_empty());
        for (digits, why) in [
            ("0", "last byte"),
            ("0 1", "before character 1"),
            ("0x", "'x'"),
        ] {
            let error = bytes_of_hex(digits).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn an_answer_that_is_added_has_the_last_word() {
        let answer = reply("a").enter("x").and(reply("b").then(Then::Close));
        assert_eq!(answer.steps.len(), 2);
        assert_eq!(answer.then, Then::Close);
        assert!(matches!(answer.state, Some(Change::Enter(_))));
        let answer = reply("a").then(Then::Close).and("b").leave_state();
        assert_eq!(answer.then, Then::Close);
        assert!(matches!(answer.state, Some(Change::Leave)));
    }
}
