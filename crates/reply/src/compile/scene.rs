//! Makes the scene of a dialogue: its steps, numbered, and how each is named in messages.

use std::sync::Arc;

use super::{Compiler, Names};
use crate::answer::Step;
use crate::dialogue::Move;
use crate::script::{Go, Scene, StepName, Test};
use crate::{Answer, Dialogue, Place, Problem, Then, When};

impl Compiler<'_> {
    /// What a dialogue does, of all connections or of one.
    pub(super) fn scene(&mut self, dialogue: &Dialogue, connection: Option<usize>) -> Arc<Scene> {
        let mut names = Vec::new();
        let mut steps = Vec::new();
        let mut writer = Writer {
            connection,
            path: Vec::new(),
            steps: &mut steps,
            names: &mut names,
            any: false,
        };
        let moves = self.moves(dialogue, &mut writer);
        Arc::new(Scene { moves, steps })
    }

    fn moves(&mut self, dialogue: &Dialogue, writer: &mut Writer<'_>) -> Arc<[Go]> {
        let mut moves = Vec::with_capacity(dialogue.moves.len());
        for (index, next) in dialogue.moves.iter().enumerate() {
            writer.path.push(index);
            moves.extend(self.step(next, writer));
            writer.path.pop();
        }
        moves.into()
    }

    fn step(&mut self, next: &Move, writer: &mut Writer<'_>) -> Option<Go> {
        let place = writer.place();
        Some(match next {
            Move::Expect(when) => {
                let number = writer.number(format!("expect: {}", when.condition));
                Go::Expect(number, self.expected(&place, when, writer)?)
            }
            Move::Send(answer) => {
                let number = writer.number(described(answer));
                let names = Names {
                    captures: writer.names,
                    frame: true,
                    any: writer.any,
                };
                Go::Send(number, self.deed(&place, answer, &names))
            }
            Move::Repeat(times, dialogue) => {
                let moves = self.moves(dialogue, writer);
                // Nothing to do is done at once, however often.
                match (times, moves.is_empty()) {
                    (0, _) | (_, true) => return None,
                    (times, false) => Go::Repeat(*times, moves),
                }
            }
            Move::Branch(arms) => {
                let conditions: Vec<_> = arms
                    .iter()
                    .map(|(when, _)| when.condition.to_string())
                    .collect();
                let number = writer.number(format!("expect one of: {}", conditions.join("; ")));
                let mut tests = Vec::with_capacity(arms.len());
                for (arm, (when, dialogue)) in arms.iter().enumerate() {
                    writer.path.push(arm);
                    let test = self.expected(&writer.place(), when, writer);
                    let moves = self.moves(dialogue, writer);
                    writer.path.pop();
                    tests.extend(test.map(|test| (test, moves)));
                }
                Go::Branch(number, tests)
            }
        })
    }

    /// A test of a dialogue.
    fn expected(&mut self, place: &Place, when: &When, writer: &mut Writer<'_>) -> Option<Test> {
        if when.times.is_some() {
            let what = "a number of times";
            self.wrong(place, Problem::OnlyForRules { what });
        }
        if when.state.is_some() {
            self.wrong(place, Problem::OnlyForRules { what: "a state" });
        }
        if when.name.is_some() {
            self.wrong(place, Problem::OnlyForRules { what: "a name" });
        }
        let test = self.test(place, when);
        writer.any |= test.is_none();
        let test = test?;
        writer.names.extend(test.names().iter().cloned());
        Some(test)
    }
}

/// Where in a dialogue the compiler is, and what it has met so far.
struct Writer<'a> {
    connection: Option<usize>,
    path: Vec<usize>,
    steps: &'a mut Vec<StepName>,
    /// The names that patterns have given.
    names: &'a mut Vec<Arc<str>>,
    /// Whether a pattern that does not parse may have given others.
    any: bool,
}

impl Writer<'_> {
    fn place(&self) -> Place {
        Place::Dialogue {
            connection: self.connection,
            path: self.path.clone(),
        }
    }

    fn number(&mut self, text: String) -> usize {
        self.steps.push(StepName {
            path: self.path.clone(),
            text,
        });
        self.steps.len() - 1
    }
}

fn described(answer: &Answer) -> String {
    let sends = answer
        .steps
        .iter()
        .any(|step| matches!(step, Step::Send(_)));
    match (sends, &answer.then) {
        (true, _) => "send".to_owned(),
        (false, Then::Continue) => "pause".to_owned(),
        (false, Then::Close) => "close".to_owned(),
        (false, Then::HalfClose) => "half-close".to_owned(),
        (false, Then::Reset) => "reset".to_owned(),
        (false, Then::StopReading) => "stop reading".to_owned(),
        (false, Then::StartTls) => "start TLS".to_owned(),
        (false, Then::Hold(name)) => format!("hold \"{name}\""),
    }
}
