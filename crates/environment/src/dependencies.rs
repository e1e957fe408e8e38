//! Which driver was declared to start before which, by name.

use indexmap::IndexSet;

use crate::order::Order;

/// Declared dependencies, in the order in which they were declared.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    /// Each name has the place of that number in the order.
    names: IndexSet<String>,
    order: Order,
    declared: Vec<(usize, usize)>,
}

impl Dependencies {
    pub(crate) fn is_empty(&self) -> bool {
        self.declared.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.declared
            .iter()
            .map(|&(first, then)| (self.names[first].as_str(), self.names[then].as_str()))
    }

    /// Declares that `first` starts before `then`.
    ///
    /// # Errors
    ///
    /// Returns the drivers of the cycle, from `first` on; the first one waits for the last. Nothing
    /// is declared in this case.
    pub(crate) fn declare(&mut self, first: &str, then: &str) -> Result<(), Vec<String>> {
        let (first, then) = (self.place(first), self.place(then));
        if let Some(back) = self.order.way(then, first) {
            let circle = [first].into_iter().chain(back).collect::<IndexSet<_>>();
            let name = |place: usize| self.names[place].clone();
            return Err(circle.into_iter().map(name).collect());
        }
        if self.order.add(first, then) {
            self.declared.push((first, then));
        }
        Ok(())
    }

    /// Forgets the latest dependencies, so that `length` are left.
    pub(crate) fn truncate(&mut self, length: usize) {
        for (first, then) in self.declared.drain(length..) {
            self.order.remove(first, then);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.declared.len()
    }

    /// Forgets a driver.
    pub(crate) fn remove(&mut self, name: &str) {
        let Some(place) = self.names.get_index_of(name) else {
            return;
        };
        self.declared.retain(|&(first, then)| {
            let stays = first != place && then != place;
            if !stays {
                self.order.remove(first, then);
            }
            stays
        });
    }

    fn place(&mut self, name: &str) -> usize {
        match self.names.get_index_of(name) {
            Some(place) => place,
            None => {
                self.names.insert(name.to_owned());
                self.order.grow()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(edges: &[(&str, &str)]) -> Dependencies {
        let mut dependencies = Dependencies::default();
        for (first, then) in edges {
            dependencies.declare(first, then).unwrap();
        }
        dependencies
    }

    #[test]
    fn refuses_a_circle_and_spells_it_out() {
        let mut dependencies = declared(&[("a", "b"), ("b", "c"), ("a", "c")]);
        let circle = dependencies.declare("c", "a").unwrap_err();
        assert_eq!(circle, ["c", "a"]);
        let mut dependencies = declared(&[("a", "b"), ("b", "c")]);
        assert_eq!(dependencies.declare("c", "a").unwrap_err(), ["c", "a", "b"]);
        assert_eq!(dependencies.declare("d", "d").unwrap_err(), ["d"]);
        assert_eq!(dependencies.len(), 2);
    }

    #[test]
    fn forgets_what_it_is_told_to_forget() {
        let mut dependencies = declared(&[("a", "b"), ("b", "c"), ("b", "c")]);
        assert_eq!(dependencies.len(), 2);
        dependencies.truncate(1);
        dependencies.declare("c", "b").unwrap();
        dependencies.remove("b");
        assert!(dependencies.is_empty());
        dependencies.declare("b", "a").unwrap();
    }
}
