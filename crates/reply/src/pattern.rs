//! Regular expressions.

use std::ops::Range;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind, Look};

use crate::Problem;

/// A regular expression, and what is known of it.
pub(crate) struct Pattern {
    pub(crate) regex: Regex,
    /// The names of its groups.
    pub(crate) names: Vec<Arc<str>>,
    /// Bytes that all frames in which it matches begin with.
    pub(crate) lead: Vec<u8>,
}

impl Pattern {
    /// Parses an expression.
    pub(crate) fn parse(expression: &Arc<str>) -> Result<Pattern, Problem> {
        let wrong = |reason: String, span: Option<Range<usize>>| Problem::Pattern {
            expression: expression.clone(),
            reason,
            span,
        };
        let mut parser = regex_syntax::ParserBuilder::new().utf8(false).build();
        let hir = parser.parse(expression).map_err(|error| {
            let (reason, span) = match &error {
                regex_syntax::Error::Parse(error) => {
                    (error.kind().to_string(), Some(*error.span()))
                }
                regex_syntax::Error::Translate(error) => {
                    (error.kind().to_string(), Some(*error.span()))
                }
                error => (error.to_string(), None),
            };
            wrong(reason, span.map(|span| span.start.offset..span.end.offset))
        })?;
        let regex = Regex::new(expression).map_err(|error| wrong(error.to_string(), None))?;
        let names = regex.capture_names().flatten().map(Arc::from).collect();
        let mut lead = Vec::new();
        let mut parts = Vec::new();
        flatten(&hir, &mut parts);
        if let Some((first, rest)) = parts.split_first()
            && matches!(first.kind(), HirKind::Look(Look::Start))
        {
            for part in rest {
                let HirKind::Literal(literal) = part.kind() else {
                    break;
                };
                lead.extend_from_slice(&literal.0);
            }
        }
        Ok(Pattern { regex, names, lead })
    }

    /// Whether it does not match, and would if the case of letters did not matter.
    pub(crate) fn matches_but_for_case(&self, frame: &[u8]) -> bool {
        let regex = || {
            RegexBuilder::new(self.regex.as_str())
                .case_insensitive(true)
                .build()
        };
        !self.regex.is_match(frame) && regex().is_ok_and(|regex| regex.is_match(frame))
    }
}

/// The parts that come one after the other.
fn flatten<'h>(hir: &'h Hir, parts: &mut Vec<&'h Hir>) {
    match hir.kind() {
        HirKind::Concat(all) => all.iter().for_each(|part| flatten(part, parts)),
        HirKind::Capture(group) => flatten(&group.sub, parts),
        _ => parts.push(hir),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_the_bytes_that_all_matches_begin_with() {
        for (expression, lead) in [
            ("^PAY (.*)$", "PAY "),
            ("^(?<a>ab)c", "abc"),
            ("^a|b", ""),
            ("ab", ""),
            ("^(?i)ab", ""),
            ("(?m)^ab", ""),
            ("^(a|b)c", ""),
        ] {
            let pattern = Pattern::parse(&expression.into()).map_err(|p| p.to_string());
            assert_eq!(pattern.unwrap().lead, lead.as_bytes(), "{expression}");
        }
    }
}
