//! [`Rule`]: which frames are answered, and how, as a table.

use std::time::Duration;

use standin_config::{Config, Misfit};
use standin_reply::{Answer, When, anything, equals, no_reply, prefix};

use super::bytes::Bytes;
use super::expression::Expression;
use super::names::unknown_names;
use super::says::Says;
use super::then::Then;
use super::times::Often;

/// Which frames are answered, and how: one of `match`, `equals`, `prefix` and `anything`, and what
/// the peer does about them.
#[derive(Clone, Debug, PartialEq, Config)]
#[config(
    table,
    check(expression, equals, prefix, anything) = one_condition,
    check(state, in_any_state) = one_state,
    check(enter, leave_state) = one_change,
    check(expression, reply) = known_names
)]
pub struct Rule {
    /// Frames that match this regular expression; the reply can use its named groups: `(?<who>\S+)`
    /// is `{{ who }}`.
    #[config(key = "match", example = r"^HELO (?<who>\S+)$")]
    expression: Option<Expression>,
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
    /// What the peer does after that: `"close"`, `"half-close"`, `"reset"`, `"stop-reading"`,
    /// `"start-tls"`, after which the conversation continues over TLS (only with the feature
    /// `tls`), or `{ hold = "name" }`, which leaves the connection to the test. Default: the
    /// conversation continues.
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

/// The keys that select frames: exactly one is expected.
fn conditions(
    expression: &Option<Expression>,
    equals: &Option<Bytes>,
    prefix: &Option<Bytes>,
    anything: bool,
) -> Vec<&'static str> {
    let keys = [
        ("match", expression.is_some()),
        ("equals", equals.is_some()),
        ("prefix", prefix.is_some()),
        ("anything", anything),
    ];
    let said = keys.into_iter().filter(|(_, is_said)| *is_said);
    said.map(|(key, _)| key).collect()
}

fn one_condition(
    expression: &Option<Expression>,
    equals: &Option<Bytes>,
    prefix: &Option<Bytes>,
    anything: &bool,
) -> Vec<Misfit> {
    let message = match conditions(expression, equals, prefix, *anything)[..] {
        [_] => return Vec::new(),
        [] => "it does not say which frames it is for".to_owned(),
        [first, second, ..] => format!("`{first}` and `{second}` both say which frames are meant"),
    };
    let help = "a rule has one of `match`, `equals`, `prefix` and `anything`";
    vec![Misfit::whole(message).help(help)]
}

fn one_state(state: &Option<String>, in_any_state: &bool) -> Vec<Misfit> {
    contradiction(state.is_some() && *in_any_state, "in", "in_any_state")
}

fn one_change(enter: &Option<String>, leave_state: &bool) -> Vec<Misfit> {
    contradiction(enter.is_some() && *leave_state, "enter", "leave_state")
}

fn contradiction(is_one: bool, first: &str, second: &str) -> Vec<Misfit> {
    let misfit = || {
        let misfit = Misfit::new(second, format!("it conflicts with `{first}`"));
        misfit.help("remove one of the two")
    };
    is_one.then(misfit).into_iter().collect()
}

fn known_names(expression: &Option<Expression>, reply: &Option<Says>) -> Vec<Misfit> {
    match reply {
        Some(says) => unknown_names(expression.as_ref(), says),
        None => Vec::new(),
    }
}

impl Rule {
    /// The key that selects its frames.
    pub(super) fn condition(&self) -> &'static str {
        let keys = conditions(&self.expression, &self.equals, &self.prefix, self.anything);
        keys.first().copied().unwrap_or("anything")
    }

    pub(super) fn when(&self) -> When {
        let mut when = match (&self.expression, &self.equals, &self.prefix) {
            (Some(expression), _, _) => expression.when(),
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
