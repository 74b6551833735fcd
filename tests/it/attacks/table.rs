//! The table of attacks, from which `docs/attacks.md` is made.

use std::{collections::BTreeSet, fmt::Write as _, fs};

use super::{all, assault::Assault};
use crate::kit::repository;

/// What plugins, or what is dropped into the directory of plugins, may try, and what comes of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attack {
    /// Its number in the list of threats that the project was made with; 0 where it is not in that list.
    pub(crate) number: u8,
    pub(crate) attack: &'static str,
    pub(crate) defence: &'static str,
    /// The key of the config, or the constant, that says how much is too much; empty where nothing has to be counted.
    pub(crate) limit: &'static str,
    /// The test, by its path.
    pub(crate) test: &'static str,
    /// The same as what the compiler knows: a test that does not exist is no row.
    pub(crate) run: fn(),
    /// What it is an attack of, where that is by plugins on tasks: what [`super::soak`] draws from.
    pub(crate) assault: Option<fn() -> Assault>,
}

/// A row of the table: number, attack, defence, limit, the test that shows it, and the assault, where the test has one.
macro_rules! attack {
    ($number:literal, $attack:literal, $defence:literal, $limit:literal, $test:ident) => {
        $crate::attacks::table::attack!(@ $number, $attack, $defence, $limit, $test, None)
    };
    ($number:literal, $attack:literal, $defence:literal, $limit:literal, $test:ident, $assault:ident) => {
        $crate::attacks::table::attack!(@ $number, $attack, $defence, $limit, $test, Some($assault))
    };
    (@ $number:literal, $attack:literal, $defence:literal, $limit:literal, $test:ident, $assault:expr) => {
        $crate::attacks::table::Attack {
            number: $number,
            attack: $attack,
            defence: $defence,
            limit: $limit,
            test: concat!(module_path!(), "::", stringify!($test)),
            run: $test,
            assault: $assault,
        }
    };
}

pub(crate) use attack;

/// The last number of the list of threats.
const LAST: u8 = 55;
/// What no test can show: leaks between the stores of two tasks by what the hardware keeps, side channels, and an escape
/// by a fault of the compiler.
const NOT_SHOWN: [u8; 3] = [38, 42, 55];
/// Where the table is.
const PAGE: &str = "docs/attacks.md";

/// The page, as it must be.
fn page() -> String {
    let mut text = String::from(
        "# Attacks\n\n\
         What a hostile plugin, or whoever can put a file into the plugin directory, may try; what stops it; the limit, where there is one to set; \
         and the test that shows it,\nin `tests/it`. Each test drives the real worker: the attack meets the error of its defence, again and again, \
         while tasks with well-behaved plugins beside it complete,\nand afterwards the worker holds no more memory and no more descriptors than before. \
         The guests are in `tests/plugins`.\n\n\
         `make soak` runs ten thousand tasks on workers with drawn mixtures of these plugins: each task ends as its row says, and the workers stay flat.\n\n\
         This page is made from the tests: `UPDATE_DOCS=1 cargo test -p taskcluster-worker --test it attacks::table` writes it.\n\n\
         | no. | attack | defence | limit | test |\n|---|---|---|---|---|\n",
    );
    for row in all() {
        let number = match row.number {
            0 => "–".to_owned(),
            number => number.to_string(),
        };
        let limit = match row.limit {
            "" => "–".to_owned(),
            limit => limit.to_owned(),
        };
        let test = row.test.strip_prefix("it::").unwrap_or(row.test);
        let _ = writeln!(
            text,
            "| {number} | {} | {} | {limit} | `{test}` |",
            row.attack, row.defence
        );
    }
    text
}

#[test]
fn every_attack_of_the_list_has_a_test() {
    let numbers: BTreeSet<u8> = all().iter().map(|row| row.number).collect();
    let missing: Vec<u8> = (1..=LAST)
        .filter(|number| !NOT_SHOWN.contains(number) && !numbers.contains(number))
        .collect();
    assert_eq!(missing, [0; 0], "no test shows what becomes of these attacks");
    let tests: BTreeSet<usize> = all().iter().map(|row| row.run as usize).collect();
    assert_eq!(tests.len(), all().len(), "a test is named by two rows");
}

#[test]
fn the_page_on_attacks_is_what_the_tests_say() {
    let path = repository().join(PAGE);
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "{PAGE} is out of date: run this test with UPDATE_DOCS=1"
    );
}

#[test]
fn the_tests_that_the_page_for_authors_names_are_in_the_table() {
    let page = fs::read_to_string(repository().join("docs/plugins.md")).unwrap();
    let known: BTreeSet<&str> = all()
        .iter()
        .map(|row| row.test.strip_prefix("it::").unwrap_or(row.test))
        .collect();
    let named: Vec<&str> = page
        .split('`')
        .filter(|word| word.starts_with("attacks::"))
        .collect();
    assert!(!named.is_empty());
    let unknown: Vec<&&str> = named.iter().filter(|name| !known.contains(**name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
