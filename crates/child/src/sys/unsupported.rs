use std::io;

use super::{Event, Prepared};
use crate::SpawnError;
use crate::below::Descendant;

#[derive(Debug)]
pub(crate) struct Handle(std::convert::Infallible);

#[derive(Debug)]
pub(crate) struct Watch(std::convert::Infallible);

impl Handle {
    pub(crate) fn spawn(
        _prepared: Prepared,
        _joined: Option<&dyn Fn(u32)>,
    ) -> Result<(Self, Watch), SpawnError> {
        Err(SpawnError::NotSupported)
    }

    pub(crate) fn pid(&self) -> u32 {
        match self.0 {}
    }

    pub(crate) fn root(&self) -> u32 {
        match self.0 {}
    }

    pub(crate) fn below(&self) -> Vec<Descendant> {
        match self.0 {}
    }

    pub(crate) fn end(&self) {
        match self.0 {}
    }

    pub(crate) fn reap(&self) {
        match self.0 {}
    }
}

pub(crate) fn signal(_pid: u32, _signal: i32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn signal_group(_pid: u32, _signal: i32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Watch {
    pub(crate) fn next(&mut self) -> Event {
        match self.0 {}
    }
}
