//! The edges that the ring table alone does not settle: those allowed inside a ring, and those forbidden
//! although they point downwards.

use super::Problem;
use crate::workspace::Crate;

/// The only dependencies inside a ring. Each has its reason in `docs/adr/`.
const INSIDE: &[(&str, &str)] = &[("billing", "domain"), ("gate", "usage"), ("cluster", "usage")];

/// Crates that may name only these of ours, although more lies below them.
const NARROWED: &[(&str, &[&str], &str)] = &[
    (
        "config",
        &["domain", "billing"],
        "hand plain values to `bins/*/src/wire.rs`, which builds the rest from them",
    ),
    ("telemetry", &["domain", "billing"], "let the others speak to `tracing` and `metrics`"),
    (
        "persistence",
        &["domain", "billing", "store"],
        "implement a port of `store` and let the use case call it",
    ),
    ("client", &["domain", "billing"], "it is linked by other services: plain rules only"),
];

/// What tests share must not reach a program.
const TESTKIT: &str = "testkit";

/// Whether `from` may name `to` although both are in one ring.
pub fn allowed(from: &str, to: &str) -> bool {
    INSIDE.contains(&(from, to))
}

/// Every dependency on one of our crates, save dev-dependencies, against the lists above.
pub fn check(crates: &[Crate]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for member in crates {
        for need in member.linked().filter(|need| need.ours) {
            if need.name == TESTKIT {
                problems.push(Problem::new(
                    member.manifest(),
                    format!("`{}` names `{TESTKIT}` as a normal dependency", member.name),
                    "move it to [dev-dependencies]",
                ));
            }
            let narrowed = NARROWED.iter().find(|(name, _, _)| *name == member.name);
            if let Some((_, few, remedy)) = narrowed
                && !few.contains(&need.name.as_str())
            {
                let few = few.join("`, `");
                problems.push(Problem::new(
                    member.manifest(),
                    format!("`{}` names `{}`; of ours it may name `{few}`", member.name, need.name),
                    *remedy,
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
pub mod tests {
    use super::{allowed, check};
    use crate::workspace::{Crate, Need};

    /// A crate with these normal dependencies on ours.
    pub fn sample(name: &str, ours: &[&str]) -> Crate {
        let needs = ours.iter().map(|need| Need { name: (*need).to_owned(), ours: true, dev: false });
        Crate {
            name: name.to_owned(),
            folder: format!("crates/{name}").into(),
            needs: needs.collect(),
            ..Crate::default()
        }
    }

    #[test]
    fn the_edges_have_a_direction() {
        assert!(allowed("gate", "usage"));
        assert!(!allowed("usage", "gate"));
    }

    #[test]
    fn persistence_stays_below_the_use_cases() {
        assert_eq!(check(&[sample("persistence", &["store", "domain"])]), []);
        let problems = check(&[sample("persistence", &["usage"])]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].what.contains("`persistence` names `usage`"), "{}", problems[0]);
    }

    #[test]
    fn configuration_sees_the_rules_only() {
        assert_eq!(check(&[sample("config", &["domain"])]), []);
        assert_eq!(check(&[sample("config", &["store"]), sample("telemetry", &["accounts"])]).len(), 2);
    }

    #[test]
    fn testkit_is_for_tests() {
        let mut member = sample("api", &["testkit"]);
        assert_eq!(check(std::slice::from_ref(&member)).len(), 1);
        member.needs[0].dev = true;
        assert_eq!(check(&[member]), []);
    }
}
