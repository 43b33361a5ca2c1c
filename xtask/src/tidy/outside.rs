//! Who may use which outside crate.

use super::Problem;
use super::sources::Source;
use crate::workspace::Crate;

/// Outside crates that are the business of a few of ours.
struct Reserved {
    /// Package names; a `*` at the end stands for any rest.
    outside: &'static [&'static str],
    /// Ours that may name them. `testkit` stands here where it plays the other side.
    only: &'static [&'static str],
    /// What everybody else does instead.
    remedy: &'static str,
}

const RESERVED: &[Reserved] = &[
    Reserved {
        outside: &["diesel", "diesel_*", "diesel-*", "r2d2", "pq-sys", "libsqlite3-sys"],
        only: &["persistence"],
        remedy: "add a method to a port in `store` and implement it in `persistence`",
    },
    Reserved {
        outside: &["actix-web"],
        only: &["http", "api", "testkit"],
        remedy: "routes, extractors and answers live in `http`",
    },
    Reserved {
        outside: &["actix*", "utoipa*"],
        only: &["http", "testkit"],
        remedy: "routes, documents and pages live in `http`",
    },
    Reserved {
        outside: &["maud"],
        only: &["http", "accounts"],
        remedy: "pages live in `http`, the templates of mails in `accounts`",
    },
    Reserved {
        outside: &["redis", "redis-*", "deadpool-redis", "fred"],
        only: &["cluster"],
        remedy: "Redis lives in `cluster`",
    },
    Reserved { outside: &["lettre"], only: &["notify"], remedy: "mail lives in `notify`" },
    Reserved {
        outside: &["hyper", "hyper-util", "hyper-rustls"],
        only: &["providers", "notify", "identity", "polar", "client", "testkit"],
        remedy: "calls to others go through a port, such as `gate::Upstream`",
    },
    // The administrator's program calls one server at a time, and has no runtime otherwise.
    Reserved {
        outside: &["ureq"],
        only: &["admin"],
        remedy: "use hyper-util as `providers` does: what serves others must not block",
    },
    Reserved {
        outside: &["awc", "reqwest"],
        only: &[],
        remedy: "use hyper-util as `providers` does; in tests name it under [dev-dependencies]",
    },
];

/// Ours that know no runtime.
const WITHOUT_RUNTIME: &[&str] = &["domain", "billing", "store", "usage", "accounts", "gate"];

/// Ours that other services link: nothing of this may be anywhere beneath them. `client` calls, so it has a runtime
/// and an HTTP client; that its example is an actix service is a matter of its dev-dependencies.
const LINKED_BY_OTHERS: &[(&str, &[&str])] = &[
    ("domain", &["tokio", "tokio-*", "diesel", "diesel_*", "actix*", "hyper", "hyper-*"]),
    ("billing", &["tokio", "tokio-*", "diesel", "diesel_*", "actix*", "hyper", "hyper-*"]),
    ("client", &["diesel", "diesel_*", "pq-sys", "libsqlite3-sys", "actix*", "openssl*"]),
];

/// What the server's program may take from `actix_web`: the runtime, not routes.
const SERVER_PROGRAM: &str = "bins/api/src/";
const FOR_THE_PROGRAM: &[&str] = &["rt", "main"];

/// Every manifest against the tables above; dev-dependencies are free.
pub fn check(crates: &[Crate]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for member in crates {
        for need in member.linked().filter(|need| !need.ours) {
            let rule = RESERVED.iter().find(|rule| matches_any(rule.outside, &need.name));
            if let Some(rule) = rule
                && !rule.only.contains(&member.name.as_str())
            {
                let what = format!("`{}` uses `{}`{}", member.name, need.name, reserved_for(rule.only));
                problems.push(Problem::new(member.manifest(), what, rule.remedy));
            }
            if WITHOUT_RUNTIME.contains(&member.name.as_str())
                && matches_any(&["tokio", "tokio-*"], &need.name)
            {
                problems.push(Problem::new(
                    member.manifest(),
                    format!("`{}` uses `{}`, but knows no runtime", member.name, need.name),
                    "use `futures`, or a port that the edge implements",
                ));
            }
        }
        let linked = LINKED_BY_OTHERS.iter().find(|(name, _)| *name == member.name);
        if let Some((_, never)) = linked {
            for package in member.tree.iter().filter(|package| matches_any(never, package)) {
                problems.push(Problem::new(
                    member.manifest(),
                    format!("`{package}` is beneath `{}`, which other services link", member.name),
                    format!("see `cargo tree -p {} -e normal -i {package}`", member.package),
                ));
            }
        }
    }
    problems
}

/// The server's program starts the server and nothing more: of actix-web it sees the runtime only.
pub fn check_server_program(sources: &[Source]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with(SERVER_PROGRAM)) {
        for (line, text) in source.text.lines().enumerate() {
            let code = text.split("//").next().unwrap_or_default();
            for rest in code.split("actix_web::").skip(1) {
                let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
                if !FOR_THE_PROGRAM.contains(&name) {
                    problems.push(Problem::new(
                        format!("{}:{}", source.path, line + 1),
                        "the program uses more of actix_web than `rt` and `main`",
                        "move it to `http`",
                    ));
                }
            }
        }
    }
    problems
}

fn reserved_for(only: &[&str]) -> String {
    if only.is_empty() {
        ", which is for tests".to_owned()
    } else {
        format!(", which is for `{}`", only.join("`, `"))
    }
}

fn matches_any(patterns: &[&str], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *pattern,
    })
}

#[cfg(test)]
mod tests {
    use super::{check, check_server_program};
    use crate::tidy::sources::Source;
    use crate::workspace::{Crate, Need};

    fn sample(name: &str, outside: &[&str]) -> Crate {
        let needs = outside.iter().map(|need| Need { name: (*need).to_owned(), ours: false, dev: false });
        Crate {
            name: name.to_owned(),
            folder: format!("crates/{name}").into(),
            needs: needs.collect(),
            ..Crate::default()
        }
    }

    #[test]
    fn each_technology_has_its_crate() {
        let good = [
            sample("persistence", &["diesel", "diesel_migrations"]),
            sample("http", &["actix-web", "actix-cors", "utoipa-swagger-ui"]),
            sample("api", &["actix-web", "tokio"]),
            sample("cluster", &["redis"]),
            sample("providers", &["hyper-util", "http"]),
        ];
        assert_eq!(check(&good), []);
        let bad = [
            sample("store", &["diesel"]),
            sample("usage", &["r2d2"]),
            sample("gate", &["actix-web"]),
            sample("api", &["utoipa"]),
            sample("accounts", &["redis"]),
            sample("http", &["hyper"]),
            sample("providers", &["reqwest"]),
            sample("testkit", &["awc"]),
        ];
        for member in bad {
            assert_eq!(check(std::slice::from_ref(&member)).len(), 1, "{member:?}");
        }
    }

    #[test]
    fn no_runtime_in_the_inner_rings() {
        for name in ["domain", "billing", "store", "usage", "accounts", "gate"] {
            assert_eq!(check(&[sample(name, &["tokio"])]).len(), 1, "{name}");
        }
        assert_eq!(check(&[sample("http", &["tokio"])]), []);
    }

    #[test]
    fn dev_dependencies_are_free() {
        let mut member = sample("gate", &["reqwest", "tokio"]);
        for need in &mut member.needs {
            need.dev = true;
        }
        assert_eq!(check(&[member]), []);
    }

    #[test]
    fn what_others_link_has_no_runtime_anywhere_beneath() {
        let mut member = sample("domain", &["uuid"]);
        member.tree = ["uuid", "thiserror"].map(str::to_owned).into();
        assert_eq!(check(std::slice::from_ref(&member)), []);
        member.tree = ["uuid", "tokio", "hyper-util"].map(str::to_owned).into();
        assert_eq!(check(&[member]).len(), 2);
    }

    #[test]
    fn the_guard_of_other_services_may_call_and_nothing_else() {
        let mut member = sample("client", &["hyper-util", "tokio"]);
        member.tree = ["hyper-util", "tokio", "tokio-rustls"].map(str::to_owned).into();
        assert_eq!(check(std::slice::from_ref(&member)), []);
        member.tree = ["actix-web", "diesel", "openssl-sys"].map(str::to_owned).into();
        assert_eq!(check(std::slice::from_ref(&member)).len(), 3);
        member.needs.push(Need { name: "actix-web".into(), ours: false, dev: false });
        assert_eq!(check(&[member]).len(), 4);
    }

    #[test]
    fn the_program_takes_only_the_runtime_from_actix() {
        let source = |text: &str| Source {
            path: "bins/api/src/main.rs".into(),
            text: text.into(),
            ..Source::default()
        };
        assert_eq!(
            check_server_program(&[source(
                "#[actix_web::main]\nasync fn main() { actix_web::rt::spawn(x) }"
            )]),
            []
        );
        let problems = check_server_program(&[source("fn a() {}\nuse actix_web::{HttpServer, rt};")]);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].place, "bins/api/src/main.rs:2");
    }
}
