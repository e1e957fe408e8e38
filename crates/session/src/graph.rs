//! [`Graph`]: who needs whom in an environment, as it is declared, and how it is now.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use standin::environment::EnvironmentView;
use standin::{Driver, Environment, Lifecycle as _, Status};

/// The drivers of an environment and their dependencies, as the file declares them; for a running
/// one also the status and address of each, and who is connected to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    environment: String,
    drivers: Vec<Node>,
    needs: Vec<Arrow>,
    /// The current connections.
    connected: Vec<Connected>,
}

/// A driver.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    name: String,
    kind: String,
    now: Option<Now>,
}

/// How a driver is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Now {
    status: Status,
    /// Its address, or the number of its process.
    place: Option<String>,
    /// The drivers that must be up before it.
    waits_for: Vec<String>,
}

/// A driver needs another one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Arrow {
    driver: String,
    needs: String,
    option: String,
}

/// A driver is connected to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Connected {
    from: String,
    to: String,
    /// How it is known, such as `tcp://80`.
    by: String,
}

/// How a [`Graph`] is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GraphFormat {
    /// A line for each driver.
    Text,
    /// A flowchart of Mermaid.
    Mermaid,
    /// The language of Graphviz.
    Dot,
    /// A picture.
    Svg,
    /// `drivers` with `name` and `kind`, `needs` with `driver`, `needs` and `option`; of an
    /// environment that is up each driver also has `status`, `place` (its address, or the number of
    /// its process) and `waits_for`, and there is `connected` with `from`, `to` and `by`.
    Json,
}

/// The size of a box in a picture, and the space between two of them.
const BOX: (usize, usize) = (170, 56);
const GAP: (usize, usize) = (80, 20);

impl Graph {
    pub(crate) fn of(environment: &Environment) -> Self {
        let drivers = environment.names().into_iter().map(|name| {
            let driver = environment.driver(&name);
            Node {
                kind: driver.map_or_else(|_| String::new(), |d| d.base().kind().to_owned()),
                name,
                now: None,
            }
        });
        let needs = environment.needs().into_iter().map(|need| Arrow {
            driver: need.driver,
            needs: need.needs,
            option: need.option,
        });
        Self {
            environment: environment.name().to_owned(),
            drivers: drivers.collect(),
            needs: needs.collect(),
            connected: Vec::new(),
        }
    }

    /// The same graph with how things are now.
    pub(crate) fn now(&self, view: &EnvironmentView) -> Self {
        let statuses: HashMap<String, Status> = view.statuses().into_iter().collect();
        let status = |name: &str| statuses.get(name).copied().unwrap_or(Status::None);
        let drivers = self.drivers.iter().map(|node| {
            let is_up = status(&node.name) == Status::Started;
            let needed = self.needs_of(&node.name).map(|need| need.needs.clone());
            let missing = needed.filter(|needed| !is_up && status(needed) != Status::Started);
            Node {
                now: Some(Now {
                    status: status(&node.name),
                    place: view
                        .driver(&node.name)
                        .ok()
                        .and_then(|driver| place(&*driver)),
                    waits_for: missing.collect(),
                }),
                ..node.clone()
            }
        });
        let graph = view.connections();
        let edges = graph.edges().iter().map(|edge| Connected {
            from: edge.source().to_owned(),
            to: edge.target().to_owned(),
            by: edge.connection_rep().to_owned(),
        });
        Self {
            drivers: drivers.collect(),
            connected: edges.collect(),
            ..self.clone()
        }
    }

    /// Returns the graph as text in that format.
    pub fn written(&self, format: GraphFormat) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = match format {
            GraphFormat::Text => self.write_text(&mut text),
            GraphFormat::Mermaid => self.write_mermaid(&mut text),
            GraphFormat::Dot => self.write_dot(&mut text),
            GraphFormat::Svg => self.write_svg(&mut text),
            GraphFormat::Json => writeln!(text, "{:#}", self.to_json()),
        };
        text
    }

    fn write_text(&self, text: &mut String) -> std::fmt::Result {
        let rows: Vec<[String; 4]> = self
            .drivers
            .iter()
            .map(|node| {
                let needs = self.needs_of(&node.name);
                let needs: Vec<String> = needs
                    .map(|need| format!("{} ({})", need.needs, need.option))
                    .collect();
                let mut last = match needs.is_empty() {
                    true => String::new(),
                    false => format!("needs {}", needs.join(", ")),
                };
                if let Some(waits) = node.waits() {
                    let comma = if last.is_empty() { "" } else { ", " };
                    last = format!("{last}{comma}{waits}");
                }
                let [name, kind] = [&node.name, &node.kind].map(Clone::clone);
                [name, kind, node.state().unwrap_or_default(), last]
            })
            .collect();
        let width = |column: usize| {
            let widths = rows.iter().map(|row| row[column].chars().count());
            widths.max().unwrap_or_default()
        };
        let [names, kinds, states] = [0, 1, 2].map(width);
        for [name, kind, state, last] in &rows {
            let mut line = format!("{name:names$}  {kind:kinds$}");
            if states > 0 {
                write!(line, "  {state:states$}")?;
            }
            writeln!(text, "{}", format!("{line}  {last}").trim_end())?;
        }
        for Connected { from, to, by } in &self.connected {
            writeln!(text, "{from} is connected to {to} ({by})")?;
        }
        Ok(())
    }

    fn write_mermaid(&self, text: &mut String) -> std::fmt::Result {
        let quoted = |name: &str| name.replace('#', "#35;").replace('"', "#quot;");
        writeln!(text, "flowchart LR")?;
        for (place, node) in self.drivers.iter().enumerate() {
            let lines: Vec<String> = node.lines().iter().map(|line| quoted(line)).collect();
            writeln!(text, "    n{place}[\"{}\"]", lines.join("<br/>"))?;
        }
        for (from, to, need) in self.arrows() {
            writeln!(text, "    n{from} -->|\"{}\"| n{to}", quoted(&need.option))?;
        }
        for (from, to, by) in self.lines_of_connections() {
            writeln!(text, "    n{from} ==>|\"{}\"| n{to}", quoted(by))?;
        }
        Ok(())
    }

    fn write_dot(&self, text: &mut String) -> std::fmt::Result {
        let quoted = |name: &str| name.replace('\\', "\\\\").replace('"', "\\\"");
        writeln!(text, "digraph \"{}\" {{", quoted(&self.environment))?;
        writeln!(text, "    rankdir=LR\n    node [shape=box]")?;
        for (place, node) in self.drivers.iter().enumerate() {
            let lines: Vec<String> = node.lines().iter().map(|line| quoted(line)).collect();
            writeln!(text, "    n{place} [label=\"{}\"]", lines.join("\\n"))?;
        }
        for (from, to, need) in self.arrows() {
            writeln!(
                text,
                "    n{from} -> n{to} [label=\"{}\"]",
                quoted(&need.option)
            )?;
        }
        for (from, to, by) in self.lines_of_connections() {
            let by = quoted(by);
            writeln!(
                text,
                "    n{from} -> n{to} [label=\"{by}\" style=bold constraint=false]"
            )?;
        }
        writeln!(text, "}}")
    }

    /// Drivers in columns, each to the right of all that it needs.
    fn write_svg(&self, text: &mut String) -> std::fmt::Result {
        let escaped = |name: &str| {
            name.replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
        };
        let columns = self.columns();
        let mut rows: HashMap<usize, usize> = HashMap::new();
        let places: Vec<(usize, usize)> = columns
            .iter()
            .map(|column| {
                let row = rows.entry(*column).or_default();
                *row += 1;
                (
                    GAP.1 + column * (BOX.0 + GAP.0),
                    GAP.1 + (*row - 1) * (BOX.1 + GAP.1),
                )
            })
            .collect();
        let right = places
            .iter()
            .map(|(x, _)| x + BOX.0)
            .max()
            .unwrap_or_default();
        let bottom = places
            .iter()
            .map(|(_, y)| y + BOX.1)
            .max()
            .unwrap_or_default();
        let (width, height) = (right + GAP.1, bottom + GAP.1);
        writeln!(
            text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
             <title>{}</title>\n\
             <defs><marker id=\"end\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" \
             markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>",
            escaped(&self.environment)
        )?;
        for (from, to, need) in self.arrows() {
            let ((fx, fy), (tx, ty)) = (places[from], places[to]);
            let (x, y, half) = (fx + BOX.0, fy + BOX.1 / 2, GAP.0 / 2);
            let ty = ty + BOX.1 / 2;
            writeln!(
                text,
                "<path d=\"M{x} {y}C{} {y} {} {ty} {tx} {ty}\" fill=\"none\" stroke=\"#666\" \
                 marker-end=\"url(#end)\"><title>{}</title></path>",
                x + half,
                tx.saturating_sub(half),
                escaped(&need.option)
            )?;
        }
        for (from, to, by) in self.lines_of_connections() {
            let ((fx, fy), (tx, ty)) = (places[from], places[to]);
            // Below the arrows of needs, and the other way mostly.
            let low = 3 * BOX.1 / 4;
            let ((fx, fy), (tx, ty)) = match fx.cmp(&tx) {
                Ordering::Less => ((fx + BOX.0, fy + low), (tx, ty + low)),
                Ordering::Greater => ((fx, fy + low), (tx + BOX.0, ty + low)),
                Ordering::Equal if fy < ty => ((fx + BOX.0 / 2, fy + BOX.1), (tx + BOX.0 / 2, ty)),
                Ordering::Equal => ((fx + BOX.0 / 2, fy), (tx + BOX.0 / 2, ty + BOX.1)),
            };
            writeln!(
                text,
                "<path d=\"M{fx} {fy}L{tx} {ty}\" stroke=\"#16a\" stroke-width=\"2\" \
                 marker-end=\"url(#end)\"><title>{}</title></path>",
                escaped(by)
            )?;
        }
        for (node, (x, y)) in self.drivers.iter().zip(&places) {
            let middle = x + BOX.0 / 2;
            writeln!(
                text,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"4\" fill=\"#fff\" \
                 stroke=\"#333\"/>",
                BOX.0, BOX.1,
            )?;
            for (row, line) in node.lines().iter().enumerate() {
                let (y, style) = match row {
                    0 => (y + 18, ""),
                    row => (y + 18 + 14 * row, " fill=\"#666\" font-size=\"11\""),
                };
                let line = escaped(line);
                writeln!(
                    text,
                    "<text x=\"{middle}\" y=\"{y}\" text-anchor=\"middle\"{style}>{line}</text>"
                )?;
            }
        }
        writeln!(text, "</svg>")
    }

    pub(crate) fn to_json(&self) -> Value {
        let drivers = self.drivers.iter().map(|node| {
            let mut driver = json!({ "name": node.name, "kind": node.kind });
            if let Some(now) = &node.now {
                driver["status"] = json!(now.status);
                driver["place"] = json!(now.place);
                driver["waits_for"] = json!(now.waits_for);
            }
            driver
        });
        let needs = self.needs.iter().map(
            |need| json!({ "driver": need.driver, "needs": need.needs, "option": need.option }),
        );
        let mut graph = json!({
            "environment": self.environment,
            "drivers": drivers.collect::<Vec<_>>(),
            "needs": needs.collect::<Vec<_>>(),
        });
        if self.drivers.iter().any(|node| node.now.is_some()) {
            let connected = self.connected.iter();
            let connected =
                connected.map(|one| json!({ "from": one.from, "to": one.to, "by": one.by }));
            graph["connected"] = connected.collect();
        }
        graph
    }

    /// The output of [`to_json`](Graph::to_json).
    pub(crate) fn of_json(value: &Value) -> Option<Self> {
        let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
        let list = |key: &str| value[key].as_array().map(Vec::as_slice).unwrap_or_default();
        let node = |value: &Value| {
            let now = |status: &str| {
                let waits_for = value["waits_for"].as_array()?.iter();
                Some(Now {
                    status: status.parse().ok()?,
                    place: text(value, "place"),
                    waits_for: waits_for
                        .filter_map(|name| Some(name.as_str()?.to_owned()))
                        .collect(),
                })
            };
            Some(Node {
                name: text(value, "name")?,
                kind: text(value, "kind")?,
                now: value["status"].as_str().and_then(now),
            })
        };
        let arrow = |value: &Value| {
            Some(Arrow {
                driver: text(value, "driver")?,
                needs: text(value, "needs")?,
                option: text(value, "option")?,
            })
        };
        let connected = |value: &Value| {
            Some(Connected {
                from: text(value, "from")?,
                to: text(value, "to")?,
                by: text(value, "by")?,
            })
        };
        Some(Self {
            environment: text(value, "environment")?,
            drivers: list("drivers").iter().map(node).collect::<Option<_>>()?,
            needs: list("needs").iter().map(arrow).collect::<Option<_>>()?,
            connected: list("connected")
                .iter()
                .map(connected)
                .collect::<Option<_>>()?,
        })
    }

    fn needs_of<'a>(&'a self, driver: &'a str) -> impl Iterator<Item = &'a Arrow> {
        self.needs.iter().filter(move |need| need.driver == driver)
    }

    fn place_of(&self, name: &str) -> Option<usize> {
        self.drivers.iter().position(|node| node.name == name)
    }

    /// From those that connect to those that they are connected to, by place.
    fn lines_of_connections(&self) -> impl Iterator<Item = (usize, usize, &str)> {
        self.connected
            .iter()
            .filter_map(|Connected { from, to, by }| {
                Some((self.place_of(from)?, self.place_of(to)?, by.as_str()))
            })
    }

    /// From those that are needed to those that need them, by place.
    fn arrows(&self) -> impl Iterator<Item = (usize, usize, &Arrow)> {
        self.needs.iter().filter_map(|need| {
            Some((
                self.place_of(&need.needs)?,
                self.place_of(&need.driver)?,
                need,
            ))
        })
    }

    fn columns(&self) -> Vec<usize> {
        let mut columns = vec![0; self.drivers.len()];
        // A checked file has no circle, so that the longest chain is found in as many rounds as
        // there are drivers at most.
        for _ in 0..self.drivers.len() {
            let before = columns.clone();
            for (from, to, _) in self.arrows() {
                columns[to] = columns[to].max(columns[from] + 1);
            }
            if columns == before {
                break;
            }
        }
        columns
    }
}

impl Node {
    /// Its status and where it is, in words.
    fn state(&self) -> Option<String> {
        let now = self.now.as_ref()?;
        let status = now.status.to_string().to_lowercase();
        Some(match &now.place {
            Some(place) => format!("{status}, {place}"),
            None => status,
        })
    }

    fn waits(&self) -> Option<String> {
        let waits_for = &self.now.as_ref()?.waits_for;
        (!waits_for.is_empty()).then(|| format!("waits for {}", waits_for.join(", ")))
    }

    /// What a picture has in its box.
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.name.clone(), self.kind.clone()];
        let state = self.state().into_iter().chain(self.waits());
        let state = state.collect::<Vec<_>>().join(", ");
        if !state.is_empty() {
            lines.push(state);
        }
        lines
    }
}

/// Where a driver can be found.
fn place(driver: &dyn Driver) -> Option<String> {
    let context = driver.context();
    let value = |key: &str| {
        let found = context.iter().find(|(name, _)| *name == key);
        found.map(|(_, value)| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        })
    };
    match (
        value("server_port"),
        value("host"),
        value("port"),
        value("pid"),
    ) {
        // What connects has a port of its own, and the host of its server.
        (Some(server), Some(host), ..) => Some(format!("to {host}:{server}")),
        (None, Some(host), Some(port), _) => Some(format!("{host}:{port}")),
        (.., Some(pid)) => Some(format!("process {pid}")),
        _ => None,
    }
}
