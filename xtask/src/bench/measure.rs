//! Medians of runs that take turns.

use std::time::Instant;

use super::Outcome;

/// Runs each of `ways` once to warm up and then `rounds` times, in turn, and gives the median of
/// each. Taking turns lets a change of the machine's mood hit all alike.
pub(crate) fn in_turn<const N: usize>(
    rounds: usize,
    mut ways: [&mut dyn FnMut() -> Outcome<f64>; N],
) -> Outcome<[f64; N]> {
    let mut results: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(rounds));
    for way in &mut ways {
        way()?;
    }
    for round in 0..rounds {
        for turn in 0..N {
            // Nobody is always first.
            let who = (turn + round) % N;
            results[who].push(ways[who]()?);
        }
    }
    Ok(results.map(median))
}

/// The middle value.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => (values[count / 2 - 1] + values[count / 2]) / 2.0,
    }
}

/// Microseconds for each of `count` repetitions of what `f` does `count` times.
pub(crate) fn micros_each(count: usize, f: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let started = Instant::now();
    f()?;
    Ok(started.elapsed().as_secs_f64() * 1e6 / count as f64)
}
