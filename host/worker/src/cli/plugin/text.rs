//! Reports of plugins as text. What a plugin says of itself is shown without control characters: it is somebody else's.

use engine_api::is_active;
use plugin_host::{Capability, PluginReport, Problem, SignatureReport, Verdict};

use super::state::{Listed, State};

/// The word for a signature that does not hold.
const BAD_SIGNATURE: &str = "bad-signature";

/// So much of a hash tells a plugin from others, as it does in tasks' logs.
const SHORT_HASH: usize = 12;

/// A line for each plugin.
pub(super) fn list(plugins: &[Listed]) -> String {
    if plugins.is_empty() {
        return "no plugins".to_owned();
    }
    let rows: Vec<[String; 4]> = plugins
        .iter()
        .map(|plugin| {
            let report = &plugin.report;
            let name = report
                .name
                .clone()
                .unwrap_or_else(|| format!("({})", report.file));
            let needs = match report.capabilities.as_slice() {
                [] => "needs no grants".to_owned(),
                needs => format!("needs {}", needs.join(", ")),
            };
            let mut parts = vec![state(plugin)];
            if report.is_loaded() {
                parts.push(needs);
                parts.extend(granted_beyond(report));
            }
            parts.extend(origin(report));
            parts.extend(course(plugin));
            let verdict = parts.join("; ");
            let version = report.version.clone().unwrap_or_default();
            [
                plain(&name),
                plain(&version),
                plain(&verdict),
                plain(report.summary.as_deref().unwrap_or_default()),
            ]
        })
        .collect();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let (name_width, version_width) = (width(0), width(1));
    let line = |[name, version, verdict, summary]: &[String; 4]| {
        let line = format!("{name:name_width$}  {version:version_width$}  {verdict}");
        if summary.is_empty() {
            line
        } else {
            format!("{line}  ({summary})")
        }
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What it is granted, where that is not what it needs.
fn granted_beyond(report: &PluginReport) -> Option<String> {
    let grants = report.granted.as_ref()?;
    let granted = Capability::ALL
        .into_iter()
        .filter(|capability| grants.contains(*capability));
    let words: Vec<&str> = granted.map(Capability::name).collect();
    let is_more = |word: &&str| !report.capabilities.iter().any(|needed| needed == word);
    words
        .iter()
        .any(is_more)
        .then(|| format!("granted {}", words.join(", ")))
}

/// Which file it is, and who signed it.
fn origin(report: &PluginReport) -> Vec<String> {
    let hash = report.sha256.as_deref().and_then(|hash| hash.get(..SHORT_HASH));
    let hash = hash.map(|hash| format!("sha256 {hash}"));
    let signature = report
        .signature
        .as_ref()
        .map(|_| format!("signed {}", signature(report)));
    hash.into_iter().chain(signature).collect()
}

/// Whether new tasks use it, and why not.
fn state(plugin: &Listed) -> String {
    match (plugin.state, &plugin.report.verdict) {
        (_, Verdict::Refused { message, .. }) => format!("refused: {message}"),
        (State::Quarantined, Verdict::Loaded) => {
            let last = plugin
                .last_fault
                .as_ref()
                .map_or("", |fault| fault.message.as_str());
            format!("quarantined: {last}")
        }
        (State::InService | State::Refused, Verdict::Loaded) => "in service".to_owned(),
    }
}

/// What a worker says of it: how often it broke, what its hooks took.
fn course(plugin: &Listed) -> Vec<String> {
    let mut course = Vec::new();
    match plugin.faults {
        0 => {}
        1 => course.push("1 fault".to_owned()),
        faults => course.push(format!("{faults} faults")),
    }
    if let (Some(spent), Some(longest)) = (plugin.spent_ms, plugin.longest_ms) {
        let calls = plugin.calls;
        course.push(format!("{calls} calls in {spent} ms, the longest {longest} ms"));
    }
    course
}

/// Whether each would be loaded.
pub(super) fn verdicts(reports: &[PluginReport]) -> String {
    let one = |report: &PluginReport| format!("{}: {}", plain(&report.file), verdict(report, "  "));
    if reports.is_empty() {
        "no plugins".to_owned()
    } else {
        reports.iter().map(one).collect::<Vec<_>>().join("\n")
    }
}

/// Everything about one.
pub(super) fn whole(report: &PluginReport) -> String {
    let mut lines = Vec::new();
    let mut line = |title: &str, value: Option<String>| {
        if let Some(value) = value {
            lines.push(format!("{title:14}{value}"));
        }
    };
    let words = |words: &[String]| {
        Some(if words.is_empty() {
            "nothing".to_owned()
        } else {
            words.join(", ")
        })
    };
    line("file", Some(plain(&report.file)));
    line("name", report.name.as_deref().map(plain));
    line("version", report.version.as_deref().map(plain));
    line("summary", report.summary.as_deref().map(plain));
    line("size", report.size.map(|size| format!("{size} bytes")));
    line("sha256", report.sha256.clone());
    line("signature", Some(signature(report)));
    line("exports", words(&report.exports));
    line("needs", Some(needs(report)));
    line(
        "granted",
        report.granted.as_ref().map(|grants| plain(&grants.to_string())),
    );
    line("wasi", words(&report.wasi));
    line("loaded", Some(verdict(report, &" ".repeat(14))));
    for warning in &report.warnings {
        line("warning", Some(plain(warning)));
    }
    for (title, schema) in [
        ("payload", &report.payload_schema),
        ("config", &report.config_schema),
    ] {
        line(
            title,
            schema.as_ref().map(|schema| indented(&format!("{schema:#}"), 14)),
        );
    }
    for section in &report.documentation {
        lines.push(format!(
            "\n{}\n\n{}",
            plain(&section.title),
            plain_lines(&section.content)
        ));
    }
    lines.join("\n")
}

/// What it can do, as far as it is granted: a line for each capability.
fn needs(report: &PluginReport) -> String {
    let one = |word: &String| match Capability::named(word) {
        Some(capability) => format!("{word}: it may {}", capability.allows()),
        None => word.clone(),
    };
    match report.capabilities.as_slice() {
        [] => "nothing".to_owned(),
        words => indented(&words.iter().map(one).collect::<Vec<_>>().join("\n"), 14),
    }
}

/// Whether it would be loaded, and everything that keeps it from that.
fn verdict(report: &PluginReport, indent: &str) -> String {
    let line = |text: &str| {
        format!(
            "\n{indent}{}",
            plain_lines(text).replace('\n', &format!("\n{indent}"))
        )
    };
    let advice = |problem: &Problem| problem.advice.as_deref().map(line).unwrap_or_default();
    match report.problems.as_slice() {
        [] => "yes".to_owned(),
        [one] => format!("no: {}{}", plain(&one.message), advice(one)),
        several => {
            let one = |problem: &Problem| format!("{}{}", line(&problem.message), advice(problem));
            let all: String = several.iter().map(one).collect();
            format!("no, for {} reasons:{all}", several.len())
        }
    }
}

/// Who signed a file.
fn signature(report: &PluginReport) -> String {
    let is_bad = report
        .problems
        .iter()
        .any(|problem| problem.reason == BAD_SIGNATURE);
    match &report.signature {
        None if is_bad => "bad".to_owned(),
        None => "none".to_owned(),
        Some(SignatureReport { key: None, .. }) => {
            "by a key that pluginTrust.keys does not have, not verified".to_owned()
        }
        Some(SignatureReport {
            key: Some(key),
            comment,
        }) => match comment.as_deref().map(plain) {
            Some(comment) if !comment.is_empty() => format!("by {key} ({comment})"),
            Some(_) | None => format!("by {key}"),
        },
    }
}

fn indented(text: &str, by: usize) -> String {
    text.replace('\n', &format!("\n{}", " ".repeat(by)))
}

/// One line of text that can't steer a terminal, nor reorder what is beside it.
fn plain(text: &str) -> String {
    text.chars().map(|c| if is_active(c) { ' ' } else { c }).collect()
}

fn plain_lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plugin_says_can_not_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{202e}d"), "a [2Jb c d");
        assert_eq!(plain_lines("a\u{7}\nb"), "a \nb");
    }
}
