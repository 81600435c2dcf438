//! A connection of hyper's, driven until it ends, is told to, or may rest.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;

use super::Watch;
use super::watch::CUT;
use super::watch::FINISH;

/// A connection of hyper's that can be asked to finish.
pub trait Finish {
    /// No further request after the one in hand.
    fn finish(self: Pin<&mut Self>);
}

/// Drives a connection.
#[derive(Debug)]
pub struct Guarded<'a, C> {
    connection: &'a mut C,
    watch: &'a Arc<Watch>,
    known: bool,
    finishing: bool,
}

/// Why a connection is no longer driven.
#[derive(Debug)]
pub enum Verdict<E> {
    /// It is over.
    Ended(Result<(), E>),
    /// Nothing is in it that could not be made anew.
    Rests,
}

impl<'a, C> Guarded<'a, C> {
    /// Puts `connection` under guard.
    pub fn new(connection: &'a mut C, watch: &'a Arc<Watch>) -> Self {
        Self {
            connection,
            watch,
            known: false,
            finishing: false,
        }
    }
}

impl<C, E> Future for Guarded<'_, C>
where
    C: Future<Output = Result<(), E>> + Finish + Unpin,
{
    type Output = Verdict<E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict<E>> {
        let this = self.get_mut();
        let mut connection = Pin::new(&mut *this.connection);
        if !this.known {
            // The task's waker stays the same for as long as the connection is its own task.
            this.known = true;
            this.watch.listen(cx.waker());
        }
        match this.watch.order() {
            CUT => return Poll::Ready(Verdict::Ended(Ok(()))),
            FINISH if !this.finishing => {
                this.finishing = true;
                connection.as_mut().finish();
            }
            _ if this.watch.rests() => return Poll::Ready(Verdict::Rests),
            _ => {}
        }
        connection.poll(cx).map(Verdict::Ended)
    }
}
