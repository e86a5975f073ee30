// SPDX-License-Identifier: Apache-2.0
//! How times are taken: in batches that alternate within one run, so that what slows the machine slows every side.
//!
//! A batch is short beside a scheduler's time slice, so that another process spoils few of them, and the middle half of
//! the times leaves those out. Times are taken in [`GROUPS`] groups; a figure is the median of the groups' figures, with the
//! lowest and the highest.

use std::arch::x86_64::{_mm_lfence, _rdtsc};
use std::hint;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Groups of rounds that a figure is taken from.
pub const GROUPS: usize = 9;
/// Rounds of a group: in each, every side has one batch.
const ROUNDS: usize = 41;
/// How long a batch shall take.
const BATCH: Duration = Duration::from_micros(200);
/// Single calls of a group, where each is timed alone.
const SINGLES: usize = 2001;

/// A figure, and how far it moved within the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Spread {
            median: values[values.len() / 2],
            min: values[0],
            max: values[values.len() - 1],
        }
    }

    /// A figure that cannot move.
    pub fn exact(value: f64) -> Self {
        Spread::of([value])
    }
}

/// The value that 99 of 100 do not exceed, with the median as the lowest and the largest as the highest.
pub fn tail(mut values: Vec<f64>) -> Spread {
    values.sort_by(f64::total_cmp);
    Spread {
        median: values[values.len() * 99 / 100],
        min: values[values.len() / 2],
        max: values[values.len() - 1],
    }
}

/// Times of several sides, in nanoseconds: of each group, of each round, of each side.
pub struct Times(Vec<Vec<Vec<f64>>>);

impl Times {
    /// A figure made of the sides' times in a round, which lie next to each other.
    pub fn figure(&self, of: impl Fn(&[f64]) -> f64) -> Spread {
        Spread::of(
            self.0
                .iter()
                .map(|rounds| middle(rounds.iter().map(|sides| of(sides)))),
        )
    }

    /// The ratio of two such figures. Where they are differences, the ratio within a round would be one of noise.
    pub fn ratio(&self, one: impl Fn(&[f64]) -> f64, other: impl Fn(&[f64]) -> f64) -> Spread {
        let middles = |rounds: &Vec<Vec<f64>>| {
            middle(rounds.iter().map(|sides| one(sides))) / middle(rounds.iter().map(|sides| other(sides)))
        };
        Spread::of(self.0.iter().map(middles))
    }

    pub fn side(&self, side: usize) -> Spread {
        self.figure(|sides| sides[side])
    }
}

/// The mean of the middle half: as deaf to outliers as a median, and finer than the clock, which may tick every 10 ns.
fn middle(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let half = &values[values.len() / 4..values.len() - values.len() / 4];
    half.iter().sum::<f64>() / half.len() as f64
}

fn batch(calls: u32, call: &dyn Fn()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        call();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

/// How many calls make a batch.
fn calls_in_batch(call: &dyn Fn()) -> u32 {
    batch(16, call);
    let one = batch(16, call);
    (BATCH.as_nanos() as f64 / one).clamp(1.0, 1e5) as u32
}

/// Times calls in a row, all sides in turn.
pub fn alternate(sides: &[&dyn Fn()]) -> Times {
    let calls: Vec<_> = sides.iter().map(|side| calls_in_batch(side)).collect();
    let round = |_| -> Vec<f64> {
        let times = sides.iter().zip(&calls);
        times.map(|(side, &calls)| batch(calls, side)).collect()
    };
    grouped(ROUNDS, round)
}

/// Times single calls by the processor's clock, each right after `before` has run; all sides in turn. What it takes to
/// read the clock is taken off.
pub fn after(before: &dyn Fn(), sides: &[&dyn Fn()]) -> Times {
    let nanoseconds = nanoseconds_per_tick();
    let single = |call: &dyn Fn()| {
        before();
        // SAFETY: neither instruction accesses memory; every x86-64 processor has both.
        unsafe {
            _mm_lfence();
            let start = _rdtsc();
            _mm_lfence();
            call();
            _mm_lfence();
            (_rdtsc() - start) as f64 * nanoseconds
        }
    };
    let round = |_| -> Vec<f64> {
        let empty = single(&|| {});
        sides.iter().map(|side| single(side) - empty).collect()
    };
    grouped(SINGLES, round)
}

fn grouped(rounds: usize, round: impl Fn(usize) -> Vec<f64>) -> Times {
    let group = |_| (0..rounds).map(&round).collect();
    Times((0..GROUPS).map(group).collect())
}

fn nanoseconds_per_tick() -> f64 {
    // SAFETY: as in `after`.
    let ticks = || unsafe { _rdtsc() };
    let (start, first) = (Instant::now(), ticks());
    while start.elapsed() < Duration::from_millis(50) {
        hint::spin_loop();
    }
    let last = ticks();
    start.elapsed().as_nanos() as f64 / (last - first) as f64
}

/// Calls in a nanosecond, for every side by one thread and then by `threads` threads that start together.
pub fn rates(threads: usize, sides: &[&(dyn Fn(usize) + Sync)]) -> Times {
    // Long beside what their starts may lie apart.
    let calls: Vec<_> = sides
        .iter()
        .map(|side| 10 * calls_in_batch(&|| side(0)))
        .collect();
    let round = |_| -> Vec<f64> {
        let rates = sides.iter().zip(&calls);
        rates
            .flat_map(|(side, &calls)| [1, threads].map(|threads| rate(threads, calls, *side)))
            .collect()
    };
    grouped(ROUNDS, round)
}

fn rate(threads: usize, calls: u32, side: &(dyn Fn(usize) + Sync)) -> f64 {
    let absent = AtomicUsize::new(threads);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let absent = &absent;
                scope.spawn(move || {
                    // What a thread's first call costs is not the request's.
                    side(thread);
                    absent.fetch_sub(1, Ordering::AcqRel);
                    // Not asleep: where a processor has to be woken, the others are done before it begins.
                    while absent.load(Ordering::Acquire) > 0 {
                        hint::spin_loop();
                    }
                    batch(calls, &|| side(thread))
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| 1.0 / worker.join().expect("a thread of the measurement panicked"))
            .sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_half_counts() {
        assert_eq!(middle([1.0, 10.0, 12.0, 1e9]), 11.0);
        assert_eq!(middle([7.0]), 7.0);
    }

    #[test]
    fn a_ratio_of_differences_is_taken_of_their_middles() {
        let rounds = vec![vec![100.0, 110.0, 120.0], vec![200.0, 210.0, 220.0]];
        let times = Times(vec![rounds; GROUPS]);
        let ratio = times.ratio(|sides| sides[1] - sides[0], |sides| sides[2] - sides[0]);
        assert_eq!(ratio, Spread::exact(0.5));
    }
}
