use std::ops::Deref;

use standin_config::{OptionValue, Value, ValueError};

use super::Readiness;

/// How deep conditions may be within others. What is deeper is refused when the
/// driver is built.
const DEEPEST: usize = 32;

/// The list of conditions that another one consists of.
#[derive(Clone, Debug)]
pub struct Conditions {
    list: Vec<Readiness>,
    depth: usize,
}

impl Conditions {
    pub(super) fn new(conditions: impl IntoIterator<Item = Readiness>) -> Self {
        let mut list: Vec<Readiness> = conditions.into_iter().collect();
        let below = list.iter().map(Self::depth_of).max();
        let depth = below.unwrap_or_default().saturating_add(1);
        if depth > DEEPEST {
            // Whatever walks over conditions needs as much of the stack as they are deep.
            list.clear();
        }
        Self { list, depth }
    }

    fn depth_of(condition: &Readiness) -> usize {
        match condition {
            Readiness::All(conditions) | Readiness::Any(conditions) => conditions.depth,
            _ => 0,
        }
    }

    pub(super) fn every(self, interval: std::time::Duration) -> Self {
        self.map(|condition| condition.every(interval))
    }

    pub(super) fn times(self, times: u64) -> Self {
        self.map(|condition| condition.times(times))
    }

    fn map(self, change: impl Fn(Readiness) -> Readiness) -> Self {
        Self {
            list: self.list.into_iter().map(change).collect(),
            depth: self.depth,
        }
    }

    pub(super) fn from_value(value: &Value) -> Result<Self, ValueError> {
        let conditions = Vec::<Readiness>::from_value(value).map(Self::new)?;
        conditions.check_depth()?;
        Ok(conditions)
    }

    pub(super) fn check(&self) -> Result<(), ValueError> {
        self.check_depth()?;
        self.list.check()
    }

    fn check_depth(&self) -> Result<(), ValueError> {
        if self.depth > DEEPEST {
            return Err(ValueError::new(
                format!("conditions that are within at most {DEEPEST} others"),
                "deeper ones",
            ));
        }
        Ok(())
    }

    pub(super) fn to_value(&self) -> Value {
        self.list.to_value()
    }
}

impl Deref for Conditions {
    type Target = [Readiness];

    fn deref(&self) -> &[Readiness] {
        &self.list
    }
}

impl<'a> IntoIterator for &'a Conditions {
    type Item = &'a Readiness;
    type IntoIter = std::slice::Iter<'a, Readiness>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}
