use standin_config::{Kind, OptionValue, ValueError};
use standin_entity::Result;

use super::Progress;
use super::probe::{Answer, Question};
use crate::{Driver, ImpossibleCondition, Lifecycle};

/// The driver's process has ended with an exit code; see
/// [`Readiness::ended_with`](super::Readiness::ended_with).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedWith {
    pub(super) code: i32,
}

impl EndedWith {
    /// Those that a process can have.
    pub(super) fn codes() -> Kind {
        Kind::Int {
            min: Some(-64),
            max: Some(255),
        }
    }

    /// Refuses a code that no process has.
    pub(super) fn check(&self) -> std::result::Result<(), ValueError> {
        let checked = Self::codes().check(&self.code.to_value());
        checked.map_err(|error| error.at_key("ended_with"))
    }
}

impl Question for EndedWith {
    fn ask(&mut self, driver: &dyn Driver, _progress: &mut Progress) -> Result<Answer> {
        let seen = match driver.exit_code() {
            Some(code) if code == self.code => return Ok(Answer::Met),
            Some(code) => format!("it has ended with {code}"),
            None if !driver.has_process() => {
                return Err(ImpossibleCondition::NoProcess {
                    driver: driver.name().to_owned(),
                    code: self.code,
                }
                .into());
            }
            None => "it has not ended".to_owned(),
        };
        Ok(Answer::not_yet(
            format_args!("end with exit code {}", self.code),
            seen,
        ))
    }
}
