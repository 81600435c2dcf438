//! The way out of the process: a thread of its own writes to standard error, so that a reader that
//! stands still holds up no request. Lines that find the queue full are counted and dropped.

use std::io;
use std::io::Write;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::TrySendError;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// A queue of finished lines.
#[derive(Clone, Debug)]
pub struct Sink {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Lines(Vec<u8>),
    Flush(SyncSender<()>),
}

/// The process's standard error.
pub fn standard_error() -> &'static Sink {
    static SINK: LazyLock<Sink> = LazyLock::new(|| Sink::new(io::stderr(), QUEUE));
    &SINK
}

impl Sink {
    /// A sink that writes to `out`.
    pub fn to(out: impl Write + Send + 'static) -> Self {
        Self::new(out, QUEUE)
    }

    /// A sink that writes to `out` and holds at most `queue` batches.
    fn new(out: impl Write + Send + 'static, queue: usize) -> Self {
        let (sender, receiver) = sync_channel(queue);
        let dropped = Arc::new(AtomicU64::new(0));
        let sink = Self {
            queue: sender,
            dropped: Arc::clone(&dropped),
        };
        let thread = std::thread::Builder::new().name("sidegate-log".to_owned());
        // Without a thread the queue fills up, and lines are dropped: requests are served all the same.
        let _thread = thread.spawn(move || write_all(out, &receiver, &dropped));
        sink
    }

    /// Hands over one or more whole lines.
    pub fn send(&self, lines: Vec<u8>) {
        if self.queue.try_send(Message::Lines(lines)).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Waits a moment until everything handed over so far is written.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        let mut message = Message::Flush(done);
        for _ in 0..LOOKS {
            match self.queue.try_send(message) {
                Ok(()) => {
                    let _late = written.recv_timeout(PATIENCE);
                    return;
                }
                Err(TrySendError::Full(back)) => message = back,
                Err(TrySendError::Disconnected(_)) => return,
            }
            std::thread::park_timeout(PATIENCE / LOOKS);
        }
    }
}

fn write_all(mut out: impl Write, queue: &Receiver<Message>, dropped: &AtomicU64) {
    for message in queue {
        // If nobody reads our log, there is nobody to tell.
        let _written = match message {
            Message::Lines(lines) => out.write_all(&lines),
            Message::Flush(done) => {
                let _gone = done.try_send(());
                Ok(())
            }
        };
        let lost = dropped.swap(0, Relaxed);
        if lost > 0 {
            let _written = writeln!(
                out,
                "{{\"level\":\"WARN\",\"event\":\"log.dropped\",\"batches\":{lost}}}"
            );
        }
    }
}

/// Collects what is written as one event, and hands it over when dropped.
#[derive(Debug)]
pub struct Event<'a> {
    sink: &'a Sink,
    line: Vec<u8>,
}

impl Write for Event<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Event<'_> {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.sink.send(std::mem::take(&mut self.line));
        }
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for &'static Sink {
    type Writer = Event<'a>;

    fn make_writer(&'a self) -> Event<'a> {
        Event {
            sink: self,
            line: Vec::with_capacity(256),
        }
    }
}

/// Batches that wait at most; one is up to 48 KB.
const QUEUE: usize = 128;

/// How often a flush looks for room in the queue.
const LOOKS: u32 = 100;

/// How long the end of the process waits for its last lines.
const PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use super::*;

    /// Takes one batch for each permission.
    struct Gated(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            self.1.lock().expect("free").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stands_still_holds_nobody_up_and_is_told_what_it_missed() {
        let (permit, permits) = channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let sink = Sink::new(Gated(permits, Arc::clone(&written)), 4);
        for number in 0..100 {
            sink.send(format!("line {number}\n").into_bytes());
        }
        for _ in 0..20 {
            permit.send(()).expect("the writer waits");
        }
        sink.flush();
        let text = String::from_utf8(written.lock().expect("free").clone()).expect("text");
        assert!(text.starts_with("line 0\n"), "{text}");
        assert!(text.contains("log.dropped"), "{text}");
        assert!(!text.contains("line 99"), "{text}");
    }
}
