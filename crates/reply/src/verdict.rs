//! The verdict at the end.

use std::fmt;
use std::sync::Arc;

use miette::Diagnostic;
use standin_error::{Reportable, several};
use standin_record::LastRecords;
use thiserror::Error;

use crate::Unexpected;

/// Something that should have happened, and has not.
#[derive(Clone, PartialEq, Eq, Error, Diagnostic)]
#[error("{}{missing}{}", Prefix(who), Beneath(records))]
#[diagnostic(
    code(standin::reply::unmet),
    help(
        "the peers had to do that before the end; wait for it with `wait_until` if they need time"
    )
)]
pub struct Unmet {
    who: Option<Arc<str>>,
    missing: String,
    /// The records of all connections of the peer.
    records: Option<LastRecords>,
}

standin_error::reportable!(Unmet);

impl Unmet {
    pub(crate) fn new(who: Option<Arc<str>>, missing: String) -> Unmet {
        Unmet {
            who,
            missing,
            records: None,
        }
    }
}

/// `server "bank": `
pub(crate) struct Prefix<'a>(pub(crate) &'a Option<Arc<str>>);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(who) => write!(f, "{who}: "),
            None => Ok(()),
        }
    }
}

/// Records beneath a message.
pub(crate) struct Beneath<'a>(pub(crate) &'a Option<LastRecords>);

impl fmt::Display for Beneath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(records) => write!(f, "\n\n{records}"),
            None => Ok(()),
        }
    }
}

/// Not everything has happened that should have, or something else.
#[derive(Clone)]
pub struct Verdict {
    who: Option<Arc<str>>,
    faults: Vec<Fault>,
}

/// One thing that is not as it should be.
#[derive(Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum Fault {
    /// Something was unexpected.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unexpected(Unexpected),
    /// More was unexpected than is kept.
    #[error("something unexpected happened {0} more times")]
    #[diagnostic(
        code(standin::reply::more_unexpected),
        help("only the first of them are kept in full")
    )]
    More(usize),
    /// Something has not happened.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unmet(Unmet),
}

standin_error::reportable!(Fault { Unexpected, Unmet });

impl Verdict {
    /// Of how many connections the records are shown.
    const SHOWN: usize = 3;

    /// There must be at least one thing. `records` are those of all connections.
    pub(crate) fn new(
        who: Option<Arc<str>>,
        mut unexpected: Vec<Unexpected>,
        more: usize,
        mut unmet: Vec<Unmet>,
        records: Option<LastRecords>,
    ) -> Verdict {
        Self::show_once(&mut unexpected);
        // What was unexpected is shown with its connection, and says more of what is missing.
        if unexpected.iter().all(|one| one.records.is_none())
            && let Some(last) = unmet.last_mut()
        {
            last.records = records;
        }
        let more = (more > 0).then_some(Fault::More(more));
        let unexpected = unexpected.into_iter().map(Fault::Unexpected);
        let faults = unexpected.chain(more);
        let faults = faults.chain(unmet.into_iter().map(Fault::Unmet)).collect();
        Verdict { who, faults }
    }

    /// Shows the records of each connection where it is last spoken of, and not of too many.
    fn show_once(unexpected: &mut [Unexpected]) {
        let mut shown: Vec<LastRecords> = Vec::new();
        for one in unexpected.iter_mut().rev() {
            let is_new = |records: &LastRecords| !shown.iter().any(|s| s.is_of_same(records));
            one.records = one.records.take().filter(is_new);
            shown.extend(one.records.clone());
        }
        let with_records = unexpected.iter_mut().filter(|one| one.records.is_some());
        for one in with_records.skip(Self::SHOWN) {
            one.records = None;
        }
    }

    /// Returns all that is not as it should be: first what was unexpected, in the order in which it
    /// happened.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        several::parts(&self.faults)
    }
}

standin_error::reportable!(Verdict, parts = Verdict::parts);

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is wrong names whose it is.
        match several::only(&self.faults) {
            Some(only) => only.fmt(f),
            None => {
                let before = format_args!("{}", Prefix(&self.who));
                several::write(&self.faults, f, before, "things did not happen as declared")
            }
        }
    }
}

impl std::error::Error for Verdict {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        several::source(&self.faults)
    }
}

impl Diagnostic for Verdict {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match several::only(&self.faults) {
            Some(only) => only.code(),
            None => Some(Box::new("standin::reply::not_as_declared")),
        }
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        several::only(&self.faults).and_then(Diagnostic::help)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        several::related(&self.faults)
    }
}
