//! The `Range` header: one range of bytes. Several, or other units, are answered with the whole.

use axum::http::HeaderValue;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// Everything.
    Whole,
    /// Some bytes, at least one.
    Part {
        /// The first.
        from: u64,
        /// How many.
        length: u64,
    },
    /// Bytes that are not there.
    Unsatisfiable,
}

impl Range {
    /// Of something that has `length` bytes.
    pub(super) fn of(header: Option<&HeaderValue>, length: u64) -> Self {
        let parsed = header
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.strip_prefix("bytes="))
            .and_then(|text| text.split_once('-'))
            .and_then(|(first, last)| bounds(first.trim(), last.trim(), length));
        let Some((first, last)) = parsed else {
            return Self::Whole;
        };
        let last = last.min(length.saturating_sub(1));
        if first >= length || last < first {
            return Self::Unsatisfiable;
        }
        Self::Part {
            from: first,
            length: last - first + 1,
        }
    }
}

/// First and last byte; nothing for what is no range.
fn bounds(first: &str, last: &str, length: u64) -> Option<(u64, u64)> {
    match (first, last) {
        ("", suffix) => match suffix.parse::<u64>().ok()? {
            // No bytes from the end: there is no such range.
            0 => Some((length, length)),
            suffix => Some((length.saturating_sub(suffix), u64::MAX)),
        },
        (first, "") => Some((first.parse().ok()?, u64::MAX)),
        (first, last) => {
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then_some((first, last))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        let part = |from, length| Range::Part { from, length };
        for (header, expected) in [
            ("bytes=0-", part(0, 10)),
            ("bytes=3-", part(3, 7)),
            ("bytes=3-5", part(3, 3)),
            ("bytes=3-99", part(3, 7)),
            ("bytes=-4", part(6, 4)),
            ("bytes=-99", part(0, 10)),
            ("bytes=10-", Range::Unsatisfiable),
            ("bytes=-0", Range::Unsatisfiable),
            ("bytes=5-3", Range::Whole),
            ("bytes=1-2,4-5", Range::Whole),
            ("lines=1-2", Range::Whole),
            ("bytes=a-b", Range::Whole),
            ("bytes=99999999999999999999-", Range::Whole),
        ] {
            let value = HeaderValue::from_static(header);
            assert_eq!(Range::of(Some(&value), 10), expected, "{header}");
        }
        assert_eq!(Range::of(None, 10), Range::Whole);
        assert_eq!(
            Range::of(Some(&HeaderValue::from_static("bytes=0-")), 0),
            Range::Unsatisfiable
        );
    }
}
