//! The token of `tollgate-admin --server`, whatever the rest is like.

use crate::support::Case;
use secrecy::ExposeSecret as _;
use tollgate_config::{Problems, load_token};

const BROKEN: &str = "server: [\n";
const REFUSED: &str = "environment: production\nadmin:\n  token: of-the-file\nno_such_key: 1\n";

fn token(case: &Case) -> Result<Option<String>, Problems> {
    load_token(&case.sources()).map(|found| found.token.map(|token| token.expose_secret().to_owned()))
}

#[test]
fn the_variable_needs_no_file_at_all() {
    for case in [Case::new(), Case::new().file("config.yaml", BROKEN), Case::new().file(".env", "no pair")] {
        let case = case.var("TOLLGATE_TOKEN", "of-the-variable");
        assert_eq!(token(&case).unwrap().as_deref(), Some("of-the-variable"));
        assert!(!case.dir.path().join("data").exists());
    }
    let case = Case::new().file("token", " in-a-file\n").var("TOLLGATE_TOKEN_FILE", "token");
    assert_eq!(token(&case).unwrap().as_deref(), Some("in-a-file"));
    let case = Case::new().file(".env", "TOLLGATE_TOKEN=of-dotenv\n");
    assert_eq!(token(&case).unwrap().as_deref(), Some("of-dotenv"));
}

#[test]
fn the_file_counts_for_its_token_alone() {
    let case = Case::new().file("config.yaml", REFUSED);
    case.problems();
    assert_eq!(token(&case).unwrap().as_deref(), Some("of-the-file"));
    assert_eq!(token(&Case::new()).unwrap(), None);
    assert_eq!(token(&Case::new().file("config.yaml", "no_such_key: 1\n")).unwrap(), None);
}

#[test]
fn what_hides_the_token_is_told() {
    for case in [
        Case::new().file("config.yaml", BROKEN),
        Case::new().file(".env", "no pair"),
        Case::new().file("config.yaml", "admin:\n  tokem: x\n"),
        Case::new().var("TOLLGATE_TOKEN_FILE", "nowhere"),
        Case::new().var("TOLLGATE_TOKEN", "a").var("TOLLGATE_TOKEN_FILE", "b"),
    ] {
        assert_eq!(token(&case).unwrap_err().0.len(), 1);
    }
}
