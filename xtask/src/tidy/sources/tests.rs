//! Samples of files: what counts as production and what does not.

use std::fs;
use std::path::PathBuf;

use super::{Function, Source, collect, read};

/// Writes the files into a folder and reads their production part back.
fn sources(files: &[(&str, &str)]) -> Vec<Source> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut paths: Vec<PathBuf> = Vec::new();
    collect(folder.path(), &mut paths).unwrap();
    read(folder.path(), paths).unwrap()
}

fn names(sources: &[Source]) -> Vec<&str> {
    sources.iter().map(|source| source.path.as_str()).collect()
}

#[test]
fn a_trailing_test_module_is_not_counted() {
    let text = "fn a() {\n    b();\n}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn c() {}\n}\n";
    let sources = sources(&[("lib.rs", text)]);
    assert_eq!(sources[0].lines, 4);
    assert_eq!(sources[0].functions, [Function { name: "a".into(), line: 1, lines: 3 }]);
}

#[test]
fn whole_files_of_tests_are_left_out() {
    let sources = sources(&[
        (
            "lib.rs",
            "mod key;\n#[cfg(test)]\nmod samples;\n#[cfg(all(test, feature = \"x\"))]\n#[path = \"odd_name.rs\"]\nmod other;\n",
        ),
        ("key.rs", "#[cfg(test)]\nmod tests;\n"),
        ("key/tests.rs", "mod deeper;\n"),
        ("key/tests/deeper.rs", ""),
        ("samples/mod.rs", ""),
        ("odd_name.rs", ""),
        ("inner.rs", "#![cfg(test)]\n"),
    ]);
    assert_eq!(names(&sources), ["key.rs", "lib.rs"]);
}

#[test]
fn what_is_compiled_elsewhere_too_counts() {
    let sources = sources(&[
        ("lib.rs", "#[cfg(any(test, feature = \"suite\"))]\nmod suite;\n#[cfg(not(test))]\nmod real;\n"),
        ("suite.rs", "fn a() {}\n"),
        ("real.rs", ""),
    ]);
    assert_eq!(names(&sources), ["lib.rs", "real.rs", "suite.rs"]);
}

#[test]
fn methods_and_default_methods_are_functions_and_comments_above_do_not_count() {
    let text = "struct A;\n/// Long\n/// words.\n#[inline]\nimpl A {\n    /// Doc.\n    #[inline]\n    pub fn a(\n        x: u8,\n    ) {\n    }\n}\n\
        trait B {\n    fn b(&self) {\n    }\n    fn c(&self);\n}\n";
    let sources = sources(&[("lib.rs", text)]);
    let found: Vec<_> =
        sources[0].functions.iter().map(|function| (function.name.as_str(), function.lines)).collect();
    assert_eq!(found, [("a", 4), ("b", 2)]);
}
