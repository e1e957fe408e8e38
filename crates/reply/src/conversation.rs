//! The conversation on one connection: bytes and times go in, bytes and actions come out.

mod hearing;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use standin_record::Tape;
use standin_socket::End;
use standin_socket::framing::Decoder;

use crate::answer::Change;
use crate::captures::Captures;
use crate::excerpt::Excerpt;
use crate::incoming::Incoming;
use crate::ledger::Progress;
use crate::output::Output;
use crate::play::Play;
use crate::script::{Deed, Do, Source};
use crate::template::Scope;
use crate::unexpected::{Ended, Said, Surprise};
use crate::user_code::{AnyFraming, State, guarded};
use crate::{Action, Ledger, Then};

/// The conversation on one connection, without the connection: it follows a script, and uses no
/// sockets, clocks or threads.
///
/// The owner of the connection passes received bytes to it ([`receive`](Conversation::receive),
/// [`end`](Conversation::end)), sends its [`output`](Conversation::output), and does what
/// [`act`](Conversation::act) returns, after each of these and whenever the time is due. Replies
/// can be tried without a connection:
///
/// ```
/// use std::time::Instant;
/// use standin_reply::{Action, Conversation, Ledger, Replies, Then, reply};
/// use standin_socket::framing::Lines;
///
/// let replies = Replies::framed(Lines::new())
///     .greeting("ready\n")
///     .on("PING", "PONG\n")
///     .on("QUIT", reply("bye\n").then(Then::Close));
/// let ledger = Ledger::new(replies.prepare(&[])?);
///
/// let now = Instant::now();
/// let mut conversation = Conversation::new(&ledger, 0);
/// assert_eq!(conversation.act(now), Action::Receive);
/// assert_eq!(conversation.output(), b"ready\n");
/// conversation.sent(6);
///
/// conversation.receive(b"PING\nQU");
/// assert_eq!(conversation.act(now), Action::Receive);
/// conversation.receive(b"IT\n");
/// assert_eq!(conversation.act(now), Action::Send);
/// assert_eq!(conversation.output(), b"PONG\nbye\n");
/// conversation.sent(9);
/// assert_eq!(conversation.act(now), Action::Close);
/// # Ok::<(), standin_reply::ScriptError>(())
/// ```
pub struct Conversation {
    ledger: Ledger,
    index: usize,
    incoming: Incoming,
    output: Output,
    doing: Option<Doing>,
    play: Option<Box<Play>>,
    state: Option<Arc<str>>,
    closures: Vec<State>,
    phase: Phase,
    /// How the peer's direction has ended.
    ended: Option<Box<Ended>>,
    /// Nothing more can be sent.
    is_mute: bool,
    said: Said,
    /// The addresses, for messages.
    ends: Option<Arc<str>>,
    tape: Option<Arc<Tape>>,
}

/// The state of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    New,
    Talking,
    NotReading,
    Held(Arc<str>),
    StartingTls,
    Over(Action),
}

/// An answer that is being given.
struct Doing {
    deed: Arc<Deed>,
    /// The step of the dialogue that it is.
    is_move: bool,
    at: usize,
    until: Option<Instant>,
    frame: Vec<u8>,
    captures: Captures,
}

impl Conversation {
    /// How many bytes may wait to be sent before receiving pauses: 256 KiB.
    pub const MOST_OUTPUT: usize = 256 << 10;

    /// How many frames and parts of answers are dealt with before others have a turn.
    const AT_ONCE: usize = 64;

    /// Creates the conversation of the connection with that index, which has just been made.
    pub fn new(ledger: &Ledger, index: usize) -> Conversation {
        let parts = Arc::clone(&ledger.script().parts);
        Conversation {
            ledger: ledger.clone(),
            index,
            incoming: match &parts.framing {
                Some(new) => Incoming::Framed(Decoder::new(new())),
                None => Incoming::Raw(Vec::new()),
            },
            output: Output::default(),
            doing: None,
            play: None,
            state: None,
            closures: Vec::new(),
            phase: Phase::New,
            ended: None,
            is_mute: false,
            said: Said::default(),
            ends: None,
            tape: None,
        }
    }

    /// Notes between which addresses it is, for messages.
    #[must_use]
    pub fn between(mut self, ends: impl Into<Arc<str>>) -> Conversation {
        self.ends = Some(ends.into());
        self
    }

    /// Notes where the connection is recorded: what is unexpected is recorded there, too, and shows
    /// what was recorded before.
    #[must_use]
    pub fn recorded(mut self, tape: Arc<Tape>) -> Conversation {
        self.tape = Some(tape);
        self
    }

    /// Returns the index of the connection.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the state that answers have [entered](crate::Answer::enter), if any.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Takes bytes that have come.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.ended.is_none() && !matches!(self.phase, Phase::Over(_)) {
            self.incoming.push(bytes);
        }
    }

    /// Notes that the peer sends no more, for this reason. Bytes from before are still answered.
    pub fn end(&mut self, end: &End) {
        if self.ended.is_none() {
            self.ended = Some(Box::new(Ended::new(end)));
        }
    }

    /// Drops what is still to be sent: the peer takes no more.
    pub fn mute(&mut self) {
        self.is_mute = true;
        self.output.clear();
    }

    /// Returns the next bytes to be sent; when they are, there may be more.
    pub fn output(&self) -> &[u8] {
        self.output.next()
    }

    /// Records that `count` bytes of the [output](Conversation::output) were sent.
    pub fn sent(&mut self, count: usize) {
        self.output.sent(count);
    }

    /// Continues as far as possible at that time, and returns the next action.
    pub fn act(&mut self, now: Instant) -> Action {
        for _ in 0..Self::AT_ONCE {
            match &self.phase {
                Phase::New => self.open(),
                Phase::Talking => {}
                Phase::NotReading => return Action::Idle,
                Phase::Held(name) => return Action::Hold(Arc::clone(name)),
                Phase::StartingTls => return Action::StartTls,
                // Whatever ends it, what was answered before is sent.
                Phase::Over(Action::Close) if !self.output.is_empty() => return Action::Send,
                Phase::Over(action) => return action.clone(),
            }
            let outcome = match self.doing {
                Some(_) => self.go_on(now),
                None if self.output.len() > Self::MOST_OUTPUT => Some(Action::Send),
                None => self.next_frame(),
            };
            if let Some(action) = outcome {
                return action;
            }
        }
        Action::Again
    }

    /// Goes on after the test has [had](Action::Hold) the conversation, or
    /// [TLS](Action::StartTls) has begun.
    pub fn resume(&mut self) {
        if matches!(self.phase, Phase::Held(_) | Phase::StartingTls) {
            self.phase = Phase::Talking;
            self.answered();
        }
    }

    /// [TLS](Action::StartTls) could not be begun.
    pub(crate) fn no_tls(&mut self, reason: String) {
        self.phase = Phase::Talking;
        self.fail(Surprise::NoTls { reason });
    }

    /// The frame for which it is [held](Action::Hold), if it is.
    pub(crate) fn held_frame(&self) -> Option<&[u8]> {
        Some(&self.held()?.frame)
    }

    /// Returns the capture of a group in that frame; in a dialogue, or in an earlier one.
    pub(crate) fn held_capture(&self, name: &str) -> Option<&[u8]> {
        self.held()?.captures.get(name)
    }

    fn held(&self) -> Option<&Doing> {
        self.doing
            .as_ref()
            .filter(|_| matches!(self.phase, Phase::Held(_)))
    }

    /// Takes the received bytes that are not answered yet. They belong to the one that receives
    /// next: the test that [has](Action::Hold) the conversation, or the handshake of
    /// [TLS](Action::StartTls).
    pub fn take_rest(&mut self) -> Vec<u8> {
        self.incoming.take_rest()
    }

    /// Returns the framing; `None` for raw bytes.
    pub(crate) fn framing(&mut self) -> Option<&mut AnyFraming> {
        self.incoming.framing()
    }

    /// Queues the greeting.
    fn open(&mut self) {
        self.phase = Phase::Talking;
        let parts = Arc::clone(&self.ledger.script().parts);
        if !self.ledger.connected() {
            let allowed = parts.connections;
            return self.fail(Surprise::TooMany { allowed });
        }
        if let Some(scene) = self.ledger.scene(self.index) {
            self.play = Some(Box::new(Play::new(Arc::clone(scene))));
            self.note_progress();
        }
        if let Some(greeting) = &parts.greeting {
            self.begin(Arc::clone(greeting), Vec::new(), Captures::default());
        }
    }

    /// Does the next step of the answer that is being given.
    fn go_on(&mut self, now: Instant) -> Option<Action> {
        let doing = self.doing.as_mut()?;
        let deed = Arc::clone(&doing.deed);
        match deed.steps.get(doing.at) {
            Some(Do::Pause(delay)) => {
                let until = *doing.until.get_or_insert_with(|| now + (*delay).min(AGES));
                if now < until {
                    return Some(Action::Wait(until));
                }
                doing.until = None;
                doing.at += 1;
            }
            Some(Do::Send { .. }) if self.output.len() > Self::MOST_OUTPUT => {
                return Some(Action::Send);
            }
            Some(Do::Send { source, framed }) => {
                doing.at += 1;
                if let Err(reason) = self.send(source, *framed) {
                    self.surprise(Surprise::NoAnswer { reason });
                }
            }
            None => return self.go_on_then(&deed.then),
        }
        None
    }

    /// Does what comes after an answer.
    fn go_on_then(&mut self, then: &Then) -> Option<Action> {
        match then {
            Then::Continue => {}
            Then::StopReading => self.phase = Phase::NotReading,
            _ if !self.output.is_empty() => return Some(Action::Send),
            Then::Hold(name) => {
                self.phase = Phase::Held(Arc::clone(name));
                return None;
            }
            Then::StartTls => {
                self.phase = Phase::StartingTls;
                return None;
            }
            Then::HalfClose => {
                self.answered();
                self.is_mute = true;
                return Some(Action::HalfClose);
            }
            Then::Close => self.phase = Phase::Over(Action::Close),
            Then::Reset => self.phase = Phase::Over(Action::Reset),
        }
        let is_last_move = matches!(self.phase, Phase::Over(_) | Phase::NotReading)
            && self.doing.as_ref().is_some_and(|doing| doing.is_move);
        self.answered();
        // What would follow is not missing: the dialogue itself has ended it.
        if is_last_move && self.play.take().is_some() {
            self.ledger.progress(self.index, Progress::Over);
        }
        None
    }

    /// The answer is given.
    fn answered(&mut self) {
        let was_move = self.doing.take().is_some_and(|doing| doing.is_move);
        if was_move && let Some(play) = &mut self.play {
            play.done();
            self.note_progress();
        }
    }

    /// Begins an answer.
    fn begin(&mut self, deed: Arc<Deed>, frame: Vec<u8>, captures: Captures) {
        match &deed.state {
            None => {}
            Some(Change::Enter(state)) => self.state = Some(Arc::clone(state)),
            Some(Change::Leave) => self.state = None,
        }
        self.doing = Some(Doing {
            deed,
            is_move: false,
            at: 0,
            until: None,
            frame,
            captures,
        });
    }

    /// Sends a part of the answer that is being given.
    fn send(&mut self, source: &Source, framed: bool) -> Result<(), String> {
        let Some(doing) = &self.doing else {
            return Ok(());
        };
        let payload = match source {
            Source::Bytes(bytes) if !framed => {
                self.said.say(bytes);
                if !self.is_mute {
                    self.output.share(bytes);
                }
                return Ok(());
            }
            Source::Bytes(bytes) => bytes.to_vec(),
            Source::Frame => doing.frame.clone(),
            Source::Template(template) => {
                let scope = Scope {
                    frame: Some(&doing.frame),
                    connection: self.index,
                    captures: &doing.captures,
                    globals: &self.ledger.script().globals,
                };
                let mut text = Vec::new();
                let rendered = guarded(|| template.render(&scope, &mut text));
                let rendered = rendered.map_err(|message| format!("it panicked: {message}"))?;
                rendered.map_err(|error| error.to_string())?;
                text
            }
        };
        let bytes = match framed {
            false => payload,
            true => guarded(|| self.incoming.encode(&payload))
                .map_err(|message| format!("the framing panicked: {message}"))?
                .map_err(|error| {
                    let payload = Excerpt::new(&self.shown(&payload), Said::KEPT);
                    format!("{error}: {payload}")
                })?,
        };
        self.said.say(&bytes);
        if !self.is_mute {
            self.output.push(bytes);
        }
        Ok(())
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation")
            .field("index", &self.index)
            .field("phase", &self.phase)
            .field("state", &self.state)
            .field("waiting", &self.incoming.rest().len())
            .field("output", &self.output.len())
            .finish_non_exhaustive()
    }
}

/// Longer than anybody waits.
const AGES: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::Conversation;

    /// Ten thousand of them have to fit.
    #[test]
    fn a_conversation_is_small() {
        assert!(
            size_of::<Conversation>() <= 512,
            "{}",
            size_of::<Conversation>()
        );
    }
}
