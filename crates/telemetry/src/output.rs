//! Where lines go: standard error, the access log's in blocks.
//!
//! There is a line in the access log for every request, and a system call for each would cost more than the
//! line. So these wait, a moment at most, until some are together. Every other line is written at once, after
//! those that wait: the order stays.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// The target of the access log's lines.
const ACCESS: &str = "tollgate::access";
/// How long a line of the access log waits at most.
const PAUSE: Duration = Duration::from_millis(100);
/// How many bytes wait at most: whoever adds more writes them.
const MAX_WAITING_BYTES: usize = 64 * 1_024;

static STANDARD_ERROR: LazyLock<Output<io::Stderr>> = LazyLock::new(|| Output::new(io::stderr()));

/// Standard error; all that ask have the same.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn standard_error() -> io::Result<Output<io::Stderr>> {
    STANDARD_ERROR.start()?;
    Ok(STANDARD_ERROR.clone())
}

/// Writes the lines that wait. For the end of the process.
pub fn flush() {
    if let Some(output) = LazyLock::get(&STANDARD_ERROR) {
        output.shared.flush(&mut output.shared.waiting());
    }
}

/// Takes lines for `W`.
pub(crate) struct Output<W> {
    shared: Arc<Shared<W>>,
}

struct Shared<W> {
    waiting: Mutex<Waiting<W>>,
    /// Something waits.
    came: Condvar,
}

struct Waiting<W> {
    bytes: Vec<u8>,
    writer: W,
}

impl<W> Clone for Output<W> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<W: Write + Send + 'static> Output<W> {
    pub(crate) fn new(writer: W) -> Self {
        let waiting = Waiting { bytes: Vec::new(), writer };
        Self { shared: Arc::new(Shared { waiting: Mutex::new(waiting), came: Condvar::new() }) }
    }

    /// Starts the thread that writes what waits. It ends with the process.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(&self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let run = move || {
            loop {
                drop(shared.until_something_waits());
                thread::sleep(PAUSE);
                shared.flush(&mut shared.waiting());
            }
        };
        thread::Builder::new().name("log".to_owned()).spawn(run).map(drop)
    }
}

impl<W: Write> Shared<W> {
    fn waiting(&self) -> MutexGuard<'_, Waiting<W>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn until_something_waits(&self) -> MutexGuard<'_, Waiting<W>> {
        self.came
            .wait_while(self.waiting(), |waiting| waiting.bytes.is_empty())
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn flush(&self, waiting: &mut Waiting<W>) {
        // Where nobody can be told, there is nobody to tell of it.
        waiting.writer.write_all(&waiting.bytes).unwrap_or_default();
        waiting.bytes.clear();
    }
}

/// One line's writer.
pub(crate) struct Line<'a, W> {
    shared: &'a Shared<W>,
    may_wait: bool,
}

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut waiting = self.shared.waiting();
        let first = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(bytes);
        if !self.may_wait || waiting.bytes.len() > MAX_WAITING_BYTES {
            self.shared.flush(&mut waiting);
        } else if first {
            self.shared.came.notify_one();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a, W: Write + Send + 'static> MakeWriter<'a> for Output<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { shared: &self.shared, may_wait: false }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Self::Writer {
        Line { shared: &self.shared, may_wait: about.target() == ACCESS }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Tells of each write.
    struct Told(mpsc::SyncSender<Vec<u8>>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn output() -> (Output<Told>, mpsc::Receiver<Vec<u8>>) {
        let (told, written) = mpsc::sync_channel(16);
        (Output::new(Told(told)), written)
    }

    fn line(output: &Output<Told>, text: &str, may_wait: bool) {
        Line { shared: &output.shared, may_wait }.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn what_may_not_wait_is_written_at_once_and_in_its_place() {
        let (output, written) = output();
        line(&output, "a\n", true);
        assert!(written.try_recv().is_err());
        line(&output, "b\n", false);
        assert_eq!(written.try_recv().unwrap(), b"a\nb\n");
    }

    #[test]
    fn what_may_wait_is_written_in_the_end() {
        let (output, written) = output();
        output.start().unwrap();
        line(&output, "a\n", true);
        assert_eq!(written.recv().unwrap(), b"a\n");
    }

    #[test]
    fn no_more_waits_than_may() {
        let (output, written) = output();
        let text = "x".repeat(MAX_WAITING_BYTES / 2 + 1);
        line(&output, &text, true);
        assert!(written.try_recv().is_err());
        line(&output, &text, true);
        assert_eq!(written.try_recv().unwrap().len(), 2 * text.len());
    }
}
