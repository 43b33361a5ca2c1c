//! The form of lines for people where they are not coloured: the same words as on a terminal, written with
//! little ado, since there is one for every request.

use std::fmt::{self, Write as _};

use tracing::{Event, Level, Subscriber, field};
use tracing_subscriber::fmt::{
    FmtContext, FormatEvent, FormatFields, FormattedFields,
    format::Writer,
    time::{FormatTime as _, SystemTime},
};
use tracing_subscriber::registry::LookupSpan;

/// `2026-11-21T12:00:00.000000Z  INFO target: message field=1 other="text"`.
pub(crate) struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let about = event.metadata();
        SystemTime.format_time(&mut writer)?;
        writer.write_str(level(*about.level()))?;
        writer.write_str(about.target())?;
        writer.write_char(':')?;
        let mut fields = Fields { writer: &mut writer, written: Ok(()) };
        event.record(&mut fields);
        fields.written?;
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
                && !fields.is_empty()
            {
                write!(writer, " {fields}")?;
            }
        }
        writer.write_char('\n')
    }
}

/// A level between spaces, all of one length.
fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => " ERROR ",
        Level::WARN => "  WARN ",
        Level::INFO => "  INFO ",
        Level::DEBUG => " DEBUG ",
        Level::TRACE => " TRACE ",
    }
}

/// Writes fields as they come, each after a space; the message without its name.
struct Fields<'w, 'b> {
    writer: &'w mut Writer<'b>,
    written: fmt::Result,
}

impl Fields<'_, '_> {
    fn write(&mut self, field: &field::Field, value: impl fmt::Display) {
        let write = |this: &mut Self| {
            this.writer.write_char(' ')?;
            if field.name() != "message" {
                this.writer.write_str(field.name())?;
                this.writer.write_char('=')?;
            }
            write!(Visible(this.writer), "{value}")
        };
        if self.written.is_ok() {
            self.written = write(self);
        }
    }
}

impl field::Visit for Fields<'_, '_> {
    fn record_u64(&mut self, field: &field::Field, value: u64) {
        self.write(field, value);
    }

    fn record_i64(&mut self, field: &field::Field, value: i64) {
        self.write(field, value);
    }

    fn record_str(&mut self, field: &field::Field, value: &str) {
        if value.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\') {
            self.write(field, format_args!("\"{value}\""));
        } else {
            self.write(field, format_args!("{value:?}"));
        }
    }

    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        self.write(field, format_args!("{value:?}"));
    }
}

/// Escapes controls: a line stays one line, and drives no terminal.
struct Visible<'w, 'b>(&'w mut Writer<'b>);

impl fmt::Write for Visible<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return self.0.write_str(text);
        }
        for c in text.chars() {
            if c.is_control() {
                write!(self.0, "{}", c.escape_default())?;
            } else {
                self.0.write_char(c)?;
            }
        }
        Ok(())
    }
}
