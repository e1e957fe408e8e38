use standin_entity::{Check, Result};

use super::{Probe, Progress, not_yet};
use crate::Driver;

/// The driver's process has ended with an exit code; see
/// [`Readiness::ended_with`](super::Readiness::ended_with).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedWith {
    pub(super) code: i32,
}

impl EndedWith {
    pub(super) fn probe(self) -> Box<dyn Probe> {
        Box::new(self)
    }
}

impl Probe for EndedWith {
    fn check(&mut self, driver: &dyn Driver, _progress: &mut Progress) -> Result<Check> {
        let seen = match driver.exit_code() {
            Some(code) if code == self.code => return Ok(Check::Ready),
            Some(code) => format!("it has ended with {code}"),
            None => "it has not ended".to_owned(),
        };
        Ok(not_yet(
            format_args!("end with exit code {}", self.code),
            seen,
        ))
    }
}
