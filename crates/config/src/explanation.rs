//! [`Explanation`]: where the values of a config come from, for people.

use std::fmt;

/// Every option of a node with its value and where it comes from. Its `Display` is a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub(crate) owner: String,
    pub(crate) config: String,
    /// The name, the value and the origin of each option.
    pub(crate) lines: Vec<[String; 3]>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            self.lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or_default()
        };
        let (names, values) = (width(0), width(1));
        writeln!(f, "{} ({})", self.owner, self.config)?;
        for [name, value, origin] in &self.lines {
            writeln!(f, "  {name:names$} = {value:values$}  # {origin}")?;
        }
        Ok(())
    }
}
