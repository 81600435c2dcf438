//! A hunt without coverage: inputs are made from seeds by small changes, the same ones for the same
//! number at the start.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::time::Duration;
use std::time::Instant;

/// An input that broke a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found(pub Vec<u8>);

/// Feeds `target` until time or `rounds` are over. Answers how many inputs there were.
pub fn hunt(
    target: fn(&[u8]),
    seeds: &[&[u8]],
    start: u64,
    time: Duration,
    rounds: u64,
) -> Result<u64, Found> {
    let mut random = Random(start);
    let mut pool: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.to_vec()).collect();
    pool.push(Vec::new());
    for seed in &pool {
        feed(target, seed)?;
    }
    let end = Instant::now() + time;
    let mut count = 0;
    while count < rounds && Instant::now() < end {
        for _ in 0..64 {
            let mut input = pool[random.below(pool.len())].clone();
            for _ in 0..=random.below(4) {
                mutate(&mut input, &pool, &mut random);
            }
            input.truncate(MAX_INPUT);
            feed(target, &input)?;
            count += 1;
            // Now and then a changed input is where others start; the seeds stay.
            if random.below(64) == 0 {
                if pool.len() < MAX_POOL {
                    pool.push(input);
                } else {
                    let at = seeds.len() + random.below(pool.len() - seeds.len());
                    pool[at] = input;
                }
            }
        }
    }
    Ok(count)
}

fn feed(target: fn(&[u8]), input: &[u8]) -> Result<(), Found> {
    catch_unwind(AssertUnwindSafe(|| target(input))).map_err(|_| Found(input.to_vec()))
}

fn mutate(input: &mut Vec<u8>, pool: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    match random.below(8) {
        0 => input.insert(at, random.byte()),
        1 => input.insert(at, INTERESTING[random.below(INTERESTING.len())]),
        2 if at < input.len() => input[at] = random.byte(),
        3 if at < input.len() => input[at] ^= 1 << random.below(8),
        4 if at < input.len() => {
            let end = (at + 1 + random.below(8)).min(input.len());
            input.drain(at..end);
        }
        5 => {
            let end = (at + 1 + random.below(16)).min(input.len());
            let part = input[at..end].to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, part);
        }
        6 => {
            let other = &pool[random.below(pool.len())];
            let from = random.below(other.len() + 1);
            let end = (from + random.below(32)).min(other.len());
            input.splice(at..at, other[from..end].iter().copied());
        }
        _ => input.truncate(at),
    }
}

/// What parsers look for.
const INTERESTING: &[u8] = b"\0\t\n\r \"#%&',-./:;<=>?@[\\]_{|}~0129aAfFxX\x7f\x80\xc0\xff";

const MAX_INPUT: usize = 4096;
const MAX_POOL: usize = 512;

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).expect("small")).expect("small")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_planted_defect_is_found_and_the_same_one_again() {
        let defect = |bytes: &[u8]| assert!(!(bytes.len() > 3 && bytes.ends_with(b"=%")));
        let first = hunt(defect, &[b"a=1; b=2"], 7, LONG, 1_000_000);
        assert!(
            matches!(&first, Err(Found(input)) if input.ends_with(b"=%")),
            "{first:?}"
        );
        assert_eq!(hunt(defect, &[b"a=1; b=2"], 7, LONG, 1_000_000), first);
    }

    #[test]
    fn seeds_are_inputs_too() {
        let defect = |bytes: &[u8]| assert!(bytes.len() != 300);
        assert!(hunt(defect, &[&[0; 300]], 7, LONG, 0).is_err());
        assert_eq!(hunt(|_| (), &[b"x"], 7, LONG, 640), Ok(640));
    }
}
