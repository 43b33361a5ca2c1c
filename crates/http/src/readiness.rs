//! Whether the server takes requests, as it tells load balancers.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The life of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Starting,
    Serving,
    Draining,
}

/// How bad it is that something is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Known callers are served on.
    Degrading,
    /// Nobody can be served.
    Stopping,
}

/// What `/readyz` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// All is well.
    Ready,
    /// Known callers are served on without these.
    Degraded(Vec<&'static str>),
    /// Nobody is served, for lack of these.
    Unavailable(Vec<&'static str>),
}

/// The state that the server's parts report to and `/readyz` reads. It starts as `starting`.
#[derive(Debug, Default)]
pub struct Readiness(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    failing: BTreeMap<&'static str, Severity>,
}

impl Readiness {
    /// The server takes requests from now on.
    pub fn serve(&self) {
        self.state().phase = Phase::Serving;
    }

    /// The server finishes what it has and takes nothing new; for good.
    pub fn drain(&self) {
        self.state().phase = Phase::Draining;
    }

    /// Something, such as `database`, is away.
    pub fn fails(&self, what: &'static str, severity: Severity) {
        self.state().failing.insert(what, severity);
    }

    /// It is back.
    pub fn recovers(&self, what: &'static str) {
        self.state().failing.remove(what);
    }

    /// What to tell.
    pub fn get(&self) -> Ready {
        let state = self.state();
        let failing: Vec<_> = state.failing.keys().copied().collect();
        let worst = state.failing.values().max();
        match (state.phase, worst) {
            (Phase::Starting, _) => Ready::Unavailable([&["starting"], failing.as_slice()].concat()),
            (Phase::Draining, _) => Ready::Unavailable([&["draining"], failing.as_slice()].concat()),
            (Phase::Serving, None) => Ready::Ready,
            (Phase::Serving, Some(Severity::Degrading)) => Ready::Degraded(failing),
            (Phase::Serving, Some(Severity::Stopping)) => Ready::Unavailable(failing),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_servers_life_and_the_worst_failure() {
        let readiness = Readiness::default();
        assert_eq!(readiness.get(), Ready::Unavailable(vec!["starting"]));
        readiness.serve();
        assert_eq!(readiness.get(), Ready::Ready);
        readiness.fails("database", Severity::Degrading);
        assert_eq!(readiness.get(), Ready::Degraded(vec!["database"]));
        readiness.fails("spool", Severity::Stopping);
        assert_eq!(readiness.get(), Ready::Unavailable(vec!["database", "spool"]));
        readiness.recovers("spool");
        readiness.recovers("database");
        assert_eq!(readiness.get(), Ready::Ready);
        readiness.drain();
        assert_eq!(readiness.get(), Ready::Unavailable(vec!["draining"]));
    }
}
