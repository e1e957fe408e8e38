//! Makes a script of replies, and finds all their mistakes on the way.

mod earlier;
mod scene;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use self::earlier::Earlier;
use crate::answer::{Change, Content, Piece, Step, bytes_of_hex};
use crate::pattern::Pattern;
use crate::script::{Deed, Do, Fallback, Parts, Rule, RuleState, Source, Test};
use crate::template::{Template, TemplateError};
use crate::when::{Condition, InState};
use crate::{
    Answer, Mistake, Otherwise, Place, Problem, Replies, Script, ScriptError, Times, When,
};

impl Replies {
    /// Checks the replies: invalid parts, impossible rules, unknown names. `known` are the names
    /// that templates may use beyond those that [`reply`](crate::reply) lists. Files are not read.
    ///
    /// # Errors
    ///
    /// Returns an error that lists all mistakes, each with its place.
    pub fn check(&self, known: &[&str]) -> Result<(), ScriptError> {
        Compiler::new(known, false).all(self).map(drop)
    }

    /// Makes what conversations need: checks everything, and reads the files of replies. `known`
    /// are the names that templates may use, as for [`check`](Replies::check).
    ///
    /// # Errors
    ///
    /// Returns an error that lists all mistakes, each with its place, and the files that cannot be
    /// read.
    pub fn prepare(&self, known: &[&str]) -> Result<Script, ScriptError> {
        Compiler::new(known, true).all(self).map(Script::new)
    }
}

struct Compiler<'a> {
    /// The names that templates may use everywhere.
    known: &'a [&'a str],
    /// Whether files are read.
    reads_files: bool,
    mistakes: Vec<Mistake>,
    /// The states that answers enter.
    entered: BTreeSet<Arc<str>>,
    /// Whether a user's code may run: of a framing, a predicate, or behind a name in a template.
    calls_user: bool,
}

impl<'a> Compiler<'a> {
    fn new(known: &'a [&'a str], reads_files: bool) -> Self {
        Self {
            known,
            reads_files,
            mistakes: Vec::new(),
            entered: BTreeSet::new(),
            calls_user: false,
        }
    }

    fn wrong(&mut self, place: &Place, problem: Problem) {
        self.mistakes.push(Mistake::new(place.clone(), problem));
    }

    fn all(mut self, replies: &Replies) -> Result<Parts, ScriptError> {
        self.calls_user = replies.has_own_framing;
        let nothing = Names::none();
        let greeting = replies.greeting.as_ref();
        let greeting = greeting.map(|answer| self.deed(&Place::Greeting, answer, &nothing));
        let rules = replies.rules.iter().enumerate();
        let rules: Vec<_> = rules.map(|(index, rule)| self.rule(index, rule)).collect();
        let otherwise = self.otherwise(&replies.otherwise);
        let dialogue = replies.dialogue.as_ref();
        let dialogue = dialogue.map(|dialogue| self.scene(dialogue, None));
        let own = replies.own_dialogues.iter();
        let own_dialogues = own
            .map(|(index, dialogue)| (*index, self.scene(dialogue, Some(*index))))
            .collect();
        let connections = self.connections(replies);
        self.check_rules(&rules);
        // A closure may enter any state.
        if replies.closures.is_empty() {
            self.check_states(&rules);
        }
        if !self.mistakes.is_empty() {
            self.mistakes.sort_by_key(|mistake| order(mistake.place()));
            return Err(ScriptError::new(self.mistakes));
        }
        Ok(Parts {
            framing: replies.framing.clone(),
            greeting,
            rules: rules.into_iter().flatten().collect(),
            closures: replies.closures.clone(),
            otherwise,
            dialogue,
            own_dialogues,
            connections,
            calls_user: self.calls_user || !replies.closures.is_empty(),
        })
    }

    /// A rule, unless what it matches is not valid.
    fn rule(&mut self, index: usize, (when, answer): &(When, Answer)) -> Option<Rule> {
        let place = Place::Rule(index);
        let test = self.test(&place, when);
        let names = Names {
            captures: test.as_ref().map_or(&[], Test::names),
            frame: true,
            // What a pattern that does not parse would name is not known.
            any: test.is_none(),
        };
        let deed = self.deed(&place, answer, &names);
        let times = when.times.unwrap_or(Times::ANY);
        self.check_times(&place, times);
        Some(Rule {
            test: test?,
            times,
            state: match &when.state {
                None => RuleState::None,
                Some(InState::Named(name)) => RuleState::Named(name.clone()),
                Some(InState::Any) => RuleState::Any,
            },
            name: when.name.clone(),
            deed,
        })
    }

    fn otherwise(&mut self, otherwise: &Otherwise) -> Fallback {
        match otherwise {
            Otherwise::Fail => Fallback::Fail,
            Otherwise::Ignore => Fallback::Ignore,
            Otherwise::Close => Fallback::Do(Arc::new(Deed::close())),
            Otherwise::Answer(answer) => {
                let names = Names {
                    frame: true,
                    ..Names::none()
                };
                Fallback::Do(self.deed(&Place::Otherwise, answer, &names))
            }
        }
    }

    fn test(&mut self, place: &Place, when: &When) -> Option<Test> {
        Some(match &when.condition {
            Condition::Anything => Test::Anything,
            Condition::Equals(bytes) => Test::Equals(bytes.clone()),
            Condition::Prefix(bytes) => Test::Prefix(bytes.clone()),
            Condition::Predicate(description, test) => {
                self.calls_user = true;
                Test::Predicate(description.clone(), test.clone())
            }
            Condition::Pattern(expression) => match Pattern::parse(expression) {
                Ok(pattern) => Test::Pattern(Arc::new(pattern)),
                Err(problem) => {
                    self.wrong(place, problem);
                    return None;
                }
            },
        })
    }

    fn deed(&mut self, place: &Place, answer: &Answer, names: &Names<'_>) -> Arc<Deed> {
        if let Some(Change::Enter(state)) = &answer.state {
            self.entered.insert(state.clone());
        }
        let mut steps = Vec::with_capacity(answer.steps.len());
        for step in &answer.steps {
            match step {
                Step::Pause(delay) => steps.push(Do::Pause(*delay)),
                Step::Send(piece) => match self.source(piece, names) {
                    Ok(source) => steps.push(Do::Send {
                        source,
                        framed: piece.framed,
                    }),
                    Err(Some(problem)) => self.wrong(place, problem),
                    Err(None) => {}
                },
            }
        }
        Arc::new(Deed {
            steps,
            then: answer.then.clone(),
            state: answer.state.clone(),
        })
    }

    /// The bytes to send. An error without a problem is a consequence of one that was reported.
    fn source(&mut self, piece: &Piece, names: &Names<'_>) -> Result<Source, Option<Problem>> {
        Ok(match &piece.content {
            Content::Bytes(bytes) => Source::Bytes(bytes.clone()),
            Content::Frame if names.frame => Source::Frame,
            Content::Frame => Source::Bytes([].into()),
            Content::Hex(digits) => match bytes_of_hex(digits) {
                Ok(bytes) => Source::Bytes(bytes.into()),
                Err(reason) => return Err(Some(Problem::Hex { reason })),
            },
            Content::File(_) if !self.reads_files => Source::Bytes([].into()),
            Content::File(path) => match standin_error::read_file(path) {
                Ok(bytes) => Source::Bytes(bytes.into()),
                Err(error) => {
                    return Err(Some(Problem::File {
                        path: path.clone(),
                        reason: error.to_string(),
                    }));
                }
            },
            Content::Template(text) => {
                match Template::parse(text, names.captures, names.frame, self.known) {
                    Ok(Template::Plain(bytes)) => Source::Bytes(bytes),
                    Ok(template) => {
                        self.calls_user |= matches!(template, Template::Engine(..));
                        Source::Template(template)
                    }
                    Err(TemplateError::Unknown(_)) if names.any => return Err(None),
                    Err(TemplateError::Unknown(name)) => {
                        let known = names.listed(self.known);
                        return Err(Some(Problem::UnknownName { name, known }));
                    }
                    Err(TemplateError::Invalid(reason)) => {
                        return Err(Some(Problem::Template { reason }));
                    }
                }
            }
        })
    }

    fn connections(&mut self, replies: &Replies) -> Times {
        let last = replies.own_dialogues.keys().next_back();
        let Some(times) = replies.connections else {
            return Times::from(last.map_or(0, |index| index.saturating_add(1))..);
        };
        self.check_times(&Place::Connections, times);
        if let (Some(&index), Some(most)) = (last, times.most())
            && index >= most
        {
            let problem = Problem::NoSuchConnection { index, most };
            self.wrong(&Place::Connections, problem);
        }
        times
    }

    fn check_times(&mut self, place: &Place, times: Times) {
        if !times.is_possible() {
            self.wrong(place, Problem::ImpossibleTimes { times });
        }
    }

    /// Finds rules that never apply, and names that two have.
    fn check_rules(&mut self, rules: &[Option<Rule>]) {
        let mut earlier = Earlier::default();
        let mut named = HashMap::new();
        for (index, rule) in rules.iter().enumerate() {
            let Some(rule) = rule else { continue };
            let place = Place::Rule(index);
            if let Some((by, covering)) = earlier.covering(rule) {
                let problem = Problem::Unreachable {
                    what: rule.test.to_string(),
                    by,
                    earlier: covering.to_string(),
                };
                self.wrong(&place, problem);
            } else {
                earlier.add(index, rule);
            }
            if let Some(name) = &rule.name {
                let other = *named.entry(name).or_insert(index);
                if other != index {
                    let name = name.clone();
                    self.wrong(&place, Problem::SameName { name, other });
                }
            }
        }
    }

    /// Finds rules for states that no connection gets into.
    fn check_states(&mut self, rules: &[Option<Rule>]) {
        for (index, rule) in rules.iter().enumerate() {
            if let Some(RuleState::Named(state)) = rule.as_ref().map(|rule| &rule.state)
                && !self.entered.contains(state)
            {
                let problem = Problem::UnknownState {
                    state: state.clone(),
                    known: self.entered.iter().cloned().collect(),
                };
                self.wrong(&Place::Rule(index), problem);
            }
        }
    }
}

/// What templates of a place can name.
struct Names<'a> {
    captures: &'a [Arc<str>],
    /// Whether there is a frame that is answered.
    frame: bool,
    /// Whether there may be others.
    any: bool,
}

impl Names<'_> {
    const fn none() -> Self {
        Names {
            captures: &[],
            frame: false,
            any: false,
        }
    }

    fn listed(&self, known: &[&str]) -> Vec<String> {
        let captures = self.captures.iter().map(|name| name.to_string());
        let given = known.iter().copied().map(str::to_owned);
        let frame = self.frame.then(|| "frame".to_owned());
        let all = captures.chain(frame).chain(["connection".to_owned()]);
        all.chain(given).collect()
    }
}

/// Where a place is among others.
fn order(place: &Place) -> (usize, usize, Vec<usize>) {
    match place {
        Place::Greeting => (0, 0, Vec::new()),
        Place::Rule(index) => (1, *index, Vec::new()),
        Place::Otherwise => (2, 0, Vec::new()),
        Place::Dialogue { connection, path } => {
            let connection = connection.map_or(0, |index| index.saturating_add(1));
            (3, connection, path.clone())
        }
        Place::Connections => (4, 0, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::{Expect, expect};
    use standin_socket::framing::Lines;

    use super::*;
    use crate::{Dialogue, anything, equals, hold, no_reply, pattern, predicate, prefix, reply};
    use crate::{reply_file, reply_hex};

    fn replies() -> Replies {
        Replies::framed(Lines::new())
    }

    #[track_caller]
    fn check(replies: Replies, expected: Expect) {
        let error = replies.check(&["context"]).unwrap_err();
        let mistakes = error.mistakes().iter();
        let text: Vec<_> = mistakes.map(|mistake| format!("{mistake:?}")).collect();
        expected.assert_eq(&text.join("\n"));
    }

    #[test]
    fn good_replies_have_no_mistakes() {
        let replies = replies()
            .greeting("{{ connection.index }} {{ context.server.port }}\n")
            .on(pattern("^A (?<a>.)"), "{{ a }}\n")
            .on(pattern("^A"), "{{ frame | upper }}\n")
            .on(equals("B").times(1), reply("1\n").enter("b"))
            .on(equals("B").times(..), "2\n")
            .on(equals("B").in_state("b"), reply("3\n").leave_state())
            .on(anything().in_any_state(), no_reply())
            .connection(
                1,
                Dialogue::new()
                    .expect(pattern("^(?<x>.)"))
                    .branch([(pattern("(?<y>.)"), Dialogue::new().send("{{ x }}{{ y }}"))]),
            )
            .connections(2);
        replies.check(&["context"]).unwrap();
    }

    #[test]
    fn what_does_not_parse_is_a_mistake() {
        check(
            replies()
                .greeting(reply_hex("0g"))
                .on(pattern("^(a"), "{{ whatever }}")
                .on(pattern("^(?<a>.)"), "{{ a }}{{ b }}")
                .on("B", "{{ }}")
                .otherwise(reply("{{ a }}")),
            expect![[r#"
                the greeting: invalid hexadecimal: 'g' at character 1 is not a hexadecimal digit
                  help: write two digits for each byte: "00 ff 0a"
                  code: standin::reply::hex
                rule 1: the pattern `^(a` is not valid: unclosed group
                  help: see https://docs.rs/regex/latest/regex/#syntax; `\` before a special character makes it literal
                  code: standin::reply::pattern
                rule 2: the reply names `b`, which is unknown
                  help: a pattern gives a name to what its groups match, `(?<b>...)`; the known names are "a", "frame", "connection", "context"
                  code: standin::reply::unknown_name
                rule 3: the reply is not a valid template: syntax error: unexpected end of variable block
                  help: `{{ name }}` is replaced; to send braces as they are, use `reply_bytes`
                  code: standin::reply::template
                rule 3: equals "B" can never be reached: rule 2 (pattern `^(?<a>.)`) matches everything that it matches
                  help: the first rule that matches applies: declare this one before the other, or limit how often the other does, `times(..=1)`
                  code: standin::reply::unreachable
                what happens otherwise: the reply names `a`, which is unknown
                  help: a pattern gives a name to what its groups match, `(?<a>...)`; the known names are "frame", "connection", "context"
                  code: standin::reply::unknown_name"#]],
        );
    }

    #[test]
    fn what_can_never_happen_is_a_mistake() {
        check(
            replies()
                .on(prefix("PA"), no_reply())
                .on("PAY", "paid\n")
                .on(pattern("^PARK (?<n>.)"), "{{ n }}\n")
                .on(pattern("^Q"), no_reply())
                .on(predicate("is long", |frame| frame.len() > 80), no_reply())
                .on("QUIT", hold("quit"))
                .on(anything().in_any_state(), no_reply())
                .on(equals("x").in_state("data"), no_reply())
                .on(
                    equals("y").times("3..=1".parse::<Times>().unwrap()),
                    no_reply(),
                ),
            expect![[r#"
                rule 2: equals "PAY" can never be reached: rule 1 (prefix "PA") matches everything that it matches
                  help: the first rule that matches applies: declare this one before the other, or limit how often the other does, `times(..=1)`
                  code: standin::reply::unreachable
                rule 3: pattern `^PARK (?<n>.)` can never be reached: rule 1 (prefix "PA") matches everything that it matches
                  help: the first rule that matches applies: declare this one before the other, or limit how often the other does, `times(..=1)`
                  code: standin::reply::unreachable
                rule 6: equals "QUIT" can never be reached: rule 4 (pattern `^Q`) matches everything that it matches
                  help: the first rule that matches applies: declare this one before the other, or limit how often the other does, `times(..=1)`
                  code: standin::reply::unreachable
                rule 8: equals "x" can never be reached: rule 7 (anything in any state) matches everything that it matches
                  help: the first rule that matches applies: declare this one before the other, or limit how often the other does, `times(..=1)`
                  code: standin::reply::unreachable
                rule 8: no answer brings a connection into the state "data"
                  help: answers enter a state with `enter`; none does
                  code: standin::reply::unknown_state
                rule 9: no number is 3 or more and 1 or less
                  help: write `1..=3`, the smaller number first
                  code: standin::reply::impossible_times
                rule 9: equals "y" can never be reached: rule 7 (anything in any state) matches everything that it matches
                  help: the first rule that matches applies: declare this one before the other, or limit how often the other does, `times(..=1)`
                  code: standin::reply::unreachable"#]],
        );
    }

    #[test]
    fn dialogues_and_connections_have_mistakes_with_places() {
        let deep = Dialogue::new().branch([(
            pattern("["),
            Dialogue::new().pause(Duration::ZERO).send("{{ unknown }}"),
        )]);
        check(
            replies()
                .on(equals("a").named("a"), no_reply())
                .on(equals("b").named("a"), no_reply())
                .dialogue(Dialogue::new().expect("a").send("{{ nobody }}"))
                .connection(
                    3,
                    Dialogue::new().expect(equals("a").times(2)).repeat(2, deep),
                )
                .connections(..=2),
            expect![[r#"
                rule 2: rule 1 is called "a" too
                  help: give each rule a name of its own
                  code: standin::reply::same_name
                step 2 of the dialogue: the reply names `nobody`, which is unknown
                  help: a pattern gives a name to what its groups match, `(?<nobody>...)`; the known names are "frame", "connection", "context"
                  code: standin::reply::unknown_name
                step 1 of the dialogue of connection 3: a step of a dialogue has a number of times
                  help: a dialogue waits for one frame after the other; repeat a part of it with `repeat`
                  code: standin::reply::only_for_rules
                step 2.1.1 of the dialogue of connection 3: the pattern `[` is not valid: unclosed character class
                  help: see https://docs.rs/regex/latest/regex/#syntax; `\` before a special character makes it literal
                  code: standin::reply::pattern
                the number of connections: connection 3 has a dialogue, but the limit is 2 connections
                  help: connections are counted from 0: the first one is connection 0
                  code: standin::reply::too_many_connections"#]],
        );
    }

    #[test]
    fn files_are_read_when_the_script_is_made() {
        let replies = replies().greeting(reply_file("/nowhere/greeting"));
        replies.check(&[]).unwrap();
        let error = replies.prepare(&[]).unwrap_err();
        assert!(error.to_string().contains("/nowhere/greeting"), "{error}");
    }
}
