//! Metering, recording and summing.
//!
//! **Owns** the [`Meter`] (windows, concurrency and quota holds, decided in one step), its implementation
//! in [`memory`]; the [`Recorder`], which has every event on disk before the answer's last byte leaves;
//! and the [`Folder`], which turns events into sums.
//!
//! **Must never see** a database, a server or a runtime: the recorder and the folder run on threads of
//! their own, given to them by the program.

#[cfg(test)]
mod fixture;
pub mod fold;
pub mod memory;
pub mod meter;
mod pace;
pub mod recorder;
pub mod windows;

pub use fold::Folder;
pub use memory::MemoryMeter;
pub use meter::{Admission, Ask, Denied, Meter, Outcome, QuotaAsk, Reading, Readings, Scope, Ticket};
pub use recorder::{
    NoPlace, NotRecorded, Place, Recorder, RecorderSettings, RecorderStores, Stopped, TooLate,
};
pub use windows::WindowSaver;
