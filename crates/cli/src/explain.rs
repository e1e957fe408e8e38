//! `standin explain`.

use crate::output::complain;
use crate::print;

pub(crate) fn run(code: &str) -> u8 {
    match standin_session::explain(code) {
        Ok(page) => print(&page),
        Err(error) => complain(&error.into()),
    }
}
