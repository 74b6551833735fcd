//! Scripts of the guest `calls`, written here: see `tests/plugins/examples/calls.rs` for what the bytes mean.

/// Ends a hook.
pub const NEXT_HOOK: u8 = 0xff;

/// As the guest takes it.
#[must_use]
pub fn hex(script: &[u8]) -> String {
    script.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text that is a word of the guest's list.
#[must_use]
pub fn word(index: u8) -> Vec<u8> {
    vec![6, index]
}

/// One hook in which everything is called once, with arguments that are mostly fit.
#[must_use]
pub fn every_call() -> Vec<u8> {
    let mut script = Vec::new();
    let mut call = |number: u8, arguments: &[u8]| {
        script.push(number);
        script.extend_from_slice(arguments);
    };
    // Both logs, and standard output.
    for number in [0, 2, 4] {
        call(number, &[1, 0x50, b'h', b'e', b'l', b'l', b'o']);
    }
    // `from-bytes` twice, `size`, `read`, `next`. What `file` does is its number modulo 7.
    call(7, &[3, 1, 2, 3]);
    call(8, &[2, 1, 2]);
    call(9, &[0]);
    call(10, &[0]);
    call(11, &[16, 0, 0, 0, 0]);
    // `set-variable`, `wait`, `kill`, `success` and `exit-code`.
    call(12, &[0x50, b'G', b'R', b'E', b'E', b'T', 6, 28]);
    call(13, &[1, 1, 0]);
    call(14, &[0]);
    call(15, &[0]);
    // `extract-file`, `extract-folder`, `next` of a folder. What `extract` does is its number modulo 5.
    call(20, &[6, 5, 0]);
    call(17, &[6, 4, 0]);
    call(18, &[0]);
    call(18, &[0]);
    // `upload`, `next-outcome`, `reference`, `link`, `report-error`: modulo 5.
    call(25, &[6, 17, 0, 6, 20, 0, 0]);
    call(24, &[]);
    call(21, &[6, 17, 6, 27, 6, 20, 1, 6, 24]);
    call(22, &[6, 17, 6, 19, 6, 20, 0]);
    call(23, &[6, 17, 6, 22, 6, 8, 0]);
    // `content`, `live-url`, `get`.
    call(26, &[0]);
    call(26, &[1]);
    call(27, &[0]);
    // `worker`, `stopping`, `stop-gracefully`, `stop-now`: modulo 4.
    call(28, &[0]);
    call(31, &[0, 0]);
    call(29, &[6, 29, 0]);
    call(30, &[6, 28, 0]);
    // A file, a reader, a folder and a handle on the worker are given back: modulo 7 is 6.
    for kind in [0, 2, 3, 4] {
        call(6, &[kind, 0]);
    }
    script
}
