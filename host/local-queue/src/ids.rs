//! The identifiers of the queue's API, by the patterns of `constants.yml`.

/// Letters, digits, `-` and `_`: what most identifiers are made of.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// A slugid: a version 4 UUID in 22 characters of URL-safe base64.
pub(crate) fn is_slugid(text: &str) -> bool {
    text.len() == 22
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 => (b'Q'..=b'T').contains(&byte),
            10 => b"CGKOSWaeimquy26-".contains(&byte),
            21 => b"AQgw".contains(&byte),
            _ => is_plain(byte),
        })
}

/// A provisionerId, workerGroup, workerId or schedulerId: 1 to 38 plain characters.
pub(crate) fn is_identifier(text: &str) -> bool {
    (1..=38).contains(&text.len()) && text.bytes().all(is_plain)
}

/// A workerType as task definitions have it: lower case, begins with a letter, does not end in `-`.
pub(crate) fn is_worker_type(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=38).contains(&bytes.len())
        && bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.last().is_some_and(|&last| last != b'-')
        && bytes
            .iter()
            .all(|&byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// A taskQueueId as paths have it: two identifiers with a slash between.
pub(crate) fn is_task_queue_id(text: &str) -> bool {
    text.split_once('/').is_some_and(|(provisioner_id, worker_type)| {
        is_identifier(provisioner_id) && is_identifier(worker_type)
    })
}

/// A projectId: 1 to 500 characters.
pub(crate) fn is_project_id(text: &str) -> bool {
    (1..=500).contains(&text.len())
        && text
            .bytes()
            .all(|byte| is_plain(byte) || matches!(byte, b'.' | b'/'))
}

/// Printable ASCII: scopes and the names of artifacts.
pub(crate) fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// Some digits: a runId in a path.
pub(crate) fn is_run_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A clientId: letters, digits and `!@/:.+|_-`.
pub(crate) fn is_client_id(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| is_plain(byte) || b"!@/:.+|".contains(&byte))
}

/// A roleId: some printable ASCII.
pub(crate) fn is_role_id(text: &str) -> bool {
    !text.is_empty() && is_printable(text)
}

/// A namespace of the index, or a path there: words with dots between.
pub(crate) fn is_namespace(text: &str) -> bool {
    text.split('.').all(|word| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| is_plain(byte) || b"!~*'()%".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_fits_the_pattern_is_a_slugid(
            text in "[A-Za-z0-9_-]{8}[Q-T][A-Za-z0-9_-][CGKOSWaeimquy26-][A-Za-z0-9_-]{10}[AQgw]"
        ) {
            prop_assert!(is_slugid(&text));
        }

        #[test]
        fn one_character_amiss_and_it_is_no_slugid(at in 0_usize..22, other in "[!-~]") {
            let mut text = slugid::v4();
            text.replace_range(at..=at, &other);
            let fits = match at {
                8 => "QRST".contains(&other),
                10 => "CGKOSWaeimquy26-".contains(&other),
                21 => "AQgw".contains(&other),
                _ => other == "-" || other == "_" || other.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            };
            prop_assert_eq!(is_slugid(&text), fits);
        }

        #[test]
        fn nothing_of_another_length_is_a_slugid(text in "[A-Za-z0-9_-]{0,21}|[A-Za-z0-9_-]{23,40}") {
            prop_assert!(!is_slugid(&text));
        }

        #[test]
        fn identifiers_of_any_text_are_told_without_panic(text in ".*") {
            let _ = (is_slugid(&text), is_task_queue_id(&text), is_namespace(&text), is_client_id(&text));
        }
    }

    #[test]
    fn slugids_are_told_from_other_text() {
        for _ in 0..100 {
            assert!(is_slugid(&slugid::v4()));
        }
        for wrong in [
            "",
            "abc",
            "AAAAAAAAAAAAAAAAAAAAAA",
            "_____________________é",
            &"a".repeat(23),
        ] {
            assert!(!is_slugid(wrong), "{wrong}");
        }
    }

    #[test]
    fn worker_types_are_lower_case_words() {
        for right in ["a", "ci", "b-linux-1"] {
            assert!(is_worker_type(right), "{right}");
        }
        for wrong in ["", "1a", "A", "a-", "a_b", &"a".repeat(39)] {
            assert!(!is_worker_type(wrong), "{wrong}");
        }
    }

    #[test]
    fn task_queue_ids_have_one_slash() {
        assert!(is_task_queue_id("proj/ci"));
        for wrong in ["proj", "proj/", "/ci", "a/b/c", "a b/c"] {
            assert!(!is_task_queue_id(wrong), "{wrong}");
        }
    }
}
