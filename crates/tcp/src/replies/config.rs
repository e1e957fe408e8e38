use standin_config::{
    Config, ConfigErrors, Constraint, Misfit, Node, OptionDescription, ResolveError,
};
use standin_reply::{Replies, ScriptError};

use super::declaration::Declaration;
use super::dialogue::{OwnDialogue, Step};
use super::framing::Framing;
use super::names::KNOWN;
use super::otherwise::Otherwise;
use super::rule::Rule;
use super::says::Says;
use super::times::Often;
use crate::TcpConfig;

/// The options of both TCP drivers for a peer that answers by itself.
///
/// Code sets `replies`, files all others; they are equivalent. The test itself uses a driver that
/// has none of them.
#[derive(Clone, Debug, Config)]
#[config(
    check(replies, framing) = by_code_or_file,
    check(framing) = framing_misfits,
    check(greeting) = greeting_misfits,
    check(otherwise) = otherwise_misfits,
    check(on) = rule_misfits,
    check(dialogue) = dialogue_misfits,
    check(connection, connections) = connection_misfits
)]
pub struct RepliesConfig {
    /// The answers of the peer on all of its connections; files declare the same with `framing` and
    /// the options below it, which cannot be set as well. Default: none, the test receives and
    /// sends.
    #[config(code_only)]
    pub replies: Option<Replies>,

    /// How the stream is divided into frames, which makes this a peer that answers by itself (in
    /// code, `replies` replaces this and the options up to `connections`). Default: it answers
    /// nothing, the test receives and sends.
    ///
    /// It is `"lines"`, `"raw"` (each piece as it arrives), `{ delimiter = "\u0000" }`,
    /// `{ length_prefix = { width = 2 } }`, `{ fixed_size = 16 }`, or
    /// `{ matching = '\r?\n\r?\n' }`: a frame ends where the regular expression does.
    #[config(file_only, example = "lines")]
    pub(crate) framing: Option<Framing>,

    /// What the peer sends first on each connection. Default: nothing.
    ///
    /// It is a text, `{ hex = "00 ff" }`, `{ file = "greeting.txt" }`, `{ verbatim = "{{ as it
    /// stands }}" }`, or a list of these. Texts are templates over `connection.index` and
    /// `context`. Nothing is added to them: end a line with `\n`.
    #[config(file_only, needs(framing), example = "220 ready\r\n")]
    pub(crate) greeting: Option<Says>,

    /// What happens to a frame that no rule matches, and in a dialogue to one that is not expected
    /// next: `"fail"`, `"ignore"`, `"close"`, or `{ reply = "500 what?\r\n" }`. Default: `"fail"`,
    /// the test fails, with the frame and the reason why no rule matched.
    #[config(file_only, needs(framing))]
    pub(crate) otherwise: Option<Otherwise>,

    /// Rules, `[[driver.on]]`: which frames are answered, and how. The first that matches applies.
    #[config(file_only, needs(framing), default)]
    pub(crate) on: Vec<Rule>,

    /// The steps of the dialogue on each connection, `[[driver.dialogue]]`, in order; after it, the
    /// rules apply.
    #[config(file_only, needs(framing), default)]
    pub(crate) dialogue: Vec<Step>,

    /// Dialogues of single connections, `[[driver.connection]]`, instead of `dialogue`.
    #[config(file_only, needs(framing), default, constraint = Constraint::unique("index"))]
    pub(crate) connection: Vec<OwnDialogue>,

    /// How many connections must and may come: a number or a range, `"2"`, `"1.."`, `"..=3"`.
    /// Default: as many as have a dialogue of their own at least, and no limit.
    #[config(file_only, needs(framing))]
    pub(crate) connections: Option<Often>,
}

fn by_code_or_file(replies: &Option<Replies>, framing: &Option<Framing>) -> Vec<Misfit> {
    match (replies, framing) {
        (Some(_), Some(_)) => vec![said_twice("framing")],
        (Some(replies), None) => {
            let error = replies.check(KNOWN).err();
            let misfit = |error: ScriptError| Misfit::new("replies", error.to_string());
            error.map(misfit).into_iter().collect()
        }
        (None, _) => Vec::new(),
    }
}

fn said_twice(option: &str) -> Misfit {
    Misfit::new(option, "the replies are set by code, too")
        .help("say what the driver answers by `replies` in code, or by options of a file")
}

// Each option is checked without the others, so that all mistakes are found even where another
// option is wrong.

fn framing_misfits(framing: &Option<Framing>) -> Vec<Misfit> {
    match framing {
        Some(framing) => mistakes(|to| to.framed(framing)),
        None => Vec::new(),
    }
}

fn greeting_misfits(greeting: &Option<Says>) -> Vec<Misfit> {
    match greeting {
        Some(says) => mistakes(|to| to.greeting(Replies::raw(), says)),
        None => Vec::new(),
    }
}

fn otherwise_misfits(otherwise: &Option<Otherwise>) -> Vec<Misfit> {
    match otherwise {
        Some(otherwise) => mistakes(|to| to.otherwise(Replies::raw(), otherwise)),
        None => Vec::new(),
    }
}

fn rule_misfits(rules: &[Rule]) -> Vec<Misfit> {
    mistakes(|to| to.rules(Replies::raw(), rules))
}

fn dialogue_misfits(steps: &[Step]) -> Vec<Misfit> {
    mistakes(|to| to.dialogue(Replies::raw(), steps))
}

fn connection_misfits(connection: &[OwnDialogue], connections: &Option<Often>) -> Vec<Misfit> {
    mistakes(|to| to.connections(Replies::raw(), connection, connections.as_ref()))
}

/// What is wrong with replies that are declared so.
fn mistakes(declare: impl FnOnce(&mut Declaration) -> Replies) -> Vec<Misfit> {
    let declared = Declaration::default().of(declare);
    declared.err().unwrap_or_default()
}

impl RepliesConfig {
    /// Those of a driver. An option that is declared again by a driver that extends ours means
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

    /// The replies of the driver: from code, or from the options of a file, never both. `None` if
    /// there are none.
    pub(crate) fn declared(&self) -> Result<Option<Replies>, Vec<Misfit>> {
        let in_file = self.set_in_file();
        match (&self.replies, &self.framing, in_file.first()) {
            (None, None, _) => Ok(None),
            (Some(_), _, Some(option)) => Err(vec![said_twice(option)]),
            (Some(replies), _, None) => match replies.check(KNOWN) {
                Ok(()) => Ok(Some(replies.clone())),
                Err(error) => Err(vec![Misfit::new("replies", error.to_string())]),
            },
            (None, Some(framing), _) => {
                let all = |to: &mut Declaration| {
                    let framed = to.framed(framing);
                    self.add(to, framed)
                };
                Declaration::default().of(all).map(Some)
            }
        }
    }

    /// Refuses declared replies of a driver that start TLS where they cannot.
    pub(crate) fn may_start_tls(
        &self,
        driver: &str,
        declared: &Replies,
        tcp: &TcpConfig,
    ) -> Result<(), ConfigErrors> {
        let misfit = match declared.starts_tls() {
            true if !cfg!(feature = "tls") => {
                let option = self.replies.as_ref().map_or("framing", |_| "replies");
                Misfit::new(option, "the replies start TLS, which is not built in")
                    .help("enable the feature `tls`")
            }
            true if tcp.speaks_tls_at_once() => {
                let twice = "TLS begins with the first byte, and the replies start it again";
                Misfit::new("tls", twice).help("write tls = { on_request = true }")
            }
            _ => return Ok(()),
        };
        Err(ConfigErrors::of_misfits(driver, vec![misfit]))
    }

    /// Whether there is any of it.
    pub(crate) fn is_declared(&self) -> bool {
        self.replies.is_some() || self.framing.is_some()
    }

    /// Adds the options to replies that have only the framing.
    fn add(&self, to: &mut Declaration, mut replies: Replies) -> Replies {
        if let Some(says) = &self.greeting {
            replies = to.greeting(replies, says);
        }
        if let Some(otherwise) = &self.otherwise {
            replies = to.otherwise(replies, otherwise);
        }
        replies = to.rules(replies, &self.on);
        replies = to.dialogue(replies, &self.dialogue);
        to.connections(replies, &self.connection, self.connections.as_ref())
    }

    /// The options of files for replies, if they are set.
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
