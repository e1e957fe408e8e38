//! The status tables: which status may follow which. Pure: no clock, no lock.

use std::fmt;
use std::str::FromStr;

use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A set of statuses and the legal steps between them.
///
/// Staying where one is (`Started` to `Started`) is always legal and changes
/// nothing; [`next`](Transitions::next) lists only the others.
pub trait Transitions: Copy + Eq + fmt::Debug + fmt::Display + 'static {
    /// Every status of this table, the initial one first.
    const ALL: &'static [Self];

    /// The name as reports show it: `NONE`, `STARTED`, ...
    fn name(self) -> &'static str;

    /// The statuses that may directly follow this one.
    fn next(self) -> &'static [Self];

    /// Whether `to` may directly follow this status, or is this status.
    fn allows(self, to: Self) -> bool {
        self == to || self.next().contains(&to)
    }

    /// `to`, when it is a legal successor.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`], naming both statuses, otherwise.
    fn change(self, to: Self) -> Result<Self, IllegalTransition> {
        if self.allows(to) {
            Ok(to)
        } else {
            Err(IllegalTransition {
                from: self.name(),
                to: to.name(),
                allowed: self.next().iter().map(|next| next.name()).collect(),
            })
        }
    }
}

/// A status change that the table does not allow.
#[derive(Clone, PartialEq, Eq, Error, Diagnostic)]
#[error("illegal status change from {from} to {to}")]
#[diagnostic(code(standin::entity::illegal_transition), help("{}", self.way_out()))]
#[non_exhaustive]
pub struct IllegalTransition {
    /// The status that was to be left.
    pub from: &'static str,
    /// The status that was asked for.
    pub to: &'static str,
    /// The statuses that may follow `from`.
    pub allowed: Vec<&'static str>,
}

standin_error::reportable!(IllegalTransition);

impl IllegalTransition {
    fn way_out(&self) -> String {
        match self.allowed.as_slice() {
            [] => format!("nothing may follow {}", self.from),
            [only] => format!("only {only} may follow {}", self.from),
            several => format!("{} may be followed by {}", self.from, several.join(" or ")),
        }
    }
}

/// A text that names no status of the table.
#[derive(Clone, PartialEq, Eq, Error, Diagnostic)]
#[error("unknown status `{text}`")]
#[diagnostic(
    code(standin::entity::unknown_status),
    help("known are {}", known.join(", "))
)]
#[non_exhaustive]
pub struct UnknownStatus {
    /// The text.
    pub text: String,
    /// The names of the table.
    pub known: Vec<&'static str>,
}

standin_error::reportable!(UnknownStatus);

macro_rules! statuses {
    (
        $(#[$outer:meta])*
        $name:ident {
            $( $(#[$inner:meta])* $variant:ident = $tag:literal => [$($next:ident),*] ),+ $(,)?
        }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum $name {
            $( $(#[$inner])* $variant, )+
        }

        impl $name {
            /// The name as reports show it: `NONE`, `STARTED`, ...
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $tag, )+ }
            }
        }

        impl Transitions for $name {
            const ALL: &'static [Self] = &[$( Self::$variant ),+];

            fn name(self) -> &'static str {
                self.as_str()
            }

            fn next(self) -> &'static [Self] {
                match self { $( Self::$variant => &[$( Self::$next ),*], )+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownStatus;

            fn from_str(text: &str) -> Result<Self, UnknownStatus> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|status| status.as_str().eq_ignore_ascii_case(text))
                    .ok_or_else(|| UnknownStatus {
                        text: text.to_owned(),
                        known: Self::ALL.iter().map(|status| status.as_str()).collect(),
                    })
            }
        }
    };
}

statuses! {
    /// The status of a resource.
    ///
    /// ```
    /// use standin_entity::{Status, Transitions};
    ///
    /// assert!(Status::Starting.allows(Status::Started));
    /// let error = Status::Paused.change(Status::Starting).unwrap_err();
    /// assert_eq!(error.to_string(), "illegal status change from PAUSED to STARTING");
    /// ```
    Status {
        /// Never started.
        #[default]
        None = "NONE" => [Starting],
        /// `start` was called; not ready yet.
        Starting = "STARTING" => [Started, Stopping],
        /// Ready for use.
        Started = "STARTED" => [Pausing, Stopping],
        /// `pause` was called.
        Pausing = "PAUSING" => [Paused],
        /// Paused.
        Paused = "PAUSED" => [Resuming, Stopping],
        /// `resume` was called.
        Resuming = "RESUMING" => [Started],
        /// `stop` was called; not down yet.
        Stopping = "STOPPING" => [Stopped],
        /// Down; may be started again.
        Stopped = "STOPPED" => [Starting],
    }
}

statuses! {
    /// The status of an entity that is not a resource: all it can do is pause.
    EntityStatus {
        /// Neither paused nor about to be.
        #[default]
        None = "NONE" => [],
        /// `pause` was called.
        Pausing = "PAUSING" => [Paused],
        /// Paused.
        Paused = "PAUSED" => [Resuming],
        /// `resume` was called.
        Resuming = "RESUMING" => [],
    }
}

statuses! {
    /// The status of something that runs steps to an end: a test, a plan.
    RunnableStatus {
        /// Never run.
        #[default]
        None = "NONE" => [Running],
        /// Running, between two steps.
        Running = "RUNNING" => [Finished, Executing, Pausing],
        /// Executing a step.
        Executing = "EXECUTING" => [Running],
        /// `pause` was called.
        Pausing = "PAUSING" => [Paused],
        /// Paused.
        Paused = "PAUSED" => [Resuming],
        /// `resume` was called.
        Resuming = "RESUMING" => [Running],
        /// All steps are done; may be run again.
        Finished = "FINISHED" => [Running],
    }
}

impl Status {
    /// The status as a message about a resource says it, after "because" or a colon.
    ///
    /// ```
    /// use standin_entity::Status;
    ///
    /// assert_eq!(Status::None.in_words(), "it was never started");
    /// ```
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::None => "it was never started",
            Self::Starting => "it is still starting",
            Self::Started => "it has started",
            Self::Pausing => "it is being paused",
            Self::Paused => "it is paused",
            Self::Resuming => "it is being resumed",
            Self::Stopping => "it is being stopped",
            Self::Stopped => "it was stopped",
        }
    }

    /// Whether `target` can still be reached in the present life, that is
    /// without another `start`. A status reaches itself.
    ///
    /// ```
    /// use standin_entity::Status;
    ///
    /// assert!(Status::Starting.reaches(Status::Paused));
    /// assert!(!Status::Stopping.reaches(Status::Started));
    /// assert!(!Status::None.reaches(Status::Started)); // not before `start`
    /// ```
    #[must_use]
    pub fn reaches(self, target: Self) -> bool {
        let mut seen = vec![self];
        let mut at = 0;
        while let Some(&status) = seen.get(at) {
            at += 1;
            for &next in status.next() {
                // `Starting` begins another life.
                if next != Self::Starting && !seen.contains(&next) {
                    seen.push(next);
                }
            }
        }
        seen.contains(&target)
    }
}

/// A status with its table: the state machine of one entity.
///
/// ```
/// use standin_entity::{Machine, RunnableStatus};
///
/// let mut machine = Machine::<RunnableStatus>::default();
/// machine.change(RunnableStatus::Running)?;
/// assert!(machine.change(RunnableStatus::None).is_err());
/// assert_eq!(machine.current(), RunnableStatus::Running);
/// # Ok::<(), standin_entity::IllegalTransition>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine<S> {
    current: S,
}

impl<S: Transitions + Default> Machine<S> {
    /// The present status.
    #[must_use]
    pub fn current(&self) -> S {
        self.current
    }

    /// Goes to `to` and answers with the new status.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] when the table does not allow it; the status stays.
    pub fn change(&mut self, to: S) -> Result<S, IllegalTransition> {
        self.current = self.current.change(to)?;
        Ok(self.current)
    }

    /// Goes to `to`, whatever the table says.
    pub fn force(&mut self, to: S) {
        self.current = to;
    }

    /// Goes back to the initial status.
    pub fn reset(&mut self) {
        self.current = S::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_read_back_from_its_name() {
        for &status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        for &status in RunnableStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = "BOGUS".parse::<EntityStatus>().unwrap_err();
        assert_eq!(error.to_string(), "unknown status `BOGUS`");
        assert_eq!(error.known, ["NONE", "PAUSING", "PAUSED", "RESUMING"]);
    }

    #[test]
    fn an_illegal_change_names_both_statuses_and_what_may_follow() {
        let mut machine = Machine::<Status>::default();
        let error = machine.change(Status::Stopped).unwrap_err();
        assert_eq!((error.from, error.to), ("NONE", "STOPPED"));
        assert_eq!(
            error.help().map(|h| h.to_string()).as_deref(),
            Some("only STARTING may follow NONE")
        );
        assert_eq!(machine.current(), Status::None);
    }

    #[test]
    fn a_life_ends_with_stopped() {
        assert!(Status::Started.reaches(Status::Stopped));
        assert!(Status::Paused.reaches(Status::Started));
        assert!(!Status::Stopped.reaches(Status::Started));
        assert!(!Status::Started.reaches(Status::Starting));
    }
}
