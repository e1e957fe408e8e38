//! The status table: which status may follow which. Pure: no clock, no lock.

use std::fmt;
use std::str::FromStr;

use miette::Diagnostic;
use serde::{Serialize, Serializer};
use thiserror::Error;

/// A status change that the table does not allow.
#[derive(Clone, PartialEq, Eq, Error, Diagnostic)]
#[error("illegal status change from {from} to {to}")]
#[diagnostic(code(standin::entity::illegal_transition), help("{}", self.way_out()))]
#[non_exhaustive]
pub struct IllegalTransition {
    /// The status that was to be left.
    pub from: Status,
    /// The requested status.
    pub to: Status,
}

standin_error::reportable!(IllegalTransition);

impl IllegalTransition {
    fn way_out(&self) -> String {
        let next: Vec<&str> = self.from.next().iter().map(|next| next.as_str()).collect();
        match next.as_slice() {
            [only] => format!("only {only} may follow {}", self.from),
            several => format!("{} may be followed by {}", self.from, several.join(" or ")),
        }
    }
}

/// A text that is not the name of a status.
#[derive(Clone, PartialEq, Eq, Error, Diagnostic)]
#[error("unknown status \"{text}\"")]
#[diagnostic(
    code(standin::entity::unknown_status),
    help("the statuses are {}", Status::ALL.map(Status::as_str).join(", "))
)]
#[non_exhaustive]
pub struct UnknownStatus {
    /// The text.
    pub text: String,
}

standin_error::reportable!(UnknownStatus);

/// The status of a resource.
///
/// Staying where one is (`Started` to `Started`) is always legal and changes
/// nothing; [`next`](Self::next) lists only the others.
///
/// ```
/// use standin_entity::Status;
///
/// assert!(Status::Starting.allows(Status::Started));
/// let error = Status::Paused.change(Status::Starting).unwrap_err();
/// assert_eq!(error.to_string(), "illegal status change from PAUSED to STARTING");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// Never started.
    #[default]
    None,
    /// `start` was called; not ready yet.
    Starting,
    /// Ready for use.
    Started,
    /// `pause` was called.
    Pausing,
    /// Paused.
    Paused,
    /// `resume` was called.
    Resuming,
    /// `stop` was called; not down yet.
    Stopping,
    /// Down; may be started again.
    Stopped,
}

impl Status {
    /// Every status, the initial one first.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Starting,
        Self::Started,
        Self::Pausing,
        Self::Paused,
        Self::Resuming,
        Self::Stopping,
        Self::Stopped,
    ];

    /// Returns the name as reports show it: `NONE`, `STARTED`, ...
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Starting => "STARTING",
            Self::Started => "STARTED",
            Self::Pausing => "PAUSING",
            Self::Paused => "PAUSED",
            Self::Resuming => "RESUMING",
            Self::Stopping => "STOPPING",
            Self::Stopped => "STOPPED",
        }
    }

    /// Returns the statuses that may directly follow this one.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::None | Self::Stopped => &[Self::Starting],
            Self::Starting => &[Self::Started, Self::Stopping],
            Self::Started => &[Self::Pausing, Self::Stopping],
            Self::Pausing => &[Self::Paused],
            Self::Paused => &[Self::Resuming, Self::Stopping],
            Self::Resuming => &[Self::Started],
            Self::Stopping => &[Self::Stopped],
        }
    }

    /// Returns whether `to` may directly follow this status, or is this status.
    #[must_use]
    pub fn allows(self, to: Self) -> bool {
        self == to || self.next().contains(&to)
    }

    /// `to`, when it is a legal successor.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not, with both statuses.
    pub fn change(self, to: Self) -> Result<Self, IllegalTransition> {
        if self.allows(to) {
            Ok(to)
        } else {
            Err(IllegalTransition { from: self, to })
        }
    }

    /// Returns the status in words for messages, after "because" or a colon.
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

    /// Returns whether `target` can still be reached in the present life, that is without another
    /// `start`. A status reaches itself.
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

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        let mut all = Self::ALL.into_iter();
        all.find(|status| status.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownStatus {
                text: text.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_read_back_from_its_name() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = "BOGUS".parse::<Status>().unwrap_err();
        assert_eq!(error.to_string(), "unknown status \"BOGUS\"");
        let help = error.help().map(|help| help.to_string());
        assert_eq!(
            help.as_deref(),
            Some(
                "the statuses are NONE, STARTING, STARTED, PAUSING, PAUSED, RESUMING, STOPPING, STOPPED"
            )
        );
    }

    #[test]
    fn a_change_goes_only_where_the_table_says() {
        for from in Status::ALL {
            for to in Status::ALL {
                let legal = from == to || from.next().contains(&to);
                match from.change(to) {
                    Ok(now) => assert!(legal && now == to, "{from} to {to}"),
                    Err(error) => assert!(!legal && (error.from, error.to) == (from, to)),
                }
            }
        }
    }

    #[test]
    fn an_illegal_change_names_both_statuses_and_what_may_follow() {
        let error = Status::None.change(Status::Stopped).unwrap_err();
        assert_eq!(
            error.to_string(),
            "illegal status change from NONE to STOPPED"
        );
        let help = error.help().map(|help| help.to_string());
        assert_eq!(help.as_deref(), Some("only STARTING may follow NONE"));
    }

    #[test]
    fn a_life_ends_with_stopped() {
        assert!(Status::Started.reaches(Status::Stopped));
        assert!(Status::Paused.reaches(Status::Started));
        assert!(!Status::Stopped.reaches(Status::Started));
        assert!(!Status::Started.reaches(Status::Starting));
    }
}
