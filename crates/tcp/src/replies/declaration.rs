//! Makes replies of options, and finds what is wrong with them.

use standin_config::{Misfit, Step as At};
use standin_reply::{Dialogue, Otherwise as Surprise, Replies, ScriptError, no_reply};

use super::dialogue::{OwnDialogue, Step};
use super::framing::Framing;
use super::names::KNOWN;
use super::otherwise::Otherwise;
use super::places::{Places, Written, key};
use super::rule::Rule;
use super::says::Says;
use super::times::Often;

/// Where the parts of replies were written, and a framing that cannot be.
#[derive(Default)]
pub(super) struct Declaration {
    places: Places,
    misfits: Vec<Misfit>,
}

impl Declaration {
    /// The replies that `declare` makes, or everything that is wrong.
    pub(super) fn of(
        mut self,
        declare: impl FnOnce(&mut Self) -> Replies,
    ) -> Result<Replies, Vec<Misfit>> {
        let replies = declare(&mut self);
        let checked = replies.check(KNOWN);
        let mistakes = checked.as_ref().err().map(ScriptError::mistakes);
        let found = mistakes.unwrap_or_default().iter();
        self.misfits
            .extend(found.map(|mistake| self.places.misfit(mistake)));
        match self.misfits.is_empty() {
            true => Ok(replies),
            false => Err(self.misfits),
        }
    }

    pub(super) fn greeting(&mut self, replies: Replies, says: &Says) -> Replies {
        self.places.note_says("greeting", &[], says);
        replies.greeting(says.answer())
    }

    pub(super) fn otherwise(&mut self, replies: Replies, otherwise: &Otherwise) -> Replies {
        replies.otherwise(match otherwise {
            Otherwise::Fail => Surprise::Fail,
            Otherwise::Ignore => Surprise::Ignore,
            Otherwise::Close => Surprise::Close,
            Otherwise::Reply(says) => {
                self.places.note_says("otherwise", &[key("reply")], says);
                Surprise::Answer(says.answer())
            }
        })
    }

    pub(super) fn rules(&mut self, replies: Replies, rules: &[Rule]) -> Replies {
        let rules = rules.iter().enumerate();
        rules.fold(replies, |replies, (index, rule)| {
            self.rule(replies, index, rule)
        })
    }

    fn rule(&mut self, replies: Replies, index: usize, rule: &Rule) -> Replies {
        self.places.conditions.push(rule.condition());
        if let Some(says) = &rule.reply {
            self.places
                .note_says("on", &[At::Index(index), key("reply")], says);
        }
        replies.on(rule.when(), rule.answer())
    }

    pub(super) fn dialogue(&mut self, replies: Replies, steps: &[Step]) -> Replies {
        match steps.is_empty() {
            true => replies,
            false => replies.dialogue(self.writer(None, "dialogue", Vec::new()).steps(steps)),
        }
    }

    /// The dialogues of single connections, and how many there may be.
    pub(super) fn connections(
        &mut self,
        replies: Replies,
        dialogues: &[OwnDialogue],
        often: Option<&Often>,
    ) -> Replies {
        let dialogues = dialogues.iter().enumerate();
        let replies = dialogues.fold(replies, |replies, (at, own)| {
            self.connection(replies, at, own)
        });
        match often {
            Some(often) => replies.connections(often.times),
            None => replies,
        }
    }

    fn connection(&mut self, replies: Replies, at: usize, own: &OwnDialogue) -> Replies {
        let path = vec![At::Index(at), key("dialogue")];
        let mut writer = self.writer(Some(own.index), "connection", path);
        replies.connection(own.index, writer.steps(&own.dialogue))
    }

    pub(super) fn framed(&mut self, framing: &Framing) -> Replies {
        framing.replies().unwrap_or_else(|error| {
            let misfit = Misfit::new("framing", error.message).at([key(error.key)]);
            self.misfits.push(misfit);
            Replies::raw()
        })
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
        if let Some(frames) = &step.expect {
            self.note(*next, "expect");
            dialogue = dialogue.expect(frames.when());
            *next += 1;
        }
        if let Some(pause) = step.pause {
            dialogue = dialogue.pause(pause);
            *next += 1;
        }
        if let Some(says) = &step.send {
            self.note(*next, "send");
            let path = self.path.iter().cloned().chain([key("send")]);
            let path: Vec<At> = path.collect();
            self.declaration.places.note_says(self.option, &path, says);
            dialogue = dialogue.send(says.answer());
            *next += 1;
        }
        if let Some(times) = step.repeat {
            let steps = self.below(&[*next], [key("steps")], &step.steps);
            dialogue = dialogue.repeat(times, steps);
            *next += 1;
        }
        if !step.branch.is_empty() {
            self.note(*next, "branch");
            let mut arms = Vec::with_capacity(step.branch.len());
            for (index, arm) in step.branch.iter().enumerate() {
                self.path.extend([key("branch"), At::Index(index)]);
                self.moves.push(*next);
                self.note(index, "expect");
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

    fn note(&mut self, next: usize, part: &str) {
        self.moves.push(next);
        let written = Written {
            option: self.option,
            path: self.path.iter().cloned().chain([key(part)]).collect(),
        };
        let places = &mut self.declaration.places;
        places.note(self.connection, &self.moves, written);
        self.moves.pop();
    }
}
