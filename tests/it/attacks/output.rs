//! Attacks 43 to 46: what a plugin writes and says.

use serde_json::json;

use super::{
    assault::{Assault, Strike},
    files::put,
    harness::{Siege, SiegeOptions},
    hostile::Hostile,
    table::{Attack, attack},
};
use crate::{
    kit::Expected,
    named_by_tests::{
        ATTACK_37_CREDENTIALS, ATTACK_43_LOG_FLOOD, ATTACK_44_FORGED_LINES, ATTACK_44_FORGED_REFUSAL,
        ATTACK_45_SECRET_IN_ERRORS, ATTACK_46_ERROR_TEXT,
    },
};

pub(super) const ATTACKS: &[Attack] = &[
    attack!(
        43,
        "lines without number, lines without end, output without line ends",
        "a line is cut at 8 KiB; each log has a budget of lines and bytes for each run, then one last word",
        "`limits.logLines`, `limits.logBytes`",
        a_flood_of_lines_is_cut_short_with_one_last_word,
        flood_of_lines
    ),
    attack!(
        44,
        "escape sequences, line ends and reordering marks that forge or hide lines",
        "each line gets the worker's own prefix and the plugin's name, and what is not plain text in it is shown by its number",
        "",
        no_line_of_a_plugin_looks_like_one_of_the_worker,
        forged_lines
    ),
    attack!(
        44,
        "the same by way of the reason why a plugin is refused",
        "what it quotes is shown by its number too",
        "",
        no_reason_of_a_refusal_looks_like_a_line_of_the_worker
    ),
    attack!(
        45,
        "secrets that get into logs by way of errors",
        "errors about a config name places and not values; credentials are never written",
        "",
        no_secret_gets_into_a_log
    ),
    attack!(
        46,
        "an error as long as a book, with escapes and HTML in it",
        "it is cut, each of its lines is escaped and has the worker's prefix, and a log is plain text",
        "4 KiB",
        the_text_of_an_error_is_cut_and_harmless,
        texts_of_errors
    ),
];

/// The log of a task that attacks once more.
async fn log_of(siege: &Siege, strike: &Strike) -> String {
    let task_id = siege.scene().create_task(&strike.payload).await;
    strike.check(siege.scene(), &task_id).await;
    siege.scene().log(&task_id).await
}

/// Checks that a log has nothing that a terminal or a reader could be deceived by, and no line that begins as it was forged.
fn check_plain(log: &str) {
    let active = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{2028}' | '\u{202e}' | '\u{2066}')
    };
    assert!(!log.contains(active), "{log:?}");
    for line in log.lines() {
        assert!(
            !line.starts_with("[taskcluster 2026-01-01") && !line.starts_with("2026-01-01"),
            "{line}"
        );
        let Some((before, _)) = line.split_once("forged") else {
            continue;
        };
        assert!(before.contains(['[', ' ']), "{line}");
    }
}

fn flood_of_lines() -> Assault {
    let hostile = Hostile::built(ATTACK_43_LOG_FLOOD).limits(json!({"logLines": 40, "logBytes": 100_000}));
    let attack = |flood: &str| json!({"steps": [], "attack43": flood});
    let last_word = "plugin attack-43-log-flood has written too much \
                     (plugins.attack-43-log-flood.limits.logLines, plugins.attack-43-log-flood.limits.logBytes): \
                     the rest is left out";
    let attacks = [
        ("lines", attack("lines"), Expected::completed().says(last_word)),
        ("pages", attack("pages"), Expected::completed().says(last_word)),
        ("output", attack("output"), Expected::completed()),
    ];
    Assault::by([hostile], attacks)
}

#[tokio::test]
async fn a_flood_of_lines_is_cut_short_with_one_last_word() {
    let assault = flood_of_lines();
    let mut siege = SiegeOptions::of(&assault).lay().await;
    siege.withstands(&assault).await;
    for (strike, lines) in assault.strikes.iter().zip([40, 12, 0]) {
        let before = siege.worker().err().len();
        let log = log_of(&siege, strike).await;
        let flood = log.lines().filter(|line| line.contains('~')).count();
        assert_eq!(flood, lines, "{}", strike.what);
        assert!(log.lines().all(|line| line.len() < 9_000));
        let written = siege.worker().err().len() - before;
        assert!(written < 300_000, "{}: {written} bytes", strike.what);
    }
    siege
        .worker()
        .until_err("the plugin has printed too much (plugins.attack-43-log-flood.limits.logLines")
        .await;
}

fn forged_lines() -> Assault {
    let hostile = Hostile::built(ATTACK_44_FORGED_LINES);
    let payload = json!({"steps": [], "attack44": true});
    let expected = Expected::completed()
        .says("44: clears \\u{1b}[2J\\u{1b}]0;title\\u{7}")
        .says("44: climbs \\u{1b}[1A\\u{9b}1A")
        .says("44: returns\\r[taskcluster 2026-01-01T00:00:00.000Z] forged by return")
        .says("44: turns \\u{202e}degrof\\u{2066}")
        // Whatever it says, its name is before it.
        .says("Z] plugin attack-44-forged-lines: 44: ");
    let attacks = [("the lines", payload, expected)];
    Assault::by([hostile], attacks)
}

#[tokio::test]
async fn no_line_of_a_plugin_looks_like_one_of_the_worker() {
    let assault = forged_lines();
    let mut siege = SiegeOptions::of(&assault).lay().await;
    siege.withstands(&assault).await;
    check_plain(&log_of(&siege, &assault.strikes[0]).await);
    let log = siege.worker().err();
    check_plain(&log);
    assert!(log.contains("output: 44: clears \\u{1b}[2J"), "{log}");
}

#[tokio::test]
async fn no_reason_of_a_refusal_looks_like_a_line_of_the_worker() {
    let forger = Hostile::wat(ATTACK_44_FORGED_REFUSAL);
    let mut siege = SiegeOptions::by([]).lay().await;
    let refused = [(
        "forger.wasm",
        "its payload schema is not acceptable: /properties/a/pattern",
    )];
    siege
        .repels(&refused, |directory| put(directory, "forger.wasm", forger.wasm()))
        .await;
    let log = siege.worker().err();
    assert!(log.contains("ERROR forged: as the worker's own"), "{log}");
    check_plain(&log);
}

#[tokio::test]
async fn no_secret_gets_into_a_log() {
    let curious = Hostile::wat(ATTACK_45_SECRET_IN_ERRORS);
    let looking =
        Hostile::built(ATTACK_37_CREDENTIALS).granted(&["task-definition", "artifacts", "task-log"]);
    let mut siege = SiegeOptions::by([looking])
        .variable("OUR_TOKEN", "s3cret-of-a-plugin")
        // Of everything but the compiler's and the guests' own machinery.
        .variable("RUST_LOG", "trace,wasmtime=info")
        .set(
            "/plugins/45-secret-in-errors",
            json!({
                "required": false,
                "config": {
                    "token": {"$env": "OUR_TOKEN"}, "more": {"$env": "OUR_TOKEN"}, "last": [{"$env": "OUR_TOKEN"}],
                },
            }),
        )
        .lay()
        .await;
    let refused = [(
        "curious.wasm",
        "plugins.45-secret-in-errors.config is not what plugin 45-secret-in-errors takes: /token: the value is not of type",
    )];
    siege
        .stays_flat(async |siege, _| {
            siege
                .repels_once(&refused, |directory| {
                    put(directory, "curious.wasm", curious.wasm())
                })
                .await;
            let payload = json!({"steps": [], "attack37": true});
            siege
                .round(&[Strike::from(("one that looks", payload, Expected::completed()))])
                .await;
        })
        .await;
    let credentials = siege.scene().queue().credentials();
    let log = siege.worker().err();
    for secret in ["s3cret-of-a-plugin", &credentials.access_token] {
        let found = log.lines().find(|line| line.contains(secret));
        assert_eq!(found, None);
    }
}

fn texts_of_errors() -> Assault {
    let hostile = Hostile::wat(ATTACK_46_ERROR_TEXT);
    let attacks = [
        (
            "of the author",
            hostile.payload(1),
            Expected::exception("malformed-payload").says("\\u{1b}[2J\\u{1b}[1A<script>alert(1)</script>"),
        ),
        (
            "of the plugin",
            hostile.payload(4),
            Expected::exception("internal-error").says("internal error of plugin 46-error-text"),
        ),
    ];
    Assault::by([hostile], attacks)
}

#[tokio::test]
async fn the_text_of_an_error_is_cut_and_harmless() {
    let assault = texts_of_errors();
    let mut siege = SiegeOptions::of(&assault).lay().await;
    siege.withstands(&assault).await;
    for strike in &assault.strikes {
        let log = log_of(&siege, strike).await;
        check_plain(&log);
        let said = log.matches("<script>").count();
        // 128 bytes each.
        assert!((1..=4096 / 128).contains(&said), "{said}");
    }
    let task_id = siege.scene().create_task(&assault.strikes[0].payload).await;
    siege.scene().log(&task_id).await;
    let fetched = siege
        .scene()
        .fetch(&task_id, "public/logs/live_backing.log")
        .await;
    assert!(
        fetched.content_type.starts_with("text/plain"),
        "{}",
        fetched.content_type
    );
    check_plain(&siege.worker().err());
}
