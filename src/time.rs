//! Wall-clock time as an argument: a type for instants, a trait for the clock.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;

use serde::Deserialize;
use serde::Serialize;

/// Milliseconds since the Unix epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The instant `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// `self + span`; stays at the end of time instead of wrapping.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// `self - span`; stays at the epoch instead of wrapping.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// `2026-11-23T22:00:00.000Z` (RFC 3339), for logs and pages.
    pub fn to_rfc3339(self) -> String {
        let instant = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(self.0));
        // Years beyond the calendar's 9999 cannot be written; they are shown as its beginning.
        let shown = instant
            .filter(|_| self.0 < 253_402_300_800_000)
            .unwrap_or(SystemTime::UNIX_EPOCH);
        humantime::format_rfc3339_millis(shown).to_string()
    }

    /// Reads `2026-11-23T22:00:00Z`, with or without a fraction of a second (RFC 3339, in UTC).
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let instant = humantime::parse_rfc3339(text).ok()?;
        let since = instant.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(Self(millis(since)))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Where "now" comes from.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> UnixTime;
}

/// The machine's wall clock, with its corrections.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn now(&self) -> UnixTime {
        // A clock before 1970 is a broken clock; the epoch makes every deadline count as far away.
        UnixTime(
            SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, millis),
        )
    }
}

/// The machine's clock as it stood at start, moved on by the time that has passed since: sleep counts,
/// but a correction of the wall clock does not, so that no token seems to die or to live on for it.
#[derive(Clone, Copy, Debug)]
pub struct SteadyClock<M = ThisMachine> {
    machine: M,
    /// The wall clock at the moment that the time since boot began to count.
    boot: UnixTime,
}

impl SteadyClock {
    /// A clock that agrees with this machine's wall clock now.
    pub fn start() -> Self {
        Self::start_on(ThisMachine)
    }
}

impl<M: Machine> SteadyClock<M> {
    /// A clock that agrees with the wall clock of `machine` now.
    pub fn start_on(machine: M) -> Self {
        Self {
            boot: machine.wall().minus(machine.since_boot()),
            machine,
        }
    }
}

impl<M: Machine> Clock for SteadyClock<M> {
    fn now(&self) -> UnixTime {
        self.boot.plus(self.machine.since_boot())
    }
}

/// What a machine knows about time.
pub trait Machine: Send + Sync {
    /// The wall clock, with its corrections.
    fn wall(&self) -> UnixTime;

    /// Time since boot, suspends included, corrections not.
    fn since_boot(&self) -> Duration;
}

/// The machine that this runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThisMachine;

impl Machine for ThisMachine {
    fn wall(&self) -> UnixTime {
        SystemClock.now()
    }

    fn since_boot(&self) -> Duration {
        let now = rustix::time::clock_gettime(UPTIME);
        let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
        // The kernel counts up from zero.
        Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const UPTIME: rustix::time::ClockId = rustix::time::ClockId::Boottime;

/// Elsewhere the monotonic clock counts through sleep by itself.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const UPTIME: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

/// A clock that stands still until it is told otherwise.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: UnixTime) -> Self {
        Self(AtomicU64::new(now.0))
    }

    /// Moves the hands forward.
    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(millis(span), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::Relaxed))
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let end = UnixTime::from_millis(u64::MAX);
        assert_eq!(end.plus(Duration::from_secs(1)), end);
        assert_eq!(
            UnixTime::default().minus(Duration::from_secs(1)),
            UnixTime::default()
        );
        assert_eq!(
            UnixTime::from_millis(1).since(UnixTime::from_millis(5)),
            Duration::ZERO
        );
    }

    #[test]
    fn a_steady_clock_agrees_with_the_wall_and_never_goes_back() {
        let clock = SteadyClock::start();
        let (first, wall, second) = (clock.now(), SystemClock.now(), clock.now());
        assert!(first <= second);
        assert!(
            wall.since(first) < Duration::from_mins(1)
                && first.since(wall) < Duration::from_mins(1)
        );
    }

    #[test]
    fn a_corrected_wall_clock_moves_nothing_and_a_suspend_does() {
        struct Hands {
            wall: ManualClock,
            boot: ManualClock,
        }
        impl Machine for &Hands {
            fn wall(&self) -> UnixTime {
                self.wall.now()
            }
            fn since_boot(&self) -> Duration {
                self.boot.now().since(UnixTime::default())
            }
        }
        let hands = Hands {
            wall: ManualClock::at(UnixTime::from_millis(1_700_000_000_000)),
            boot: ManualClock::at(UnixTime::from_millis(5_000)),
        };
        let clock = SteadyClock::start_on(&hands);
        let start = clock.now();
        assert_eq!(start, hands.wall.now());
        hands.wall.advance(Duration::from_mins(5));
        assert_eq!(clock.now(), start);
        hands.boot.advance(Duration::from_hours(1));
        assert_eq!(clock.now(), start.plus(Duration::from_hours(1)));
    }

    #[test]
    fn an_instant_is_read_as_it_is_written() {
        let instant = UnixTime::from_millis(1_795_471_200_500);
        assert_eq!(
            UnixTime::parse_rfc3339(&instant.to_rfc3339()),
            Some(instant)
        );
        for bad in [
            "",
            "2026-11-23",
            "2026-11-23 22:00:00",
            "2026-11-23T22:00:00+01:00",
        ] {
            assert_eq!(UnixTime::parse_rfc3339(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(UnixTime::from_millis(1_000));
        assert_eq!(clock.now().as_secs(), 1);
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(clock.now(), UnixTime::from_millis(2_500));
    }
}
