//! [`Suggestions`]: what was probably meant, as long as there are not too many mistakes.

use crate::suggest::nearest;

/// Looks for the nearest known name, for the first mistakes of a text: in one that is wrong all
/// over, comparing every name with every other would take longer than anybody waits.
#[derive(Debug)]
pub struct Suggestions {
    /// How many names may still be compared.
    left: usize,
}

impl Default for Suggestions {
    fn default() -> Self {
        Self { left: 50_000 }
    }
}

impl Suggestions {
    /// Returns the name in `known` that was probably meant by `name`.
    pub fn nearest<'a>(
        &mut self,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Option<&'a str> {
        let left = &mut self.left;
        let known = known.into_iter().take_while(|_| {
            *left = left.saturating_sub(1);
            *left > 0
        });
        nearest(name, known)
    }
}
