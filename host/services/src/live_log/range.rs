//! The `Range` header: which bytes of a log that may still grow.

use std::ops::Range;

/// What a `Range` header asks for, given how long the log is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Everything, to the log's end: there is no range, or one that a server may ignore.
    Whole,
    /// These bytes, at least one.
    Part(Range<u64>),
    /// Bytes that the log does not have (yet).
    Beyond,
}

/// Reads the header's value. Several ranges at once, other units and what is malformed count as no range, as RFC 9110
/// (section 14.2) allows.
pub(super) fn parse(header: &str, length: u64) -> Asked {
    part(header, length).map_or(Asked::Whole, |range| match range {
        range if range.is_empty() => Asked::Beyond,
        range => Asked::Part(range),
    })
}

fn part(header: &str, length: u64) -> Option<Range<u64>> {
    let (unit, range) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    match range.trim().split_once('-')? {
        ("", last) => Some(length.saturating_sub(number(last)?)..length),
        (first, "") => Some(number(first)?..length),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then(|| first..last.saturating_add(1).min(length))
        }
    }
}

/// Digits alone: no sign, no space.
fn number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, expected: &Asked) {
        assert_eq!(&parse(header, 100), expected, "{header}");
    }

    #[test]
    fn a_range_ends_with_what_there_is() {
        check("bytes=0-", &Asked::Part(0..100));
        check("bytes=99-", &Asked::Part(99..100));
        check("bytes=10-19", &Asked::Part(10..20));
        check("Bytes=10-1000", &Asked::Part(10..100));
        check("bytes=0-18446744073709551615", &Asked::Part(0..100));
        check("bytes=-10", &Asked::Part(90..100));
        check("bytes=-1000", &Asked::Part(0..100));
    }

    #[test]
    fn bytes_that_are_not_there_are_beyond() {
        check("bytes=100-", &Asked::Beyond);
        check("bytes=100-200", &Asked::Beyond);
        check("bytes=-0", &Asked::Beyond);
        assert_eq!(parse("bytes=0-", 0), Asked::Beyond);
    }

    #[test]
    fn what_is_no_single_range_of_bytes_is_ignored() {
        for odd in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5",
            "bytes=2-1",
            "bytes=+1-2",
            "bytes=1-2,4-5",
            "lines=1-2",
        ] {
            check(odd, &Asked::Whole);
        }
        check("bytes=99999999999999999999-", &Asked::Whole);
    }
}
