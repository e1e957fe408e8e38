//! [`TomlText`]: a text of TOML, and what in it is not TOML.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;

use super::convert::toml_start_of;
use super::mistake::{FileErrors, Located, TableMistake};
use super::syntax;
use super::table::TableReader;
use crate::options::{Config, TypedOptions};

/// Reads options from a text of TOML whose whole table they are; messages call the text `file`.
///
/// ```
/// use std::time::Duration;
/// use standin_config::{Config, Node, read_toml};
///
/// /// How tea is made.
/// #[derive(Clone, Debug, Config)]
/// struct TeaConfig {
///     /// What is brewed.
///     #[config(one_of = ["green", "black"])]
///     leaves: String,
///     /// How long it is brewed.
///     #[config(default = Duration::from_secs(180))]
///     time: Duration,
/// }
///
/// let options: TeaBuilder = read_toml("tea.toml", "leaves = 'green'\ntime = '2m'\n")?;
/// let tea: TeaConfig = Node::new("tea", options)?.resolve()?;
/// assert_eq!(tea.time, Duration::from_secs(120));
///
/// let errors = read_toml::<TeaBuilder>("tea.toml", "leaves = 'blue'\ntiem = 3\n").unwrap_err();
/// assert_eq!(errors.mistakes().len(), 2);
/// assert_eq!(
///     errors.mistakes()[1].to_string(),
///     "tea.toml: unknown option \"tiem\""
/// );
/// # Ok::<(), miette::Report>(())
/// ```
///
/// # Errors
///
/// Returns all mistakes in the text at once, each with its place.
pub fn read_toml<O: TypedOptions>(file: &str, text: &str) -> Result<O, FileErrors> {
    let (toml, table) = TomlText::parse(file, text);
    let description = <O::Config as Config>::description();
    let table = table.get_ref();
    let read = TableReader::new().read(description, file, table, toml_start_of(table));
    let (layer, mistakes) = read.into_parts();
    toml.verdict(mistakes)?;
    Ok(O::from_layer(layer).expect("the layer is of this config"))
}

/// A TOML text that was parsed as far as possible.
///
/// [`TableReader`] shows how a text with several tables is read.
#[derive(Clone, Debug)]
pub struct TomlText {
    file: String,
    text: String,
    syntax: Vec<TableMistake>,
    /// Lines that are not TOML.
    broken: Vec<Range<usize>>,
}

impl TomlText {
    /// Parses a text; messages call it `file`. The table holds what could be parsed.
    pub fn parse<'t>(file: &str, text: &'t str) -> (Self, Spanned<DeTable<'t>>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut toml = Self {
            file: file.to_owned(),
            text: text.to_owned(),
            syntax: Vec::new(),
            broken: Vec::new(),
        };
        for error in &errors {
            let span = error.span().unwrap_or_default();
            let message = first_line(error.message());
            toml.broken.push(line_of(text, span.clone()));
            toml.syntax.push(TableMistake::Syntax {
                help: syntax::help(&message, text, span.clone()),
                message,
                span: span.into(),
            });
        }
        (toml, table)
    }

    /// Returns whether the whole text is TOML.
    pub fn is_well_formed(&self) -> bool {
        self.syntax.is_empty()
    }

    /// Returns the report of the text: what is not TOML in it, and the mistakes that were found in
    /// its tables. Those that may come from a line that could not be parsed are left out.
    ///
    /// # Errors
    ///
    /// Returns all mistakes, in the order of the text, if there are any.
    pub fn verdict<M>(self, mut mistakes: Vec<M>) -> Result<(), FileErrors<M>>
    where
        M: Located + From<TableMistake>,
    {
        if !self.broken.is_empty() {
            // What was lost with a broken line is not missing, and what has no place makes no
            // mistake.
            mistakes.retain(|mistake| {
                let span = mistake.span();
                let is_in_broken_line = || {
                    let offset = span.offset();
                    self.broken.iter().any(|line| line.contains(&offset))
                };
                !(mistake.is_about_absence() || span.is_empty() || is_in_broken_line())
            });
        }
        mistakes.extend(self.syntax.into_iter().map(M::from));
        match mistakes.is_empty() {
            true => Ok(()),
            false => Err(FileErrors::new(&self.file, &self.text, mistakes)),
        }
    }
}

/// The whole lines that a span touches.
fn line_of(text: &str, span: Range<usize>) -> Range<usize> {
    let bytes = text.as_bytes();
    let start = span.start.min(bytes.len());
    let end = span.end.clamp(start, bytes.len());
    let start = bytes[..start]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let end = bytes[end..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(bytes.len(), |at| end + at + 1);
    start..end
}

fn first_line(message: &str) -> String {
    let mut lines = message.lines();
    let first = lines.next().unwrap_or_default();
    match lines.next() {
        Some(second) => format!("{first}, {second}"),
        None => first.to_owned(),
    }
}
