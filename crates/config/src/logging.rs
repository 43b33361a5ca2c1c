//! `logging`: how much is logged, and in which form.

use crate::section::Section;

/// The least important lines that are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// What stops something.
    Error,
    /// What somebody should look at.
    Warn,
    /// What happened.
    Info,
    /// How it happened.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// How much is logged, and in which form.
#[derive(Debug, Clone)]
pub struct Logging {
    /// The least important lines that are logged.
    pub level: LogLevel,
    /// The form of lines.
    pub format: LogFormat,
}

pub(crate) fn read(root: &mut Section<'_, '_>) -> Logging {
    let levels = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
        ("warning", LogLevel::Warn),
        ("critical", LogLevel::Error),
    ];
    root.section("logging", |section| Logging {
        level: section.choice("level", LogLevel::Info, &levels),
        format: section.choice(
            "format",
            LogFormat::Human,
            &[("human", LogFormat::Human), ("json", LogFormat::Json)],
        ),
    })
}
