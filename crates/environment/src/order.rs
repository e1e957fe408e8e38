//! The start order: a graph of places in the environment, without drivers or clocks.
//!
//! Nothing here recurses: a chain of drivers may be as long as memory allows. Adding an edge
//! and asking for one takes the same time however many there are.

use std::collections::{HashMap, HashSet, VecDeque};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::DiGraph;

/// Places in the environment, and which must be up before which.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    /// For each place, those that wait for it, and those that it waits for.
    then: Vec<Vec<usize>>,
    before: Vec<Vec<usize>>,
    edges: HashSet<(usize, usize)>,
}

impl Order {
    /// `count` places without edges.
    pub(crate) fn new(count: usize) -> Self {
        Order {
            then: vec![Vec::new(); count],
            before: vec![Vec::new(); count],
            edges: HashSet::new(),
        }
    }

    /// Every place after the one before it.
    pub(crate) fn chain(count: usize) -> Self {
        let mut order = Order::new(count);
        for later in 1..count {
            order.add(later - 1, later);
        }
        order
    }

    /// One more place; the answer is its number.
    pub(crate) fn grow(&mut self) -> usize {
        self.then.push(Vec::new());
        self.before.push(Vec::new());
        self.len() - 1
    }

    /// Makes `then` wait for `first`. Returns whether that is new.
    pub(crate) fn add(&mut self, first: usize, then: usize) -> bool {
        let is_new = self.edges.insert((first, then));
        if is_new {
            self.then[first].push(then);
            self.before[then].push(first);
        }
        is_new
    }

    /// Makes `then` no longer wait for `first`.
    pub(crate) fn remove(&mut self, first: usize, then: usize) {
        if self.edges.remove(&(first, then)) {
            self.then[first].retain(|place| *place != then);
            self.before[then].retain(|place| *place != first);
        }
    }

    /// The same places with every edge turned round: the order of a stop.
    pub(crate) fn reversed(&self) -> Self {
        Order {
            then: self.before.clone(),
            before: self.then.clone(),
            edges: self.edges.iter().map(|&(a, b)| (b, a)).collect(),
        }
    }

    /// How many places there are.
    pub(crate) fn len(&self) -> usize {
        self.then.len()
    }

    /// The places that wait for `place`, smallest first.
    pub(crate) fn then(&self, place: usize) -> Vec<usize> {
        let mut then = self.then[place].clone();
        then.sort_unstable();
        then
    }

    /// All places that wait for `place`, directly or not, smallest first.
    pub(crate) fn all_then(&self, place: usize) -> Vec<usize> {
        let mut seen = HashSet::from([place]);
        let mut all = Vec::new();
        let mut next = vec![place];
        while let Some(at) = next.pop() {
            let new = self.then[at].iter().filter(|then| seen.insert(**then));
            next.extend(new);
            all.extend((at != place).then_some(at));
        }
        all.sort_unstable();
        all
    }

    /// The places that `place` waits for, smallest first.
    pub(crate) fn before(&self, place: usize) -> Vec<usize> {
        let mut before = self.before[place].clone();
        before.sort_unstable();
        before
    }

    /// How many places `place` waits for.
    pub(crate) fn waits_for(&self, place: usize) -> usize {
        self.before[place].len()
    }

    /// The shortest way from `from` to a place that waits for it, directly or not, both ends
    /// included.
    pub(crate) fn way(&self, from: usize, to: usize) -> Option<Vec<usize>> {
        if !self.leads(from, to) {
            return None;
        }
        Some(self.shortest_way(from, |place| place == to))
    }

    /// Whether `to` waits for `from`, directly or not, or is the same. Searches from both ends
    /// in turns: where drivers are declared in order, in whichever direction, one of them is
    /// the end of what is known, and there is nothing to search.
    fn leads(&self, from: usize, to: usize) -> bool {
        let mut seen = [HashSet::from([from]), HashSet::from([to])];
        let mut next = [VecDeque::from([from]), VecDeque::from([to])];
        let edges = [&self.then, &self.before];
        loop {
            for side in [0, 1] {
                let Some(at) = next[side].pop_front() else {
                    return false;
                };
                if seen[1 - side].contains(&at) {
                    return true;
                }
                for &further in &edges[side][at] {
                    if seen[side].insert(further) {
                        next[side].push_back(further);
                    }
                }
            }
        }
    }

    /// Places that form a cycle, from the smallest on; the first one waits for the last.
    pub(crate) fn cycle(&self) -> Option<Vec<usize>> {
        self.cycles().into_iter().next()
    }

    /// A circle among all places that wait for each other, as [`Order::cycle`] has it; the one with
    /// the smallest place first.
    pub(crate) fn cycles(&self) -> Vec<Vec<usize>> {
        let graph: DiGraph<(), (), usize> = DiGraph::from_edges(&self.edges);
        let mut starts: Vec<usize> = kosaraju_scc(&graph)
            .into_iter()
            .filter_map(|component| {
                let start = component.iter().map(|node| node.index()).min()?;
                let is_circle = component.len() > 1 || self.edges.contains(&(start, start));
                is_circle.then_some(start)
            })
            .collect();
        starts.sort_unstable();
        let circle =
            |start: usize| self.shortest_way(start, |place| self.edges.contains(&(place, start)));
        starts.into_iter().map(circle).collect()
    }

    /// The shortest way from `from` to a place that is the `end`, by breadth-first search; the
    /// smaller of two. Only asked where there is one.
    fn shortest_way(&self, from: usize, is_end: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut came_from = HashMap::from([(from, None)]);
        let mut queue = VecDeque::from([from]);
        while let Some(place) = queue.pop_front() {
            if is_end(place) {
                let before = |place: &usize| came_from.get(place).copied().flatten();
                let mut way: Vec<usize> = std::iter::successors(Some(place), before).collect();
                way.reverse();
                return way;
            }
            for next in self.then(place) {
                came_from.entry(next).or_insert_with(|| {
                    queue.push_back(next);
                    Some(place)
                });
            }
        }
        vec![from]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(edges: &[(usize, usize)], cycle: Option<&[usize]>) {
        let mut order = Order::new(5);
        for &(first, then) in edges {
            order.add(first, then);
        }
        assert_eq!(order.cycle().as_deref(), cycle);
    }

    #[test]
    fn spells_out_a_cycle() {
        check(&[(0, 1), (1, 2)], None);
        check(&[(3, 3)], Some(&[3]));
        check(&[(1, 2), (2, 1)], Some(&[1, 2]));
        check(&[(0, 1), (1, 4), (4, 2), (2, 1), (2, 3)], Some(&[1, 4, 2]));
    }

    #[test]
    fn takes_the_short_way_round() {
        check(&[(0, 1), (1, 2), (2, 3), (3, 0), (2, 0)], Some(&[0, 1, 2]));
    }

    #[test]
    fn counts_a_repeated_edge_once() {
        let mut order = Order::new(2);
        order.add(0, 1);
        order.add(0, 1);
        assert_eq!(order.waits_for(1), 1);
        assert_eq!(order.then(0), [1]);
        assert_eq!(order.all_then(0), [1]);
        assert_eq!(order.reversed().then(1), [0]);
    }

    #[test]
    fn finds_the_way_from_either_end() {
        let mut order = Order::new(6);
        for (first, then) in [(0, 1), (1, 2), (0, 3), (3, 4), (4, 2)] {
            order.add(first, then);
        }
        assert_eq!(order.way(0, 2), Some(vec![0, 1, 2]));
        assert_eq!(order.way(2, 0), None);
        assert_eq!(order.way(5, 5), Some(vec![5]));
        order.remove(0, 1);
        assert_eq!(order.way(0, 2), Some(vec![0, 3, 4, 2]));
    }

    #[test]
    fn a_long_chain_needs_no_stack_and_no_time() {
        const LENGTH: usize = 100_000;
        let in_a_small_thread = || {
            let mut order = Order::new(LENGTH);
            for place in 1..LENGTH {
                // Backwards, so that nothing is known before.
                let (first, then) = (LENGTH - place - 1, LENGTH - place);
                assert!(order.way(then, first).is_none());
                order.add(first, then);
            }
            assert_eq!(order.cycle(), None);
            assert_eq!(order.all_then(0).len(), LENGTH - 1);
            order.add(LENGTH - 1, 0);
            assert_eq!(order.cycle().map(|circle| circle.len()), Some(LENGTH));
        };
        let thread = std::thread::Builder::new().stack_size(256 << 10);
        thread.spawn(in_a_small_thread).unwrap().join().unwrap();
    }

    proptest! {
        #[test]
        fn a_way_is_found_where_there_is_one(edges in prop::collection::vec((0usize..12, 0usize..12), 0..24)) {
            let mut order = Order::new(12);
            for (first, then) in edges {
                order.add(first, then);
            }
            for from in 0..12 {
                let all = order.all_then(from);
                for to in 0..12 {
                    let is_there = from == to || all.contains(&to);
                    prop_assert_eq!(order.way(from, to).is_some(), is_there);
                }
            }
        }
    }
}
