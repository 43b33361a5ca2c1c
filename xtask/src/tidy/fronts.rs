//! Front pages: a crate's first lines say what it owns and what it must never see.

use super::Problem;
use super::sources::Source;

/// Every `lib.rs` and `main.rs` starts with `//!`.
pub fn check(sources: &[Source]) -> Vec<Problem> {
    sources
        .iter()
        .filter(|source| source.path.ends_with("/src/lib.rs") || source.path.ends_with("/src/main.rs"))
        .filter(|source| !source.text.starts_with("//!"))
        .map(|source| {
            Problem::new(
                &source.path,
                "no front page",
                "start the file with `//!`: what it owns, what it must never see",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::sources::Source;

    #[test]
    fn a_crate_starts_with_its_front_page() {
        let source =
            |path: &str, text: &str| Source { path: path.into(), text: text.into(), ..Source::default() };
        assert_eq!(
            check(&[source("crates/a/src/lib.rs", "//! Owns a."), source("crates/a/src/b.rs", "fn b() {}")]),
            []
        );
        assert_eq!(
            check(&[source("crates/a/src/lib.rs", "mod b;\n//! Late."), source("bins/x/src/main.rs", "")])
                .len(),
            2
        );
    }
}
