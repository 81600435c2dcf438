//! One timer for many deadlines after one another.

use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use tokio::time::Instant;
use tokio::time::Sleep;
use tokio::time::sleep_until;

/// A timer that stays set when a wait ends, and is moved on only once it goes off too early. Setting one
/// for each request would cost more than all else that is done about time.
#[derive(Debug)]
pub(super) struct Alarm(Pin<Box<Sleep>>);

impl Alarm {
    /// Set to the first deadline.
    pub(super) fn new(deadline: Instant) -> Self {
        Self(Box::pin(sleep_until(deadline)))
    }

    /// Whether `deadline` has passed; if not, the task is woken then, or earlier for nothing.
    pub(super) fn poll_passed(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.deadline() > deadline {
            self.0.as_mut().reset(deadline);
        }
        loop {
            ready!(self.0.as_mut().poll(cx));
            if self.0.deadline() >= deadline {
                return Poll::Ready(());
            }
            self.0.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_alarm_serves_many_deadlines_in_any_order() {
        let begin = Instant::now();
        let mut alarm = Alarm::new(begin + Duration::from_secs(5));
        for (after, until) in [(5, 5), (60, 65), (1, 66), (30, 96), (0, 96)] {
            let deadline = Instant::now() + Duration::from_secs(after);
            poll_fn(|cx| alarm.poll_passed(deadline, cx)).await;
            // tokio's timers count whole milliseconds.
            let passed = begin.elapsed().as_millis();
            assert!(
                (until * 1000..until * 1000 + 10).contains(&passed),
                "{passed}"
            );
        }
    }
}
