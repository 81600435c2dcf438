//! Every line of the log on its way out: whatever put it together, what a terminal would obey is escaped.

use std::io;
use std::io::Write;

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use super::shown;

/// Escapes what goes through it to another writer.
#[derive(Clone, Debug)]
pub(in crate::telemetry) struct Escaped<W>(pub(in crate::telemetry) W);

/// One event, which goes on as a whole once it is.
#[derive(Debug)]
pub(in crate::telemetry) struct Line<W: Write> {
    out: W,
    event: Vec<u8>,
}

impl<W: Write> Line<W> {
    fn to(out: W) -> Self {
        Self {
            out,
            event: Vec::new(),
        }
    }
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.event.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Drop for Line<W> {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.event);
        // The break that ends it is the only one that is a break.
        let (text, end) = match text.strip_suffix('\n') {
            Some(text) => (text, "\n"),
            None => (&*text, ""),
        };
        // In JSON such characters stand in strings only, where the escape means the same.
        let whole = format!("{}{end}", shown(text));
        if !whole.is_empty() {
            // If nobody reads our log, there is nobody to tell.
            let _written = self.out.write_all(whole.as_bytes());
        }
    }
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Escaped<W> {
    type Writer = Line<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line::to(self.0.make_writer())
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        Line::to(self.0.make_writer_for(meta))
    }
}
