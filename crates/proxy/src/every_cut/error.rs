use std::time::Duration;

use miette::Diagnostic;
use thiserror::Error;

use super::cut::Cut;
use super::report::CutReport;

/// Why not every cut could be tried, or what was found.
#[derive(Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum EveryCutError {
    /// The test fails without a cut.
    #[error("the test fails without a cut: {error}")]
    #[diagnostic(
        code(standin::proxy::every_cut_baseline),
        help("make the test pass on a good network first")
    )]
    Baseline {
        /// Its error.
        error: String,
    },
    /// The test hangs without a cut.
    #[error("the test takes longer than {limit:?} without a cut")]
    #[diagnostic(
        code(standin::proxy::every_cut_hangs),
        help(
            "make the test end on a good network first, or give each run more time with `run_limit`"
        )
    )]
    Hangs {
        /// How long a run may take.
        limit: Duration,
    },
    /// No proxy was watched.
    #[error("there is nothing to cut: the test has no proxy")]
    #[diagnostic(
        code(standin::proxy::every_cut_unwatched),
        help(
            "put a `TcpProxy` between the program and its peer, and call `trial.watch(&proxy)` before the start"
        )
    )]
    NoProxy,
    /// Nothing went through the proxies.
    #[error("there is nothing to cut: nothing went through the proxy")]
    #[diagnostic(
        code(standin::proxy::every_cut_silent),
        help(
            "connect the program to the proxy's port, not to its target's; with a framing, whole frames must arrive"
        )
    )]
    NothingCame,
    /// The one cut that was to be tried has not happened.
    #[error("the cut {cut} has not happened: without it, the conversation is {conversation}")]
    #[diagnostic(
        code(standin::proxy::every_cut_not_reached),
        help(
            "its place is beyond the end of the conversation, or the run with it went another way"
        )
    )]
    NotReached {
        /// The cut.
        cut: Box<Cut>,
        /// The traffic of all proxies.
        conversation: String,
    },
    /// The value of the variable is not a valid cut.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Parse(#[from] super::cut::ParseCutError),
    /// Cuts break the test.
    #[error("{} of {} cuts break the test\n{report}", report.failures().count(), report.results().len())]
    #[diagnostic(
        code(standin::proxy::every_cut_found),
        help("fix the smallest first; the variable STANDIN_CUT repeats a single one")
    )]
    Found {
        /// All runs.
        report: Box<CutReport>,
    },
}

standin_error::reportable!(EveryCutError { Parse });
