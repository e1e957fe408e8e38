//! Which driver was declared to start before which, by name.

use std::collections::{HashMap, VecDeque};

/// Declared dependencies, in the order in which they were declared.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    declared: Vec<(String, String)>,
    /// For each driver, those that were declared to start after it.
    then: HashMap<String, Vec<String>>,
}

impl Dependencies {
    pub(crate) fn is_empty(&self) -> bool {
        self.declared.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.declared
            .iter()
            .map(|(first, then)| (first.as_str(), then.as_str()))
    }

    /// Declares that `first` starts before `then`.
    ///
    /// # Errors
    ///
    /// The drivers that would wait for each other, from `first` on; the last
    /// one is waited for by the first. Nothing is declared then.
    pub(crate) fn declare(&mut self, first: &str, then: &str) -> Result<(), Vec<String>> {
        if let Some(back) = self.path(then, first) {
            let mut circle = vec![first.to_owned()];
            circle.extend(back.into_iter().filter(|name| name != first));
            return Err(circle);
        }
        let after = self.then.entry(first.to_owned()).or_default();
        if !after.iter().any(|name| name == then) {
            after.push(then.to_owned());
            self.declared.push((first.to_owned(), then.to_owned()));
        }
        Ok(())
    }

    /// Forgets the latest dependencies, so that `length` are left.
    pub(crate) fn truncate(&mut self, length: usize) {
        for (first, then) in self.declared.drain(length..) {
            if let Some(after) = self.then.get_mut(&first) {
                after.retain(|name| *name != then);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.declared.len()
    }

    /// Forgets a driver.
    pub(crate) fn remove(&mut self, name: &str) {
        self.declared
            .retain(|(first, then)| first != name && then != name);
        self.then.remove(name);
        for after in self.then.values_mut() {
            after.retain(|then| then != name);
        }
    }

    /// The shortest way from a driver to one that starts after it, both ends
    /// included.
    fn path(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut came_from: HashMap<&str, Option<&str>> = HashMap::from([(from, None)]);
        let mut queue = VecDeque::from([from]);
        while let Some(name) = queue.pop_front() {
            if name == to {
                let mut path = vec![name.to_owned()];
                let mut at = name;
                while let Some(&Some(before)) = came_from.get(at) {
                    path.push(before.to_owned());
                    at = before;
                }
                path.reverse();
                return Some(path);
            }
            for next in self.then.get(name).into_iter().flatten() {
                if !came_from.contains_key(next.as_str()) {
                    came_from.insert(next, Some(name));
                    queue.push_back(next);
                }
            }
        }
        None
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
