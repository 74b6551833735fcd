//! Attacks 1, 2, 9 to 12, 14 to 16: components that attack while they are loaded.

use super::{
    files::{component, put, run},
    harness::SiegeOptions,
    hostile::{self, Hostile},
    table::{Attack, attack},
};
use crate::named_by_tests::{
    ATTACK_09_NAME_SQUATTING, ATTACK_11_EXTRA_IMPORTS, ATTACK_12_LYING_MANIFEST, ATTACK_14_LOOP_IN_DESCRIBE,
    ATTACK_14_LOOP_IN_SCHEMA, ATTACK_14_LOOP_IN_START, ATTACK_15_SCHEMA_DEEP, ATTACK_15_SCHEMA_LONG,
    ATTACK_15_SCHEMA_PATTERN, ATTACK_15_SCHEMA_REFERENCES, ATTACK_15_SCHEMA_REMOTE, ENV, FILE_01_DEEP_BOMB,
    FILE_01_LARGE_BOMB, FILE_02_COMPILER_CRASH, FILE_16_ARCHIVE,
};

pub(super) const ATTACKS: &[Attack] = &[
    attack!(
        1,
        "a small file that takes the compiler minutes and gigabytes",
        "every function's size and nesting is read before anything is compiled",
        "128 KiB for a function, 256 blocks in blocks",
        a_compile_bomb_is_refused_before_it_is_compiled
    ),
    attack!(
        2,
        "a file that ends the compiler",
        "the compiler is a process of its own, with limits; what it could not compile is remembered",
        "2 GiB, 90 s of CPU time, 180 s for a compilation",
        a_file_that_crashes_the_compiler_crashes_nothing_else
    ),
    attack!(
        9,
        "a plugin that bears the name of another, or one that looks like it",
        "a name has a-z, 0-9 and -; two files of one name are both refused, and what is in service stays",
        "",
        a_name_that_is_taken_or_looks_like_one_is_refused
    ),
    attack!(
        11,
        "a plugin that imports more than it was granted",
        "what a component imports is known before it runs; it is refused with the names",
        "`grants`",
        an_import_that_was_not_granted_is_refused_by_name
    ),
    attack!(
        12,
        "a plugin that says it needs less than it does",
        "what a plugin says of itself decides nothing: its imports do",
        "`grants`",
        what_a_plugin_says_that_it_needs_is_not_believed
    ),
    attack!(
        14,
        "an endless loop while the plugin is instantiated, or asked for its name or schema",
        "a deadline from before the first instruction, in a store that has no run",
        "1 s of CPU time",
        a_plugin_that_loops_while_it_is_loaded_is_refused
    ),
    attack!(
        15,
        "a schema that is a bomb: by an expression, its depth, its length, or where its references lead",
        "linear expressions of bounded size; depth, length and parts are bounded, each reference counting as what it leads to; nothing is fetched",
        "1 MiB, 64 levels, 5000 parts, 128 expressions of 4 MiB in all",
        a_schema_that_is_a_bomb_is_refused
    ),
    attack!(
        16,
        "an archive that unpacks to a thousand times its size",
        "nothing is unpacked: a file is a component or refused",
        "",
        an_archive_is_not_unpacked
    ),
];

#[tokio::test]
async fn a_compile_bomb_is_refused_before_it_is_compiled() {
    let bombs = [
        ("deep.wasm", component(FILE_01_DEEP_BOMB)),
        ("large.wasm", component(FILE_01_LARGE_BOMB)),
    ];
    let mut siege = SiegeOptions::by([]).lay().await;
    let refused = [
        (
            "deep.wasm",
            "it has blocks in blocks of 257, and the limit is 256",
        ),
        ("large.wasm", "it has a function with code of"),
    ];
    let dropped = |directory: &_| {
        for (file, bytes) in &bombs {
            put(directory, file, bytes);
        }
    };
    siege.repels(&refused, dropped).await;
}

#[tokio::test]
async fn a_file_that_crashes_the_compiler_crashes_nothing_else() {
    let crash = component(FILE_02_COMPILER_CRASH);
    assert!(crash.len() < 10_000);
    let mut siege = SiegeOptions::by([]).lay().await;
    let refused = [(
        "crash.wasm",
        "it could not be compiled: the compiler needed more than 2048 MiB of memory, or crashed",
    )];
    siege
        .repels(&refused, |directory| put(directory, "crash.wasm", &crash))
        .await;
}

#[tokio::test]
async fn a_name_that_is_taken_or_looks_like_one_is_refused() {
    // The first letter is not of the Latin alphabet.
    let plugins = [
        ("taken.wasm", hostile::component(ATTACK_09_NAME_SQUATTING, ENV)),
        ("alike.wasm", hostile::component(ATTACK_09_NAME_SQUATTING, "еnv")),
    ];
    let mut siege = SiegeOptions::by([]).lay().await;
    let refused = [
        (
            "taken.wasm",
            "plugin env is in env.wasm as well, so that neither is loaded",
        ),
        (
            "alike.wasm",
            "it calls itself \"еnv\", and a name is 1 to 64 of a-z, 0-9 and -",
        ),
    ];
    let dropped = |directory: &_| {
        for (file, bytes) in &plugins {
            put(directory, file, bytes);
        }
    };
    siege.repels(&refused, dropped).await;
    assert!(!siege.worker().err().contains("9: squatted"));
}

#[tokio::test]
async fn an_import_that_was_not_granted_is_refused_by_name() {
    let extra = Hostile::wat(ATTACK_11_EXTRA_IMPORTS);
    let mut siege = SiegeOptions::by([]).lay().await;
    let refused = [(
        "extra.wasm",
        "plugin 11-extra-imports needs the capabilities kill and lifecycle, which the config does not grant",
    )];
    siege
        .repels(&refused, |directory| put(directory, "extra.wasm", extra.wasm()))
        .await;
}

#[tokio::test]
async fn what_a_plugin_says_that_it_needs_is_not_believed() {
    let liar = Hostile::wat(ATTACK_12_LYING_MANIFEST);
    let mut siege = SiegeOptions::by([]).lay().await;
    let refused = [(
        "liar.wasm",
        "plugin 12-lying-manifest needs the capability kill, which the config does not grant",
    )];
    siege
        .repels(&refused, |directory| put(directory, "liar.wasm", liar.wasm()))
        .await;
}

#[tokio::test]
async fn a_plugin_that_loops_while_it_is_loaded_is_refused() {
    let loops = [
        (
            (
                "start.wasm",
                "its function `describe` failed: the limit of CPU time",
            ),
            Hostile::wat(ATTACK_14_LOOP_IN_START),
        ),
        (
            (
                "describe.wasm",
                "its function `describe` failed: the limit of CPU time",
            ),
            Hostile::wat(ATTACK_14_LOOP_IN_DESCRIBE),
        ),
        (
            (
                "schema.wasm",
                "its function `payload-schema` failed: the limit of CPU time",
            ),
            Hostile::wat(ATTACK_14_LOOP_IN_SCHEMA),
        ),
    ];
    // A second each, and they differ by where they loop.
    let mut siege = SiegeOptions::by([]).rounds(3).lay().await;
    siege
        .stays_flat(async |siege, number| {
            let (refused, plugin) = &loops[number as usize % loops.len()];
            siege
                .repels_once(&[*refused], |directory| put(directory, refused.0, plugin.wasm()))
                .await;
        })
        .await;
}

#[tokio::test]
async fn a_schema_that_is_a_bomb_is_refused() {
    let bombs = [
        ("pattern.wasm", Hostile::wat(ATTACK_15_SCHEMA_PATTERN)),
        ("deep.wasm", Hostile::wat(ATTACK_15_SCHEMA_DEEP)),
        ("long.wasm", Hostile::wat(ATTACK_15_SCHEMA_LONG)),
        ("remote.wasm", Hostile::wat(ATTACK_15_SCHEMA_REMOTE)),
        ("doubling.wasm", Hostile::wat(ATTACK_15_SCHEMA_REFERENCES)),
    ];
    let mut siege = SiegeOptions::by([]).lay().await;
    let refused = [
        (
            "pattern.wasm",
            "its payload schema is not acceptable: /properties/a/pattern",
        ),
        (
            "deep.wasm",
            "its payload schema is not acceptable: it is not JSON",
        ),
        (
            "long.wasm",
            "its payload schema is not acceptable: it has 2097152 bytes, and the limit is 1048576",
        ),
        (
            "remote.wasm",
            "its payload schema is not acceptable: it refers to \"http://169.254.169.254/",
        ),
        (
            "doubling.wasm",
            "its payload schema is not acceptable: it has more than 5000 parts, with what its references lead to",
        ),
    ];
    let dropped = |directory: &_| {
        for (file, bomb) in &bombs {
            put(directory, file, bomb.wasm());
        }
    };
    siege.repels(&refused, dropped).await;
}

#[tokio::test]
async fn an_archive_is_not_unpacked() {
    let mut siege = SiegeOptions::by([]).lay().await;
    let refused = [(
        "archive.wasm",
        "it is not a WebAssembly component but something else",
    )];
    siege
        .repels(&refused, |directory| run(FILE_16_ARCHIVE, &[directory]))
        .await;
}
