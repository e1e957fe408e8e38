//! Makes replies of options, and finds what is wrong with them.

use standin_config::{Misfit, Step as At};
use standin_reply::{Dialogue, Otherwise as Surprise, Problem, Replies, no_reply, pattern};

use super::dialogue::{OwnDialogue, Step};
use super::frames::Frames;
use super::framing::Framing;
use super::otherwise::Otherwise;
use super::places::{Places, Written, key};
use super::rule::Rule;
use super::says::Says;

/// The names that templates of replies may use beyond those of the conversation.
pub(crate) const KNOWN: &[&str] = &["context"];

/// The replies, and the mistakes found.
#[derive(Default)]
pub(super) struct Declaration {
    places: Places,
    misfits: Vec<Misfit>,
}

impl Declaration {
    /// The replies, of which `add` adds all but the framing; or everything that is wrong.
    pub(super) fn of(
        mut self,
        framing: &Framing,
        add: impl FnOnce(&mut Self, Replies) -> Replies,
    ) -> Result<Replies, Vec<Misfit>> {
        let framed = self.framed(framing);
        let replies = add(&mut self, framed);
        // An invalid part would only be reported twice, in other words.
        if self.misfits.is_empty()
            && let Err(error) = replies.check(KNOWN)
        {
            let mistakes = error.mistakes().iter();
            self.misfits = mistakes
                .map(|mistake| self.places.misfit(mistake))
                .collect();
        }
        match self.misfits.is_empty() {
            true => Ok(replies),
            false => Err(self.misfits),
        }
    }

    pub(super) fn greeting(&mut self, replies: Replies, says: &Says) -> Replies {
        self.check_says("greeting", &[], says);
        replies.greeting(says.answer())
    }

    pub(super) fn otherwise(&mut self, replies: Replies, otherwise: &Otherwise) -> Replies {
        replies.otherwise(match otherwise {
            Otherwise::Fail => Surprise::Fail,
            Otherwise::Ignore => Surprise::Ignore,
            Otherwise::Close => Surprise::Close,
            Otherwise::Reply(says) => {
                self.check_says("otherwise", &[key("reply")], says);
                Surprise::Answer(says.answer())
            }
        })
    }

    pub(super) fn rule(&mut self, replies: Replies, index: usize, rule: &Rule) -> Replies {
        let at = At::Index(index);
        let wrong = match rule.conditions()[..] {
            [condition] => {
                self.places.conditions.push(condition);
                None
            }
            [] => Some("it does not say which frames it is for".to_owned()),
            [first, second, ..] => Some(format!(
                "`{first}` and `{second}` both say which frames are meant"
            )),
        };
        self.misfits.extend(wrong.map(|message| {
            Misfit::new("on", message)
                .at([at.clone()])
                .help("a rule has one of `match`, `equals`, `prefix` and `anything`")
        }));
        for (first, second) in rule.contradictions() {
            let message = format!("it conflicts with `{first}`");
            let misfit = Misfit::new("on", message).at([at.clone(), key(second)]);
            self.misfits.push(misfit.help("remove one of the two"));
        }
        if let Some(says) = &rule.reply {
            self.check_says("on", &[at, key("reply")], says);
        }
        replies.on(rule.when(), rule.answer())
    }

    pub(super) fn dialogue(&mut self, replies: Replies, steps: &[Step]) -> Replies {
        replies.dialogue(self.writer(None, "dialogue", Vec::new()).steps(steps))
    }

    pub(super) fn connection(&mut self, replies: Replies, at: usize, own: &OwnDialogue) -> Replies {
        let path = vec![At::Index(at), key("dialogue")];
        let mut writer = self.writer(Some(own.index), "connection", path);
        replies.connection(own.index, writer.steps(&own.dialogue))
    }

    fn framed(&mut self, framing: &Framing) -> Replies {
        let wrong = framing.expression().and_then(wrong_pattern);
        match (wrong, framing.replies()) {
            (None, Ok(replies)) => return replies,
            (Some(misfit), _) => self.misfits.push(misfit),
            (None, Err(error)) => {
                let misfit = Misfit::new("framing", error.message).at([key(error.key)]);
                self.misfits.push(misfit);
            }
        }
        Replies::raw()
    }

    /// Checks that each piece declares exactly one thing to send.
    fn check_says(&mut self, option: &'static str, path: &[At], says: &Says) {
        self.places.note_says(option, path, says);
        let is_list = matches!(says, Says::Several(_));
        for (index, piece) in says.pieces().iter().enumerate() {
            let wrong = match piece.contents() {
                0 => "it does not say what to send",
                1 => continue,
                _ => "it says more than one thing to send",
            };
            let index = is_list.then_some(At::Index(index));
            let misfit = Misfit::new(option, wrong)
                .at(path.iter().cloned().chain(index))
                .help("a piece has one of `text`, `verbatim`, `hex` and `file`");
            self.misfits.push(misfit);
        }
    }

    fn writer(
        &mut self,
        connection: Option<usize>,
        option: &'static str,
        path: Vec<At>,
    ) -> Writer<'_> {
        Writer {
            declaration: self,
            connection,
            option,
            path,
            moves: Vec::new(),
        }
    }
}

/// Why the expression for the end of frames is invalid, worded as for a rule.
fn wrong_pattern(expression: &str) -> Option<Misfit> {
    let replies = Replies::raw().on(pattern(expression), no_reply());
    let error = replies.check(&[]).err()?;
    let mistake = error.mistakes().first()?;
    let misfit = Misfit::new("framing", mistake.problem().to_string()).at([key("matching")]);
    Some(match mistake.problem() {
        Problem::Pattern {
            span: Some(span), ..
        } => misfit.within(span.clone()),
        _ => misfit,
    })
}

/// Makes a dialogue of steps, and notes where they were written.
struct Writer<'a> {
    declaration: &'a mut Declaration,
    connection: Option<usize>,
    option: &'static str,
    /// Where in the option the steps are that are being written.
    path: Vec<At>,
    /// Where in the dialogue that is.
    moves: Vec<usize>,
}

impl Writer<'_> {
    fn steps(&mut self, steps: &[Step]) -> Dialogue {
        let mut dialogue = Dialogue::new();
        let mut next = 0;
        for (index, step) in steps.iter().enumerate() {
            self.path.push(At::Index(index));
            dialogue = self.step(dialogue, &mut next, step);
            self.path.pop();
        }
        dialogue
    }

    /// Adds the moves of a step to a dialogue; `next` is the index of the next one.
    fn step(&mut self, mut dialogue: Dialogue, next: &mut usize, step: &Step) -> Dialogue {
        if step.is_empty() {
            let help = "a step has one or more of `expect`, `pause`, `send`, `repeat`, `branch` \
                        and `then`";
            self.wrong(None, "the step does nothing", help);
        }
        if let Some(frames) = &step.expect {
            self.note(*next, "expect", frames.is_match());
            self.check_frames(frames);
            dialogue = dialogue.expect(frames.when());
            *next += 1;
        }
        if let Some(pause) = step.pause {
            dialogue = dialogue.pause(pause);
            *next += 1;
        }
        if let Some(says) = &step.send {
            self.note(*next, "send", false);
            let path = self.path.iter().cloned().chain([key("send")]);
            let path: Vec<At> = path.collect();
            self.declaration.check_says(self.option, &path, says);
            dialogue = dialogue.send(says.answer());
            *next += 1;
        }
        match (step.repeat, step.steps.is_empty()) {
            (None, true) => {}
            (None, false) => self.wrong(
                Some("steps"),
                "it does not say how often the steps are repeated",
                "write repeat = 3 beside them",
            ),
            (Some(_), true) => self.wrong(
                Some("repeat"),
                "there are no steps to repeat",
                "write them beside it: steps = [{ expect = \"PING\", send = \"PONG\\n\" }]",
            ),
            (Some(times), false) => {
                let steps = self.below(&[*next], [key("steps")], &step.steps);
                dialogue = dialogue.repeat(times, steps);
                *next += 1;
            }
        }
        if !step.branch.is_empty() {
            self.note(*next, "branch", false);
            let mut arms = Vec::with_capacity(step.branch.len());
            for (index, arm) in step.branch.iter().enumerate() {
                self.path.extend([key("branch"), At::Index(index)]);
                self.moves.push(*next);
                self.note(index, "expect", arm.expect.is_match());
                self.check_frames(&arm.expect);
                self.moves.pop();
                let steps = self.below(&[*next, index], [key("steps")], &arm.steps);
                self.path.truncate(self.path.len() - 2);
                arms.push((arm.expect.when(), steps));
            }
            dialogue = dialogue.branch(arms);
            *next += 1;
        }
        if let Some(then) = &step.then {
            dialogue = dialogue.send(no_reply().then(then.into()));
            *next += 1;
        }
        dialogue
    }

    /// The dialogue of steps within a step.
    fn below<const N: usize>(
        &mut self,
        moves: &[usize],
        path: [At; N],
        steps: &[Step],
    ) -> Dialogue {
        self.moves.extend(moves);
        self.path.extend(path);
        let dialogue = self.steps(steps);
        self.path.truncate(self.path.len() - N);
        self.moves.truncate(self.moves.len() - moves.len());
        dialogue
    }

    fn note(&mut self, next: usize, part: &str, is_match: bool) {
        self.moves.push(next);
        let written = Written {
            option: self.option,
            path: self.path.iter().cloned().chain([key(part)]).collect(),
            is_match,
        };
        let places = &mut self.declaration.places;
        places.note(self.connection, &self.moves, written);
        self.moves.pop();
    }

    fn check_frames(&mut self, frames: &Frames) {
        if frames.is_nothing() {
            let help = "write { anything = true }, or leave it out";
            self.wrong(Some("expect"), "it expects nothing", help);
        }
    }

    fn wrong(&mut self, part: Option<&str>, message: &str, help: &str) {
        let path = self.path.iter().cloned().chain(part.map(key));
        let misfit = Misfit::new(self.option, message).at(path).help(help);
        self.declaration.misfits.push(misfit);
    }
}
