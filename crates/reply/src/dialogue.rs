//! Dialogues: steps in a fixed order.

use std::time::Duration;

use crate::answer::no_reply;
use crate::{Answer, Then, When};

/// The steps of a peer in a fixed order: what it expects and what it sends.
///
/// ```
/// use std::time::Duration;
/// use standin_reply::{Dialogue, equals, pattern};
///
/// let dialogue = Dialogue::new()
///     .expect(pattern("^HELLO (?<who>.*)$"))
///     .send("hello {{ who }}\n")
///     .repeat(3, Dialogue::new().expect("PING").send("PONG\n"))
///     .pause(Duration::from_millis(5))
///     .branch([
///         (equals("QUIT"), Dialogue::new().send("bye\n").close()),
///         (equals("CRASH"), Dialogue::new().reset()),
///     ]);
/// # let _: Dialogue = dialogue;
/// ```
///
/// A frame other than the expected one is unexpected;
/// [`Replies::otherwise`](crate::Replies::otherwise) defines what happens then. The dialogue stays
/// at its step.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Dialogue {
    pub(crate) moves: Vec<Move>,
}

/// One thing of a dialogue.
#[derive(Clone, Debug)]
pub(crate) enum Move {
    Expect(When),
    Send(Answer),
    Repeat(usize, Dialogue),
    Branch(Vec<(When, Dialogue)>),
}

impl Dialogue {
    /// Creates an empty dialogue.
    pub fn new() -> Dialogue {
        Dialogue::default()
    }

    /// Waits for such a frame. It has no [`times`](When::times) and no
    /// [state](When::in_state): those are for rules.
    pub fn expect(self, frame: impl Into<When>) -> Dialogue {
        self.with(Move::Expect(frame.into()))
    }

    /// Sends something; any [`Answer`].
    pub fn send(self, answer: impl Into<Answer>) -> Dialogue {
        self.with(Move::Send(answer.into()))
    }

    /// Waits for that time. Frames that arrive meanwhile are processed afterwards.
    pub fn pause(self, duration: Duration) -> Dialogue {
        self.send(no_reply().after(duration))
    }

    /// Repeats another dialogue a number of times.
    pub fn repeat(self, times: usize, dialogue: Dialogue) -> Dialogue {
        self.with(Move::Repeat(times, dialogue))
    }

    /// Waits for a frame that one of these expects, the first of them that does, and continues with
    /// what belongs to it. After that comes what follows the branch.
    pub fn branch(self, arms: impl IntoIterator<Item = (When, Dialogue)>) -> Dialogue {
        self.with(Move::Branch(arms.into_iter().collect()))
    }

    /// Closes the connection.
    pub fn close(self) -> Dialogue {
        self.send(no_reply().then(Then::Close))
    }

    /// Sends the end of the stream, and continues receiving.
    pub fn half_close(self) -> Dialogue {
        self.send(no_reply().then(Then::HalfClose))
    }

    /// Resets the connection.
    pub fn reset(self) -> Dialogue {
        self.send(no_reply().then(Then::Reset))
    }

    /// Keeps the connection open, but stops receiving.
    pub fn stop_reading(self) -> Dialogue {
        self.send(no_reply().then(Then::StopReading))
    }

    /// Begins TLS, as [`Then::StartTls`] does, and continues after the handshake.
    pub fn start_tls(self) -> Dialogue {
        self.send(no_reply().then(Then::StartTls))
    }

    /// Holds the conversation for the test, which gets it by this name. When it is handed back, the
    /// dialogue continues.
    pub fn hold(self, name: impl AsRef<str>) -> Dialogue {
        self.send(no_reply().then(Then::hold(name)))
    }

    fn with(mut self, next: Move) -> Dialogue {
        self.moves.push(next);
        self
    }
}
