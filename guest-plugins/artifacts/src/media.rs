//! How a file is served that says nothing of it: by its extension.
//!
//! A table of our own, and not the machine's: what an artifact is served as must not depend on which worker ran the task.

use crate::payload::ContentEncoding;

/// Where no extension says more.
const UNKNOWN: &str = "application/octet-stream";

/// Media types by extension, in lower case. Text is UTF-8, but for logs, which hold whatever a task writes.
const TYPES: &[(&str, &str)] = &[
    ("7z", "application/x-7z-compressed"),
    ("aab", "application/x-authorware-bin"),
    ("apk", "application/vnd.android.package-archive"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("br", "application/x-brotli"),
    ("bz2", "application/x-bzip2"),
    ("c", "text/x-c; charset=utf-8"),
    ("cfg", "text/plain; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("deb", "application/vnd.debian.binary-package"),
    ("diff", "text/x-diff; charset=utf-8"),
    ("dmg", "application/x-apple-diskimage"),
    ("exe", "application/x-msdownload"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("h", "text/x-c; charset=utf-8"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/vnd.microsoft.icon"),
    ("ini", "text/plain; charset=utf-8"),
    ("jar", "application/java-archive"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("jsonl", "application/jsonl"),
    ("log", "text/plain"),
    ("md", "text/markdown; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("msi", "application/x-msi"),
    ("ogg", "audio/ogg"),
    ("patch", "text/x-diff; charset=utf-8"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("py", "text/x-python; charset=utf-8"),
    ("rpm", "application/x-rpm"),
    ("rs", "text/plain; charset=utf-8"),
    ("sh", "application/x-sh"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("tbz", "application/x-bzip2"),
    ("tgz", "application/gzip"),
    ("tiff", "image/tiff"),
    ("toml", "application/toml"),
    ("tsv", "text/tab-separated-values; charset=utf-8"),
    ("txt", "text/plain; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("wav", "audio/x-wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xhtml", "application/xhtml+xml"),
    ("xml", "text/xml; charset=utf-8"),
    ("xpi", "application/x-xpinstall"),
    ("xz", "application/x-xz"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

/// Extensions of what is compressed already, as generic-worker has them.
const COMPRESSED: &[&str] = &[
    "7z", "aab", "apk", "br", "bz2", "deb", "dmg", "flv", "gif", "gz", "jar", "jpeg", "jpg", "lz", "lz4",
    "mz", "npz", "pkg", "png", "swf", "sz", "tbz", "tgz", "wasm", "webp", "whl", "woff", "woff2", "xpi",
    "xz", "zip", "zst", "zz",
];

/// The media type of a file, by its path or else by the name it gets.
pub(crate) fn content_type(path: &str, name: &str) -> &'static str {
    known_type(path).or_else(|| known_type(name)).unwrap_or(UNKNOWN)
}

/// Whether compressing a file is worth it.
pub(crate) fn encoding(path: &str) -> ContentEncoding {
    match extension(path) {
        Some(extension) if COMPRESSED.contains(&extension.as_str()) => ContentEncoding::Identity,
        Some(_) | None => ContentEncoding::Gzip,
    }
}

fn known_type(path: &str) -> Option<&'static str> {
    let extension = extension(path)?;
    let found = TYPES.iter().find(|(known, _)| *known == extension);
    found.map(|(_, media_type)| *media_type)
}

/// In lower case. A hidden file such as `.log` has none.
fn extension(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    match file.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => Some(extension.to_ascii_lowercase()),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_is_the_extensions() {
        for (path, expected) in [
            ("a/b.log", "text/plain"),
            ("a.jsonl", "application/jsonl"),
            ("a.TXT", "text/plain; charset=utf-8"),
            ("a.tar.gz", "application/gzip"),
            ("a", UNKNOWN),
            ("a.log/b", UNKNOWN),
            (".log", UNKNOWN),
            ("a.", UNKNOWN),
            ("a.unheard-of", UNKNOWN),
        ] {
            assert_eq!(content_type(path, "x"), expected, "{path}");
        }
    }

    #[test]
    fn a_file_without_a_known_extension_is_what_its_name_says() {
        assert_eq!(
            content_type("out", "public/report.html"),
            "text/html; charset=utf-8"
        );
        assert_eq!(content_type("out.json", "public/report.html"), "application/json");
    }

    #[test]
    fn what_is_compressed_is_not_compressed_again() {
        for path in ["a.zip", "a.tar.zst", "b/c.PNG", "plugin.wasm"] {
            assert_eq!(encoding(path), ContentEncoding::Identity, "{path}");
        }
        for path in ["a.txt", "a", "zip", "a.zip/b", "a.zip.txt"] {
            assert_eq!(encoding(path), ContentEncoding::Gzip, "{path}");
        }
    }

    #[test]
    fn every_type_is_one_that_the_queue_takes_and_is_there_once() {
        for (extension, media_type) in TYPES {
            assert!(media_type.len() <= 255 && media_type.contains('/'), "{extension}");
        }
        assert!(TYPES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
