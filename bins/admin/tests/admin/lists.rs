//! Long lists: page by page, and to whoever has seen enough.

use std::{
    collections::HashSet,
    fmt::Write as _,
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::support::{Site, on_each_database};

/// Keys of several pages, of more text than a pipe holds.
const KEYS: usize = 1_050;

fn import_keys(site: &Site) {
    let mut file = String::from("key_hash,user_id,name\r\n");
    for number in 0..KEYS {
        write!(file, "{number:064x},user_{},{number:060}\r\n", number % 7).unwrap();
    }
    std::fs::write(site.path("keys.csv"), file).unwrap();
    site.run(&["migrate", "--file", "keys.csv"]).ended(0);
}

#[test]
fn every_key_of_a_long_list_is_there_once() {
    on_each_database(|site| {
        import_keys(site);
        let list = site.json(&["list"]);
        let items = list["items"].as_array().unwrap();
        let names: HashSet<&str> = items.iter().map(|key| key["name"].as_str().unwrap()).collect();
        assert_eq!((items.len(), names.len()), (KEYS, KEYS));
        assert_eq!(list["keys"], list["items"]);

        let table = site.run(&["list"]).ended(0);
        let rows: Vec<&str> = table.lines().filter(|line| line.contains("| yes")).collect();
        let names: HashSet<&str> = rows.iter().filter_map(|row| row.split('|').nth(2)).collect();
        assert_eq!((rows.len(), names.len()), (KEYS, KEYS));
    });
}

#[test]
fn who_has_seen_enough_of_a_list_is_no_failure() {
    on_each_database(|site| {
        import_keys(site);
        for words in [&["list"][..], &["list", "--json"]] {
            let mut command = site.command(words);
            let mut list = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let mut out = BufReader::new(list.stdout.take().unwrap());
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            drop(out);
            let ended = list.wait_with_output().unwrap();
            let said = String::from_utf8(ended.stderr).unwrap();
            assert!(!line.is_empty(), "{words:?}");
            assert_eq!(ended.status.code(), Some(0), "{words:?}: {said}");
            assert!(!said.contains("error") && !said.contains("panicked"), "{words:?}: {said}");
        }
    });
}
