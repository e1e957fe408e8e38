//! [`Rule`]: which frames are answered, and how, as a table.

use std::time::Duration;

use standin_config::Config;
use standin_reply::{Answer, When, anything, equals, no_reply, pattern, prefix};

use super::bytes::Bytes;
use super::says::Says;
use super::then::Then;
use super::times::Often;

/// Which frames are answered, and how: one of `match`, `equals`, `prefix` and `anything`, and what
/// the peer does about them.
#[derive(Clone, Debug, PartialEq, Config)]
#[config(table)]
pub struct Rule {
    /// Frames that match this regular expression; the reply can use its named groups: `(?<who>\S+)`
    /// is `{{ who }}`.
    #[config(key = "match", example = r"^HELO (?<who>\S+)$")]
    expression: Option<String>,
    /// Frames that are this: a text, or `{ hex = "00 ff" }`.
    equals: Option<Bytes>,
    /// Frames that begin with this: a text, or `{ hex = "00 ff" }`.
    prefix: Option<Bytes>,
    /// All frames, with `true`.
    #[config(default = false)]
    anything: bool,
    /// What the peer sends. Default: nothing.
    ///
    /// It is a text, `{ hex = "00 ff" }`, `{ file = "reply.bin" }`,
    /// `{ verbatim = "{{ as it stands }}" }`, or a list of these, each of which may have a `delay`
    /// and be `framed`. Texts are templates over the groups of `match`, `frame`,
    /// `connection.index` and `context`.
    #[config(example = "250 hello {{ who }}\r\n")]
    pub(super) reply: Option<Says>,
    /// How long the peer waits before that. Default: not at all.
    delay: Option<Duration>,
    /// What the peer does after that: `"close"`, `"half-close"`, `"reset"`, `"stop-reading"`, or `{
    /// hold = "name" }`, which leaves the connection to the test. Default: the conversation
    /// continues.
    then: Option<Then>,
    /// How often such frames must and may come: a number or a range, `"2"`, `"1.."`, `"..=3"`. A
    /// rule that has matched as often as it may is passed over. Default: any number of times.
    #[config(example = "1..")]
    times: Option<Often>,
    /// The state of the connection in which the rule applies. Default: while it is in none.
    #[config(key = "in", non_empty)]
    state: Option<String>,
    /// Whether the rule applies in all states, and in none.
    #[config(default = false)]
    in_any_state: bool,
    /// The state that the connection is in from then on.
    #[config(non_empty)]
    enter: Option<String>,
    /// Whether the connection is in no state from then on.
    #[config(default = false)]
    leave_state: bool,
    /// The name of the rule, which is shown where an error lists the rules. Names are unique.
    #[config(non_empty)]
    name: Option<String>,
}

impl Rule {
    /// The keys that select frames: exactly one is expected.
    pub(super) fn conditions(&self) -> Vec<&'static str> {
        let keys = [
            ("match", self.expression.is_some()),
            ("equals", self.equals.is_some()),
            ("prefix", self.prefix.is_some()),
            ("anything", self.anything),
        ];
        let said = keys.into_iter().filter(|(_, is_said)| *is_said);
        said.map(|(key, _)| key).collect()
    }

    /// Keys that exclude each other, and are both there.
    pub(super) fn contradictions(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let states = self.state.is_some() && self.in_any_state;
        let changes = self.enter.is_some() && self.leave_state;
        let states = states.then_some(("in", "in_any_state"));
        let changes = changes.then_some(("enter", "leave_state"));
        states.into_iter().chain(changes)
    }

    pub(super) fn when(&self) -> When {
        let mut when = match (&self.expression, &self.equals, &self.prefix) {
            (Some(expression), _, _) => pattern(expression),
            (_, Some(bytes), _) => equals(bytes),
            (_, _, Some(bytes)) => prefix(bytes),
            (None, None, None) => anything(),
        };
        if let Some(often) = &self.times {
            when = when.times(often.times);
        }
        if let Some(state) = &self.state {
            when = when.in_state(state);
        }
        if self.in_any_state {
            when = when.in_any_state();
        }
        if let Some(name) = &self.name {
            when = when.named(name);
        }
        when
    }

    pub(super) fn answer(&self) -> Answer {
        let mut answer = self.reply.as_ref().map_or_else(no_reply, Says::answer);
        if let Some(delay) = self.delay {
            answer = answer.after(delay);
        }
        if let Some(then) = &self.then {
            answer = answer.then(then.into());
        }
        if let Some(state) = &self.enter {
            answer = answer.enter(state);
        }
        match self.leave_state {
            true => answer.leave_state(),
            false => answer,
        }
    }
}
