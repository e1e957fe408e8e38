//! Derived types of options: tables, enums that hold values, lists that are appended to.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail the test")]

use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use standin_config::{Config, Kind, Layer, Node, OptionValue, Options, Text, Value, read_toml};

/// Where music comes from.
#[derive(Clone, Debug, PartialEq, OptionValue)]
enum Source {
    /// Nowhere.
    Silence,
    /// This file.
    File(PathBuf),
    /// This station.
    #[config(key = "radio")]
    Station(Station),
}

/// A radio station.
#[derive(Clone, Debug, PartialEq, Config)]
#[config(table)]
struct Station {
    /// In megahertz.
    #[config(range = 88..=108)]
    frequency: u32,
    /// How long it is listened to.
    #[config(default = Duration::from_secs(60))]
    time: Duration,
}

/// A player.
#[derive(Clone, Debug, Config)]
struct PlayerConfig {
    /// What it plays.
    #[config(default = Source::Silence)]
    source: Source,
    /// What it plays in between.
    #[config(default, append = jingle)]
    jingles: Vec<Text>,
    /// Volumes of rooms.
    #[config(default, append = room)]
    rooms: IndexMap<String, u8>,
}

fn player(text: &str) -> PlayerConfig {
    let options: PlayerBuilder = read_toml("player.toml", text).unwrap();
    Node::new("player", options).unwrap().resolve().unwrap()
}

#[test]
fn an_enum_is_a_text_or_a_table_with_one_key() {
    let station = Station {
        frequency: 101,
        time: Duration::from_secs(60),
    };
    for (text, expected) in [
        ("'silence'", Source::Silence),
        ("{ file = 'a.mp3' }", Source::File(PathBuf::from("a.mp3"))),
        ("{ radio = { frequency = 101 } }", Source::Station(station)),
    ] {
        let source = player(&format!("source = {text}")).source;
        assert_eq!(source, expected);
        assert_eq!(Source::from_value(&source.to_value()), Ok(expected));
    }
    assert_eq!(
        Source::kind().to_string(),
        "one of \"silence\" or a table { file } or a table { radio }"
    );
    assert!(matches!(Source::kind(), Kind::Union(kinds) if kinds.len() == 3));
}

#[test]
fn mistakes_in_a_variant_are_at_their_places() {
    let messages = |text: &str| -> Vec<String> {
        let text = format!("source = {text}");
        let errors = read_toml::<PlayerBuilder>("player.toml", &text).unwrap_err();
        errors.mistakes().iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        messages("{ radio = { frequency = 5, tme = 1 } }"),
        [
            "player.toml: option \"source.radio.frequency\" is 5, but it must be from 88 to 108",
            "player.toml: option \"source.radio\": unknown key \"tme\"",
        ]
    );
    assert_eq!(
        messages("{ radio = { frequency = 5 } }"),
        ["player.toml: option \"source.radio.frequency\" is 5, but it must be from 88 to 108"]
    );
    assert_eq!(
        messages("{ fiel = 'a' }"),
        ["player.toml: option \"source\": unknown key \"fiel\""]
    );
    assert_eq!(
        messages("'silent'"),
        [
            "player.toml: option \"source\": \"silent\" is not one of \"silence\" or a table { file } or a table { radio }"
        ]
    );
    let station = Source::Station(Station {
        frequency: 5,
        time: Duration::ZERO,
    });
    let error = Node::new("player", PlayerBuilder::new().source(station)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "player: option \"source.radio.frequency\" is 5, but it must be from 88 to 108"
    );
}

#[test]
fn appending_adds_to_what_is_set_and_changes_no_copy() {
    let one = PlayerBuilder::new().jingles(["a"]).jingle("b");
    let other = one.clone().jingle("c").room("kitchen", 5).room("hall", 6);
    let resolved = |options: PlayerBuilder| -> PlayerConfig {
        Node::new("player", options).unwrap().resolve().unwrap()
    };
    assert_eq!(resolved(one).jingles, ["a", "b"].map(Text::from));
    let other = resolved(other);
    assert_eq!(other.jingles, ["a", "b", "c"].map(Text::from));
    assert_eq!(
        other.rooms,
        IndexMap::from([("kitchen".to_owned(), 5), ("hall".to_owned(), 6)])
    );

    // What was read by name is kept as what it was read as.
    let mut layer = Layer::new(PlayerConfig::description());
    layer.set("jingles", Value::from(["x"])).unwrap();
    let options = <PlayerBuilder as standin_config::TypedOptions>::from_layer(layer).unwrap();
    let options = options.jingle("y");
    assert_eq!(
        options.layer().get("jingles"),
        Some(Value::from(["x", "y"]))
    );
}
