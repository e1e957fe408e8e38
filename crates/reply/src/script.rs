//! Replies, checked and made ready: what conversations follow.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use minijinja::Value;
use standin_record::DriverTape;
use standin_socket::Connection;

use crate::answer::{Change, Content, Step, bytes_of_hex};
use crate::captures::Captures;
use crate::mistake::Path;
use crate::pattern::Pattern;
use crate::template::Template;
use crate::user_code::{Closure, NewFraming};
use crate::when::{Escaped, Predicate};
use crate::{Answer, Then, Times, Unexpected};

/// Replies that are checked and made ready, by [`Replies::prepare`](crate::Replies::prepare).
#[derive(Clone)]
#[must_use]
pub struct Script {
    pub(crate) parts: Arc<Parts>,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) receive_limit: usize,
    pub(crate) globals: Value,
    pub(crate) on_unexpected: Option<Arc<OnUnexpected>>,
    pub(crate) driver: Option<DriverTape>,
    pub(crate) start_tls: Option<Arc<StartTls>>,
}

type OnUnexpected = dyn Fn(&Unexpected) + Send + Sync;

/// Begins TLS on a connection, or says why not.
type StartTls = dyn Fn(&Connection) -> Result<(), Box<dyn std::error::Error>> + Send + Sync;

impl Script {
    /// The largest frame that a peer may send, unless [`receive_limit`](Script::receive_limit)
    /// changes it: 16 MiB.
    pub const DEFAULT_RECEIVE_LIMIT: usize = 16 << 20;

    pub(crate) fn new(parts: Parts) -> Script {
        Script {
            parts: Arc::new(parts),
            label: None,
            receive_limit: Self::DEFAULT_RECEIVE_LIMIT,
            globals: Value::UNDEFINED,
            on_unexpected: None,
            driver: None,
            start_tls: None,
        }
    }

    /// Sets its owner, for messages: `server "bank"`. Default: "the replies".
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Script {
        self.label = Some(label.into());
        self
    }

    /// Sets the size of the largest frame that is received, in bytes with everything that belongs
    /// to it. A longer one is unexpected, and its connection is closed. Default: 16 MiB.
    pub fn receive_limit(mut self, bytes: usize) -> Script {
        self.receive_limit = bytes;
        self
    }

    /// Sets the names in templates beyond what [`reply`](crate::reply) lists: the attributes of
    /// this value, a map or an object, which are read when a template uses them. Default: none.
    pub fn globals(mut self, globals: Value) -> Script {
        self.globals = globals;
        self
    }

    /// Sets where the connections of the peer are recorded: errors show what was recorded last.
    /// Default: nowhere.
    pub fn record(mut self, driver: DriverTape) -> Script {
        self.driver = Some(driver);
        self
    }

    /// Sets the function that begins TLS on a connection, for
    /// [`Then::StartTls`](crate::Then::StartTls). It begins an
    /// [upgrade](standin_socket::Connection::upgrade) and does not wait for its end: it is called
    /// on the thread that answers. Default: none, and an answer that begins TLS is unexpected.
    pub fn start_tls(
        mut self,
        begin: impl Fn(&Connection) -> Result<(), Box<dyn std::error::Error>> + Send + Sync + 'static,
    ) -> Script {
        self.start_tls = Some(Arc::new(begin));
        self
    }

    /// Sets a function to call at the first unexpected event, on the thread on which it happens,
    /// without a lock. All peers of the process that act by themselves wait for it.
    pub fn on_unexpected(
        mut self,
        callback: impl Fn(&Unexpected) + Send + Sync + 'static,
    ) -> Script {
        self.on_unexpected = Some(Arc::new(callback));
        self
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("label", &self.label)
            .field("rules", &self.parts.rules)
            .finish_non_exhaustive()
    }
}

/// The parts of a script.
pub(crate) struct Parts {
    pub(crate) framing: Option<NewFraming>,
    pub(crate) greeting: Option<Arc<Deed>>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) closures: Vec<Closure>,
    pub(crate) otherwise: Fallback,
    pub(crate) dialogue: Option<Arc<Scene>>,
    pub(crate) own_dialogues: HashMap<usize, Arc<Scene>>,
    pub(crate) connections: Times,
    /// Whether conversations may run code of a user's.
    pub(crate) calls_user: bool,
}

/// What happens to unmatched frames.
#[derive(Clone, Debug)]
pub(crate) enum Fallback {
    Fail,
    Ignore,
    Do(Arc<Deed>),
}

/// A rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) test: Test,
    pub(crate) times: Times,
    pub(crate) state: RuleState,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) deed: Arc<Deed>,
}

/// The states in which a rule applies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RuleState {
    None,
    Named(Arc<str>),
    Any,
}

impl RuleState {
    /// Whether a rule applies to a connection in this state.
    pub(crate) fn fits(&self, state: Option<&Arc<str>>) -> bool {
        match self {
            RuleState::None => state.is_none(),
            RuleState::Named(name) => state == Some(name),
            RuleState::Any => true,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "\"{name}\", ")?;
        }
        self.test.fmt(f)?;
        match &self.state {
            RuleState::None => Ok(()),
            RuleState::Named(name) => write!(f, " in state \"{name}\""),
            RuleState::Any => f.write_str(" in any state"),
        }
    }
}

/// The expected value of a frame.
#[derive(Clone)]
pub(crate) enum Test {
    Anything,
    Equals(Arc<[u8]>),
    Prefix(Arc<[u8]>),
    Pattern(Arc<Pattern>),
    Predicate(Arc<str>, Predicate),
}

impl Test {
    /// Whether the frame is meant. A predicate is code of a user's.
    pub(crate) fn matches(&self, frame: &[u8]) -> bool {
        match self {
            Test::Anything => true,
            Test::Equals(bytes) => **bytes == *frame,
            Test::Prefix(bytes) => frame.starts_with(bytes),
            Test::Pattern(pattern) => pattern.regex.is_match(frame),
            Test::Predicate(_, test) => test(frame),
        }
    }

    /// Whether the frame is meant, as far as that can be known without code of a user's.
    pub(crate) fn matches_surely(&self, frame: &[u8]) -> bool {
        !matches!(self, Test::Predicate(..)) && self.matches(frame)
    }

    /// The names that a match gives.
    pub(crate) fn names(&self) -> &[Arc<str>] {
        match self {
            Test::Pattern(pattern) => &pattern.names,
            _ => &[],
        }
    }

    /// Notes what the groups match in a frame that is meant.
    pub(crate) fn capture(&self, frame: &[u8], captures: &mut Captures) {
        if let Test::Pattern(pattern) = self
            && !pattern.names.is_empty()
            && let Some(found) = pattern.regex.captures(frame)
        {
            for name in &pattern.names {
                captures.set(name, found.name(name).map_or(b"", |group| group.as_bytes()));
            }
        }
    }

    /// The bytes that a frame must begin with, to see how close one has come.
    pub(crate) fn lead(&self) -> &[u8] {
        match self {
            Test::Equals(bytes) | Test::Prefix(bytes) => bytes,
            Test::Pattern(pattern) => &pattern.lead,
            Test::Anything | Test::Predicate(..) => &[],
        }
    }

    /// Why the frame is not meant.
    pub(crate) fn mismatch(&self, frame: &[u8]) -> String {
        let expected = self.lead();
        let same = common(expected, frame);
        match self {
            Test::Equals(_) if same == expected.len() => {
                format!("there is more: {}", Escaped(&frame[same..]))
            }
            Test::Equals(_) | Test::Prefix(_) => differs(expected, frame, same),
            Test::Pattern(_) if same < expected.len() => differs(expected, frame, same),
            Test::Pattern(_) => "does not match".to_owned(),
            Test::Predicate(..) => "is not so".to_owned(),
            Test::Anything => "matches".to_owned(),
        }
    }

    /// Whether the frame would be meant if the case of its letters did not matter, and is not.
    pub(crate) fn matches_but_for_case(&self, frame: &[u8]) -> bool {
        match self {
            Test::Equals(bytes) => bytes.eq_ignore_ascii_case(frame) && **bytes != *frame,
            Test::Prefix(bytes) => {
                let head = frame.get(..bytes.len());
                head.is_some_and(|head| head.eq_ignore_ascii_case(bytes) && *head != **bytes)
            }
            Test::Pattern(pattern) => pattern.matches_but_for_case(frame),
            Test::Predicate(..) | Test::Anything => false,
        }
    }

    /// Whether it means all frames that the other one does, as far as that can be known.
    pub(crate) fn covers(&self, other: &Test) -> bool {
        match (self, other) {
            (Test::Anything, _) => true,
            (Test::Equals(this), Test::Equals(other)) => this == other,
            (Test::Prefix(_), other) if other.lead().starts_with(self.lead()) => true,
            (Test::Pattern(this), Test::Equals(other)) => this.regex.is_match(other),
            (Test::Pattern(this), Test::Pattern(other)) => {
                this.regex.as_str() == other.regex.as_str()
            }
            _ => false,
        }
    }
}

/// How many bytes two texts begin with in common.
pub(crate) fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

fn differs(expected: &[u8], frame: &[u8], same: usize) -> String {
    match same {
        same if same == frame.len() => format!("ends before {}", Escaped(&expected[same..])),
        0 => "begins differently".to_owned(),
        same => {
            let end = |bytes: &[u8]| bytes.len().min(same + 8);
            let (wanted, came) = (&expected[same..end(expected)], &frame[same..end(frame)]);
            format!(
                "at byte {same} is {} instead of {}",
                Escaped(came),
                Escaped(wanted)
            )
        }
    }
}

impl fmt::Debug for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Test::Anything => f.write_str("anything"),
            Test::Equals(bytes) => write!(f, "equals {}", Escaped(bytes)),
            Test::Prefix(bytes) => write!(f, "prefix {}", Escaped(bytes)),
            Test::Pattern(pattern) => write!(f, "pattern `{}`", pattern.regex.as_str()),
            Test::Predicate(description, _) => write!(f, "predicate \"{description}\""),
        }
    }
}

/// What is done about a frame.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deed {
    pub(crate) steps: Vec<Do>,
    pub(crate) then: Then,
    pub(crate) state: Option<Change>,
}

/// A part of what is done.
#[derive(Clone, Debug)]
pub(crate) enum Do {
    Pause(Duration),
    Send { source: Source, framed: bool },
}

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Bytes(Arc<[u8]>),
    Template(Template),
    Frame,
}

impl Deed {
    /// What a closure has answered: texts are not templates.
    pub(crate) fn verbatim(answer: Answer) -> Result<Deed, String> {
        let steps = answer.steps.into_iter().map(|step| {
            let piece = match step {
                Step::Pause(delay) => return Ok(Do::Pause(delay)),
                Step::Send(piece) => piece,
            };
            let source = match piece.content {
                Content::Template(text) => Source::Bytes(text.as_bytes().into()),
                Content::Bytes(bytes) => Source::Bytes(bytes),
                Content::Hex(digits) => Source::Bytes(bytes_of_hex(&digits)?.into()),
                Content::Frame => Source::Frame,
                Content::File(path) => {
                    let bytes = standin_error::read_file(&path);
                    let bytes = bytes.map_err(|error| format!("{}: {error}", path.display()))?;
                    Source::Bytes(bytes.into())
                }
            };
            let framed = piece.framed;
            Ok(Do::Send { source, framed })
        });
        Ok(Deed {
            steps: steps.collect::<Result<_, String>>()?,
            then: answer.then,
            state: answer.state,
        })
    }

    /// That the connection is closed.
    pub(crate) fn close() -> Deed {
        Deed {
            then: Then::Close,
            ..Deed::default()
        }
    }

    /// Whether it may name what a pattern has captured.
    pub(crate) fn wants_captures(&self) -> bool {
        matches!(self.then, Then::Hold(_))
            || self.steps.iter().any(|step| match step {
                Do::Send {
                    source: Source::Template(template),
                    ..
                } => template.wants_captures(),
                _ => false,
            })
    }
}

/// A dialogue.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) moves: Arc<[Go]>,
    /// What its steps are, by their numbers.
    pub(crate) steps: Vec<StepName>,
}

impl Scene {
    /// A step, for messages.
    pub(crate) fn step(&self, number: usize) -> String {
        match self.steps.get(number) {
            Some(step) => format!("step {} ({})", Path(&step.path), step.text),
            None => "its end".to_owned(),
        }
    }
}

/// What a step of a dialogue is.
#[derive(Debug)]
pub(crate) struct StepName {
    pub(crate) path: Vec<usize>,
    pub(crate) text: String,
}

/// A step of a dialogue, with its number.
#[derive(Debug)]
pub(crate) enum Go {
    Expect(usize, Test),
    Send(usize, Arc<Deed>),
    Repeat(usize, Arc<[Go]>),
    Branch(usize, Vec<(Test, Arc<[Go]>)>),
}
