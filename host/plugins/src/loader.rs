//! From the bytes of a file to a plugin: look, compile, ask who it is, compare what it needs with what it is granted.
//!
//! The order matters. A plugin's name is known only once it has been asked, so it is compiled (in a child process) and
//! asked (in a store that serves no run, where every capability answers `closed`) before its grants are looked at.
//! Nothing that was not granted is ever linked into a store that serves a run, because such a plugin is never loaded.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::runtime::Handle;
use wasmtime::{Engine, component::Component};

use crate::{
    cache::Cache,
    compile::Compiler,
    config::{HostConfig, PluginConfig},
    directory::WasmFile,
    engine::Ticker,
    inspect::{self, Surface},
    limits::Limits,
    prepared::{DescribeError, Description, Prepared},
    refusal::Refusal,
    report::{PluginReport, Section},
    schema::Schema,
    set::Loaded,
};

/// The wall time that `describe` and `payload-schema` have. Both are pure, so this is for machines that are overloaded.
const PURE_WALL: Duration = Duration::from_secs(20);
/// The CPU time that they have.
const PURE_CPU: Duration = Duration::from_secs(1);
/// The longest name.
const MAX_NAME: usize = 64;
/// The longest version, summary or title, in bytes.
const MAX_LINE: usize = 1 << 10;
/// The longest documentation, in bytes over all sections.
const MAX_DOCUMENTATION: usize = 256 << 10;

/// Hears of compilations, which are what takes long when a worker starts for the first time.
pub trait Progress: fmt::Debug + Send + Sync {
    /// A file is about to be compiled, as number `index` (from 0) of `total`.
    fn compiling(&self, plugin_file: &str, index: usize, total: usize);
    /// It has been compiled, or has failed to.
    fn compiled(&self, plugin_file: &str, took: Duration);
}

/// Nobody wants to hear of progress.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn compiling(&self, _plugin_file: &str, _index: usize, _total: usize) {}
    fn compiled(&self, _plugin_file: &str, _took: Duration) {}
}

/// What loading takes.
#[derive(Debug)]
pub(crate) struct Loader {
    pub(crate) engine: Engine,
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) compiler: Compiler,
    pub(crate) config: Arc<HostConfig>,
    pub(crate) guests: Handle,
    pub(crate) progress: Arc<dyn Progress>,
}

/// A file that was looked at and not yet compiled, unless the cache has it.
pub(crate) struct Examined {
    pub(crate) file: WasmFile,
    pub(crate) report: PluginReport,
    surface: Surface,
    component: Option<Component>,
}

/// What came of a file.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) report: PluginReport,
    pub(crate) result: Result<Arc<Loaded>, Refusal>,
}

impl Outcome {
    pub(crate) fn refused(report: PluginReport, refusal: Refusal) -> Self {
        Self {
            report: report.refused(&refusal),
            result: Err(refusal),
        }
    }
}

impl Examined {
    /// Whether it must be compiled.
    pub(crate) fn is_new(&self) -> bool {
        self.component.is_none()
    }
}

impl Loader {
    /// Looks at a file, and looks it up in the cache. Runs on a thread that may block, where a panic ends nothing else.
    pub(crate) async fn examine(&self, file: WasmFile) -> Result<Examined, Box<Outcome>> {
        let mut report = PluginReport::new(&file.name);
        report.sha256 = Some(file.sha256.clone());
        report.size = Some(file.bytes.len() as u64);
        report.warnings.clone_from(&file.warnings);
        let (cache, bytes, sha256) = (self.cache.clone(), file.bytes.clone(), file.sha256.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let surface = inspect::surface(&bytes)?;
            let component = cache.load(&sha256);
            if component.is_none() {
                inspect::bodies(&bytes)?;
            }
            Ok((surface, component))
        });
        match looked
            .await
            .unwrap_or_else(|error| Err(Refusal::HostFailed(error.to_string())))
        {
            Ok((surface, component)) => {
                report.exports.clone_from(&surface.exports);
                report.capabilities.clone_from(&surface.capabilities);
                report.wasi.clone_from(&surface.wasi);
                Ok(Examined {
                    file,
                    report,
                    surface,
                    component,
                })
            }
            Err(refusal) => Err(Box::new(Outcome::refused(report, refusal))),
        }
    }

    /// Compiles what the cache does not have. The place in the queue is for [`Progress`].
    pub(crate) async fn compile(
        &self,
        examined: &mut Examined,
        (index, total): (usize, usize),
    ) -> Result<(), Refusal> {
        let file = &examined.file;
        let mut since = None;
        let begun = || {
            self.progress.compiling(&file.name, index, total);
            since = Some(Instant::now());
        };
        let compiled = self.compiler.compile(&file.bytes, &file.sha256, begun).await;
        if let Some(since) = since {
            self.progress.compiled(&file.name, since.elapsed());
        }
        let (compiled, cache, sha256) = (compiled?, self.cache.clone(), file.sha256.clone());
        let stored = tokio::task::spawn_blocking(move || cache.store(&sha256, &compiled)).await;
        let component = match stored {
            Ok(stored) => stored.map_err(|error| Refusal::Cache(chain(&error)))?,
            Err(error) => return Err(Refusal::HostFailed(error.to_string())),
        };
        examined.component = Some(component);
        Ok(())
    }

    /// Asks a compiled plugin who it is, and admits it or not.
    pub(crate) async fn admit(&self, examined: Examined) -> Outcome {
        let Examined {
            file,
            mut report,
            surface,
            component,
        } = examined;
        let Some(component) = component else {
            return Outcome::refused(report, Refusal::HostFailed("it was not compiled".to_owned()));
        };
        match self.judge(&file, &mut report, &surface, component).await {
            Ok(loaded) => Outcome {
                report,
                result: Ok(Arc::new(loaded)),
            },
            Err(refusal) => Outcome::refused(report, refusal),
        }
    }

    async fn judge(
        &self,
        file: &WasmFile,
        report: &mut PluginReport,
        surface: &Surface,
        component: Component,
    ) -> Result<Loaded, Refusal> {
        let limits = Limits {
            cpu_ms: PURE_CPU.as_millis() as u64,
            hook_ms: PURE_WALL.as_millis() as u64,
            ..self.config.default_limits.clone()
        };
        let prepared = Prepared::new(
            &self.engine,
            &component,
            &surface.capabilities,
            limits,
            self.ticker.clone(),
        )
        .map_err(|error| Refusal::NotLinkable(format!("{error:#}")))?;
        let description = self.describe(&prepared).await?;
        note_description(report, &description)?;
        let name = description.name;
        let entry = self.config.plugins.get(&name);
        check_pin(&name, entry, &file.sha256)?;
        check_grants(&name, entry, &surface.capabilities)?;
        let config_schema = Schema::parse("config schema", &description.config_schema)?;
        report.config_schema = Some(config_schema.value.clone());
        let config = entry.map_or_else(|| PluginConfig::default().config, |entry| entry.config.clone());
        let errors = config_schema.errors(&config);
        if !errors.is_empty() {
            return Err(Refusal::BadConfig { name, errors });
        }
        let payload_schema = self.payload_schema(&prepared, &config).await?;
        report.payload_schema = Some(payload_schema.clone());
        let limits = entry.map_or_else(
            || self.config.default_limits.clone(),
            |entry| entry.limits.clone(),
        );
        Ok(Loaded {
            name: name.into(),
            prepared: prepared.with_limits(limits),
            config,
            required: entry.is_none_or(|entry| entry.required),
            may_stop_the_worker: entry.is_some_and(|entry| entry.grants.contains("lifecycle")),
            payload_schema,
            file: file.name.clone(),
            sha256: file.sha256.clone(),
        })
    }

    async fn describe(&self, prepared: &Prepared) -> Result<Description, Refusal> {
        let prepared = prepared.clone();
        let called = self.guests.spawn(async move { prepared.describe().await }).await;
        called
            .map_err(|error| Refusal::HostFailed(error.to_string()))?
            .map_err(|error| call_failed("describe", error))
    }

    async fn payload_schema(&self, prepared: &Prepared, config: &Value) -> Result<Value, Refusal> {
        let (prepared, config) = (prepared.clone(), config.clone());
        let called = self
            .guests
            .spawn(async move { prepared.payload_schema(&config).await })
            .await;
        let text = called
            .map_err(|error| Refusal::HostFailed(error.to_string()))?
            .map_err(|error| call_failed("payload-schema", error))?;
        Ok(Schema::parse("payload schema", &text)?.value)
    }
}

/// Puts what a plugin says of itself into its report, if it is fit to be shown.
fn note_description(report: &mut PluginReport, description: &Description) -> Result<(), Refusal> {
    let Description {
        name,
        version,
        summary,
        documentation,
        config_schema: _,
    } = description;
    if !is_name(name) {
        return Err(Refusal::BadName(name.chars().take(MAX_NAME + 1).collect()));
    }
    let is_line = |text: &str| text.len() <= MAX_LINE && !text.chars().any(char::is_control);
    for (what, text) in [("version", version), ("summary", summary)] {
        if !is_line(text) {
            return Err(Refusal::BadDescription(format!(
                "its {what} is not one line of at most {MAX_LINE} bytes"
            )));
        }
    }
    if documentation
        .iter()
        .map(|(title, content)| title.len() + content.len())
        .sum::<usize>()
        > MAX_DOCUMENTATION
    {
        return Err(Refusal::BadDescription(format!(
            "its documentation is longer than {MAX_DOCUMENTATION} bytes"
        )));
    }
    let section = |(title, content): &(String, String)| Section {
        title: title.clone(),
        content: content.clone(),
    };
    report.name = Some(name.clone());
    report.version = Some(version.clone());
    report.summary = Some(summary.clone());
    report.documentation = documentation.iter().map(section).collect();
    Ok(())
}

fn is_name(name: &str) -> bool {
    let fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(fit)
}

fn check_pin(name: &str, entry: Option<&PluginConfig>, actual: &str) -> Result<(), Refusal> {
    match entry.and_then(|entry| entry.sha256.as_ref()) {
        Some(pinned) if !pinned.eq_ignore_ascii_case(actual) => Err(Refusal::PinMismatch {
            name: name.to_owned(),
            pinned: pinned.clone(),
            actual: actual.to_owned(),
        }),
        Some(_) | None => Ok(()),
    }
}

fn check_grants(name: &str, entry: Option<&PluginConfig>, needed: &[String]) -> Result<(), Refusal> {
    let granted = |capability: &String| entry.is_some_and(|entry| entry.grants.contains(capability));
    let missing: Vec<String> = needed
        .iter()
        .filter(|capability| !granted(capability))
        .cloned()
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Refusal::NotGranted {
        name: name.to_owned(),
        missing,
        needed: needed.to_vec(),
    })
}

fn call_failed(function: &'static str, error: DescribeError) -> Refusal {
    match error {
        DescribeError::Trap(error) => Refusal::CallFailed {
            function,
            why: error.root_cause().to_string(),
        },
        DescribeError::TimedOut(limit) => Refusal::TimedOut { function, limit },
        DescribeError::Refused(why) => Refusal::CallFailed {
            function,
            why: why.chars().take(MAX_LINE).flat_map(char::escape_debug).collect(),
        },
    }
}

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
