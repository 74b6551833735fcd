//! generic-worker's config in the words of ours. Nothing is read but what is given, and nothing is decided that our own
//! config decides by itself: what comes out is checked as any config is.
//!
//! | generic-worker | here |
//! |---|---|
//! | `rootURL`, `clientId`, `accessToken`, `certificate` | `taskcluster` |
//! | `provisionerId`/`workerType`, `workerGroup`, `workerId` | `worker.taskQueueId`, `workerGroup`, `workerId` |
//! | `capacity`, `numberOfTasksToRun`, `idleTimeoutSecs` | `worker.concurrency`, `taskLimit`, `idleTimeout`; 0 is without end |
//! | `tasksDir` | `worker.directory`: `taskcluster-worker` in it |
//! | `workerLocation`, `region`, `instanceType`, … | `worker.metadata` |
//! | `createObjectArtifacts` | `artifacts.storageType` |
//! | `maxTaskRunTime` | the config of the plugin `maxruntime` |
//! | `enableLiveLog`, `publicIP`, `livelogExposePort`, `livelogPortBase` | `liveLog` |
//! | `taskclusterWorker` | what it says, over all of these |

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use plugin_host::Grants;
use serde_json::{Map, Value, json};

use super::{Members, WrongConfig, keys::NO_D2G, keys::OWN, read::Values};

/// The folder of the worker in `tasksDir`, or in the one where it was started.
const DIRECTORY: &str = "taskcluster-worker";
/// generic-worker's own defaults.
const PROVISIONER_ID: &str = "test-provisioner";
const WORKER_GROUP: &str = "test-worker-group";
const LIVE_LOG_PORT: u64 = 60_098;
/// Keys that are the same in `worker.metadata`.
const METADATA: [&str; 4] = ["availabilityZone", "instanceId", "instanceType", "region"];

/// A config of our own, and what is to be said of where it came from.
#[derive(Debug)]
pub(crate) struct Translated {
    /// The config, unchecked. Paths are relative to the folder where the worker was started, as generic-worker has it.
    pub(crate) config: Value,
    /// What the end of the worker may mean for its machine.
    pub(crate) shutdown: ShutdownMachine,
    /// Keys that are not known.
    pub(crate) warnings: Vec<String>,
    /// Keys that are known and ask for something that is not done here.
    pub(crate) notes: Vec<String>,
}

/// After which ends the machine is not wanted any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShutdownMachine {
    /// After nothing was to be done for too long.
    pub(crate) when_idle: bool,
    /// After something in the worker broke.
    pub(crate) on_internal_error: bool,
}

/// Translates a config. `plugins` are those of the plugin directory that come with the worker, with what each needs: they
/// are used and get it.
///
/// # Errors
/// With everything that is of a wrong type, or missing.
pub(crate) fn translate(
    members: Members,
    plugins: &BTreeMap<&str, Grants>,
) -> Result<Translated, WrongConfig> {
    let mut values = Values::read(members.members);
    let mut config = json!({
        "taskcluster": taskcluster(&mut values),
        "worker": worker(&mut values),
        "liveLog": live_log(&mut values),
        "plugins": plugins_config(&values, plugins),
    });
    if values.flag("createObjectArtifacts") == Some(true)
        && let Some(members) = config.as_object_mut()
    {
        members.insert("artifacts".to_owned(), json!({"storageType": "object"}));
    }
    let d2g = values.object("d2gConfig").and_then(|d2g| d2g.get("enableD2G"));
    if d2g == Some(&Value::Bool(true)) {
        values.note("d2gConfig.enableD2G", NO_D2G);
    }
    if let Some(own) = values.object(OWN).cloned() {
        if own.contains_key("taskcluster") {
            values.problems.push(format!(
                "{OWN}.taskcluster can't be given: rootURL, clientId and accessToken say it"
            ));
        }
        merge(&mut config, own);
    }
    if !values.problems.is_empty() {
        return Err(WrongConfig {
            file: members.file,
            problems: values.problems,
        });
    }
    Ok(Translated {
        config,
        shutdown: ShutdownMachine {
            when_idle: values.flag("shutdownMachineOnIdle") == Some(true),
            on_internal_error: values.flag("shutdownMachineOnInternalError") == Some(true),
        },
        warnings: values.warnings,
        notes: values.notes,
    })
}

fn taskcluster(values: &mut Values) -> Value {
    let mut credentials = json!({
        "clientId": values.required("clientId"),
        "accessToken": values.required("accessToken"),
    });
    if let Some(certificate) = values.text("certificate")
        && let Some(members) = credentials.as_object_mut()
    {
        members.insert("certificate".to_owned(), certificate.into());
    }
    json!({"rootUrl": values.required("rootURL"), "credentials": credentials})
}

fn worker(values: &mut Values) -> Value {
    let (worker_id, worker_type) = (values.required("workerId"), values.required("workerType"));
    let provisioner_id = values.text("provisionerId").unwrap_or(PROVISIONER_ID);
    let directory = Path::new(values.text("tasksDir").unwrap_or_default()).join(DIRECTORY);
    let mut worker = Map::new();
    let mut set = |key: &str, value: Value| drop(worker.insert(key.to_owned(), value));
    set("taskQueueId", format!("{provisioner_id}/{worker_type}").into());
    set(
        "workerGroup",
        values.text("workerGroup").unwrap_or(WORKER_GROUP).into(),
    );
    set("workerId", worker_id.into());
    set("directory", directory.to_string_lossy().into());
    set("metadata", metadata(values));
    if let Some(capacity) = values.number("capacity") {
        set("concurrency", capacity.into());
    }
    if let Some(tasks) = values.number("numberOfTasksToRun").filter(|tasks| *tasks > 0) {
        set("taskLimit", tasks.into());
    }
    if let Some(seconds) = values.number("idleTimeoutSecs").filter(|seconds| *seconds > 0) {
        set("idleTimeout", format!("{seconds}s").into());
    }
    worker.into()
}

/// What plugins may know of the machine.
fn metadata(values: &Values) -> Value {
    let mut metadata = Map::new();
    let mut set = |key: &str, value: String| drop(metadata.insert(key.to_owned(), value.into()));
    for key in METADATA {
        if let Some(text) = values.text(key) {
            set(key, text.to_owned());
        }
    }
    for key in ["privateIP", "publicIP"] {
        if let Some(address) = values.address(key) {
            set(key, address.to_string());
        }
    }
    // worker-runner writes null as a string where its provider knows of no location.
    let is_something = |text: &String| !text.is_empty() && text != "null" && text != "{}";
    for (key, name) in [
        ("workerLocation", "location"),
        ("workerTypeMetadata", "workerTypeMetadata"),
    ] {
        if let Some(text) = values.json(key).filter(is_something) {
            set(name, text);
        }
    }
    metadata.into()
}

fn live_log(values: &mut Values) -> Value {
    if values.flag("enableLiveLog") == Some(false) {
        return json!({"enabled": false});
    }
    if values.text("wstServerURL").is_some() {
        let what = "logs are not served through websocktunnel, and can be read when their task is over";
        values.note("wstServerURL", what);
        return json!({"enabled": false});
    }
    let Some(public) = values.address("publicIP") else {
        return json!({});
    };
    let port = values
        .number("livelogExposePort")
        .filter(|port| *port > 0)
        .or_else(|| values.number("livelogPortBase"))
        .unwrap_or(LIVE_LOG_PORT);
    let port = u16::try_from(port).unwrap_or_default();
    let any: IpAddr = match public {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    json!({
        "listen": SocketAddr::new(any, port).to_string(),
        "publicUrl": format!("http://{}", SocketAddr::new(public, port)),
    })
}

fn plugins_config(values: &Values, plugins: &BTreeMap<&str, Grants>) -> Value {
    let longest = values.number("maxTaskRunTime").filter(|seconds| *seconds > 0);
    plugins
        .iter()
        .map(|(name, grants)| {
            let mut plugin = json!({"grants": grants});
            if *name == "maxruntime"
                && let Some(seconds) = longest
                && let Some(members) = plugin.as_object_mut()
            {
                members.insert("config".to_owned(), json!({"maxRunTime": seconds}));
            }
            ((*name).to_owned(), plugin)
        })
        .collect::<Map<_, _>>()
        .into()
}

/// Lays members over a value: objects are merged, everything else is replaced.
fn merge(under: &mut Value, over: Map<String, Value>) {
    let Value::Object(members) = under else {
        *under = over.into();
        return;
    };
    for (key, value) in over {
        match (members.get_mut(&key), value) {
            (Some(former @ Value::Object(_)), Value::Object(value)) => merge(former, value),
            (_, value) => drop(members.insert(key, value)),
        }
    }
}
