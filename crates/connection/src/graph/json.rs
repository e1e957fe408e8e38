//! The graph as JSON, in the shape that viewers of the reference read.

use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::json;

use super::{ConnectionGraph, Edge, Node};

pub(super) fn render(graph: &ConnectionGraph) -> String {
    let value = json!({ "nodes": graph.nodes(), "edges": graph.edges() });
    format!("{value:#}\n")
}

impl Serialize for ConnectionGraph {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_struct("ConnectionGraph", 2)?;
        map.serialize_field("nodes", &self.nodes())?;
        map.serialize_field("edges", &self.edges())?;
        map.end()
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let style = if self.connected {
            json!({})
        } else {
            json!({ "border": "1px solid #FF0000" })
        };
        let mut map = serializer.serialize_struct("Node", 3)?;
        map.serialize_field("id", &self.name)?;
        map.serialize_field("data", &json!({ "label": self.label() }))?;
        map.serialize_field("style", &style)?;
        map.end()
    }
}

impl Serialize for Edge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_struct("Edge", 6)?;
        map.serialize_field("id", &self.id())?;
        map.serialize_field("source", &self.source)?;
        map.serialize_field("target", &self.target)?;
        map.serialize_field("startLabel", &self.start_label())?;
        map.serialize_field("label", &self.connection_rep)?;
        map.serialize_field("endLabel", &self.end_label())?;
        map.end()
    }
}
