//! Looks at the machine: processes, ports, mounts, cgroups, files.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Whether a process is there and has not ended.
pub(crate) fn alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// The living processes, this one left out, with a text in their command line, environment or working directory.
pub(crate) fn processes_of(mark: &str) -> Vec<(i32, String)> {
    let own = i32::try_from(std::process::id()).unwrap();
    let pids = fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own && has_mark(*pid, mark) && alive(*pid))
        .map(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            (pid, String::from_utf8_lossy(&line).replace('\0', " "))
        })
        .collect()
}

fn has_mark(pid: i32, mark: &str) -> bool {
    let contains = |bytes: Vec<u8>| bytes.windows(mark.len()).any(|window| window == mark.as_bytes());
    let file = |name: &str| fs::read(format!("/proc/{pid}/{name}")).is_ok_and(contains);
    let folder = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    file("cmdline") || file("environ") || folder.to_string_lossy().contains(mark)
}

/// The TCP ports that a process listens on.
pub(crate) fn listening_ports(pid: i32) -> Vec<u16> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    let sockets: Vec<String> = descriptors
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    let mut ports = Vec::new();
    for table in ["tcp", "tcp6"] {
        let table = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in table.lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            // Local address, state (0A: listening), inode.
            if columns[3] == "0A" && sockets.iter().any(|inode| inode == columns[9]) {
                let (_, port) = columns[1].rsplit_once(':').unwrap();
                ports.push(u16::from_str_radix(port, 16).unwrap());
            }
        }
    }
    ports
}

/// The name of the cgroup of a worker of the native engine that keeps the folders of its tasks there.
pub(crate) fn cgroup_name(tasks: &Path) -> String {
    // 64-bit FNV-1a.
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = tasks
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, step);
    format!("taskcluster-worker-{hash:016x}")
}

/// The cgroups (version 2) whose names contain a text.
pub(crate) fn cgroups_of(mark: &str) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut found = Vec::new();
    for line in mounts.lines().filter(|line| line.contains(" - cgroup2 ")) {
        let point = line.split(' ').nth(4).unwrap();
        let mut folders = vec![PathBuf::from(point)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    if entry.file_name().to_string_lossy().contains(mark) {
                        found.push(entry.path());
                    }
                    folders.push(entry.path());
                }
            }
        }
    }
    found
}

/// What is mounted at or below a folder.
pub(crate) fn mounts_below(folder: &Path) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let folder = folder.to_string_lossy();
    mounts
        .lines()
        .filter(|line| {
            line.split(' ')
                .nth(4)
                .is_some_and(|point| point.starts_with(&*folder))
        })
        .map(str::to_owned)
        .collect()
}

/// Everything below a folder, as sorted paths relative to it; nothing where there is no such folder.
pub(crate) fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            let path = entry.path();
            found.push(path.strip_prefix(folder).unwrap().to_string_lossy().into_owned());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}
