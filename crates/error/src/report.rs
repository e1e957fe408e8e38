//! The report: what a failing test prints of an error.

use std::error::Error as StdError;
use std::fmt;

use miette::{Diagnostic, LabeledSpan, SourceCode};

use crate::error::Error;
use crate::located::{Located, Spot, width};
use crate::place::Place;
use crate::several::{headline, is_list};
use crate::text::says;

/// Writes the report of an error: its message, the place in a file that it is
/// about, each cause once, what else failed, every help, and the most precise code.
///
/// It is the `Debug` output of [`Error`] and of every public error of standin. An error whose
/// message lists several failures leaves them out of its message under the flag `#` (`{error:#}`),
/// which the report uses: they follow in full. The part of a message after an empty line is
/// evidence, such as records: it follows the causes, before the help.
///
/// Several failures in one text, which the error around
/// them has as its source code, are a line each, with line and column in front.
///
/// # Errors
///
/// Returns an error if `f` does.
pub fn write_report(error: &dyn Diagnostic, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write(error, None, f)
}

fn write(error: &dyn Diagnostic, place: Option<Place>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let headline = headline(error);
    f.write_str(without_evidence(&headline))?;
    let mut report = Report::new(f, "  ", headline);
    if let Some(place) = place {
        report.line("at", place)?;
    }
    report.below(error, None)
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.diagnostic(), self.place(), f)
    }
}

/// The help and the code of an error, if nothing else stands below its headline.
fn advice(error: &dyn Diagnostic) -> Option<(String, Option<String>)> {
    let is_alone = error.source().is_none()
        && error.diagnostic_source().is_none()
        && error.labels().is_none()
        && error.related().is_none();
    let help = error.help().filter(|_| is_alone)?.to_string();
    Some((help, error.code().map(|code| code.to_string())))
}

fn address(error: &dyn Diagnostic) -> *const () {
    std::ptr::from_ref(error).cast()
}

/// The two parts of a message: what it says, and what it has for that.
fn parts(message: &str) -> (&str, Option<&str>) {
    match message.split_once("\n\n") {
        Some((says, evidence)) => (says, Some(evidence)),
        None => (message, None),
    }
}

fn without_evidence(message: &str) -> &str {
    parts(message).0
}

/// Lines as they are at whatever depth they are quoted.
fn flat(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    lines.join("\n")
}

/// What stands below the headline of one error.
struct Report<'f, 'w> {
    f: &'f mut fmt::Formatter<'w>,
    indent: &'f str,
    /// The headline and the causes so far. Many errors repeat their cause in
    /// their own message; the report does not.
    said: String,
    /// The related errors that were shown last.
    related: Vec<*const ()>,
    /// What messages have for what they say.
    evidence: Vec<String>,
    helps: Vec<String>,
    /// Not so where the next failure of a list has the same.
    shows_helps: bool,
    /// Left out for the mistakes of a file, which differ in their messages.
    shows_code: bool,
    code: Option<String>,
}

impl<'f, 'w> Report<'f, 'w> {
    fn new(f: &'f mut fmt::Formatter<'w>, indent: &'f str, said: String) -> Self {
        let evidence = parts(&said).1.map(str::to_owned);
        Self {
            f,
            indent,
            said,
            related: Vec::new(),
            evidence: Vec::from_iter(evidence),
            helps: Vec::new(),
            shows_helps: true,
            shows_code: true,
            code: None,
        }
    }

    /// Without a `source` of its own an error is about that of the error around it.
    fn below(mut self, error: &dyn Diagnostic, source: Option<&dyn SourceCode>) -> fmt::Result {
        self.chain(error, source)?;
        for evidence in std::mem::take(&mut self.evidence) {
            for line in evidence.lines() {
                let indent = if line.is_empty() { "" } else { self.indent };
                write!(self.f, "\n{indent}{line}")?;
            }
        }
        // The help of the cause is about what went wrong, that of the error around it about
        // what to do in general.
        for help in std::mem::take(&mut self.helps).iter().rev() {
            if self.shows_helps {
                self.line("help:", help)?;
            }
        }
        match self.code.take().filter(|_| self.shows_code) {
            Some(code) => self.line("code:", code),
            None => Ok(()),
        }
    }

    /// The places, the causes and the failures beside it of one error of the chain.
    fn chain(&mut self, error: &dyn Diagnostic, source: Option<&dyn SourceCode>) -> fmt::Result {
        let source = error.source_code().or(source);
        for label in error.labels().into_iter().flatten() {
            self.label(&label, source)?;
        }
        if let Some(help) = error.help().map(|help| help.to_string())
            && !help.is_empty()
            && !self.helps.contains(&help)
        {
            self.helps.push(help);
        }
        if let Some(code) = error.code() {
            self.code = Some(code.to_string());
        }
        let is_list = is_list(error);
        if !is_list {
            self.causes(error, source)?;
        }
        // A context of miette passes on what is related to its cause, which has just been shown.
        let related: Vec<_> = error.related().into_iter().flatten().collect();
        let addresses: Vec<_> = related.iter().map(|related| address(*related)).collect();
        if !related.is_empty() && self.related == addresses {
            return Ok(());
        }
        self.related = addresses;
        if is_list
            && let Some(source) = source
            && let Some(failures) = Located::all(error, source, &self.said)
        {
            return self.located(&failures, Some(source));
        }
        for (index, related_error) in related.iter().enumerate() {
            let text = headline(*related_error);
            let label = if is_list { "-" } else { "also:" };
            self.line(label, without_evidence(&text))?;
            let deeper = format!("{}  ", self.indent);
            let said = (!is_list).then(|| format!("{}\n{text}", self.said));
            let mut report = Report::new(self.f, &deeper, text);
            // Evidence stands once, also if several failures have the same.
            let all = flat(&self.said);
            report
                .evidence
                .retain(|evidence| !all.contains(&flat(evidence)));
            // What failed beside it often has the same cause.
            if let Some(said) = said {
                report.said = said;
            }
            // What to do about all of them is said once.
            if let Some(next) = related.get(index + 1).filter(|_| is_list)
                && advice(*related_error).is_some_and(|same| advice(*next) == Some(same))
            {
                report.shows_helps = false;
                report.shows_code = false;
            }
            report.below(*related_error, source)?;
        }
        Ok(())
    }

    /// Failures in one text that the headline names: the place in front says where, and the
    /// message says what the label would.
    fn located(
        &mut self,
        failures: &[Located<'_>],
        source: Option<&dyn SourceCode>,
    ) -> fmt::Result {
        let width = width(failures.iter().map(|failure| &failure.spot));
        let indent = format!("{}{:width$}  ", self.indent, "");
        for Located { failure, spot } in failures {
            let text = headline(*failure);
            let shown = text.replace('\n', &format!("\n{indent}"));
            let place = spot.to_string();
            write!(self.f, "\n{}{place:width$}  {shown}", self.indent)?;
            let mut report = Report::new(self.f, &indent, format!("{}: {text}", spot.in_full()));
            report.shows_code = false;
            report.below(*failure, source)?;
        }
        Ok(())
    }

    /// The place of a label, as far as it was not said, and what the label says.
    fn label(&mut self, label: &LabeledSpan, source: Option<&dyn SourceCode>) -> fmt::Result {
        let Some(spot) = source.and_then(|source| Spot::of(label.inner(), source)) else {
            return Ok(());
        };
        if spot.file.is_some() && says(&self.said, &spot.in_full()) {
            return Ok(());
        }
        let place = match &spot.file {
            Some(file) if says(&self.said, file) => spot.to_string(),
            _ => spot.in_full(),
        };
        match label.label() {
            Some(label) => self.line("at", format_args!("{place}: {label}")),
            None => self.line("at", place),
        }
    }

    fn causes(&mut self, error: &dyn Diagnostic, source: Option<&dyn SourceCode>) -> fmt::Result {
        let mut cause = error.source();
        let is_ours = cause.is_some_and(|cause| Error::behind(cause).is_some());
        if let Some(diagnostic) = error.diagnostic_source().filter(|_| !is_ours) {
            self.cause(diagnostic, None)?;
            return self.chain(diagnostic, source);
        }
        while let Some(error) = cause {
            if let Some(ours) = Error::behind(error) {
                self.cause(ours, ours.place())?;
                return self.chain(ours.diagnostic(), source);
            }
            self.cause(error, None)?;
            cause = error.source();
        }
        Ok(())
    }

    fn cause(&mut self, error: &(impl StdError + ?Sized), place: Option<Place>) -> fmt::Result {
        let text = headline(error);
        if says(&flat(&self.said), &flat(&text)) {
            return Ok(());
        }
        let (says, evidence) = parts(&text);
        self.line("caused by:", says)?;
        let is_new = |evidence: &&str| !self.said.contains(evidence);
        let evidence = evidence.filter(is_new).map(str::to_owned);
        self.evidence.extend(evidence);
        self.said.push('\n');
        self.said.push_str(&text);
        match place {
            Some(place) => self.line("  at", place),
            None => Ok(()),
        }
    }

    fn line(&mut self, what: &str, text: impl fmt::Display) -> fmt::Result {
        let indent = self.indent;
        let text = text.to_string().replace('\n', &format!("\n{indent}  "));
        write!(self.f, "\n{indent}{what} {text}")
    }
}
