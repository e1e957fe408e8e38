//! [`References`]: who names whom in a file, and whether there is such a driver.

use std::collections::HashMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::convert;
use super::mistake::Mistake;
use crate::option::OptionDescription;
use crate::suggest::nearest;

/// Who names whom.
#[derive(Default)]
pub(crate) struct References {
    drivers: Vec<Driver>,
    by_name: HashMap<String, usize>,
    contexts: Vec<Reference>,
    /// The driver whose table is being read.
    current: Option<usize>,
}

struct Driver {
    name: String,
    span: Range<usize>,
    after: Vec<(String, Range<usize>)>,
}

/// A context value.
struct Reference {
    /// The driver that reads, if it is one and not the defaults.
    from: Option<usize>,
    to: String,
    key: String,
    place: String,
    span: Range<usize>,
}

impl References {
    pub(crate) fn add_driver(
        &mut self,
        name: &str,
        span: Range<usize>,
        after: &[(String, Range<usize>)],
        mistakes: &mut Vec<Mistake>,
    ) {
        if let Some(&first) = self.by_name.get(name) {
            mistakes.push(Mistake::DuplicateName {
                name: name.to_owned(),
                first: convert::span(self.drivers[first].span.clone()),
                span: convert::span(span),
            });
            return;
        }
        self.by_name.insert(name.to_owned(), self.drivers.len());
        self.drivers.push(Driver {
            name: name.to_owned(),
            span,
            after: after.to_vec(),
        });
    }

    /// From here on, what is read belongs to this driver.
    pub(crate) fn enter(&mut self, name: Option<&str>) {
        self.current = name.and_then(|name| self.by_name.get(name).copied());
    }

    pub(crate) fn leave(&mut self) {
        self.current = None;
    }

    /// Notes every context value within an option's value.
    pub(crate) fn read_context(
        &mut self,
        place: &str,
        key: &str,
        option: &OptionDescription,
        value: &Spanned<DeValue<'_>>,
    ) {
        if option.kind().holds_context() {
            self.find_contexts(place, key, value);
        }
    }

    fn find_contexts(&mut self, place: &str, key: &str, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Array(items) => {
                for item in items {
                    self.find_contexts(place, key, item);
                }
            }
            DeValue::Table(table) => {
                let is_context = table.len() == 2 && table.contains_key("value");
                match table.get("driver") {
                    Some(driver) if is_context => {
                        if let Some(name) = driver.get_ref().as_str() {
                            self.contexts.push(Reference {
                                from: self.current,
                                to: name.to_owned(),
                                key: key.to_owned(),
                                place: place.to_owned(),
                                span: driver.span(),
                            });
                        }
                    }
                    _ => {
                        for (_, item) in table {
                            self.find_contexts(place, key, item);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// Reports names that no driver has, and drivers that wait for each other.
    pub(crate) fn check(self, mistakes: &mut Vec<Mistake>) {
        let mut edges: Vec<Vec<(usize, Range<usize>)>> = vec![Vec::new(); self.drivers.len()];
        for (index, driver) in self.drivers.iter().enumerate() {
            for (name, span) in &driver.after {
                match self.by_name.get(name) {
                    Some(&to) => edges[index].push((to, span.clone())),
                    None => mistakes.push(Mistake::UnknownDependency {
                        name: name.clone(),
                        place: format!("driver {:?}", driver.name),
                        help: self.help(name),
                        span: convert::span(span.clone()),
                    }),
                }
            }
        }
        for reference in &self.contexts {
            match (self.by_name.get(&reference.to), reference.from) {
                (Some(&to), Some(from)) => edges[from].push((to, reference.span.clone())),
                (Some(_), None) => {}
                (None, _) => mistakes.push(Mistake::UnknownContextDriver {
                    name: reference.to.clone(),
                    key: reference.key.clone(),
                    place: reference.place.clone(),
                    help: self.help(&reference.to),
                    span: convert::span(reference.span.clone()),
                }),
            }
        }
        self.check_cycles(&edges, mistakes);
    }

    /// A depth-first walk without recursion: a file may chain any number of drivers.
    fn check_cycles(&self, edges: &[Vec<(usize, Range<usize>)>], mistakes: &mut Vec<Mistake>) {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; edges.len()];
        for start in 0..edges.len() {
            if marks[start] != Mark::New {
                continue;
            }
            let mut path = vec![(start, 0)];
            marks[start] = Mark::Open;
            while let Some((node, next)) = path.last_mut() {
                let node = *node;
                let Some((to, span)) = edges[node].get(*next) else {
                    marks[node] = Mark::Done;
                    path.pop();
                    continue;
                };
                *next += 1;
                match marks[*to] {
                    Mark::New => {
                        marks[*to] = Mark::Open;
                        path.push((*to, 0));
                    }
                    Mark::Open => {
                        let names = path
                            .iter()
                            .map(|(index, _)| *index)
                            .skip_while(|index| index != to)
                            .chain([*to])
                            .map(|index| self.drivers[index].name.as_str())
                            .collect::<Vec<_>>();
                        mistakes.push(Mistake::Cycle {
                            cycle: names.join(" -> "),
                            span: convert::span(span.clone()),
                        });
                    }
                    Mark::Done => {}
                }
            }
        }
    }

    fn help(&self, name: &str) -> String {
        let names = || self.drivers.iter().map(|driver| driver.name.as_str());
        match nearest(name, names()) {
            Some(known) => format!("did you mean {known:?}?"),
            None => {
                let all: Vec<&str> = names().take(20).collect();
                let more = match self.drivers.len() > all.len() {
                    true => ", ...",
                    false => "",
                };
                format!("the drivers are: {}{more}", all.join(", "))
            }
        }
    }
}
