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
/// How far an edge runs level beside a node, below the port that stands there.
const LEAD: f64 = 42.0;
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
    /// The room of each edge's name.
    names: Vec<Area>,
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

        let mut columns: HashMap<Slot, usize> = HashMap::new();
        for (column, layer) in layout.layers.iter().enumerate() {
            columns.extend(layer.iter().map(|slot| (*slot, column)));
        }

        // How much room each slot needs: that of its text, or of the edges
        // that meet it at one side.
        let mut sides: HashMap<(Slot, bool), usize> = HashMap::new();
        for pair in layout.routes.iter().flat_map(|route| route.windows(2)) {
            let rightward = columns[&pair[0]] < columns[&pair[1]];
            *sides.entry((pair[0], rightward)).or_default() += 1;
            *sides.entry((pair[1], !rightward)).or_default() += 1;
        }
        let size_of = |slot: &Slot| match slot {
            Slot::Node(place) => {
                let (width, height) = node_size(&nodes[connected[*place]]);
                let side = |right| sides.get(&(*slot, right)).copied().unwrap_or(0);
                let busiest = side(true).max(side(false)) as f64;
                (width, height.max(busiest * EDGE_GAP))
            }
            Slot::Bend { .. } => (0.0, EDGE_GAP),
        };
        let sizes: HashMap<Slot, (f64, f64)> = columns.keys().map(|s| (*s, size_of(s))).collect();

        // Columns from left to right, each centred on the same line.
        let height_of = |layer: &Vec<Slot>| {
            let heights: f64 = layer.iter().map(|slot| sizes[slot].1).sum();
            heights + NODE_GAP * layer.len().saturating_sub(1) as f64
        };
        let tallest = layout.layers.iter().map(height_of).fold(0.0, f64::max);
        let gaps = column_gaps(edges, &layout.routes, &columns);
        let mut slots: HashMap<Slot, Area> = HashMap::new();
        let mut x = MARGIN;
        for (layer, gap) in layout.layers.iter().zip(&gaps) {
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
            names: Vec::new(),
            caption: None,
            width: if connected.is_empty() {
                2.0 * MARGIN
            } else {
                x + MARGIN
            },
            height: tallest + 2.0 * MARGIN,
        };
        for (place, node) in connected.iter().enumerate() {
            drawing.areas[*node] = slots[&Slot::Node(place)];
        }
        drawing.place_names();
        drawing.place_unconnected();
        drawing
    }

    /// On the lines, and clear of nodes, ports and each other.
    fn place_names(&mut self) {
        let mut taken = Taken::default();
        for (node, area) in self.nodes.iter().zip(&self.areas) {
            if node.connected {
                taken.add(*area);
            }
        }
        for (edge, curves) in self.edges.iter().zip(&self.curves) {
            for port in ports(edge, curves) {
                taken.add(port.area());
            }
        }
        for (edge, curves) in self.edges.iter().zip(&self.curves) {
            let Some(first) = curves.first() else {
                self.names.push(Area::default());
                continue;
            };
            let name = shorten(edge.connection_rep(), LONGEST_LABEL);
            let area = free_area(first, text_width(&name, LABEL_LETTER), &taken);
            taken.add(area);
            self.names.push(area);
            self.width = self.width.max(area.x + area.width + MARGIN);
            self.height = self.height.max(area.y + area.height + MARGIN);
        }
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

    /// All lines first, so that none crosses a text.
    fn draw_edges(&self, out: &mut String) {
        for (edge, curves) in self.edges.iter().zip(&self.curves) {
            let _ = writeln!(
                out,
                "<g class=\"edge\"><title>{}</title><path d=\"{}\" marker-end=\"url(#arrow)\"/></g>",
                escape(&title(edge)),
                path(curves)
            );
        }
        for ((edge, curves), area) in self.edges.iter().zip(&self.curves).zip(&self.names) {
            let name = shorten(edge.connection_rep(), LONGEST_LABEL);
            let _ = write!(
                out,
                "<g class=\"edge\"><title>{}</title>",
                escape(&title(edge))
            );
            for port in ports(edge, curves) {
                port.draw(out);
            }
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
    /// The bent part, which begins and ends level.
    fn controls(&self) -> [Point; 4] {
        let width = self.to.x - self.from.x;
        let lead = width.signum() * LEAD.min(width.abs() / 4.0);
        let middle = (self.from.x + self.to.x) / 2.0;
        let (above, below) = (self.from.y, self.to.y);
        [
            (self.from.x + lead, above),
            (middle, above),
            (middle, below),
            (self.to.x - lead, below),
        ]
        .map(|(x, y)| Point { x, y })
    }

    /// The point at `t` of the bent part, 0 to 1.
    fn at(&self, t: f64) -> Point {
        let [p, q, r, s] = self.controls();
        let u = 1.0 - t;
        let mix = |p: f64, q: f64, r: f64, s: f64| {
            u * u * u * p + 3.0 * u * u * t * q + 3.0 * u * t * t * r + t * t * t * s
        };
        Point {
            x: mix(p.x, q.x, r.x, s.x),
            y: mix(p.y, q.y, r.y, s.y),
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

/// For each column, the room between it and the next: wide enough for the
/// texts of each edge there. After the last there is none.
fn column_gaps(edges: &[Edge], routes: &[Vec<Slot>], columns: &HashMap<Slot, usize>) -> Vec<f64> {
    let count = columns.values().max().map_or(0, |last| last + 1);
    let mut gaps = vec![SMALLEST_COLUMN_GAP; count];
    if let Some(last) = gaps.last_mut() {
        *last = 0.0;
    }
    let room = |text: &str| text_width(&shorten(text, LONGEST_LABEL), LABEL_LETTER) + 20.0;
    for (edge, route) in edges.iter().zip(routes) {
        let mut gap_of = route.windows(2).map(|p| columns[&p[0]].min(columns[&p[1]]));
        let Some(first) = gap_of.next() else { continue };
        let last = gap_of.next_back().unwrap_or(first);
        let at_start = room(&edge.start_label()).max(LEAD) + room(edge.connection_rep());
        let at_end = room(&edge.end_label()).max(LEAD);
        if first == last {
            gaps[first] = gaps[first].max(at_start + at_end);
        } else {
            gaps[first] = gaps[first].max(at_start + LEAD);
            gaps[last] = gaps[last].max(at_end + LEAD);
        }
    }
    gaps
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
    let places: HashMap<(Slot, bool, usize), usize> = sides
        .iter()
        .flat_map(|((slot, at_right), side)| {
            let edges = side.iter().enumerate();
            edges.map(|(place, (_, edge))| ((*slot, *at_right, *edge), place))
        })
        .collect();
    let meets = |slot: Slot, other: Slot, edge: usize| {
        let area = slots[&slot];
        let at_right = area.x < slots[&other].x;
        let side = &sides[&(slot, at_right)];
        let place = places.get(&(slot, at_right, edge)).copied().unwrap_or(0);
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

/// Room for a text on a curve, or as near to it as there is any.
fn free_area(curve: &Curve, width: f64, taken: &Taken) -> Area {
    const ALONG: [f64; 9] = [0.5, 0.42, 0.58, 0.35, 0.65, 0.3, 0.7, 0.25, 0.75];
    let width = width + 8.0;
    let around = |t: f64, below: f64| {
        let Point { x, y } = curve.at(t);
        Area {
            x: x - width / 2.0,
            y: y - LABEL_HEIGHT / 2.0 + below,
            width,
            height: LABEL_HEIGHT,
        }
    };
    let mut below = 0.0;
    loop {
        let areas = ALONG.iter().map(|t| around(*t, below));
        // Below everything there is room.
        if let Some(free) = areas.into_iter().find(|area| taken.is_free(area)) {
            return free;
        }
        below += LABEL_HEIGHT / 2.0;
    }
}

/// What there is no more room at, by the squares of a grid that it lies in.
#[derive(Default)]
struct Taken {
    squares: HashMap<(i64, i64), Vec<Area>>,
}

impl Taken {
    fn add(&mut self, area: Area) {
        for square in Self::squares(&area) {
            self.squares.entry(square).or_default().push(area);
        }
    }

    fn is_free(&self, area: &Area) -> bool {
        let near = Self::squares(area).filter_map(|square| self.squares.get(&square));
        !near.flatten().any(|other| other.overlaps(area))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a picture is smaller than that"
    )]
    fn squares(area: &Area) -> impl Iterator<Item = (i64, i64)> + use<> {
        const SIDE: f64 = 64.0;
        let square = |at: f64| (at / SIDE).floor() as i64;
        let columns = square(area.x)..=square(area.x + area.width);
        let rows = square(area.y)..=square(area.y + area.height);
        columns.flat_map(move |column| rows.clone().map(move |row| (column, row)))
    }
}

fn path(curves: &[Curve]) -> String {
    let mut path = String::new();
    for curve in curves {
        if path.is_empty() {
            let _ = write!(path, "M{:.1} {:.1}", curve.from.x, curve.from.y);
        }
        let [begin, a, b, end] = curve.controls();
        let _ = write!(
            path,
            "H{:.1}C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}H{:.1}",
            begin.x, a.x, a.y, b.x, b.y, end.x, end.y, curve.to.x
        );
    }
    path
}

/// What a pointer over an edge shows.
fn title(edge: &Edge) -> String {
    format!(
        "{} ({} -> {})",
        edge.id(),
        edge.start_label(),
        edge.end_label()
    )
}

/// The ports of an edge, beside the nodes that they belong to and just above the
/// line.
fn ports(edge: &Edge, curves: &[Curve]) -> Vec<Port> {
    let (Some(first), Some(last)) = (curves.first(), curves.last()) else {
        return Vec::new();
    };
    // The end has the arrow's head beside it.
    vec![
        Port::new(&edge.start_label(), first.from, first.to, 6.0),
        Port::new(&edge.end_label(), last.to, last.from, 10.0),
    ]
}

/// A port, or several, at one end of an edge.
struct Port {
    text: String,
    x: f64,
    /// Of the line that the letters stand on.
    y: f64,
    rightward: bool,
}

impl Port {
    fn new(text: &str, at: Point, towards: Point, distance: f64) -> Self {
        let rightward = towards.x > at.x;
        Self {
            text: shorten(text, LONGEST_LABEL),
            x: at.x + if rightward { distance } else { -distance },
            y: at.y - 5.0,
            rightward,
        }
    }

    fn area(&self) -> Area {
        let width = text_width(&self.text, LABEL_LETTER);
        Area {
            x: if self.rightward {
                self.x
            } else {
                self.x - width
            },
            y: self.y - LABEL_HEIGHT + 4.5,
            width,
            height: LABEL_HEIGHT,
        }
    }

    fn draw(&self, out: &mut String) {
        let anchor = if self.rightward { "start" } else { "end" };
        let _ = write!(
            out,
            "<text class=\"port\" text-anchor=\"{anchor}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            self.x,
            self.y,
            escape(&self.text)
        );
    }
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
