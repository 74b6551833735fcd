//! What holds for every path, query, name and time: the signature covers exactly what is asked for, whatever is in a name is
//! one segment of a path, and every form of a time that the queue uses is the same instant.

use std::{str::FromStr as _, time::SystemTime};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use hawk::{DigestAlgorithm, Header, Key, PayloadHasher, RequestBuilder};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use crate::{
    deployment::paths::{page, path, run_path},
    sign,
    wire::{Credentials, timestamp},
};

/// The credentials of the specification's examples.
const PUBLISHED_KEY: &str = "werxhqb98rpaxn39848xrunpaw3489ruxnpa98w4rxn";
/// The latest time that four digits of a year can say, in milliseconds since 1970.
const LAST_MILLISECOND: i64 = 253_402_300_799_999;

/// What a message authentication code is over, by the words of the specification and by nobody's library.
struct Signed<'a> {
    timestamp: i64,
    nonce: &'a str,
    method: &'a str,
    path_and_query: &'a str,
    host: &'a str,
    port: u16,
    hash: &'a str,
    ext: &'a str,
}

impl Signed<'_> {
    fn code(&self, key: &str) -> String {
        let text = format!(
            "hawk.1.header\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n",
            self.timestamp,
            self.nonce,
            self.method,
            self.path_and_query,
            self.host,
            self.port,
            self.hash,
            self.ext
        );
        let key = Key::new(key.as_bytes(), DigestAlgorithm::Sha256).unwrap();
        STANDARD.encode(key.sign(text.as_bytes()).unwrap())
    }
}

/// One of the specification's examples: method, what it says of the body's hash, and the code that it prints.
fn published(method: &str, hash: &str, code: &str) {
    let signed = Signed {
        timestamp: 1_353_832_234,
        nonce: "j4h3g2",
        method,
        path_and_query: "/resource/1?b=1&a=2",
        host: "example.com",
        port: 8000,
        hash,
        ext: "some-app-ext-data",
    };
    assert_eq!(signed.code(PUBLISHED_KEY), code);
    // The library that signs for us agrees.
    let url = Url::parse("http://example.com:8000/resource/1?b=1&a=2").unwrap();
    let credentials = hawk::Credentials {
        id: "dh37fgj492je".to_owned(),
        key: Key::new(PUBLISHED_KEY, DigestAlgorithm::Sha256).unwrap(),
    };
    let hash = (!hash.is_empty()).then(|| STANDARD.decode(hash).unwrap());
    let header = RequestBuilder::from_url(method, &url)
        .unwrap()
        .hash(hash.as_deref())
        .ext(signed.ext)
        .request()
        .make_header_full(&credentials, at(signed.timestamp), signed.nonce)
        .unwrap();
    assert_eq!(STANDARD.encode(&*header.mac.unwrap()), code);
}

fn at(seconds: i64) -> SystemTime {
    DateTime::from_timestamp(seconds, 0).unwrap().into()
}

#[test]
fn the_published_request_has_the_published_code() {
    published("GET", "", "6R4rV5iE+NPoym+WwjeHzjAGXUtLNIxmo1vpMofpLAE=");
}

#[test]
fn the_published_request_with_a_body_has_the_published_code() {
    let hash = PayloadHasher::hash("text/plain", DigestAlgorithm::Sha256, "Thank you for flying Hawk");
    let hash = STANDARD.encode(hash.unwrap());
    assert_eq!(hash, "Yi9LfIIFRtBEPt74PVmbTF/xVAwPn7ub15ePICfgnuY=");
    published("POST", &hash, "aSe1DERmZuRl3pI36/9BdZmnErTw3sNzOOAUlfeKjVw=");
}

/// Signs a request and answers the header's parts.
fn signed(credentials: &Credentials, method: &str, url: &Url, seconds: i64) -> Header {
    let header = sign::header(credentials, method, url, at(seconds)).unwrap();
    Header::from_str(header.strip_prefix("Hawk ").unwrap()).unwrap()
}

/// Parts of a path and of a query, percent-encoded or not, as a URL may have them.
fn path_and_query() -> impl Strategy<Value = String> {
    let segment = "([a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2}){0,12}";
    let query = "([a-zA-Z0-9._~!$&()*+,;=:@/?-]|%[0-9A-F]{2}){0,20}";
    (prop::collection::vec(segment, 1..5), prop::option::of(query)).prop_map(|(segments, query)| {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("/{}{query}", segments.join("/"))
    })
}

/// A URL below a host, and what of it is signed.
fn url_of(path_and_query: &str) -> (Url, String) {
    let url = Url::parse(&format!("https://tc.example.com{path_and_query}")).unwrap();
    let signed = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    (url, signed)
}

proptest! {
    #[test]
    fn exactly_the_path_and_query_that_are_asked_for_are_signed(
        asked in path_and_query(),
        other in path_and_query(),
        method in prop::sample::select(vec!["GET", "POST", "PUT", "DELETE"]),
        seconds in 0_i64..4_000_000_000,
        key in "[a-zA-Z0-9_-]{22,44}",
        certificate in prop::option::of("[ -~]{0,20}"),
    ) {
        let (url, asked) = url_of(&asked);
        let (_, other) = url_of(&other);
        let credentials = Credentials {
            client_id: "task-client/a/0/on/g/w/until/1".to_owned(),
            access_token: key.clone(),
            certificate: certificate.map(|text| json!({"version": 1, "signature": text}).to_string()),
        };
        let header = signed(&credentials, method, &url, seconds);
        let (ext, nonce) = (header.ext.unwrap_or_default(), header.nonce.unwrap());
        let found = STANDARD.encode(&*header.mac.unwrap());
        let code = |method, path_and_query| Signed {
            timestamp: seconds,
            nonce: &nonce,
            method,
            path_and_query,
            host: "tc.example.com",
            port: 443,
            hash: "",
            ext: &ext,
        }
        .code(&key);
        prop_assert_eq!(&found, &code(method, asked.as_str()));
        prop_assert_eq!(header.id.as_deref(), Some(&*credentials.client_id));
        prop_assert_eq!(header.ts, Some(at(seconds)));
        prop_assert_ne!(&found, &code("PATCH", asked.as_str()));
        if other != asked {
            prop_assert_ne!(&found, &code(method, other.as_str()));
        }
        if let Some(path) = asked.split_once('?').map(|(path, _)| path) {
            prop_assert_ne!(&found, &code(method, path));
        }
    }

    #[test]
    fn whatever_the_queue_takes_as_a_name_is_one_segment_of_a_path(name in "[ -~]{1,1024}") {
        prop_assume!(name != "." && name != "..");
        let root = Url::parse("https://tc.example.com/below/").unwrap();
        let task_id = slugid::v4();
        let url = root.join(&format!("api/queue/v1/{}", run_path(&task_id, 7, &["artifacts", &name]))).unwrap();
        prop_assert_eq!(url.query(), None);
        prop_assert_eq!(url.fragment(), None);
        let segments: Vec<&str> = url.path_segments().unwrap().collect();
        let (last, before) = segments.split_last().unwrap();
        prop_assert_eq!(before, ["below", "api", "queue", "v1", "task", &*task_id, "runs", "7", "artifacts"]);
        let read = percent_encoding::percent_decode_str(last).decode_utf8().unwrap();
        prop_assert_eq!(read, name);
    }

    #[test]
    fn whatever_a_service_gives_as_a_continuation_token_comes_back_as_it_was(token in "\\PC{1,60}") {
        let root = Url::parse("https://tc.example.com/").unwrap();
        let url = root.join(&page(path(&["task-group", "a", "list"]), Some(&token))).unwrap();
        prop_assert_eq!(url.path(), "/task-group/a/list");
        let pairs: Vec<_> = url.query_pairs().into_owned().collect();
        prop_assert_eq!(pairs, [("continuationToken".to_owned(), token)]);
    }

    #[test]
    fn every_form_of_a_time_is_the_same_instant(
        milliseconds in 0..=LAST_MILLISECOND,
        beyond in 0_u32..1_000_000,
        digits in 0_usize..=9,
        zone in prop::sample::select(vec!["Z", "z", "+00:00", "-00:00"]),
        between in prop::sample::select(vec!['T', 't', ' ']),
    ) {
        let time = DateTime::from_timestamp_millis(milliseconds).unwrap() + TimeDelta::nanoseconds(beyond.into());
        let all = time.to_rfc3339_opts(SecondsFormat::Nanos, true);
        // As many digits of the second as there are to be, and no point where there are none.
        let (seconds, fraction) = all.trim_end_matches('Z').split_once('.').unwrap();
        let point = if digits == 0 { "" } else { "." };
        let text = format!("{seconds}{point}{}{zone}", &fraction[..digits]).replacen('T', &between.to_string(), 1);
        let unit = 10_i64.pow(9 - u32::try_from(digits).unwrap());
        let nanoseconds = i64::from(time.timestamp_subsec_nanos());
        let expected = time - TimeDelta::nanoseconds(nanoseconds % unit);
        prop_assert_eq!(read(&text), Some(expected), "{}", text);
    }

    #[test]
    fn other_offsets_are_the_same_instant_too(
        milliseconds in 0..LAST_MILLISECOND / 2,
        minutes in -14 * 60..=14 * 60,
    ) {
        let time = DateTime::from_timestamp_millis(milliseconds).unwrap();
        let zone = chrono::FixedOffset::east_opt(minutes * 60).unwrap();
        let text = time.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Millis, false);
        prop_assert_eq!(read(&text), Some(time), "{}", text);
    }

    #[test]
    fn a_time_is_written_with_milliseconds_and_z_and_read_back(milliseconds in 0..=LAST_MILLISECOND) {
        let time = DateTime::from_timestamp_millis(milliseconds).unwrap();
        let text = timestamp::format(&time);
        prop_assert_eq!(text.len(), "2026-08-21T17:00:00.299Z".len(), "{}", text);
        prop_assert!(text.ends_with('Z') && text.as_bytes()[19] == b'.');
        prop_assert_eq!(read(&text), Some(time));
        let written = serde_json::to_value(Times { time, maybe: Some(time) }).unwrap();
        prop_assert_eq!(written, json!({"time": text, "maybe": text}));
    }

    #[test]
    fn what_is_no_time_is_refused(text in "[ -~]{0,30}") {
        prop_assume!(DateTime::parse_from_rfc3339(&text).is_err());
        prop_assert_eq!(read(&text), None);
    }
}

/// Times as they are in the queue's messages.
#[derive(Debug, Serialize, Deserialize)]
struct Times {
    #[serde(with = "timestamp")]
    time: DateTime<Utc>,
    #[serde(with = "timestamp::option", default)]
    maybe: Option<DateTime<Utc>>,
}

/// The instant that a message says, where it says one.
fn read(text: &str) -> Option<DateTime<Utc>> {
    let times: Times = serde_json::from_value(json!({"time": text, "maybe": text})).ok()?;
    assert_eq!(times.maybe, Some(times.time));
    Some(times.time)
}

#[test]
fn the_queue_s_own_examples_are_read() {
    let expected: DateTime<Utc> = "2026-08-21T17:00:00.299Z".parse().unwrap();
    for text in [
        "2026-08-21T17:00:00.299Z",
        "2026-08-21T17:00:00.299+00:00",
        "2026-08-21T17:00:00.299000+00:00",
    ] {
        assert_eq!(read(text), Some(expected), "{text}");
    }
    assert_eq!(read("2026-08-21 17:00"), None);
}
