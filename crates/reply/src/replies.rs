//! Everything that a peer does by itself, as it is declared.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use standin_socket::framing::{Delimiter, FixedSize, Framing, LengthPrefix, Lines};

use crate::answer::{Content, Step};
use crate::dialogue::Move;
use crate::user_code::{Closure, NewFraming, State};
use crate::{Answer, Dialogue, Frame, Then, Times, When};

/// The behaviour of a peer that answers by itself: how its stream is divided into frames, and how
/// it answers them.
///
/// ```
/// use standin_reply::{Replies, Then, anything, hold, no_reply, pattern, prefix, reply};
/// use standin_socket::framing::Lines;
///
/// let bank = Replies::framed(Lines::new())
///     .greeting("220 ready\n")
///     .on(pattern(r"^BALANCE (?<account>\d+)$"), "{{ account }} 42.00\n")
///     .on(prefix("PAY"), hold("pay"))
///     .on("QUIT", reply("bye\n").then(Then::Close))
///     .on(prefix("#"), no_reply());
/// bank.check(&[])?;
/// # Ok::<(), standin_reply::ScriptError>(())
/// ```
///
/// The greeting comes first, then the [dialogue](Replies::dialogue), and after it, or without one,
/// the rules: the first declared rule that matches a frame applies. A frame that no rule matches is
/// unexpected, unless [`otherwise`](Replies::otherwise) handles it.
///
/// A clone has the same closures, with what they have captured.
#[derive(Clone)]
#[must_use]
pub struct Replies {
    pub(crate) framing: Option<NewFraming>,
    /// Whether the framing is code of a user's.
    pub(crate) has_own_framing: bool,
    pub(crate) greeting: Option<Answer>,
    pub(crate) rules: Vec<(When, Answer)>,
    pub(crate) closures: Vec<Closure>,
    pub(crate) otherwise: Otherwise,
    pub(crate) dialogue: Option<Dialogue>,
    pub(crate) own_dialogues: BTreeMap<usize, Dialogue>,
    pub(crate) connections: Option<Times>,
}

/// What happens to unmatched frames.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Otherwise {
    /// It is unexpected: the test fails, with the frame and the reason why no rule matched. The
    /// peer gets no answer. This is the default.
    #[default]
    Fail,
    /// Nothing happens, nor when the peer ends in the middle of a frame.
    Ignore,
    /// The connection is closed.
    Close,
    /// It is answered.
    Answer(Answer),
}

impl From<Answer> for Otherwise {
    fn from(answer: Answer) -> Otherwise {
        Otherwise::Answer(answer)
    }
}

impl Replies {
    /// Creates a peer whose messages are framed in this way. Each connection has a clone of the
    /// framing.
    pub fn framed<F>(framing: F) -> Replies
    where
        F: Framing + Clone + Send + Sync + 'static,
    {
        let known = [
            TypeId::of::<Lines>(),
            TypeId::of::<Delimiter>(),
            TypeId::of::<LengthPrefix>(),
            TypeId::of::<FixedSize>(),
        ];
        Replies {
            has_own_framing: !known.contains(&TypeId::of::<F>()),
            ..Replies::with_framing(Some(Arc::new(move || Box::new(framing.clone()))))
        }
    }

    /// Creates replies without a framing: each piece that arrives is a frame, however the network
    /// has cut it. For echo and discard, and where only closures inspect the bytes.
    pub fn raw() -> Replies {
        Replies::with_framing(None)
    }

    /// Returns the framing of a new connection; `None` for raw bytes.
    pub fn new_framing(&self) -> Option<Box<dyn Framing + Send>> {
        self.framing.as_ref().map(|new| new())
    }

    fn with_framing(framing: Option<NewFraming>) -> Replies {
        Replies {
            framing,
            has_own_framing: false,
            greeting: None,
            rules: Vec::new(),
            closures: Vec::new(),
            otherwise: Otherwise::default(),
            dialogue: None,
            own_dialogues: BTreeMap::new(),
            connections: None,
        }
    }

    /// Sets what the peer sends first on each connection. Default: nothing.
    pub fn greeting(mut self, answer: impl Into<Answer>) -> Replies {
        self.greeting = Some(answer.into());
        self
    }

    /// Adds a rule: what the peer does about such frames. The first declared rule that matches
    /// applies.
    pub fn on(mut self, frames: impl Into<When>, answer: impl Into<Answer>) -> Replies {
        self.rules.push((frames.into(), answer.into()));
        self
    }

    /// Adds a closure, which is asked about each frame that no rule matches; `None` means that it
    /// does not answer this one. Several are asked in the order of their declaration.
    ///
    /// Each connection has a state of its own, which begins with its default. What the closure has
    /// captured is shared by all connections: one thread calls it, so that a counter needs no lock.
    /// All peers of the process that act by themselves wait while it runs.
    ///
    /// The texts of its answers are sent as they are, not as templates.
    ///
    /// ```
    /// use standin_reply::{Frame, Replies, reply};
    /// use standin_socket::framing::Lines;
    ///
    /// let sum = Replies::framed(Lines::new()).with(|frame: &Frame<'_>, sum: &mut i64| {
    ///     let number: i64 = frame.text().parse().ok()?;
    ///     *sum += number;
    ///     Some(reply(sum.to_string()).framed())
    /// });
    /// # let _: Replies = sum;
    /// ```
    pub fn with<S, F>(mut self, mut closure: F) -> Replies
    where
        S: Default + Send + 'static,
        F: FnMut(&Frame<'_>, &mut S) -> Option<Answer> + Send + 'static,
    {
        let ask = move |frame: &Frame<'_>, state: &mut State| {
            let state = state.get_or_insert_with(|| Box::new(S::default()));
            closure(frame, state.downcast_mut()?)
        };
        self.closures.push(Closure::new(ask));
        self
    }

    /// Sets what happens to unmatched frames, and in a dialogue to those that are not expected
    /// next. Default: [`Otherwise::Fail`].
    pub fn otherwise(mut self, otherwise: impl Into<Otherwise>) -> Replies {
        self.otherwise = otherwise.into();
        self
    }

    /// Sets the dialogue of each connection that has none of [its own](Replies::connection).
    /// Default: none.
    ///
    /// A dialogue that was begun, and is not over in the end, is reported.
    pub fn dialogue(mut self, dialogue: Dialogue) -> Replies {
        self.dialogue = Some(dialogue);
        self
    }

    /// Sets the dialogue of the connection with that index, counted from 0. If this connection
    /// never comes, that is reported, unless [`connections`](Replies::connections) allows it.
    pub fn connection(mut self, index: usize, dialogue: Dialogue) -> Replies {
        self.own_dialogues.insert(index, dialogue);
        self
    }

    /// Sets how many connections must and may come. Default: at least as many as have a [dialogue
    /// of their own](Replies::connection), without a limit.
    ///
    /// One that may not come is unexpected, and is closed.
    pub fn connections(mut self, times: impl Into<Times>) -> Replies {
        self.connections = Some(times.into());
        self
    }

    /// Returns the texts that are [templates](crate::reply), in no particular order: to find out
    /// what they name.
    pub fn templates(&self) -> Vec<&str> {
        let steps = self.answers().into_iter().flat_map(|answer| &answer.steps);
        let texts = steps.filter_map(|step| match step {
            Step::Send(piece) => match &piece.content {
                Content::Template(text) => Some(&**text),
                _ => None,
            },
            Step::Pause(_) => None,
        });
        texts.collect()
    }

    /// Returns whether an answer [begins TLS](crate::Then::StartTls). What closures answer is not
    /// known.
    pub fn starts_tls(&self) -> bool {
        let mut answers = self.answers().into_iter();
        answers.any(|answer| answer.then == Then::StartTls)
    }

    /// All answers but those of closures, in no particular order.
    fn answers(&self) -> Vec<&Answer> {
        let mut answers: Vec<&Answer> = self.greeting.iter().collect();
        answers.extend(self.rules.iter().map(|(_, answer)| answer));
        if let Otherwise::Answer(answer) = &self.otherwise {
            answers.push(answer);
        }
        let mut dialogues: Vec<&Dialogue> = self.own_dialogues.values().collect();
        dialogues.extend(&self.dialogue);
        while let Some(dialogue) = dialogues.pop() {
            for step in &dialogue.moves {
                match step {
                    Move::Expect(_) => {}
                    Move::Send(answer) => answers.push(answer),
                    Move::Repeat(_, inner) => dialogues.push(inner),
                    Move::Branch(arms) => dialogues.extend(arms.iter().map(|(_, inner)| inner)),
                }
            }
        }
        answers
    }
}

impl fmt::Debug for Replies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let framing = self.framing.as_ref().map(|new| new().describe());
        f.debug_struct("Replies")
            .field("framing", &framing.as_deref().unwrap_or("raw"))
            .field("greeting", &self.greeting)
            .field("rules", &self.rules)
            .field("closures", &self.closures.len())
            .field("otherwise", &self.otherwise)
            .field("dialogue", &self.dialogue)
            .field("own_dialogues", &self.own_dialogues)
            .field("connections", &self.connections)
            .finish()
    }
}
