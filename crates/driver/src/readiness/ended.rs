use standin_entity::Result;

use super::Progress;
use super::probe::{Answer, Question};
use crate::Driver;

/// The driver's process has ended with an exit code; see
/// [`Readiness::ended_with`](super::Readiness::ended_with).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedWith {
    pub(super) code: i32,
}

impl Question for EndedWith {
    fn ask(&mut self, driver: &dyn Driver, _progress: &mut Progress) -> Result<Answer> {
        let seen = match driver.exit_code() {
            Some(code) if code == self.code => return Ok(Answer::Met),
            Some(code) => format!("it has ended with {code}"),
            None => "it has not ended".to_owned(),
        };
        Ok(Answer::not_yet(
            format_args!("end with exit code {}", self.code),
            seen,
        ))
    }
}
