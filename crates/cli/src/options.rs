//! `standin options`.

use standin_session::options_page;

use crate::arguments::Options;
use crate::output::complain;
use crate::print;

pub(crate) fn run(arguments: &Options) -> u8 {
    match options_page(arguments.of.as_deref()) {
        Ok(page) => print(&page),
        Err(error) => complain(&error.into()),
    }
}
