//! Each limit of an instance, one by one: a guest meets it where it is lowered, and not where it is as it comes.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Value, json};

use super::{
    assault::Assault,
    harness::{Siege, SiegeOptions},
    hostile::Hostile,
    table::{Attack, attack},
};
use crate::{
    kit::{Expected, Process, check},
    named_by_tests::{
        ATTACK_17_TIGHT_LOOP, ATTACK_18_SLOW_CALLS, ATTACK_25_MANY_MEMORIES, ATTACK_26_GROWING_TABLE,
        ATTACK_27_HOARDED_HANDLES, ATTACK_28_HUGE_TEXT, ATTACK_ARTIFACT_FLOOD, ATTACK_LINE_FLOOD,
    },
};

pub(super) const ATTACKS: &[Attack] = &[
    attack!(
        0,
        "artifacts without number",
        "they are counted for each run; a call that would make one too many is answered",
        "`limits.artifacts`",
        a_flood_of_artifacts_is_cut_short,
        flood_of_artifacts
    ),
    attack!(
        0,
        "more of anything than the operator has set",
        "each limit is what its key says: met where it is lowered, and not where it is as it comes",
        "each of `limits`",
        every_limit_is_met_where_it_is_lowered_and_not_where_it_is_as_it_comes
    ),
];

/// A limit, and a guest that meets it.
#[derive(Clone, Copy, Debug)]
struct Knob {
    key: &'static str,
    guest: &'static str,
    mode: u8,
    /// What it is lowered to, and what then becomes of a run.
    low: (u64, fn() -> Expected),
    /// What it is raised to, if the default is so high that the test would take long, and what then becomes of one.
    high: (Option<u64>, fn() -> Expected),
}

const KNOBS: [Knob; 11] = [
    Knob {
        key: "memoryBytes",
        guest: ATTACK_25_MANY_MEMORIES,
        mode: 1,
        low: (8 << 20, || broken("memory, 8388608 (plugins.low-memorybytes.")),
        high: (None, Expected::completed),
    },
    Knob {
        key: "tableElements",
        guest: ATTACK_26_GROWING_TABLE,
        mode: 1,
        low: (8_000, || {
            broken("table elements, 8000 (plugins.low-tableelements.")
        }),
        high: (None, Expected::completed),
    },
    Knob {
        key: "instances",
        guest: ATTACK_27_HOARDED_HANDLES,
        mode: 1,
        low: (1, || {
            broken("new-task exceeded the limit of core instances")
                .says("1 (plugins.low-instances.limits.instances)")
        }),
        high: (None, Expected::completed),
    },
    Knob {
        key: "handles",
        guest: ATTACK_27_HOARDED_HANDLES,
        mode: 1,
        low: (100, || broken("handles, 100 (plugins.low-handles.")),
        high: (None, Expected::completed),
    },
    Knob {
        key: "callBytes",
        guest: ATTACK_28_HUGE_TEXT,
        mode: 1,
        low: (1 << 20, || {
            broken("bytes across one call, 1048576 (plugins.low-callbytes.")
        }),
        high: (None, Expected::completed),
    },
    Knob {
        key: "cpuMs",
        guest: ATTACK_17_TIGHT_LOOP,
        mode: 1,
        low: (50, || broken("CPU time of one hook, 50 (plugins.low-cpums.")),
        high: (Some(500), || {
            broken("CPU time of one hook, 500 (plugins.high-cpums.")
        }),
    },
    Knob {
        key: "hookMs",
        guest: ATTACK_18_SLOW_CALLS,
        mode: 1,
        low: (100, || broken("time of one hook, 100 (plugins.low-hookms.")),
        high: (Some(500), || {
            broken("time of one hook, 500 (plugins.high-hookms.")
        }),
    },
    Knob {
        key: "callMs",
        guest: ATTACK_18_SLOW_CALLS,
        mode: 2,
        low: (50, || Expected::completed().says("18: cut short")),
        high: (None, || Expected::completed().says("18: there it is")),
    },
    Knob {
        key: "logLines",
        guest: ATTACK_LINE_FLOOD,
        mode: 1,
        low: (20, || {
            Expected::completed().says("plugin low-loglines has written too much")
        }),
        high: (None, || Expected::completed().says_nothing_of("too much")),
    },
    Knob {
        key: "logBytes",
        guest: ATTACK_LINE_FLOOD,
        mode: 1,
        low: (200, || {
            Expected::completed().says("plugin low-logbytes has written too much")
        }),
        high: (None, || Expected::completed().says_nothing_of("too much")),
    },
    Knob {
        key: "artifacts",
        guest: ATTACK_ARTIFACT_FLOOD,
        mode: 1,
        low: (3, || Expected::completed().says("no more artifacts")),
        high: (None, || {
            Expected::completed().says_nothing_of("no more artifacts")
        }),
    },
];

fn broken(says: &'static str) -> Expected {
    Expected::broken().says(says)
}

impl Knob {
    fn plugin(&self, prefix: &str, limit: Option<u64>) -> Hostile {
        let plugin = Hostile::twin(self.guest, &format!("{prefix}-{}", self.key.to_lowercase()))
            .granted(&["results", "artifacts"]);
        match limit {
            Some(limit) => {
                let mut limits = json!({});
                limits[self.key] = limit.into();
                plugin.limits(limits)
            }
            None => plugin,
        }
    }

    fn low(&self) -> Hostile {
        self.plugin("low", Some(self.low.0))
    }

    fn high(&self) -> Hostile {
        self.plugin("high", self.high.0)
    }

    async fn check_low(&self, siege: &Siege) {
        let payload = self.payload(&self.low());
        self.check(siege, "lowered", &payload, self.low.1()).await;
    }

    async fn check_high(&self, siege: &Siege) {
        let payload = self.payload(&self.high());
        self.check(siege, "not lowered", &payload, self.high.1()).await;
    }

    async fn check(&self, siege: &Siege, what: &str, payload: &Value, expected: Expected) {
        let task_id = siege.scene().create_task(payload).await;
        let what = format!("{} {what}", self.key);
        check(siege.scene(), &task_id, &what, &expected).await;
    }

    /// What a task asks of it.
    fn payload(&self, hostile: &Hostile) -> Value {
        let mut payload = hostile.payload(self.mode);
        if self.key == "callMs" {
            payload["steps"] = json!([{"file": {"path": "late", "content": ""}}]);
            payload["faults"] = json!({"extract": {"delayMs": 1_000}});
        }
        payload
    }
}

/// The limits that the config of a worker shows.
async fn shown(siege: &mut Siege) -> BTreeSet<String> {
    let config = siege.worker().config().to_owned();
    let arguments = ["config", "show", "--json"].map(Path::new);
    let mut show = Process::start(
        siege.scene().home(),
        "show",
        arguments.into_iter().chain([&*config]),
    );
    assert_eq!(show.ended().await, Some(0));
    let config: Value = serde_json::from_str(&show.out()).unwrap();
    let limits = config["plugins"]["defaultLimits"].as_object().unwrap();
    limits.keys().cloned().collect()
}

#[tokio::test]
async fn every_limit_is_met_where_it_is_lowered_and_not_where_it_is_as_it_comes() {
    // A plugin that meets its limit before its first hook ends every run of its worker.
    let (alone, together): (Vec<Knob>, Vec<Knob>) =
        KNOBS.into_iter().partition(|knob| knob.key == "instances");
    let all = together.iter().map(Knob::low).chain(KNOBS.iter().map(Knob::high));
    let mut siege = SiegeOptions::by(all).lay().await;
    for knob in &together {
        knob.check_low(&siege).await;
    }
    for knob in &KNOBS {
        knob.check_high(&siege).await;
    }
    for knob in &alone {
        knob.check_low(&SiegeOptions::by([knob.low()]).lay().await).await;
    }
    let met: BTreeSet<String> = KNOBS.iter().map(|knob| knob.key.to_owned()).collect();
    assert_eq!(met, shown(&mut siege).await, "not every limit has a guest here");
}

fn flood_of_artifacts() -> Assault {
    let few = Hostile::wat(ATTACK_ARTIFACT_FLOOD)
        .granted(&["artifacts"])
        .limits(json!({"artifacts": 3}));
    let attacks = [(
        "the flood",
        few.payload(1),
        Expected::completed().says("no more artifacts"),
    )];
    Assault::by([few], attacks)
}

#[tokio::test]
async fn a_flood_of_artifacts_is_cut_short() {
    let assault = flood_of_artifacts();
    let mut siege = SiegeOptions::of(&assault).lay().await;
    siege.withstands(&assault).await;
    let strike = &assault.strikes[0];
    let task_id = siege.scene().create_task(&strike.payload).await;
    strike.check(siege.scene(), &task_id).await;
    let artifacts = siege.scene().artifacts(&task_id, 0).await;
    let made = artifacts
        .keys()
        .filter(|name| !name.starts_with("public/logs/"))
        .count();
    assert_eq!(made, 3, "{artifacts:?}");
}
