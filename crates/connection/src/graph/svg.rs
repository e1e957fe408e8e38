//! The graph as a picture.

use std::collections::HashMap;
use std::fmt::Write;

use super::layout::{Pair, Slot, layout};
use super::{Edge, Node};

const MARGIN: f64 = 24.0;
const LINE: f64 = 17.0;
const PADDING: f64 = 14.0;
/// Between two nodes of a layer.
const NODE_GAP: f64 = 28.0;
/// Between the points where two edges meet a node, and in which a bend passes.
const EDGE_GAP: f64 = 30.0;
const SMALLEST_COLUMN_GAP: f64 = 120.0;
/// The average width of a letter, generously: nothing is measured here.
const NODE_LETTER: f64 = 7.8;
const LABEL_LETTER: f64 = 6.8;
const LABEL_HEIGHT: f64 = 16.0;
const LONGEST_NAME: usize = 40;
const LONGEST_LABEL: usize = 48;

/// One colour scheme that reads on any background: it brings its own.
const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#1f2328}\
.node rect{fill:#f6f8fa;stroke:#57606a;stroke-width:1.5}\
.node text{font-size:13px;text-anchor:middle}\
.unconnected rect{fill:#fff5f5;stroke:#ff0000;stroke-dasharray:5 3}\
.edge path{fill:none;stroke:#57606a;stroke-width:1.5}\
.edge text{font-family:ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:11px}\
.name text{fill:#0550ae;text-anchor:middle}\
.name rect{fill:#ffffff;fill-opacity:.92}\
.port{fill:#57606a}\
.caption{font-size:12px;fill:#cf222e}";

/// A rectangle by its left upper corner.
#[derive(Clone, Copy, Debug, Default)]
struct Area {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    x: f64,
    y: f64,
}

/// A piece of an edge between two neighbouring layers.
#[derive(Clone, Copy, Debug)]
struct Curve {
    from: Point,
    to: Point,
}

pub(super) fn render(nodes: &[Node], edges: &[Edge]) -> String {
    let drawing = Drawing::new(nodes, edges);
    let mut out = String::new();
    let (width, height) = (drawing.width, drawing.height);
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 {width:.0} \
         {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\">"
    );
    let _ = writeln!(out, "<title>Drivers and their connections</title>");
    let _ = writeln!(out, "<style>{STYLE}</style>");
    out.push_str(
        "<defs><marker id=\"arrow\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" \
         markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">\
         <path d=\"M0 0.8L10 5L0 9.2z\" fill=\"#57606a\"/></marker></defs>\n",
    );
    let _ = writeln!(
        out,
        "<rect width=\"{width:.0}\" height=\"{height:.0}\" rx=\"8\" fill=\"#ffffff\"/>"
    );
    drawing.draw_edges(&mut out);
    drawing.draw_nodes(&mut out);
    out.push_str("</svg>\n");
    out
}

/// Everything at its place.
struct Drawing<'g> {
    nodes: &'g [Node],
    edges: &'g [Edge],
    areas: Vec<Area>,
    /// The pieces of each edge, from its source to its target.
    curves: Vec<Vec<Curve>>,
    /// Where the line above the unconnected drivers goes.
    caption: Option<Point>,
    width: f64,
    height: f64,
}

impl<'g> Drawing<'g> {
    fn new(nodes: &'g [Node], edges: &'g [Edge]) -> Self {
        let connected: Vec<usize> = (0..nodes.len()).filter(|n| nodes[*n].connected).collect();
        let place: HashMap<&str, usize> = connected
            .iter()
            .enumerate()
            .map(|(place, node)| (nodes[*node].name(), place))
            .collect();
        let pairs: Vec<Pair> = edges
            .iter()
            .filter_map(|e| Some((*place.get(e.source())?, *place.get(e.target())?)))
            .collect();
        let layout = layout(connected.len(), &pairs);

        // How much room each slot needs.
        let mut sizes: HashMap<Slot, (f64, f64)> = HashMap::new();
        for slot in layout.layers.iter().flatten() {
            let size = match slot {
                Slot::Node(place) => {
                    let (mut right, mut left) = (0, 0);
                    for route in &layout.routes {
                        // An edge that was turned round leaves at the left.
                        let turned = column(&layout.layers, route.first())
                            > column(&layout.layers, route.last());
                        let starts = route.first() == Some(slot);
                        let ends = route.last() == Some(slot);
                        right += usize::from(starts && !turned || ends && turned);
                        left += usize::from(ends && !turned || starts && turned);
                    }
                    let (width, height) = node_size(&nodes[connected[*place]]);
                    (width, height.max(right.max(left) as f64 * EDGE_GAP))
                }
                Slot::Bend { .. } => (0.0, EDGE_GAP),
            };
            sizes.insert(*slot, size);
        }

        // Columns from left to right, each centred on the same line.
        let height_of = |layer: &Vec<Slot>| {
            let heights: f64 = layer.iter().map(|slot| sizes[slot].1).sum();
            heights + NODE_GAP * layer.len().saturating_sub(1) as f64
        };
        let tallest = layout.layers.iter().map(height_of).fold(0.0, f64::max);
        let gap = column_gap(edges);
        let mut slots: HashMap<Slot, Area> = HashMap::new();
        let mut x = MARGIN;
        for layer in &layout.layers {
            let width = layer.iter().map(|s| sizes[s].0).fold(0.0, f64::max);
            let mut y = MARGIN + (tallest - height_of(layer)) / 2.0;
            for slot in layer {
                let height = sizes[slot].1;
                slots.insert(
                    *slot,
                    Area {
                        x,
                        y,
                        width,
                        height,
                    },
                );
                y += height + NODE_GAP;
            }
            x += width + gap;
        }
        let mut drawing = Self {
            nodes,
            edges,
            areas: vec![Area::default(); nodes.len()],
            curves: curves(&layout.routes, &slots),
            caption: None,
            width: if connected.is_empty() {
                2.0 * MARGIN
            } else {
                x - gap + MARGIN
            },
            height: tallest + 2.0 * MARGIN,
        };
        for (place, node) in connected.iter().enumerate() {
            drawing.areas[*node] = slots[&Slot::Node(place)];
        }
        drawing.place_unconnected();
        drawing
    }

    /// In rows below the rest.
    fn place_unconnected(&mut self) {
        const ROW: f64 = 640.0;
        let right = self.width.max(ROW) - MARGIN;
        let mut corner: Option<Point> = None;
        let mut row_height: f64 = 0.0;
        for (node, area) in self.nodes.iter().zip(&mut self.areas) {
            if node.connected {
                continue;
            }
            let (width, height) = node_size(node);
            let mut at = corner.unwrap_or_else(|| {
                let top = if self.height > 2.0 * MARGIN {
                    self.height
                } else {
                    MARGIN
                };
                self.caption = Some(Point {
                    x: MARGIN,
                    y: top + LINE - 6.0,
                });
                Point {
                    x: MARGIN,
                    y: top + LINE + 6.0,
                }
            });
            if at.x > MARGIN && at.x + width > right {
                at = Point {
                    x: MARGIN,
                    y: at.y + row_height + NODE_GAP / 2.0,
                };
                row_height = 0.0;
            }
            *area = Area {
                x: at.x,
                y: at.y,
                width,
                height,
            };
            row_height = row_height.max(height);
            self.width = self.width.max(at.x + width + MARGIN);
            self.height = self.height.max(at.y + row_height + MARGIN);
            at.x += width + NODE_GAP / 2.0;
            corner = Some(at);
        }
        if self.nodes.is_empty() {
            self.caption = Some(Point {
                x: MARGIN,
                y: MARGIN + LINE,
            });
            self.width = 200.0;
            self.height = 2.0 * MARGIN + LINE;
        }
    }

    fn draw_edges(&self, out: &mut String) {
        let mut taken: Vec<Area> = Vec::new();
        for (edge, curves) in self.edges.iter().zip(&self.curves) {
            let (Some(first), Some(last)) = (curves.first(), curves.last()) else {
                continue;
            };
            let mut path = format!("M{:.1} {:.1}", first.from.x, first.from.y);
            for curve in curves {
                let [a, b] = curve.controls();
                let _ = write!(
                    path,
                    "C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
                    a.x, a.y, b.x, b.y, curve.to.x, curve.to.y
                );
            }
            let title = format!(
                "{} ({} -> {})",
                edge.id(),
                edge.start_label(),
                edge.end_label()
            );
            let _ = writeln!(
                out,
                "<g class=\"edge\"><title>{}</title><path d=\"{path}\" marker-end=\"url(#arrow)\"/>",
                escape(&title)
            );
            port(out, &edge.start_label(), first.from, first.to);
            port(out, &edge.end_label(), last.to, last.from);
            let name = shorten(edge.connection_rep(), LONGEST_LABEL);
            let area = free_area(first, text_width(&name, LABEL_LETTER), &taken);
            taken.push(area);
            let _ = writeln!(
                out,
                "<g class=\"name\"><rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" \
                 height=\"{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text></g></g>",
                area.x,
                area.y,
                area.width,
                area.height,
                area.x + area.width / 2.0,
                area.y + area.height - 4.5,
                escape(&name)
            );
        }
    }

    fn draw_nodes(&self, out: &mut String) {
        if let Some(at) = self.caption {
            let text = if self.nodes.is_empty() {
                "no drivers"
            } else {
                "unconnected"
            };
            let _ = writeln!(
                out,
                "<text class=\"caption\" x=\"{:.1}\" y=\"{:.1}\">{text}</text>",
                at.x, at.y
            );
        }
        for (node, area) in self.nodes.iter().zip(&self.areas) {
            let class = if node.connected {
                "node"
            } else {
                "node unconnected"
            };
            let _ = write!(
                out,
                "<g class=\"{class}\"><title>{}</title><rect x=\"{:.1}\" y=\"{:.1}\" \
                 width=\"{:.1}\" height=\"{:.1}\" rx=\"7\"/>",
                escape(node.name()),
                area.x,
                area.y,
                area.width,
                area.height
            );
            let label = node.label();
            let lines = label.lines().count() as f64;
            let middle = area.y + area.height / 2.0;
            for (index, line) in label.lines().enumerate() {
                let _ = write!(
                    out,
                    "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                    area.x + area.width / 2.0,
                    middle + (index as f64 - (lines - 1.0) / 2.0) * LINE + 4.5,
                    escape(&shorten(line, LONGEST_NAME))
                );
            }
            out.push_str("</g>\n");
        }
    }
}

impl Curve {
    /// Leaves and arrives level.
    fn controls(&self) -> [Point; 2] {
        let middle = (self.from.x + self.to.x) / 2.0;
        [
            Point {
                x: middle,
                y: self.from.y,
            },
            Point {
                x: middle,
                y: self.to.y,
            },
        ]
    }

    /// The point at `t` of the way, 0 to 1.
    fn at(&self, t: f64) -> Point {
        let [a, b] = self.controls();
        let u = 1.0 - t;
        let mix = |p: [f64; 4]| {
            u * u * u * p[0] + 3.0 * u * u * t * p[1] + 3.0 * u * t * t * p[2] + t * t * t * p[3]
        };
        Point {
            x: mix([self.from.x, a.x, b.x, self.to.x]),
            y: mix([self.from.y, a.y, b.y, self.to.y]),
        }
    }
}

impl Area {
    fn overlaps(&self, other: &Self) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }

    fn middle(&self) -> f64 {
        self.y + self.height / 2.0
    }
}

fn column(layers: &[Vec<Slot>], slot: Option<&Slot>) -> Option<usize> {
    layers
        .iter()
        .position(|layer| slot.is_some_and(|s| layer.contains(s)))
}

/// Wide enough for the texts of the edge with the most of them.
fn column_gap(edges: &[Edge]) -> f64 {
    let needed = edges.iter().map(|edge| {
        let texts = [
            edge.start_label(),
            edge.connection_rep.clone(),
            edge.end_label(),
        ];
        let texts = texts.iter().map(|t| shorten(t, LONGEST_LABEL));
        texts
            .map(|text| text_width(&text, LABEL_LETTER) + 18.0)
            .sum()
    });
    needed.fold(SMALLEST_COLUMN_GAP, f64::max)
}

/// The pieces of each route. Where several meet a node at one side, they
/// spread over it in the order of where they come from.
fn curves(routes: &[Vec<Slot>], slots: &HashMap<Slot, Area>) -> Vec<Vec<Curve>> {
    // For each side of each slot: the edges that meet it, by the height of
    // the slot that they come from.
    let mut sides: HashMap<(Slot, bool), Vec<(f64, usize)>> = HashMap::new();
    for (edge, route) in routes.iter().enumerate() {
        for pair in route.windows(2) {
            for (slot, other) in [(pair[0], pair[1]), (pair[1], pair[0])] {
                let at_right = slots[&slot].x < slots[&other].x;
                let side = sides.entry((slot, at_right)).or_default();
                side.push((slots[&other].middle(), edge));
            }
        }
    }
    for side in sides.values_mut() {
        side.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }
    let meets = |slot: Slot, other: Slot, edge: usize| {
        let area = slots[&slot];
        let at_right = area.x < slots[&other].x;
        let side = &sides[&(slot, at_right)];
        let place = side.iter().position(|(_, e)| *e == edge).unwrap_or(0);
        Point {
            x: if at_right {
                area.x + area.width
            } else {
                area.x
            },
            y: area.y + area.height * (place as f64 + 1.0) / (side.len() as f64 + 1.0),
        }
    };
    let mut all = Vec::with_capacity(routes.len());
    for (edge, route) in routes.iter().enumerate() {
        let mut curves: Vec<Curve> = Vec::new();
        for pair in route.windows(2) {
            let from = meets(pair[0], pair[1], edge);
            let to = meets(pair[1], pair[0], edge);
            // Straight through the column that a bend stands in.
            if let Some(before) = curves.last() {
                curves.push(Curve {
                    from: before.to,
                    to: from,
                });
            }
            curves.push(Curve { from, to });
        }
        all.push(curves);
    }
    all
}

/// Room for a text on a curve, free of other texts if there is such a place.
fn free_area(curve: &Curve, width: f64, taken: &[Area]) -> Area {
    const TRIES: [f64; 9] = [0.5, 0.42, 0.58, 0.35, 0.65, 0.3, 0.7, 0.25, 0.75];
    let width = width + 8.0;
    let around = |t: f64| {
        let Point { x, y } = curve.at(t);
        Area {
            x: x - width / 2.0,
            y: y - LABEL_HEIGHT / 2.0,
            width,
            height: LABEL_HEIGHT,
        }
    };
    let mut areas = TRIES.iter().map(|t| around(*t));
    let free = areas.find(|area| !taken.iter().any(|other| other.overlaps(area)));
    free.unwrap_or_else(|| around(0.5))
}

/// A port beside the node that it belongs to, just above the line.
fn port(out: &mut String, text: &str, at: Point, towards: Point) {
    let (x, anchor) = if towards.x > at.x {
        (at.x + 6.0, "start")
    } else {
        // Clear of the arrow's head.
        (at.x - 10.0, "end")
    };
    let _ = write!(
        out,
        "<text class=\"port\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
        at.y - 5.0,
        escape(&shorten(text, LONGEST_LABEL))
    );
}

fn node_size(node: &Node) -> (f64, f64) {
    let label = node.label();
    let widest = label
        .lines()
        .map(|line| text_width(&shorten(line, LONGEST_NAME), NODE_LETTER))
        .fold(0.0, f64::max);
    let lines = label.lines().count().max(1) as f64;
    (
        (widest + 2.0 * PADDING).max(64.0),
        lines * LINE + PADDING * 1.2,
    )
}

fn text_width(text: &str, letter: f64) -> f64 {
    // East Asian letters and most symbols are about twice as wide.
    let letters: usize = text
        .chars()
        .map(|c| if c < '\u{1100}' { 1 } else { 2 })
        .sum();
    letters as f64 * letter
}

/// The text, with an ellipsis for what is beyond `longest` letters.
fn shorten(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(longest - 1).collect();
    short.push('…');
    short
}

/// As XML text; what XML cannot hold at all is replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            control if control.is_control() => out.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
