//! `standin graph`.

use std::ffi::OsStr;

use standin::Error;
use standin_session::{Graph, GraphFormat, Session, StateDir, StateError};

use crate::arguments;
use crate::output::complain;
use crate::print;

pub(crate) fn run(arguments: &arguments::Graph) -> u8 {
    let format = match arguments.format {
        arguments::GraphFormat::Text => GraphFormat::Text,
        arguments::GraphFormat::Mermaid => GraphFormat::Mermaid,
        arguments::GraphFormat::Dot => GraphFormat::Dot,
        arguments::GraphFormat::Svg => GraphFormat::Svg,
        arguments::GraphFormat::Json => GraphFormat::Json,
    };
    let file = arguments.file.as_deref();
    let graph = match arguments.running {
        true => running(file).map_err(Error::from),
        false => Session::load(file.unwrap_or_default(), &arguments.set)
            .map(|session| session.graph())
            .map_err(Error::from),
    };
    match graph {
        Ok(graph) => print(&graph.written(format)),
        Err(error) => complain(&error),
    }
}

/// The environment that is up.
fn running(wanted: Option<&OsStr>) -> Result<Graph, StateError> {
    let directory = StateDir::open()?;
    match &directory.find(wanted)?[..] {
        [entry] => directory.graph(entry),
        entries => Err(StateError::SeveralUp {
            known: entries.iter().map(|entry| entry.id.clone()).collect(),
        }),
    }
}
