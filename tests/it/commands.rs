//! The native engine's commands, and what becomes of all that they start.

use serde_json::json;

use crate::kit::{Expected, Scene, alive, check, check_all, files_below, shell, written};

#[tokio::test]
async fn tasks_have_the_limit_of_open_files_that_the_worker_was_started_with_and_the_worker_has_more() {
    let scene = Scene::new().await;
    let worker = scene.worker().all_plugins().start();
    let limits = |pid: &str| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("Max open files"))
            .unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        [words[3], words[4]].map(|word| word.parse::<u64>().unwrap())
    };
    // The worker was started with those of this process.
    let [soft, hard] = limits("self");
    let said: &'static str = format!("\nsoft {soft} hard {hard}\n").leak();
    let mut payload = shell("echo soft $(ulimit -Sn) hard $(ulimit -Hn)");
    payload["maxRunTime"] = json!(600);
    let task_id = scene.create_task(&payload).await;
    check(&scene, &task_id, "the limits", &Expected::completed().says(said)).await;
    assert_eq!(
        limits(&worker.pid().to_string()),
        [soft.max(hard.min(65_536)), hard]
    );
}

#[tokio::test]
async fn the_commands_exit_decides() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().concurrency(4).start();
    let commands = |commands: &[&[&str]]| json!({"command": commands, "maxRunTime": 600});
    let plain = scene.home().path().join("plain");
    std::fs::write(&plain, "not executable").unwrap();
    check_all(
        &scene,
        vec![
            (
                "exit 0",
                commands(&[&["true"]]),
                Expected::completed()
                    .says("Exit Code: 0")
                    .says("Result: SUCCEEDED"),
            ),
            (
                "exit 1",
                commands(&[&["false"]]),
                Expected::failed().says("Exit Code: 1").says("Result: FAILED"),
            ),
            (
                "the first that fails is the last",
                commands(&[
                    &["echo", "fir", "st"],
                    &["/bin/sh", "-c", "exit 7"],
                    &["echo", "thi", "rd"],
                ]),
                Expected::failed()
                    .says("\nfir st\n")
                    .says("Exit Code: 7")
                    .says_nothing_of("\nthi rd\n"),
            ),
            (
                "a command that there is not",
                commands(&[&["no-such-command-anywhere"]]),
                Expected::failed().says("Could not execute \"no-such-command-anywhere\""),
            ),
            (
                "a file that is not executable",
                commands(&[&[plain.to_str().unwrap()]]),
                Expected::failed().says("it is not executable"),
            ),
            (
                "a signal",
                commands(&[&["/bin/sh", "-c", "kill -KILL $$"]]),
                Expected::failed().says("it was ended by SIGKILL"),
            ),
            (
                "output in order",
                commands(&[&["/bin/sh", "-c", "echo one; echo two >&2; echo three"]]),
                Expected::completed().says("\none\ntwo\nthree\n"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn tasks_begin_in_a_fresh_folder_and_leave_none() {
    let scene = Scene::new().await;
    let worker = scene.worker().start();
    for _ in 0..2 {
        let task_id = scene
            .create_task(&shell("test -z \"$(ls -A)\" && echo x > file && pwd"))
            .await;
        check(&scene, &task_id, "a fresh folder", &Expected::completed()).await;
    }
    crate::kit::eventually("the folders of the tasks are gone", async || {
        files_below(&worker.directory().join("tasks"))
            .is_empty()
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn processes_that_outlive_their_command_end_with_the_task() {
    let scene = Scene::new().await;
    let _worker = scene.worker().start();
    let file = scene.home().path().join("pid");
    // In a session of its own, its parent gone, its output elsewhere, and deaf to polite requests.
    let script = format!(
        "setsid /bin/sh -c 'trap \"\" TERM HUP INT; echo $$ > {0}.new; mv {0}.new {0}; while :; do sleep 1; done' \
         >/dev/null 2>&1 & while ! test -e {0}; do sleep 0.01; done",
        file.display()
    );
    let task_id = scene.create_task(&shell(&script)).await;
    check(&scene, &task_id, "a daemon", &Expected::completed()).await;
    let pid = written(&file).await.parse().unwrap();
    assert!(!alive(pid), "the daemon outlived its task");
}

#[tokio::test]
async fn a_fork_bomb_ends_with_its_task() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().start();
    let folder = scene.home().path().join("swarm");
    std::fs::create_dir(&folder).unwrap();
    // A swarm whose members replace each other, until the test has seen enough of them and the limit of processes is reached.
    let script = format!(
        "ulimit -u 4096; swarm() {{ : > {0}/$1; setsid /bin/sh -c 'sleep 1000' & \
         n=$(($1 + 1)); if test $n -lt 60; then swarm $n & fi; }}; swarm 0; \
         while ! test -e {0}/59; do sleep 0.01; done; echo enough",
        folder.display()
    );
    let task_id = scene.create_task(&shell(&script)).await;
    check(&scene, &task_id, "a swarm", &Expected::completed()).await;
    assert_eq!(files_below(&folder).len(), 60);
    let left: Vec<_> = scene
        .home()
        .processes()
        .into_iter()
        .filter(|(_, line)| line.contains("sleep 1000"))
        .collect();
    assert_eq!(left, []);
    assert!(worker.runs());
}

#[tokio::test]
async fn the_kernel_kills_tasks_before_it_kills_the_worker() {
    let scene = Scene::new().await;
    let _worker = scene.worker().start();
    let file = scene.home().path().join("score");
    let script = format!(
        "cat /proc/self/oom_score_adj > {0}.new; mv {0}.new {0}",
        file.display()
    );
    let task_id = scene.create_task(&shell(&script)).await;
    check(&scene, &task_id, "the score", &Expected::completed()).await;
    let score: i32 = written(&file).await.parse().unwrap();
    assert!(score > 0, "{score}");
}

#[tokio::test]
async fn two_tasks_run_at_a_time_and_a_third_waits() {
    let scene = Scene::new().await;
    let _worker = scene.worker().concurrency(2).start();
    // Each of two waits for the other: neither would end if they ran one after the other.
    let meet = |own: &str, other: &str| {
        let path = scene.home().path().display();
        shell(&format!(
            ": > {path}/{own}; while ! test -e {path}/{other}; do sleep 0.01; done"
        ))
    };
    let first = scene.create_task(&meet("a", "b")).await;
    let second = scene.create_task(&meet("b", "a")).await;
    for task_id in [first, second] {
        check(&scene, &task_id, "two that meet", &Expected::completed()).await;
    }
}
