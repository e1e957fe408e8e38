use standin_config::{Config, Constraint, Misfit, Node, OptionDescription, ResolveError};
use standin_reply::Replies;

use super::declaration::{Declaration, KNOWN};
use super::dialogue::{OwnDialogue, Step};
use super::framing::Framing;
use super::otherwise::Otherwise;
use super::rule::Rule;
use super::says::Says;
use super::times::Often;

/// What a peer answers by itself: the options that both TCP drivers have for it.
///
/// Code sets `replies`, files all others; they say the same. A driver without any of them is
/// one that the test talks through.
#[derive(Clone, Debug, Config)]
#[config(check = misfits)]
pub struct RepliesConfig {
    /// What the peer does by itself, on all of its connections; files say the same with `framing`
    /// and the options below it, which cannot be set as well. Default: nothing, the test receives
    /// and sends.
    #[config(code_only)]
    pub replies: Option<Replies>,

    /// How the stream is cut into frames, which makes this a peer that answers by itself (code says
    /// this and what follows, to `connections`, with `replies`). Default: it answers nothing, the
    /// test receives and sends.
    ///
    /// It is `"lines"`, `"raw"` (each piece as it arrives), `{ delimiter = "\u0000" }`,
    /// `{ length_prefix = { width = 2 } }`, `{ fixed_size = 16 }`, or
    /// `{ matching = '\r?\n\r?\n' }`: a frame ends where the regular expression does.
    #[config(file_only, example = "lines")]
    pub(crate) framing: Option<Framing>,

    /// What the peer says first on each connection. Default: nothing.
    ///
    /// It is a text, `{ hex = "00 ff" }`, `{ file = "greeting.txt" }`,
    /// `{ verbatim = "{{ as it stands }}" }`, or a list of these. Texts are templates over
    /// `connection.index` and `context`. Nothing is added to them: a line ends with `\n`.
    #[config(file_only, example = "220 ready\r\n")]
    pub(crate) greeting: Option<Says>,

    /// What happens to a frame that no rule matches, and in a dialogue to one that is not expected
    /// next: `"fail"`, `"ignore"`, `"close"`, or `{ reply = "500 what?\r\n" }`. Default: `"fail"`,
    /// the test fails, with the frame and the reason why no rule matched.
    #[config(file_only)]
    pub(crate) otherwise: Option<Otherwise>,

    /// Rules, `[[driver.on]]`: which frames are answered, and how. The first that matches applies.
    #[config(file_only, default)]
    pub(crate) on: Vec<Rule>,

    /// What is said one thing after the other on each connection, `[[driver.dialogue]]`; when it is
    /// over, the rules apply.
    #[config(file_only, default)]
    pub(crate) dialogue: Vec<Step>,

    /// Dialogues of single connections, `[[driver.connection]]`, instead of `dialogue`.
    #[config(file_only, default, constraint = Constraint::unique("index"))]
    pub(crate) connection: Vec<OwnDialogue>,

    /// How many connections must and may come: a number or a range, `"2"`, `"1.."`, `"..=3"`.
    /// Default: as many as have a dialogue of their own at least, and no limit.
    #[config(file_only)]
    pub(crate) connections: Option<Often>,
}

/// What is wrong with the replies that options declare.
fn misfits(config: &RepliesConfig) -> Vec<Misfit> {
    match config.set_in_file().first() {
        Some(option) if !config.is_declared() => vec![
            Misfit::new(*option, "it has no effect without `framing`")
                .help("say how the stream is cut into frames: framing = \"lines\""),
        ],
        _ => config.declared().err().unwrap_or_default(),
    }
}

impl RepliesConfig {
    /// Those of a driver. An option that is declared anew by a driver that extends ours means
    /// something else there.
    pub(crate) fn of(driver: &Node) -> Result<Self, ResolveError> {
        let mut config = Self::clone(&*driver.shared::<Self>()?);
        if config.replies.is_none() && config.set_in_file().is_empty() {
            return Ok(config);
        }
        let is_ours = |name| {
            let option = driver.description().option(name);
            option.map(OptionDescription::declared_in) == Some(Self::description().name())
        };
        macro_rules! keep_ours {
            ($($option:ident),+) => {$(
                if !is_ours(stringify!($option)) {
                    config.$option = Default::default();
                }
            )+};
        }
        keep_ours!(
            framing,
            greeting,
            otherwise,
            on,
            dialogue,
            connection,
            connections,
            replies
        );
        Ok(config)
    }

    /// What the driver does by itself: what code has declared, or the options of a file, and never
    /// both. `None` if there is nothing of either.
    pub(crate) fn declared(&self) -> Result<Option<Replies>, Vec<Misfit>> {
        let in_file = self.set_in_file();
        match (&self.replies, &self.framing, in_file.first()) {
            (None, None, _) => Ok(None),
            (Some(_), _, Some(option)) => Err(vec![
                Misfit::new(*option, "the replies are set by code, too").help(
                    "say what the driver answers by `replies` in code, or by options of a file",
                ),
            ]),
            (Some(replies), _, None) => match replies.check(KNOWN) {
                Ok(()) => Ok(Some(replies.clone())),
                Err(error) => Err(vec![Misfit::new("replies", error.to_string())]),
            },
            (None, Some(framing), _) => {
                let declaration = Declaration::default();
                declaration
                    .of(framing, |to, replies| self.add(to, replies))
                    .map(Some)
            }
        }
    }

    /// Whether there is any of it.
    pub(crate) fn is_declared(&self) -> bool {
        self.replies.is_some() || self.framing.is_some()
    }

    /// Adds what the options say to replies that have the framing only.
    fn add(&self, to: &mut Declaration, mut replies: Replies) -> Replies {
        if let Some(says) = &self.greeting {
            replies = to.greeting(replies, says);
        }
        if let Some(otherwise) = &self.otherwise {
            replies = to.otherwise(replies, otherwise);
        }
        for (index, rule) in self.on.iter().enumerate() {
            replies = to.rule(replies, index, rule);
        }
        if !self.dialogue.is_empty() {
            replies = to.dialogue(replies, &self.dialogue);
        }
        for (at, own) in self.connection.iter().enumerate() {
            replies = to.connection(replies, at, own);
        }
        match &self.connections {
            Some(often) => replies.connections(often.times),
            None => replies,
        }
    }

    /// The options that files have for replies, as far as they are set.
    fn set_in_file(&self) -> Vec<&'static str> {
        let Self {
            replies: _,
            framing,
            greeting,
            otherwise,
            on,
            dialogue,
            connection,
            connections,
        } = self;
        let options = [
            ("framing", framing.is_some()),
            ("greeting", greeting.is_some()),
            ("otherwise", otherwise.is_some()),
            ("on", !on.is_empty()),
            ("dialogue", !dialogue.is_empty()),
            ("connection", !connection.is_empty()),
            ("connections", connections.is_some()),
        ];
        let set = options.into_iter().filter(|(_, is_set)| *is_set);
        set.map(|(option, _)| option).collect()
    }
}
