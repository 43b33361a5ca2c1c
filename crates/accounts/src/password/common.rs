//! The passwords that everybody tries first. Where they are from, and their licence, is said in the list itself.

/// Comments, an empty line, and passwords of eight characters and more in lower case, one a line, sorted by
/// their bytes.
const LIST: &str = include_str!("common.txt");

/// Whether a password, in lower case, is one of them. Looks at some twenty lines, wherever it is.
pub(super) fn contains(lowered: &str) -> bool {
    let mut rest = words();
    while !rest.is_empty() {
        // The line that the middle is in; all of it is in ASCII.
        let middle = rest.len() / 2;
        let (Some(before), Some(after)) = (rest.get(..middle), rest.get(middle..)) else { return false };
        let start = before.rfind('\n').map_or(0, |end| end.saturating_add(1));
        let end = after.find('\n').map_or(rest.len(), |end| middle.saturating_add(end));
        let (Some(word), Some(earlier)) = (rest.get(start..end), rest.get(..start)) else { return false };
        let later = rest.get(end.saturating_add(1)..).unwrap_or_default();
        rest = match lowered.cmp(word) {
            std::cmp::Ordering::Less => earlier,
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Greater => later,
        };
    }
    false
}

/// The lines of passwords.
fn words() -> &'static str {
    LIST.split_once("\n\n").map_or("", |(_about, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_long_sorted_and_holds_what_can_be_looked_up() {
        let all: Vec<_> = words().lines().collect();
        assert!(all.len() >= 10_000, "{}", all.len());
        assert!(all.is_sorted_by(|one, next| one < next));
        for word in all {
            assert!(word.len() >= 8 && word.bytes().all(|byte| byte.is_ascii_graphic()), "{word}");
            assert_eq!(word, word.to_lowercase());
        }
    }

    #[test]
    fn each_is_found_and_nothing_beside_it() {
        for word in words().lines() {
            assert!(contains(word), "{word}");
            assert!(!contains(&format!("{word}\0")) && !contains(&format!(" {word}")), "{word}");
        }
        for other in ["", "\n", "#", " ", "!", "~", "\u{10ffff}", "password\npassword1", "a good long one"] {
            assert!(!contains(other), "{other:?}");
        }
    }

    #[test]
    fn comments_are_no_passwords() {
        let about = LIST.split_once("\n\n").unwrap().0;
        assert!(about.lines().all(|line| line.starts_with('#')));
        assert!(about.lines().all(|line| !contains(line)));
    }
}
