//! [`Step`]: what is said one thing after the other, as tables.

use std::time::Duration;

use standin_config::{Config, Misfit};

use super::frames::Frames;
use super::says::Says;
use super::then::Then;

/// A step of a dialogue. What it has of these is done in this order: it expects a frame, pauses,
/// sends, repeats steps, branches, and then closes or the like.
#[derive(Clone, Debug, PartialEq, Config)]
#[config(
    table,
    check(expect, pause, send, repeat, steps, branch, then) = does_something,
    check(repeat, steps) = repeats_steps
)]
pub struct Step {
    /// The frame that comes next: a text that it equals, `{ prefix = "PAY" }`,
    /// `{ match = '^PAY (?<amount>\d+)$' }` or `{ anything = true }`.
    #[config(example = "HELLO")]
    pub(super) expect: Option<Frames>,
    /// How long the peer waits.
    pub(super) pause: Option<Duration>,
    /// What the peer sends, like the `reply` of a rule; its texts can use the named groups of all
    /// earlier steps.
    #[config(example = "hello\n")]
    pub(super) send: Option<Says>,
    /// How many times `steps` are done.
    pub(super) repeat: Option<usize>,
    /// The steps that are repeated.
    #[config(default)]
    pub(super) steps: Vec<Step>,
    /// Frames of which one comes next, each with the steps that follow it; those after the branch
    /// come then.
    #[config(default)]
    pub(super) branch: Vec<Arm>,
    /// What the peer does then: `"close"`, `"half-close"`, `"reset"`, `"stop-reading"`,
    /// `"start-tls"`, after which the dialogue continues over TLS (only with the feature `tls`), or
    /// `{ hold = "name" }`, which leaves the connection to the test.
    pub(super) then: Option<Then>,
}

/// A way that a dialogue may take.
#[derive(Clone, Debug, PartialEq, Config)]
#[config(table)]
pub(crate) struct Arm {
    /// The frame that leads here, as the `expect` of a step.
    pub(super) expect: Frames,
    /// What follows the step.
    #[config(default)]
    pub(super) steps: Vec<Step>,
}

/// The dialogue of one connection.
#[derive(Clone, Debug, PartialEq, Config)]
#[config(table)]
pub struct OwnDialogue {
    /// The number of the connection, counted from 0 in the order in which they come.
    pub(super) index: usize,
    /// The steps of the dialogue.
    #[config(default)]
    pub(super) dialogue: Vec<Step>,
}

fn does_something(
    expect: &Option<Frames>,
    pause: &Option<Duration>,
    send: &Option<Says>,
    repeat: &Option<usize>,
    steps: &[Step],
    branch: &[Arm],
    then: &Option<Then>,
) -> Vec<Misfit> {
    let is_empty = expect.is_none()
        && pause.is_none()
        && send.is_none()
        && repeat.is_none()
        && steps.is_empty()
        && branch.is_empty()
        && then.is_none();
    let misfit = || {
        Misfit::whole("the step does nothing").help(
            "a step has one or more of `expect`, `pause`, `send`, `repeat`, `branch` and `then`",
        )
    };
    is_empty.then(misfit).into_iter().collect()
}

fn repeats_steps(repeat: &Option<usize>, steps: &[Step]) -> Vec<Misfit> {
    let misfit = match (repeat, steps) {
        (None, [_, ..]) => Misfit::new("steps", "it does not say how often the steps are repeated")
            .help("write repeat = 3 beside them"),
        (Some(_), []) => Misfit::new("repeat", "there are no steps to repeat")
            .help("write them beside it: steps = [{ expect = \"PING\", send = \"PONG\\n\" }]"),
        _ => return Vec::new(),
    };
    vec![misfit]
}
