//! `standin graph`.

use standin_session::{GraphFormat, Session};

use crate::arguments::{self, Graph};
use crate::output::complain;
use crate::print;

pub(crate) fn run(arguments: &Graph) -> u8 {
    let environment = &arguments.environment;
    let format = match arguments.format {
        arguments::GraphFormat::Text => GraphFormat::Text,
        arguments::GraphFormat::Mermaid => GraphFormat::Mermaid,
        arguments::GraphFormat::Dot => GraphFormat::Dot,
        arguments::GraphFormat::Svg => GraphFormat::Svg,
        arguments::GraphFormat::Json => GraphFormat::Json,
    };
    match Session::load(&environment.file, &environment.set) {
        Ok(session) => print(&session.graph().written(format)),
        Err(error) => complain(&error.into()),
    }
}
