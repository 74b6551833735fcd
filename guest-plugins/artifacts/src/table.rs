//! What became of each artifact, for the task's log: a table at the end of the upload.

use plugin_sdk::log::Level;

use crate::{host::Host, payload::ContentEncoding};

/// How many artifacts that were uploaded have a row. All that were not have one, up to the other bound, which is there for
/// the limit of what a plugin may write.
const MOST_UPLOADED: usize = 100;
const MOST_OTHERS: usize = 1000;
/// The longest name that is shown whole, and the longest reason, in characters.
const MAX_NAME: usize = 120;
const MAX_WHY: usize = 200;
/// Names are aligned where they are no longer than this.
const ALIGNED: usize = 64;

/// The rows, in the order in which they were begun.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

/// A row of a [`Table`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowId(usize);

#[derive(Debug)]
struct Row {
    name: String,
    encoding: Option<ContentEncoding>,
    fate: Fate,
}

/// What became of an artifact.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its upload is queued.
    Queued,
    /// It is there, with so many bytes before compression.
    Uploaded(u64),
    /// It is not there, and the task may succeed without it.
    Missing(String),
    /// It is not there, and should be.
    Failed(String),
    /// Its name is the worker's.
    LeftOut,
}

impl Table {
    /// A new row, of an artifact that has not been heard of.
    pub(crate) fn add(&mut self, name: &str, encoding: Option<ContentEncoding>) -> RowId {
        self.rows.push(Row {
            name: name.to_owned(),
            encoding,
            fate: Fate::Queued,
        });
        RowId(self.rows.len() - 1)
    }

    /// What became of the artifact of a row.
    pub(crate) fn set(&mut self, id: RowId, fate: Fate) {
        if let Some(row) = self.rows.get_mut(id.0) {
            row.fate = fate;
        }
    }

    /// Writes the table into the task's log; nothing where there is no row.
    pub(crate) fn write(&self, host: &impl Host) {
        if self.rows.is_empty() {
            return;
        }
        let say = |line: &str| host.log(Level::Info, line.trim_end());
        let (uploaded, others): (Vec<&Row>, Vec<&Row>) = self.rows.iter().partition(|row| row.is_uploaded());
        let bytes = uploaded.iter().map(|row| row.size().unwrap_or_default()).sum();
        let missing = others
            .iter()
            .filter(|row| matches!(row.fate, Fate::Missing(_) | Fate::LeftOut))
            .count();
        say(&format!(
            "Artifacts: {} uploaded ({}), {} failed, {missing} left out",
            uploaded.len(),
            in_units(bytes),
            others.len() - missing,
        ));
        let shown = self.shown();
        let width = shown
            .iter()
            .map(|row| row.name.chars().count())
            .filter(|width| *width <= ALIGNED)
            .fold("name".len(), usize::max);
        say(&line(width, "name", ["size", "encoding", "outcome"]));
        for row in shown {
            let size = row.size().map_or_else(|| "-".to_owned(), in_units);
            let encoding = row.encoding.map_or("-", ContentEncoding::name);
            say(&line(width, &tail(&row.name), [&size, encoding, &row.outcome()]));
        }
        for (rows, most, what) in [
            (uploaded.len(), MOST_UPLOADED, "uploaded"),
            (others.len(), MOST_OTHERS, "not uploaded"),
        ] {
            if rows > most {
                say(&format!("… and {} more that were {what}", rows - most));
            }
        }
    }

    /// The rows that are shown.
    fn shown(&self) -> Vec<&Row> {
        let (mut uploaded, mut others) = (0, 0);
        let is_shown = |row: &&Row| {
            let (count, most) = if row.is_uploaded() {
                (&mut uploaded, MOST_UPLOADED)
            } else {
                (&mut others, MOST_OTHERS)
            };
            *count += 1;
            *count <= most
        };
        self.rows.iter().filter(is_shown).collect()
    }
}

impl Row {
    fn is_uploaded(&self) -> bool {
        matches!(self.fate, Fate::Uploaded(_))
    }

    fn size(&self) -> Option<u64> {
        match self.fate {
            Fate::Uploaded(size) => Some(size),
            Fate::Queued | Fate::Missing(_) | Fate::Failed(_) | Fate::LeftOut => None,
        }
    }

    fn outcome(&self) -> String {
        match &self.fate {
            Fate::Queued => "not heard of".to_owned(),
            Fate::Uploaded(_) => "uploaded".to_owned(),
            Fate::Missing(why) => format!("missing (optional): {}", head(why)),
            Fate::Failed(why) => format!("failed: {}", head(why)),
            Fate::LeftOut => "left out: the worker publishes another of this name".to_owned(),
        }
    }
}

fn line(width: usize, name: &str, [size, encoding, outcome]: [&str; 3]) -> String {
    format!("  {name:<width$}  {size:>10}  {encoding:<8}  {outcome}")
}

/// The end of a name: what tells files of one folder apart.
fn tail(name: &str) -> String {
    let length = name.chars().count();
    if length <= MAX_NAME {
        return name.to_owned();
    }
    let end: String = name.chars().skip(length - MAX_NAME).collect();
    format!("…{end}")
}

/// The beginning of a reason, in one line.
fn head(why: &str) -> String {
    let why = why.lines().next().unwrap_or_default();
    let mut head: String = why.chars().take(MAX_WHY).collect();
    if head.len() < why.len() {
        head.push('…');
    }
    head
}

/// A number of bytes, for people.
fn in_units(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut named = "B";
    for unit in units {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        named = unit;
    }
    if named == "B" {
        format!("{bytes} B")
    } else {
        format!("{size:.1} {named}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fake::Fake;

    fn written(table: &Table) -> Vec<String> {
        let host = Fake::new();
        table.write(&host);
        host.lines(Level::Info)
    }

    #[test]
    fn what_became_of_artifacts_is_aligned() {
        let mut table = Table::default();
        for (name, encoding, fate) in [
            (
                "public/a.txt",
                Some(ContentEncoding::Gzip),
                Fate::Uploaded(3 << 19),
            ),
            ("b", Some(ContentEncoding::Identity), Fate::Uploaded(7)),
            ("c", None, Fate::Missing("file-missing-on-worker: no".to_owned())),
            ("d", None, Fate::Failed("a\nb".to_owned())),
            ("e", None, Fate::LeftOut),
        ] {
            let row = table.add(name, encoding);
            table.set(row, fate);
        }
        assert_eq!(
            written(&table),
            [
                "Artifacts: 2 uploaded (1.5 MiB), 1 failed, 2 left out",
                "  name                size  encoding  outcome",
                "  public/a.txt     1.5 MiB  gzip      uploaded",
                "  b                    7 B  identity  uploaded",
                "  c                      -  -         missing (optional): file-missing-on-worker: no",
                "  d                      -  -         failed: a",
                "  e                      -  -         left out: the worker publishes another of this name",
            ]
        );
        assert!(written(&Table::default()).is_empty());
    }

    #[test]
    fn of_thousands_all_that_failed_and_the_first_that_did_not_have_a_row() {
        let mut table = Table::default();
        for number in 0..5000 {
            let row = table.add(&number.to_string(), None);
            let is_bad = number % 1000 == 999;
            table.set(
                row,
                if is_bad {
                    Fate::Failed("bad".to_owned())
                } else {
                    Fate::Uploaded(1)
                },
            );
        }
        let lines = written(&table);
        assert_eq!(lines.len(), 2 + MOST_UPLOADED + 5 + 1);
        assert_eq!(
            lines.iter().filter(|line| line.contains("failed: bad")).count(),
            5
        );
        assert_eq!(lines.last().unwrap(), "… and 4895 more that were uploaded");
    }

    #[test]
    fn what_is_long_is_cut() {
        let mut table = Table::default();
        let row = table.add(&format!("{}end", "ä".repeat(500)), None);
        table.set(row, Fate::Failed("ö".repeat(500)));
        let line = written(&table).pop().unwrap();
        assert!(line.contains("äend ") && line.ends_with("ö…") && line.chars().count() < 400);
    }
}
