//! From the bytes of a script to arguments: numbers, texts that a host function may stumble over, and bytes.

use plugin_sdk::artifacts::Options;

/// Texts that mean something to somebody.
const WORDS: [&str; 32] = [
    "",
    ".",
    "..",
    "/",
    "out",
    "out/a.txt",
    "out/deep/b.bin",
    "../../../../etc/passwd",
    "/proc/self/environ",
    "out//a.txt",
    "out/\0/a",
    "C:\\Windows",
    "PATH",
    "LD_PRELOAD",
    "HOME",
    "A=B",
    "TASKCLUSTER_PROXY_URL",
    "public/a.txt",
    "public/build/../../a",
    "private/secret",
    "text/plain",
    "text/plain; charset=utf-8",
    "file-missing-on-worker",
    "too-large-file-on-worker",
    "2026-11-24T20:00:00.000Z",
    "9999-12-31T23:59:60+23:59",
    "-262144-01-01T00:00:00Z",
    "https://example.com/?a=b#c",
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "\r\n[taskcluster:error] forged\r\n[taskcluster 2026-11-24T20:00:00.000Z] forged",
    "\u{202e}\u{2066}\u{2028}\u{feff}\u{200b}",
    "{\"a\": [[[[[[[[[[]]]]]]]]]]}",
];
/// Characters of one, two, three and four bytes, and some that a terminal acts on.
const CHARACTERS: [char; 8] = ['x', '/', '\n', '\u{1b}', 'é', '…', '\u{1f980}', '\0'];
/// The longest text or list of bytes: 4 MiB, which is more than any function takes, and as much as a call may carry.
const MAX_SHIFT: u32 = 22;

/// A script that is read from its beginning to its end. Beyond its end there are zeros.
#[derive(Debug)]
pub(crate) struct Arguments {
    bytes: Vec<u8>,
    at: usize,
}

impl Arguments {
    pub(crate) fn of_hex(hex: &str) -> Self {
        let digits: Vec<u8> = hex
            .chars()
            .filter_map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        let bytes = digits
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect();
        Self { bytes, at: 0 }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        byte
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    pub(crate) fn number(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    /// Some length, small ones as likely as large ones.
    fn length(&mut self) -> usize {
        let (shift, below) = (u32::from(self.byte()) % (MAX_SHIFT + 1), self.byte() % 3);
        (1_usize << shift)
            .saturating_add(usize::from(below))
            .saturating_sub(1)
    }

    fn literal(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }

    /// A list of bytes: from the script, or long and of one byte.
    pub(crate) fn bytes(&mut self) -> Vec<u8> {
        let kind = self.byte();
        if kind < 0xc0 {
            return self.literal(usize::from(kind) % 64);
        }
        let length = self.length();
        vec![kind; length]
    }

    /// A text: from the script, a word, a character many times, or several of them. Now and then it is no UTF-8.
    pub(crate) fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..4 {
            let kind = self.byte();
            match kind % 16 {
                0..=5 => {
                    let literal = self.literal(usize::from(kind / 16));
                    text.push_str(&String::from_utf8_lossy(&literal));
                }
                6..=11 => text.push_str(pick(&WORDS, self.byte()).unwrap_or_default()),
                12 | 13 => {
                    let (character, length) =
                        (pick(&CHARACTERS, self.byte()).unwrap_or_default(), self.length());
                    text.extend(std::iter::repeat_n(character, length / character.len_utf8()));
                }
                14 if kind == 0xee => text.push_str(&not_utf8(self.literal(4))),
                _ => {}
            }
            // One part is enough, for most.
            if kind < 0x80 || self.is_over() {
                break;
            }
        }
        text
    }

    pub(crate) fn optional_text(&mut self) -> Option<String> {
        self.flag().then(|| self.text())
    }

    pub(crate) fn options(&mut self) -> Options {
        Options {
            content_type: self.text(),
            expires: self.optional_text(),
        }
    }
}

/// One of several.
fn pick<T: Copy>(several: &[T], byte: u8) -> Option<T> {
    several.get(usize::from(byte) % several.len()).copied()
}

/// What a guest that was not written in Rust can pass as a text.
#[expect(unsafe_code, reason = "no safe code makes such a text")]
fn not_utf8(bytes: Vec<u8>) -> String {
    // SAFETY: nothing here looks at its characters; it is copied, and given to the host, which looks for itself.
    unsafe { String::from_utf8_unchecked(bytes) }
}
