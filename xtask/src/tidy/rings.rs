//! The rings: a crate names only crates of the rings below its own.

use super::Problem;
use super::edges;
use crate::workspace::Crate;

/// The rings, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ring {
    /// Plain rules: no input or output, no runtime.
    Rules,
    /// The traits that storage implements.
    Ports,
    /// What Tollgate does.
    UseCases,
    /// One outside technology each.
    Edge,
    /// What tests share.
    Testkit,
    /// The programs, which assemble the rest.
    Bins,
}

/// Every crate's ring. A new crate gets its line here before anything else.
const RINGS: &[(&str, Ring)] = &[
    ("domain", Ring::Rules),
    ("billing", Ring::Rules),
    ("store", Ring::Ports),
    ("usage", Ring::UseCases),
    ("gate", Ring::UseCases),
    ("accounts", Ring::UseCases),
    ("invoicing", Ring::UseCases),
    ("http", Ring::Edge),
    ("providers", Ring::Edge),
    ("persistence", Ring::Edge),
    ("cluster", Ring::Edge),
    ("notify", Ring::Edge),
    ("identity", Ring::Edge),
    ("polar", Ring::Edge),
    ("client", Ring::Edge),
    ("config", Ring::Edge),
    ("telemetry", Ring::Edge),
    ("testkit", Ring::Testkit),
    ("api", Ring::Bins),
    ("admin", Ring::Bins),
];

/// The developers' own program stands beside the rings and names none of the others.
const BESIDE: &str = "xtask";

fn ring(name: &str) -> Option<Ring> {
    RINGS.iter().find(|(known, _)| *known == name).map(|(_, ring)| *ring)
}

/// Every dependency on one of our crates, save dev-dependencies, against the ring table.
pub fn check(crates: &[Crate]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for member in crates.iter().filter(|member| member.name != BESIDE) {
        let Some(own) = ring(&member.name) else {
            problems.push(Problem::new(
                member.manifest(),
                format!("the crate `{}` has no ring", member.name),
                "give it a line in RINGS of xtask/src/tidy/rings.rs and in docs/ARCHITECTURE.md",
            ));
            continue;
        };
        for need in member.linked().filter(|need| need.ours) {
            let below = ring(&need.name).is_some_and(|other| other < own);
            if !below && !edges::allowed(&member.name, &need.name) {
                problems.push(Problem::new(
                    member.manifest(),
                    format!("`{}` names `{}`, which is not in a ring below it", member.name, need.name),
                    "turn the dependency around: a port (trait) in the lower ring, its implementation in the upper",
                ));
            }
        }
    }
    for member in crates.iter().filter(|member| member.name == BESIDE) {
        for need in member.needs.iter().filter(|need| need.ours) {
            problems.push(Problem::new(
                member.manifest(),
                format!("`{BESIDE}` names `{}`", need.name),
                "keep it free of our crates, so that it runs while they do not compile",
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::edges::tests::sample;

    #[test]
    fn a_ring_may_name_what_lies_below() {
        let crates = [sample("gate", &["store", "domain"]), sample("api", &["http", "persistence"])];
        assert_eq!(check(&crates), []);
    }

    #[test]
    fn naming_a_ring_above_is_a_problem() {
        let problems = check(&[sample("store", &["persistence"])]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].what.contains("`store` names `persistence`"), "{}", problems[0]);
    }

    #[test]
    fn naming_a_neighbour_is_a_problem_save_for_the_listed_edges() {
        let crates =
            [sample("gate", &["usage"]), sample("billing", &["domain"]), sample("http", &["config"])];
        let problems = check(&crates);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].what.contains("`http` names `config`"), "{}", problems[0]);
    }

    #[test]
    fn a_crate_without_a_ring_is_a_problem() {
        let problems = check(&[sample("gadgets", &[])]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].what.contains("`gadgets` has no ring"), "{}", problems[0]);
    }

    #[test]
    fn the_developers_program_names_none_of_ours() {
        assert_eq!(check(&[sample("xtask", &["domain"])]).len(), 1);
        assert_eq!(check(&[sample("xtask", &[])]), []);
    }

    #[test]
    fn dev_dependencies_are_free() {
        let mut member = sample("store", &["persistence"]);
        member.needs[0].dev = true;
        assert_eq!(check(&[member]), []);
    }
}
