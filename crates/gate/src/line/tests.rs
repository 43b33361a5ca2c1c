//! The whole line, with a provider that plays what it is told.

mod answer;
mod quota;
mod refusal;
mod stream;
mod wait;
