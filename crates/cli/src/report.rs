//! `standin report`.

use standin_session::failed_run;

use crate::arguments::Report;
use crate::output::complain;
use crate::print;

pub(crate) fn run(arguments: &Report) -> u8 {
    match failed_run(&arguments.directory) {
        Ok(text) => print(&text),
        Err(error) => complain(&error.into()),
    }
}
