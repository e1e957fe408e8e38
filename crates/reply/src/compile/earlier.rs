//! Which rule comes before another and takes all of its frames.

use std::collections::{BTreeSet, HashMap};

use crate::script::{Rule, RuleState, Test};

/// Rules that take all frames that they match, found without looking at each of them.
#[derive(Default)]
pub(super) struct Earlier<'a> {
    /// By the bytes that their frames begin with: a rule only covers one whose frames begin with
    /// these, too.
    by_lead: HashMap<Key<'a>, Vec<Indexed<'a>>>,
    /// The patterns among them, of which many may have one beginning.
    patterns_by_lead: HashMap<Key<'a>, Vec<Indexed<'a>>>,
    patterns: HashMap<Key<'a>, Indexed<'a>>,
    /// The sizes of all beginnings.
    sizes: BTreeSet<usize>,
}

/// The states of a rule, and its beginning or expression.
type Key<'a> = (&'a RuleState, &'a [u8]);

type Indexed<'a> = (usize, &'a Rule);

impl<'a> Earlier<'a> {
    /// The first of the rules that covers this one.
    pub(super) fn covering(&self, rule: &'a Rule) -> Option<Indexed<'a>> {
        let states = [&rule.state, &RuleState::Any];
        let first_of = |all: &HashMap<Key<'a>, Vec<Indexed<'a>>>| {
            let lead = rule.test.lead();
            let sizes = self.sizes.range(..=lead.len());
            let keys = sizes.flat_map(|size| states.map(|state| (state, &lead[..*size])));
            let found = keys.filter_map(|key| all.get(&key)).flatten();
            let found = found.filter(|(_, earlier)| earlier.test.covers(&rule.test));
            found.copied().min_by_key(|(index, _)| *index)
        };
        let pattern = match &rule.test {
            Test::Equals(_) => first_of(&self.patterns_by_lead),
            Test::Pattern(pattern) => {
                let expression = pattern.regex.as_str().as_bytes();
                let found = states.map(|state| self.patterns.get(&(state, expression)));
                found
                    .into_iter()
                    .flatten()
                    .copied()
                    .min_by_key(|(index, _)| *index)
            }
            _ => None,
        };
        let found = [first_of(&self.by_lead), pattern];
        found.into_iter().flatten().min_by_key(|(index, _)| *index)
    }

    /// Adds a rule that no other covers: what one covers that is covered itself is covered by
    /// the same earlier rule.
    pub(super) fn add(&mut self, index: usize, rule: &'a Rule) {
        // One with a limit leaves frames to others.
        if rule.times.most().is_some() {
            return;
        }
        let by_lead = match &rule.test {
            Test::Pattern(pattern) => {
                let expression = pattern.regex.as_str().as_bytes();
                self.patterns
                    .insert((&rule.state, expression), (index, rule));
                &mut self.patterns_by_lead
            }
            // A predicate is not known to match anything.
            Test::Predicate(..) => return,
            _ => &mut self.by_lead,
        };
        let lead = rule.test.lead();
        let same = by_lead.entry((&rule.state, lead)).or_default();
        same.push((index, rule));
        self.sizes.insert(lead.len());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use proptest::collection::vec;
    use proptest::prelude::*;
    use standin_socket::framing::Lines;

    use super::*;
    use crate::pattern::Pattern;
    use crate::{Replies, Times, equals, no_reply, prefix};

    fn any_test() -> impl Strategy<Value = Test> {
        let bytes = "[ab]{0,3}".prop_map(|text: String| Arc::from(text.as_bytes()));
        let expression = prop::sample::select(vec!["a", "^a", "^ab", "^(?<x>a)b", "b$", ""]);
        prop_oneof![
            1 => Just(Test::Anything),
            4 => bytes.clone().prop_map(Test::Equals),
            2 => bytes.prop_map(Test::Prefix),
            3 => expression.prop_map(|expression| {
                let pattern = Pattern::parse(&expression.into());
                Test::Pattern(Arc::new(pattern.map_err(|problem| problem.to_string()).unwrap()))
            }),
            1 => Just(Test::Predicate("x".into(), Arc::new(|_| true))),
        ]
    }

    fn any_rule() -> impl Strategy<Value = Rule> {
        let state = prop::sample::select(vec![
            RuleState::None,
            RuleState::Any,
            RuleState::Named("a".into()),
            RuleState::Named("b".into()),
        ]);
        let times = prop::sample::select(vec![Times::ANY, Times::from(1..), Times::from(2)]);
        (any_test(), state, times).prop_map(|(test, state, times)| Rule {
            test,
            times,
            state,
            name: None,
            deed: Arc::default(),
        })
    }

    proptest! {
        #[test]
        fn it_is_the_first_of_all_that_cover(rules in vec(any_rule(), 0..12)) {
            let mut earlier = Earlier::default();
            for (index, rule) in rules.iter().enumerate() {
                let expected = rules[..index].iter().position(|earlier| {
                    earlier.times.most().is_none()
                        && (earlier.state == rule.state || earlier.state == RuleState::Any)
                        && earlier.test.covers(&rule.test)
                });
                let found = earlier.covering(rule).map(|(index, _)| index);
                prop_assert_eq!(found, expected, "{} of {:#?}", index, &rules);
                if found.is_none() {
                    earlier.add(index, rule);
                }
            }
        }
    }

    /// To compare each with each takes minutes.
    #[test]
    fn a_hundred_thousand_rules_are_no_problem() {
        let replies = (0..100_000).fold(Replies::framed(Lines::new()), |replies, number| {
            let when = match number % 2 {
                0 => equals(format!("message {number}")),
                _ => prefix(format!("message {number};")),
            };
            replies.on(when.named(format!("rule {number}")), no_reply())
        });
        let begun = Instant::now();
        replies.check(&[]).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}
