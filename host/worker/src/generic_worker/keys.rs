//! The keys of generic-worker's config, as of its version 96 and with those of former ones, and what each comes to here.

/// The member that holds what generic-worker has no word for: keys of our own config.
pub(super) const OWN: &str = "taskclusterWorker";

/// A key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// As generic-worker writes it; letter case does not count.
    pub(super) name: &'static str,
    /// What its value is.
    pub(super) kind: Kind,
    /// What becomes of it.
    pub(super) meaning: Meaning,
}

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// True or false.
    Flag,
    /// A whole number up to some other.
    Number(u64),
    /// An IP address.
    Address,
    /// An object.
    Object,
    /// An object, or a string with its JSON.
    Location,
}

/// What becomes of a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meaning {
    /// `translate` reads it.
    Translated,
    /// Nothing, and nobody misses it.
    Nothing,
    /// Nothing, which is said where it is true, not zero or not empty.
    MissedIfSet(&'static str),
    /// Nothing, which is said where it is false.
    MissedIfFalse(&'static str),
}

/// The key of a name, written in whatever letter case.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name.eq_ignore_ascii_case(name))
}

/// All of them.
pub(super) const KEYS: &[Key] = &[
    translated("accessToken", Kind::Text),
    unused("allowedHighMemoryDurationSecs", Kind::Number(u64::MAX)),
    translated("availabilityZone", Kind::Text),
    unused("cachesDir", Kind::Text),
    translated("capacity", Kind::Number(255)),
    translated("certificate", Kind::Text),
    unused("checkForNewDeploymentEverySecs", Kind::Number(u64::MAX)),
    Key {
        name: "cleanUpTaskDirs",
        kind: Kind::Flag,
        meaning: Meaning::MissedIfFalse("the folders of tasks are always removed"),
    },
    translated("clientId", Kind::Text),
    unused("containerEngine", Kind::Text),
    translated("createObjectArtifacts", Kind::Flag),
    // Has a rule of its own: what counts is `enableD2G` in it.
    translated("d2gConfig", Kind::Object),
    unused("deploymentId", Kind::Text),
    missed(
        "disableNativePayloads",
        Kind::Flag,
        "native payloads are the only ones",
    ),
    unused("disableOOMProtection", Kind::Flag),
    unused("disableReboots", Kind::Flag),
    unused("downloadsDir", Kind::Text),
    missed(
        "ed25519SigningKeyLocation",
        Kind::Text,
        "there is no chain of trust, so nothing is signed",
    ),
    missed("enableChainOfTrust", Kind::Flag, "there is no chain of trust"),
    missed("enableD2G", Kind::Flag, NO_D2G),
    missed("enableInteractive", Kind::Flag, "there are no interactive shells"),
    translated("enableLiveLog", Kind::Flag),
    missed("enableLoopbackAudio", Kind::Flag, "there are no loopback devices"),
    missed("enableLoopbackVideo", Kind::Flag, "there are no loopback devices"),
    missed("enableMetadata", Kind::Flag, "there is no metadata artifact"),
    missed("enableMounts", Kind::Flag, "there are no mounts and no caches"),
    missed("enableOSGroups", Kind::Flag, "tasks have the worker's own groups"),
    missed("enableRDP", Kind::Flag, "there is no remote desktop"),
    missed(
        "enableResourceMonitor",
        Kind::Flag,
        "there is no resource monitor",
    ),
    missed(
        "enableRunAsAdministrator",
        Kind::Flag,
        "there are no administrators",
    ),
    // Which is how every task is run.
    unused("enableRunTaskAsCurrentUser", Kind::Flag),
    missed(
        "enableTaskclusterProxy",
        Kind::Flag,
        "there is no taskcluster-proxy",
    ),
    unused("headlessTasks", Kind::Flag),
    translated("idleTimeoutSecs", Kind::Number(TEN_YEARS)),
    translated("instanceId", Kind::Text),
    translated("instanceType", Kind::Text),
    unused("interactivePort", Kind::Number(PORT)),
    unused("livelogExecutable", Kind::Text),
    translated("livelogExposePort", Kind::Number(PORT)),
    translated("livelogPortBase", Kind::Number(PORT)),
    unused("loopbackAudioDeviceNumber", Kind::Number(31)),
    unused("loopbackVideoDeviceNumber", Kind::Number(255)),
    unused("maxMemoryUsagePercent", Kind::Number(100)),
    translated("maxTaskRunTime", Kind::Number(u32::MAX as u64)),
    unused("minAvailableMemoryBytes", Kind::Number(u64::MAX)),
    translated("numberOfTasksToRun", Kind::Number(u64::MAX)),
    translated("privateIP", Kind::Address),
    translated("provisionerId", Kind::Text),
    translated("publicIP", Kind::Address),
    translated("region", Kind::Text),
    missed(
        "requiredDiskSpaceMegabytes",
        Kind::Number(u64::MAX),
        "no disk space is kept free",
    ),
    translated("rootURL", Kind::Text),
    missed(
        "runAfterUserCreation",
        Kind::Text,
        "no users are created, so that nothing is run after it",
    ),
    unused("runTasksAsCurrentUser", Kind::Flag),
    unused("sentryProject", Kind::Text),
    translated("shutdownMachineOnIdle", Kind::Flag),
    translated("shutdownMachineOnInternalError", Kind::Flag),
    unused("taskclusterProxyExecutable", Kind::Text),
    unused("taskclusterProxyPort", Kind::Number(PORT)),
    translated(OWN, Kind::Object),
    translated("tasksDir", Kind::Text),
    translated("workerGroup", Kind::Text),
    translated("workerId", Kind::Text),
    translated("workerLocation", Kind::Location),
    translated("workerType", Kind::Text),
    translated("workerTypeMetadata", Kind::Object),
    unused("wstAudience", Kind::Text),
    translated("wstServerURL", Kind::Text),
];

/// What is said where docker-worker's payloads are expected.
pub(super) const NO_D2G: &str = "docker-worker's payloads are not translated: tasks must have native ones";
/// The largest port.
const PORT: u64 = u16::MAX as u64;
/// The longest period of our config, in seconds.
const TEN_YEARS: u64 = 10 * 366 * 24 * 60 * 60;

const fn translated(name: &'static str, kind: Kind) -> Key {
    Key {
        name,
        kind,
        meaning: Meaning::Translated,
    }
}

const fn unused(name: &'static str, kind: Kind) -> Key {
    Key {
        name,
        kind,
        meaning: Meaning::Nothing,
    }
}

const fn missed(name: &'static str, kind: Kind, what: &'static str) -> Key {
    Key {
        name,
        kind,
        meaning: Meaning::MissedIfSet(what),
    }
}
