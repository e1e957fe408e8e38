//! Who starts before whom: a graph of places in the environment, without
//! drivers or clocks.

use std::collections::VecDeque;

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::Dfs;
use petgraph::{Direction, graph};

/// Places in the environment, and which must be up before which.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    graph: DiGraph<(), ()>,
}

impl Order {
    /// `count` places without edges.
    pub(crate) fn new(count: usize) -> Self {
        let mut graph = DiGraph::with_capacity(count, count);
        for _ in 0..count {
            graph.add_node(());
        }
        Order { graph }
    }

    /// Every place after the one before it.
    pub(crate) fn chain(count: usize) -> Self {
        let mut order = Order::new(count);
        for later in 1..count {
            order.add(later - 1, later);
        }
        order
    }

    /// Lets `then` wait for `first`. Saying it twice is saying it once.
    pub(crate) fn add(&mut self, first: usize, then: usize) {
        self.graph
            .update_edge(NodeIndex::new(first), NodeIndex::new(then), ());
    }

    /// The same places with every edge turned round: the order of a stop.
    pub(crate) fn reversed(&self) -> Self {
        let mut graph = self.graph.clone();
        graph.reverse();
        Order { graph }
    }

    /// How many places there are.
    pub(crate) fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// The places that wait for `place`, smallest first.
    pub(crate) fn then(&self, place: usize) -> Vec<usize> {
        let mut then: Vec<usize> = self
            .graph
            .neighbors(NodeIndex::new(place))
            .map(NodeIndex::index)
            .collect();
        then.sort_unstable();
        then
    }

    /// All places that wait for `place`, directly or not, smallest first.
    pub(crate) fn all_then(&self, place: usize) -> Vec<usize> {
        let mut search = Dfs::new(&self.graph, NodeIndex::new(place));
        let mut all = Vec::new();
        while let Some(node) = search.next(&self.graph) {
            all.extend((node.index() != place).then_some(node.index()));
        }
        all.sort_unstable();
        all
    }

    /// How many places `place` waits for.
    pub(crate) fn waits_for(&self, place: usize) -> usize {
        self.graph
            .edges_directed(NodeIndex::new(place), Direction::Incoming)
            .count()
    }

    /// Places that wait for each other in a circle, from the smallest of them
    /// on; the last one is waited for by the first.
    pub(crate) fn cycle(&self) -> Option<Vec<usize>> {
        let has_loop = |node: NodeIndex| self.graph.contains_edge(node, node);
        let component = tarjan_scc(&self.graph)
            .into_iter()
            .filter(|component| component.len() > 1 || component.iter().any(|&node| has_loop(node)))
            .min_by_key(|component| component.iter().map(|node| node.index()).min())?;
        let start = component.iter().copied().min()?;
        Some(self.shortest_circle(start))
    }

    /// The shortest way from `start` back to itself, by breadth-first search.
    fn shortest_circle(&self, start: graph::NodeIndex) -> Vec<usize> {
        let mut came_from = vec![None; self.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            let mut next: Vec<NodeIndex> = self.graph.neighbors(node).collect();
            next.sort_unstable();
            for next in next {
                if next == start {
                    let mut circle = vec![node.index()];
                    let mut at = node;
                    while let Some(previous) = came_from[at.index()] {
                        at = previous;
                        circle.push(at.index());
                    }
                    circle.reverse();
                    return circle;
                }
                if came_from[next.index()].is_none() {
                    came_from[next.index()] = Some(node);
                    queue.push_back(next);
                }
            }
        }
        vec![start.index()]
    }
}

#[cfg(test)]
mod tests {
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
}
