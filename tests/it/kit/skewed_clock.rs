//! Wall clocks that are wrong, for single processes: see `skewed_clock.c`.

use std::{io::ErrorKind, path::PathBuf, process::Command};

use super::{Home, places::repository};

/// The library that makes a process's wall clock wrong.
#[derive(Debug)]
pub(crate) struct SkewedClock {
    library: PathBuf,
}

impl SkewedClock {
    /// Builds the library in a test's directory. None where the machine has no C compiler, which is said; there must be one
    /// where `CI` is set.
    pub(crate) fn build(home: &Home) -> Option<Self> {
        let library = home.path().join("skewed_clock.so");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(&library)
            .arg(repository().join("tests/it/kit/skewed_clock.c"))
            .status();
        match built {
            Ok(status) => assert!(status.success(), "cc: {status}"),
            Err(error) if error.kind() == ErrorKind::NotFound && std::env::var_os("CI").is_none() => {
                println!("skipped: there is no cc to make a wrong clock with");
                return None;
            }
            Err(error) => panic!("cc: {error}"),
        }
        Some(Self { library })
    }

    /// The variables of a process whose wall clock is so many seconds ahead.
    pub(crate) fn variables(&self, ahead: i64) -> [(&'static str, String); 2] {
        [
            ("LD_PRELOAD", self.library.to_str().unwrap().to_owned()),
            ("SKEWED_CLOCK_SECONDS", ahead.to_string()),
        ]
    }
}
