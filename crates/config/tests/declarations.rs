//! Declarations that are odd, or wrong.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail the test")]

use std::time::Duration;

use standin_config::{Config, Kind, Layer, Node, OptionDescription, Value};

/// A tree of named things.
#[derive(Clone, Debug, Config)]
#[config(type_name = "tree")]
struct TreeConfig {
    /// Its name.
    name: String,
    /// What is below it.
    #[config(default)]
    children: Vec<TreeConfig>,
}

#[test]
fn a_config_may_contain_itself() {
    let leaf = |name: &str| TreeConfig {
        name: name.to_owned(),
        children: Vec::new(),
    };
    let options = TreeBuilder::new()
        .name("root")
        .children([leaf("a"), leaf("b")]);
    let tree: TreeConfig = Node::new("tree", options).unwrap().resolve().unwrap();
    assert_eq!(tree.children.len(), 2);
}

#[test]
fn a_config_that_contains_itself_is_read_however_deep() {
    let deep = (0..40).fold(Value::from_iter([("name", "x")]), |inner, _| {
        let children = ("children", Value::from([inner]));
        Value::from_iter([("name", Value::from("x")), children])
    });
    let values = [
        ("name", Value::from("x")),
        ("children", Value::from([deep])),
    ];
    let layer = Layer::read(TreeConfig::description(), "t", values).unwrap();
    let node = Node::new("t", layer).unwrap();
    let root: TreeConfig = node.resolve().unwrap();
    let mut tree = &root;
    let mut depth = 0;
    while let Some(child) = tree.children.first() {
        (tree, depth) = (child, depth + 1);
    }
    assert_eq!(depth, 41);
}

/// What a default is made of may only be known at run time.
#[derive(Clone, Debug, Config)]
#[config(type_name = "odd")]
struct OddConfig {
    /// Its name.
    #[config(default = "odd")]
    name: String,
    /// Too short.
    #[config(default = Duration::ZERO, range = Duration::from_millis(1)..)]
    pause: Duration,
    /// Larger than any file can say.
    #[config(default = u64::MAX)]
    count: u64,
}

#[test]
fn a_default_that_breaks_its_own_rules_fails_whatever_is_built_of_it() {
    let error = Node::new("o", OddBuilder::new()).unwrap_err();
    let messages: Vec<String> = error.errors().iter().map(ToString::to_string).collect();
    assert_eq!(
        messages,
        [
            "the defaults of OddConfig: option \"pause\" is \"0s\", but it must be at least \"1ms\"",
            "the defaults of OddConfig: option \"count\": 18446744073709551615 is not a whole number \
             of at least 0: the largest number is 9223372036854775807",
        ]
    );
}

mod twins {
    use standin_config::Config;

    /// Has a number.
    #[derive(Clone, Debug, Config)]
    pub(crate) struct BaseConfig {
        /// The number.
        #[config(default = 1)]
        pub(crate) x: u8,
    }

    /// Includes it.
    #[derive(Clone, Debug, Config)]
    pub(crate) struct LeftConfig {
        #[config(include)]
        pub(crate) base: BaseConfig,
    }

    /// Includes it, too.
    #[derive(Clone, Debug, Config)]
    pub(crate) struct RightConfig {
        #[config(include)]
        pub(crate) base: BaseConfig,
    }
}

use twins::{LeftConfig, RightConfig};

/// One option by two ways is one option.
#[derive(Clone, Debug, Config)]
struct BothConfig {
    #[config(include)]
    left: LeftConfig,
    #[config(include)]
    right: RightConfig,
}

#[test]
fn an_option_that_two_includes_share_is_set_once() {
    let node = Node::new("both", BothBuilder::new().x(3)).unwrap();
    let both: BothConfig = node.resolve().unwrap();
    assert_eq!((both.left.base.x, both.right.base.x), (3, 3));
}

/// Options that are described at run time are checked like declared ones.
#[test]
fn a_rule_for_keys_and_values_says_which() {
    use standin_config::{ConfigDescription, Constraint, Layer};
    let short = |text: &String| match text.len() < 3 {
        true => Ok(()),
        false => Err("it must be short"),
    };
    let table = OptionDescription::required("table", Kind::Map(Box::new(Kind::String)))
        .constraint(Constraint::keys(Constraint::check(short)))
        .constraint(Constraint::each(Constraint::none_of(["x"])));
    let description = ConfigDescription::builder("c").option(table).build();
    let mut layer = Layer::new(&description);
    let value: Value = [("long", "a"), ("b", "x")].into_iter().collect();
    layer.set("table", value).unwrap();
    let error = Node::new("c", layer).unwrap_err();
    let messages: Vec<String> = error.errors().iter().map(ToString::to_string).collect();
    assert_eq!(
        messages,
        [
            "c: option \"table\" has the key \"long\", but it must be short",
            "c: option \"table.b\" is \"x\", but it must not be one of \"x\"",
        ]
    );
}
