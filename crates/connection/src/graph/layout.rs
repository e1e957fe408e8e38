//! Where the nodes of a picture go: clients to the left of their servers.
//!
//! The usual steps for layered drawings, over places in lists only:
//!
//! 1. Turn round the edges that close a cycle.
//! 2. Put each node one layer right of the rightmost node that leads to it, and
//!    those that none leads to one layer left of the leftmost they lead to.
//! 3. Give edges that span layers a bend in each layer between, or, where they
//!    span many, only beside their ends: a picture of a long chain is then no
//!    larger than the chain.
//! 4. Order each layer by the mean place of its neighbours, to and fro.

/// An edge between two nodes, by their places.
pub(super) type Pair = (usize, usize);

/// The layers, from left to right, and the way of each edge through them.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// What stands in each layer, from the top down.
    pub(super) layers: Vec<Vec<Slot>>,
    /// The slots that each edge passes, from its source to its target.
    pub(super) routes: Vec<Vec<Slot>>,
}

/// Something that takes up room in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Slot {
    /// A node, by its place.
    Node(usize),
    /// Where an edge, by its place, passes a layer.
    Bend { edge: usize, layer: usize },
}

/// How many layers an edge may pass with a bend in each.
const MOST_BENDS: usize = 8;

/// Lays out `count` nodes; no edge may lead from a node to itself.
pub(super) fn layout(count: usize, edges: &[Pair]) -> Layout {
    let turned = closing_a_cycle(count, edges);
    let rightward: Vec<Pair> = edges
        .iter()
        .zip(&turned)
        .map(|(&(from, to), turned)| if *turned { (to, from) } else { (from, to) })
        .collect();
    let layer_of = layers(count, &rightward);
    let mut layers: Vec<Vec<Slot>> = Vec::new();
    layers.resize_with(layer_of.iter().map(|l| l + 1).max().unwrap_or(0), Vec::new);
    for (node, layer) in layer_of.iter().enumerate() {
        layers[*layer].push(Slot::Node(node));
    }
    let mut routes: Vec<Vec<Slot>> = Vec::new();
    for (edge, (from, to)) in rightward.iter().enumerate() {
        let between = layer_of[*from] + 1..layer_of[*to];
        let mut route = vec![Slot::Node(*from)];
        if between.len() <= MOST_BENDS {
            route.extend(between.map(|layer| Slot::Bend { edge, layer }));
        } else {
            let ends = [between.start, between.end - 1];
            route.extend(ends.map(|layer| Slot::Bend { edge, layer }));
        }
        for bend in &route[1..] {
            if let Slot::Bend { layer, .. } = bend {
                layers[*layer].push(*bend);
            }
        }
        route.push(Slot::Node(*to));
        routes.push(route);
    }
    order(&mut layers, &routes);
    for (route, turned) in routes.iter_mut().zip(turned) {
        if turned {
            route.reverse();
        }
    }
    Layout { layers, routes }
}

/// For each edge, whether it leads back to a node on the way to it.
fn closing_a_cycle(count: usize, edges: &[Pair]) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum Visit {
        Never,
        OnTheWay,
        Done,
    }
    let mut leaving = vec![Vec::new(); count];
    for (edge, (from, _)) in edges.iter().enumerate() {
        leaving[*from].push(edge);
    }
    let mut visits = vec![Visit::Never; count];
    let mut closing = vec![false; edges.len()];
    for root in 0..count {
        if visits[root] != Visit::Never {
            continue;
        }
        visits[root] = Visit::OnTheWay;
        // A stack of its own: a chain may be longer than the thread's.
        let mut way = vec![(root, 0)];
        while let Some((node, next)) = way.last_mut() {
            let Some(&edge) = leaving[*node].get(*next) else {
                visits[*node] = Visit::Done;
                way.pop();
                continue;
            };
            *next += 1;
            let target = edges[edge].1;
            match visits[target] {
                Visit::Never => {
                    visits[target] = Visit::OnTheWay;
                    way.push((target, 0));
                }
                Visit::OnTheWay => closing[edge] = true,
                Visit::Done => {}
            }
        }
    }
    closing
}

/// The layer of each node; the edges have no cycle.
fn layers(count: usize, edges: &[Pair]) -> Vec<usize> {
    let mut waiting_for = vec![0; count];
    let mut leaving = vec![Vec::new(); count];
    for (from, to) in edges {
        waiting_for[*to] += 1;
        leaving[*from].push(*to);
    }
    let mut layers = vec![0; count];
    let mut ready: Vec<usize> = (0..count).filter(|n| waiting_for[*n] == 0).collect();
    while let Some(node) = ready.pop() {
        for &target in &leaving[node] {
            layers[target] = layers[target].max(layers[node] + 1);
            waiting_for[target] -= 1;
            if waiting_for[target] == 0 {
                ready.push(target);
            }
        }
    }
    let mut led_to = vec![false; count];
    for (_, to) in edges {
        led_to[*to] = true;
    }
    for node in (0..count).filter(|node| !led_to[*node]) {
        let targets = leaving[node].iter().map(|target| layers[*target]);
        // A target's layer is never the first.
        layers[node] = targets.min().map_or(0, |leftmost| leftmost - 1);
    }
    layers
}

/// Sorts each layer by the mean place of the neighbours in the layer before,
/// from left to right and back, a few times.
fn order(layers: &mut [Vec<Slot>], routes: &[Vec<Slot>]) {
    use std::collections::HashMap;
    const SWEEPS: usize = 4;
    let mut neighbours: HashMap<Slot, Vec<Slot>> = HashMap::new();
    for route in routes {
        for pair in route.windows(2) {
            neighbours.entry(pair[0]).or_default().push(pair[1]);
            neighbours.entry(pair[1]).or_default().push(pair[0]);
        }
    }
    for sweep in 0..SWEEPS {
        for step in 1..layers.len() {
            let (fixed, sorted) = if sweep % 2 == 0 {
                (step - 1, step)
            } else {
                (layers.len() - step, layers.len() - step - 1)
            };
            let places: HashMap<Slot, usize> = layers[fixed]
                .iter()
                .enumerate()
                .map(|(place, slot)| (*slot, place))
                .collect();
            let mut keyed: Vec<(f64, Slot)> = layers[sorted]
                .iter()
                .enumerate()
                .map(|(place, slot)| {
                    let near = neighbours.get(slot).into_iter().flatten();
                    let near: Vec<_> = near.filter_map(|n| places.get(n)).collect();
                    let sum: usize = near.iter().copied().sum();
                    match near.len() {
                        0 => (place as f64, *slot),
                        many => (sum as f64 / many as f64, *slot),
                    }
                })
                .collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            layers[sorted] = keyed.into_iter().map(|(_, slot)| slot).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Slot, layout};

    #[test]
    fn puts_clients_left_of_their_servers() {
        check(3, &[(2, 0), (2, 1)], &[&[2], &[0, 1]]);
    }

    #[test]
    fn puts_a_proxy_between() {
        check(3, &[(0, 1), (1, 2)], &[&[0], &[1], &[2]]);
    }

    #[test]
    fn puts_a_client_next_to_its_server() {
        let edges = [(0, 1), (1, 2), (3, 2)];
        check(4, &edges, &[&[0], &[1, 3], &[2]]);
    }

    #[test]
    fn lays_out_a_cycle() {
        check(3, &[(0, 1), (1, 2), (2, 0)], &[&[0], &[1], &[2]]);
        let layout = layout(3, &[(0, 1), (1, 2), (2, 0)]);
        assert_eq!(layout.routes[2].first(), Some(&Slot::Node(2)));
        assert_eq!(layout.routes[2].last(), Some(&Slot::Node(0)));
        assert_eq!(layout.routes[2].len(), 3); // with a bend beside node 1
    }

    #[test]
    fn a_long_way_has_few_bends() {
        const LONG: usize = 100;
        let mut edges: Vec<_> = (1..LONG).map(|node| (node - 1, node)).collect();
        edges.push((0, LONG - 1));
        let layout = layout(LONG, &edges);
        let bends = [1, LONG - 2].map(|layer| Slot::Bend {
            edge: LONG - 1,
            layer,
        });
        assert_eq!(layout.routes[LONG - 1][1..3], bends);
        assert_eq!(layout.routes[LONG - 1].len(), 4);
        let slots: usize = layout.layers.iter().map(Vec::len).sum();
        assert_eq!(slots, LONG + 2);
    }

    #[test]
    fn uncrosses_edges() {
        check(4, &[(0, 3), (1, 2)], &[&[0, 1], &[3, 2]]);
    }

    #[test]
    fn lays_out_nothing() {
        check(0, &[], &[]);
    }

    #[track_caller]
    fn check(count: usize, edges: &[(usize, usize)], expected: &[&[usize]]) {
        let nodes = layout(count, edges).layers.into_iter().map(|layer| {
            let nodes = layer.into_iter().filter_map(|slot| match slot {
                Slot::Node(node) => Some(node),
                Slot::Bend { .. } => None,
            });
            nodes.collect::<Vec<_>>()
        });
        assert_eq!(nodes.collect::<Vec<_>>(), expected);
    }
}
