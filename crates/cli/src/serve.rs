//! `standin serve`.

use standin_session::{Outcome, serve_stdio};

use crate::output;
use crate::run::sweeper;

pub(crate) fn run() -> u8 {
    let outcome = match sweeper(&[]) {
        Ok(_sweeper) => serve_stdio(),
        Err(error) => Outcome::failed(error),
    };
    // Standard output is the client's.
    for error in &outcome.errors {
        output::say(&format!("standin: {error:?}"));
    }
    outcome.code
}
