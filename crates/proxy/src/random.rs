//! Numbers that look random and are the same each time for the same seed.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use crate::time::LONGEST;

/// The environment variable with the default seed.
pub(crate) const VARIABLE: &str = "STANDIN_SEED";

/// A source of numbers: SplitMix64, which is short, and good enough for jitter.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of one direction of one connection.
    pub(crate) fn new(seed: u64, connection: usize, stream: u64) -> Random {
        let mut random = Random(seed);
        let connection = u64::try_from(connection).unwrap_or(u64::MAX);
        random.0 ^= connection.wrapping_mul(0xd1b5_4a32_d192_ed03);
        random.0 ^= stream.wrapping_mul(0xa24b_aed4_963e_e407);
        random
    }

    /// The default seed: from the environment, or random.
    pub(crate) fn any_seed() -> u64 {
        let given = std::env::var(VARIABLE).ok();
        let given = given.and_then(|seed| seed.trim().parse().ok());
        // Small enough to be typed, and for a number of a file.
        given.unwrap_or_else(|| RandomState::new().hash_one(0) >> 32)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to 1, without it.
    pub(crate) fn fraction(&mut self) -> f64 {
        // As many bits as a float has.
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A time around `middle`, at most `around` away from it.
    pub(crate) fn near(&mut self, middle: Duration, around: Duration) -> Duration {
        let place = self.fraction();
        let (middle, around) = (middle.min(LONGEST), around.min(LONGEST));
        (middle + around.mul_f64(2.0 * place)).saturating_sub(around)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_streams_differ() {
        let draw = |connection, stream| {
            let mut random = Random::new(7, connection, stream);
            [random.fraction(), random.fraction()].map(f64::to_bits)
        };
        assert_eq!(draw(0, 0), draw(0, 0));
        assert_ne!(draw(0, 0), draw(0, 1));
        assert_ne!(draw(0, 0), draw(1, 0));
    }

    #[test]
    fn times_are_around_the_middle() {
        let mut random = Random::new(1, 0, 0);
        let (middle, around) = (Duration::from_millis(50), Duration::from_millis(10));
        let times: Vec<Duration> = (0..1000).map(|_| random.near(middle, around)).collect();
        let (least, most) = (times.iter().min(), times.iter().max());
        assert!(least < Some(&Duration::from_millis(42)) && least >= Some(&(middle - around)));
        assert!(most > Some(&Duration::from_millis(58)) && most <= Some(&(middle + around)));
        let early = random.near(Duration::ZERO, around);
        assert!(early <= around);
    }
}
