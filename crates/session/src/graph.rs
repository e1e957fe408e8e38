//! [`Graph`]: who needs whom in an environment, as it is declared.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use standin::Environment;
use standin::environment::Need;

/// The drivers of an environment, and who of them needs whom, as the file declares it.
#[derive(Clone, Debug)]
pub struct Graph {
    environment: String,
    /// Each with its kind.
    drivers: Vec<(String, String)>,
    needs: Vec<Need>,
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
    /// `drivers` with `name` and `kind`, `needs` with `driver`, `needs` and `option`.
    Json,
}

/// The size of a box in a picture, and the space between two of them.
const BOX: (usize, usize) = (160, 40);
const GAP: (usize, usize) = (80, 20);

impl Graph {
    pub(crate) fn of(environment: &Environment) -> Self {
        let drivers = environment.names().into_iter().map(|name| {
            let kind = environment
                .driver(&name)
                .map(|d| d.base().kind().to_owned());
            (name, kind.unwrap_or_default())
        });
        Self {
            environment: environment.name().to_owned(),
            drivers: drivers.collect(),
            needs: environment.needs(),
        }
    }

    /// The graph as text in that format.
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
        let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or_default();
        let name = widest(&mut self.drivers.iter().map(|(name, _)| name.chars().count()));
        let kind = widest(&mut self.drivers.iter().map(|(_, kind)| kind.chars().count()));
        for (driver, its_kind) in &self.drivers {
            let needs: Vec<String> = self
                .needs_of(driver)
                .map(|need| format!("{} ({})", need.needs, need.option))
                .collect();
            let line = match needs.is_empty() {
                true => format!("{driver:name$}  {its_kind}"),
                false => format!(
                    "{driver:name$}  {its_kind:kind$}  needs {}",
                    needs.join(", ")
                ),
            };
            writeln!(text, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn write_mermaid(&self, text: &mut String) -> std::fmt::Result {
        let quoted = |name: &str| name.replace('#', "#35;").replace('"', "#quot;");
        writeln!(text, "flowchart LR")?;
        for (place, (name, kind)) in self.drivers.iter().enumerate() {
            writeln!(
                text,
                "    n{place}[\"{}<br/>{}\"]",
                quoted(name),
                quoted(kind)
            )?;
        }
        for (from, to, need) in self.arrows() {
            writeln!(text, "    n{from} -->|\"{}\"| n{to}", quoted(&need.option))?;
        }
        Ok(())
    }

    fn write_dot(&self, text: &mut String) -> std::fmt::Result {
        let quoted = |name: &str| name.replace('\\', "\\\\").replace('"', "\\\"");
        writeln!(text, "digraph \"{}\" {{", quoted(&self.environment))?;
        writeln!(text, "    rankdir=LR\n    node [shape=box]")?;
        for (place, (name, kind)) in self.drivers.iter().enumerate() {
            writeln!(
                text,
                "    n{place} [label=\"{}\\n{}\"]",
                quoted(name),
                quoted(kind)
            )?;
        }
        for (from, to, need) in self.arrows() {
            writeln!(
                text,
                "    n{from} -> n{to} [label=\"{}\"]",
                quoted(&need.option)
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
        for ((name, kind), (x, y)) in self.drivers.iter().zip(&places) {
            let middle = x + BOX.0 / 2;
            writeln!(
                text,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"4\" fill=\"#fff\" \
                 stroke=\"#333\"/>\n\
                 <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
                 <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" fill=\"#666\" \
                 font-size=\"11\">{}</text>",
                BOX.0,
                BOX.1,
                y + 17,
                escaped(name),
                y + 32,
                escaped(kind)
            )?;
        }
        writeln!(text, "</svg>")
    }

    fn to_json(&self) -> Value {
        let drivers = self.drivers.iter();
        let needs = self.needs.iter();
        json!({
            "environment": self.environment,
            "drivers": drivers
                .map(|(name, kind)| json!({ "name": name, "kind": kind }))
                .collect::<Vec<_>>(),
            "needs": needs
                .map(|need| json!({
                    "driver": need.driver, "needs": need.needs, "option": need.option,
                }))
                .collect::<Vec<_>>(),
        })
    }

    fn needs_of<'a>(&'a self, driver: &'a str) -> impl Iterator<Item = &'a Need> {
        self.needs.iter().filter(move |need| need.driver == driver)
    }

    /// From those that are needed to those that need them, by place.
    fn arrows(&self) -> impl Iterator<Item = (usize, usize, &Need)> {
        let place = |name: &str| self.drivers.iter().position(|(driver, _)| driver == name);
        self.needs
            .iter()
            .filter_map(move |need| Some((place(&need.needs)?, place(&need.driver)?, need)))
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
