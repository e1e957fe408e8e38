//! Options that have nothing to do with networks: a bakery and its ovens, in one text.
//!
//! ```console
//! $ cargo run -p standin-config --example bakery
//! ```

#![expect(clippy::print_stdout, reason = "that is what an example is for")]

use std::time::Duration;

use standin_config::{Config, FileErrors, Layer, Node, TableMistake, TableReader, TomlText};

/// A bakery.
#[derive(Clone, Debug, Config)]
struct BakeryConfig {
    /// Its name.
    #[config(non_empty)]
    name: String,
    /// How long its ovens bake, where they do not say so themselves.
    #[config(inherited, fallback = Duration::from_secs(3600))]
    time: Duration,
}

/// An oven.
#[derive(Clone, Debug, Config)]
struct OvenConfig {
    /// What is baked in it.
    #[config(one_of = ["bread", "cake"])]
    bakes: String,
    /// How hot it is, in degrees Celsius.
    #[config(default = 200, range = 50..=300)]
    heat: u16,
    /// How long it bakes.
    #[config(inherited, fallback = Duration::from_secs(3600))]
    time: Duration,
}

/// A bakery, and its ovens by name.
type Bakery = (Layer, Vec<(String, Layer)>);

/// Reads the options of the bakery, and a table of options for each oven.
fn read(file: &str, text: &str) -> Result<Bakery, FileErrors> {
    let (toml, table) = TomlText::parse(file, text);
    let mut reader = TableReader::new();
    let mut mistakes: Vec<TableMistake> = Vec::new();
    let mut ovens = Vec::new();
    let mut bakery = reader.begin(BakeryConfig::description(), "the bakery");
    for (key, value) in table.get_ref() {
        match value.get_ref().as_table() {
            Some(oven) => {
                let (name, place) = (key.get_ref().to_string(), key.span());
                let read = reader.read(OvenConfig::description(), &name, oven, place);
                let (layer, more) = read.into_parts();
                mistakes.extend(more);
                ovens.push((name, layer));
            }
            None => drop(bakery.put(&mut reader, key, value)),
        }
    }
    bakery.finish(table.get_ref(), 0..0);
    let (bakery, more) = bakery.into_parts();
    mistakes.extend(more);
    toml.verdict(mistakes)?;
    Ok((bakery, ovens))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = "name = 'Crumbs'\ntime = '45m'\n\n[large]\nbakes = 'bread'\nheat = 250\n\n\
                [small]\nbakes = 'cake'\ntime = '30m'\n";
    let (bakery, ovens) = read("bakery.toml", text)?;
    let bakery = Node::new("the bakery", bakery)?;
    for (name, layer) in ovens {
        let oven = Node::new(name, layer)?;
        oven.set_parent(&bakery)?;
        println!("{}", oven.explain());
        let config: OvenConfig = oven.resolve()?;
        println!("{} at {} degrees\n", config.bakes, config.heat);
    }

    let wrong = "nmae = 'Crumbs'\n[large]\nbakes = 'bread'\nheat = 2500\n[small]\nbakes = 'soup'\n";
    if let Err(errors) = read("bakery.toml", wrong) {
        println!("{errors}");
    }
    Ok(())
}
