//! Reports of plugins as text. What a plugin says of itself is shown without control characters: it is somebody else's.

use plugin_host::{PluginReport, Verdict};

/// A line for each plugin.
pub(super) fn list(reports: &[PluginReport]) -> String {
    if reports.is_empty() {
        return "no plugins".to_owned();
    }
    let rows: Vec<[String; 4]> = reports
        .iter()
        .map(|report| {
            let name = report
                .name
                .clone()
                .unwrap_or_else(|| format!("({})", report.file));
            let needs = match report.capabilities.as_slice() {
                [] => "needs no grants".to_owned(),
                needs => format!("needs {}", needs.join(", ")),
            };
            let verdict = match &report.verdict {
                Verdict::Loaded => needs,
                Verdict::Refused { message, .. } => format!("refused: {message}"),
            };
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
    line("exports", words(&report.exports));
    line("needs", words(&report.capabilities));
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

fn verdict(report: &PluginReport, indent: &str) -> String {
    match &report.verdict {
        Verdict::Loaded => "yes".to_owned(),
        Verdict::Refused {
            message,
            advice: None,
            ..
        } => format!("no: {}", plain(message)),
        Verdict::Refused {
            message,
            advice: Some(advice),
            ..
        } => {
            format!(
                "no: {}\n{indent}{}",
                plain(message),
                plain_lines(advice).replace('\n', &format!("\n{indent}"))
            )
        }
    }
}

fn indented(text: &str, by: usize) -> String {
    text.replace('\n', &format!("\n{}", " ".repeat(by)))
}

/// One line of text that can't steer a terminal.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn plain_lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plugin_says_can_not_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc"), "a [2Jb c");
        assert_eq!(plain_lines("a\u{7}\nb"), "a \nb");
    }
}
