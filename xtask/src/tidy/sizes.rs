//! Sizes: production files, functions and `main.rs` have limits; `xtask/tidy-exceptions.txt` lists the rest.

use super::Problem;
use super::exceptions::Exceptions;
use super::sources::Source;

/// Lines of a production file, test modules left out.
const MAX_FILE_LINES: usize = 400;

/// Lines of a function, from its signature to its closing brace.
const MAX_FUNCTION_LINES: usize = 70;

/// Lines of a program's `main.rs`, which only assembles.
const MAX_MAIN_LINES: usize = 60;

/// The database schema is one table of tables; its length says nothing.
const SCHEMA: &str = "schema.rs";

/// Every production file against the limits and the list of exceptions.
pub fn check(sources: &[Source], exceptions: &str) -> Vec<Problem> {
    let mut exceptions = Exceptions::parse(exceptions);
    let mut problems = Vec::new();
    for source in sources {
        let limit = if is_program(&source.path) { MAX_MAIN_LINES } else { MAX_FILE_LINES };
        let schema = source.path.rsplit('/').next() == Some(SCHEMA);
        if source.lines > limit && !schema && !exceptions.cover(&source.path, "file", source.lines) {
            problems.push(Problem::new(
                &source.path,
                format!("{} lines, the limit is {limit}", source.lines),
                "split it by concept: a file is named after the one thing it is about",
            ));
        }
        for function in source.functions.iter().filter(|function| function.lines > MAX_FUNCTION_LINES) {
            if !exceptions.cover(&source.path, &format!("fn:{}", function.name), function.lines) {
                problems.push(Problem::new(
                    format!("{}:{}", source.path, function.line),
                    format!(
                        "`{}` has {} lines, the limit is {MAX_FUNCTION_LINES}",
                        function.name, function.lines
                    ),
                    "give its parts names of their own",
                ));
            }
        }
    }
    problems.extend(exceptions.finish());
    problems
}

fn is_program(path: &str) -> bool {
    path.starts_with("bins/") && path.ends_with("/src/main.rs")
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::sources::{Function, Source};

    fn sample(path: &str, lines: usize, function: usize) -> Source {
        let functions = vec![Function { name: "long".into(), line: 3, lines: function }];
        Source { path: path.into(), lines, functions, ..Source::default() }
    }

    #[test]
    fn the_limits_themselves_are_fine() {
        assert_eq!(
            check(&[sample("crates/a/src/a.rs", 400, 70), sample("bins/x/src/main.rs", 60, 1)], ""),
            []
        );
    }

    #[test]
    fn beyond_the_limits_is_a_problem() {
        for source in [
            sample("crates/a/src/a.rs", 401, 70),
            sample("crates/a/src/a.rs", 400, 71),
            sample("bins/x/src/main.rs", 61, 1),
        ] {
            assert_eq!(check(std::slice::from_ref(&source), "").len(), 1, "{source:?}");
        }
    }

    #[test]
    fn the_schema_may_be_long_but_not_its_functions() {
        assert_eq!(check(&[sample("crates/persistence/src/schema.rs", 2000, 71)], "").len(), 1);
    }

    #[test]
    fn the_list_covers_what_it_names() {
        let source = sample("crates/a/src/a.rs", 410, 75);
        let list = "crates/a/src/a.rs file 410 # a table\ncrates/a/src/a.rs fn:long 75 # one match";
        assert_eq!(check(&[source], list), []);
        assert_eq!(check(&[], list).len(), 2);
    }
}
