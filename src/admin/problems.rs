//! The failures that came last, by code: no person, no address, no path.

use crate::fault::Fault;
use crate::time::UnixTime;

/// What came of each failure of one tenant.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

/// A failure that was an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) fault: Fault,
    /// How often since the start.
    pub(super) count: u64,
    /// When it was last seen to have happened.
    pub(super) last: UnixTime,
}

impl Problems {
    /// Looks at the counts; at most one entry for each code is kept.
    pub(super) fn observe(&mut self, now: UnixTime, counts: &[(Fault, u64)]) {
        for &(fault, count) in counts {
            if count == 0 || is_ordinary(fault) {
                continue;
            }
            match self.0.iter_mut().find(|known| known.fault == fault) {
                Some(known) if known.count == count => {}
                Some(known) => (known.count, known.last) = (count, now),
                None => self.0.push(Problem {
                    fault,
                    count,
                    last: now,
                }),
            }
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Problem> {
        self.0.iter().copied()
    }
}

/// Being sent to sign in is no failure.
fn is_ordinary(fault: Fault) -> bool {
    fault == Fault::SignInRequired
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_dated_when_its_count_moves() {
        let at = UnixTime::from_millis;
        let mut problems = Problems::default();
        let mut counts = Fault::ALL.map(|fault| (fault, 0));
        problems.observe(at(1), &counts);
        assert_eq!(problems.all().count(), 0);
        for (fault, count) in &mut counts {
            *count = u64::from(matches!(fault, Fault::NoRoute | Fault::SignInRequired)) * 3;
        }
        problems.observe(at(2), &counts);
        problems.observe(at(3), &counts);
        let told: Vec<_> = problems.all().collect();
        let expected = Problem {
            fault: Fault::NoRoute,
            count: 3,
            last: at(2),
        };
        assert_eq!(told, [expected]);
        for (_, count) in &mut counts {
            *count += 1;
        }
        problems.observe(at(4), &counts);
        assert_eq!(problems.all().count(), Fault::ALL.len() - 1);
        assert!(problems.all().all(|problem| problem.last == at(4)));
    }
}
