//! What cgroups are used for where there are any, and that nothing misses them where there are none.

use std::{fs, path::PathBuf};

use crate::{
    kit::{Ended, Kit},
    runner::tests,
};

tests![
    a_task_has_a_cgroup_of_its_own_where_it_can_have_one,
    groups_that_a_task_made_in_its_own_are_removed_with_it,
];

/// Where the hierarchy of version 2 is mounted in which this process may make groups below its own: found by making one.
pub(crate) fn usable() -> Option<PathBuf> {
    let own = own_group(&fs::read_to_string("/proc/self/cgroup").unwrap())?;
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points = mountinfo
        .lines()
        .filter(|line| line.contains(" - cgroup2 "))
        .filter_map(|line| line.split(' ').nth(4));
    points.map(PathBuf::from).find(|point| {
        let probe = PathBuf::from(format!("{}{own}/probe-{}", point.display(), std::process::id()));
        let made = fs::create_dir(&probe);
        let can_kill = probe.join("cgroup.kill").exists();
        let _ = fs::remove_dir(&probe);
        made.is_ok() && can_kill
    })
}

fn own_group(cgroup: &str) -> Option<String> {
    Some(
        cgroup
            .lines()
            .find_map(|line| line.strip_prefix("0::"))?
            .to_owned(),
    )
}

async fn a_task_has_a_cgroup_of_its_own_where_it_can_have_one() {
    let kit = Kit::new();
    let Ended { log, results } = kit.run("cat /proc/self/cgroup").await;
    let run = kit.directory().file_name().unwrap().to_owned();
    let group = own_group(&log.text());
    match usable() {
        Some(_) => assert!(
            group.is_some_and(|group| PathBuf::from(group).ends_with(&run)),
            "{}",
            log.text()
        ),
        None => assert_eq!(
            group,
            own_group(&fs::read_to_string("/proc/self/cgroup").unwrap())
        ),
    }
    kit.suite.dispose(results.as_ref()).await;
}

async fn groups_that_a_task_made_in_its_own_are_removed_with_it() {
    let Some(point) = usable() else {
        return;
    };
    let kit = Kit::new();
    // A process in the innermost of them, in a session of its own.
    let script = format!(
        "own={}$(sed -n s/^0:://p /proc/self/cgroup); mkdir -p $own/a/b; echo $own >own.new; mv own.new own
        export own; setsid sh -c 'echo $$ >$own/a/b/cgroup.procs; echo ready; sleep 1000'",
        point.display()
    );
    let (_, sandbox) = kit.start(&script).await;
    let own = fs::read_to_string(kit.directory().join("own")).unwrap();
    let own = PathBuf::from(own.trim());
    let inner = fs::read_to_string(own.join("a/b/cgroup.procs")).unwrap();
    assert_ne!(inner, "");
    kit.abort(sandbox.as_ref()).await;
    assert!(!own.exists(), "{}", own.display());
}
