//! Replacements for what does not start.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use standin_error::{Error, Result};

use crate::incident::panic_message;

type Factory<T> = Arc<dyn Fn() -> Result<T> + Send + Sync>;

/// Replacements, in the order in which they are tried when the first choice
/// does not start. They are made only when they are needed.
///
/// ```
/// use standin_entity::{Error, Failovers};
///
/// let mut failovers = Failovers::new();
/// failovers.register(|| Err(Error::msg("no licence")));
/// failovers.register(|| Ok("second"));
/// let (index, name) = failovers.first_that(|name: &&str| Ok(assert_eq!(*name, "second")))?;
/// assert_eq!((index, name), (1, "second"));
/// # Ok::<(), standin_entity::Error>(())
/// ```
pub struct Failovers<T> {
    factories: Vec<Factory<T>>,
}

impl<T> Failovers<T> {
    /// Without replacements.
    #[must_use]
    pub fn new() -> Self {
        Self {
            factories: Vec::new(),
        }
    }

    /// Adds a replacement, to be tried after those before it.
    pub fn register(&mut self, factory: impl Fn() -> Result<T> + Send + Sync + 'static) {
        self.factories.push(Arc::new(factory));
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.factories.is_empty()
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.factories.len()
    }

    /// Makes and tries one after the other, and answers with the first that
    /// `start` accepts, and its place among the registered ones.
    ///
    /// # Errors
    ///
    /// Returns the error of the last one, after the messages of those before it.
    pub fn first_that(&self, mut start: impl FnMut(&T) -> Result<()>) -> Result<(usize, T)> {
        let mut errors: Vec<Error> = Vec::new();
        for (index, factory) in self.factories.iter().enumerate() {
            // A panic is a failure of the one replacement, not of the caller that starts it.
            let attempt = || factory().and_then(|made| start(&made).map(|()| made));
            let outcome = catch_unwind(AssertUnwindSafe(attempt)).unwrap_or_else(|payload| {
                let message = panic_message(&*payload);
                Err(Error::msg(format!("the replacement panicked: {message}")))
            });
            match outcome {
                Ok(made) => return Ok((index, made)),
                Err(error) => errors.push(error),
            }
        }
        let Some(last) = errors.pop() else {
            return Err(Error::msg("no failover is registered"));
        };
        let tried = self.factories.len();
        let before: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Err(last.context(match before.as_slice() {
            [] => "the failover did not start either".to_owned(),
            before => format!("none of {tried} failovers started: {}", before.join("; ")),
        }))
    }
}

/// The same replacements, which are made again by each.
impl<T> Clone for Failovers<T> {
    fn clone(&self) -> Self {
        Self {
            factories: self.factories.clone(),
        }
    }
}

impl<T> Default for Failovers<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Failovers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failovers")
            .field("len", &self.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_them_in_order_and_tells_of_all_that_failed() {
        let mut failovers = Failovers::<u8>::new();
        failovers.register(|| Err(Error::msg("first is ill")));
        failovers.register(|| Ok(2));
        let error = failovers
            .first_that(|_| Err(Error::msg("second is tired")))
            .unwrap_err();
        let shown = format!("{error:?}");
        assert!(
            shown.contains("first is ill") && shown.contains("second is tired"),
            "{shown}"
        );
    }

    #[test]
    fn one_that_panics_has_failed_and_the_next_is_tried() {
        let mut failovers = Failovers::new();
        failovers.register(|| panic!("no licence"));
        failovers.register(|| Ok(2));
        failovers.register(|| Ok(3));
        let odd = |made: &u8| match made % 2 {
            0 => panic!("{made} is even"),
            _ => Ok(()),
        };
        assert_eq!(failovers.first_that(odd).unwrap(), (2, 3));
        let error = failovers.first_that(|_| panic!("too late")).unwrap_err();
        let shown = format!("{error:?}");
        assert!(
            shown.contains("no licence") && shown.contains("too late"),
            "{shown}"
        );
    }

    #[test]
    fn having_none_is_an_error() {
        assert!(Failovers::<u8>::new().first_that(|_| Ok(())).is_err());
    }
}
