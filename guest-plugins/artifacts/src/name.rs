//! Names and paths as text.

use std::fmt::Write as _;

/// The longest name that the queue takes, in characters.
const MAX: usize = 1024;

/// Whether the queue takes a name: it answers an internal error to some that it does not take. And no address has a part that
/// is a dot or two.
pub(crate) fn is_valid(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= MAX && name.bytes().all(is_printable)
}

/// A name that the queue takes, as near as can be to one that it may not take: other bytes as `%XX`, and cut.
pub(crate) fn made_valid(name: &str) -> String {
    if matches!(name, "." | "..") {
        return name.replace('.', "%2E");
    }
    let mut valid = String::with_capacity(name.len());
    for byte in name.bytes() {
        if is_printable(byte) {
            valid.push(char::from(byte));
        } else {
            // A string takes whatever is written to it.
            let _ = write!(valid, "%{byte:02X}");
        }
    }
    valid.truncate(MAX);
    valid
}

fn is_printable(byte: u8) -> bool {
    (0x20..=0x7e).contains(&byte)
}

/// As much of a text as fits into `limit` bytes.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.split_at(end).0
}

/// A path below another, without the parts that lead nowhere.
pub(crate) fn join(base: &str, below: &str) -> String {
    let mut joined = String::with_capacity(base.len() + below.len() + 1);
    if base.starts_with('/') {
        joined.push('/');
    }
    for part in base.split('/').chain(below.split('/')) {
        if part.is_empty() || part == "." {
            continue;
        }
        if !joined.is_empty() && !joined.ends_with('/') {
            joined.push('/');
        }
        joined.push_str(part);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_printable_ascii_and_not_too_long() {
        for name in ["a", "public/a b~", &"a".repeat(1024)] {
            assert!(is_valid(name), "{name}");
            assert_eq!(made_valid(name), name);
        }
        for name in ["", ".", "..", "ä", "a\n", "a\u{7f}", "a\tb", &"a".repeat(1025)] {
            assert!(!is_valid(name), "{name:?}");
        }
    }

    #[test]
    fn other_bytes_of_a_name_are_written_as_numbers() {
        assert_eq!(made_valid("public/ä\n.txt"), "public/%C3%A4%0A.txt");
        assert_eq!(made_valid(".."), "%2E%2E");
        assert_eq!(made_valid(&"ä".repeat(1024)).len(), 1024);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        for (limit, expected) in [(0, ""), (1, "a"), (2, "a"), (3, "aä"), (4, "aäb"), (9, "aäb")] {
            assert_eq!(cut("aäb", limit), expected);
        }
    }

    #[test]
    fn joined_paths_have_no_empty_parts() {
        for (base, below, expected) in [
            ("public/", "a/b", "public/a/b"),
            (".", "a", "a"),
            ("./out//x", "", "out/x"),
            ("/tmp/out/", "./a", "/tmp/out/a"),
            ("/", "a", "/a"),
            ("../up", "a", "../up/a"),
        ] {
            assert_eq!(join(base, below), expected);
        }
    }
}
