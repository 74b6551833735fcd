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

use engine_api::chain;
use serde_json::Value;
use tokio::runtime::Handle;
use wasmtime::{Engine, component::Component};

use crate::{
    cache::{Cache, CacheError},
    capabilities::Capability,
    compile::Compiler,
    config::HostConfig,
    directory::WasmFile,
    engine::Ticker,
    inspect::{self, Surface},
    limits::Limits,
    machine::blocking,
    prepared::{DescribeError, Description, Prepared},
    refusal::Refusal,
    refusals::Refusals,
    report::{PluginReport, SignatureReport},
    schema::Schema,
    set::Loaded,
    vetting::{self, Vouching},
};

/// The wall time that `describe` and `payload-schema` have. Both are pure, so this is for machines that are overloaded.
const PURE_WALL: Duration = Duration::from_secs(20);
/// The CPU time that they have.
const PURE_CPU: Duration = Duration::from_secs(1);

/// What a file is looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be loaded: nothing of a file for which nobody vouches is looked into, compiled or run.
    Load,
    /// To be told about: everything that is wrong is looked for, in an instance that can do nothing.
    Tell,
}

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

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) file: WasmFile,
    /// What would have kept it from being read, if it were to be loaded.
    pub(crate) problems: Vec<Refusal>,
}

/// A file that was looked at and not yet compiled, unless the cache has it.
pub(crate) struct Examined {
    pub(crate) file: WasmFile,
    pub(crate) report: PluginReport,
    /// What is wrong with it so far, where it is not for being loaded that it was looked at.
    pub(crate) problems: Vec<Refusal>,
    surface: Surface,
    component: Option<Component>,
}

/// What came of a file.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) report: PluginReport,
    pub(crate) result: Result<Arc<Loaded>, Refusals>,
}

impl Outcome {
    pub(crate) fn refused(report: PluginReport, refusals: impl Into<Refusals>) -> Self {
        let refusals = refusals.into();
        Self {
            report: report.refused(&refusals),
            result: Err(refusals),
        }
    }

    /// Refused for what was found, of which there is at least one thing.
    pub(crate) fn not_admitted(report: PluginReport, problems: Vec<Refusal>) -> Self {
        let nothing = || Refusal::HostFailed("it was refused for no reason".to_owned()).into();
        Self::refused(report, Refusals::of(problems).unwrap_or_else(nothing))
    }

    /// Whether the same file may fare better the next time.
    pub(crate) fn is_passing(&self) -> bool {
        self.result.as_ref().err().is_some_and(Refusals::are_passing)
    }

    /// Whether somebody was at the file.
    pub(crate) fn is_of_motion(&self) -> bool {
        self.result.as_ref().err().is_some_and(Refusals::are_of_motion)
    }
}

impl Examined {
    /// Whether it must be compiled.
    pub(crate) fn is_new(&self) -> bool {
        self.component.is_none()
    }
}

impl Loader {
    /// Looks at a file, and looks it up in the cache: who vouches for it before all else. Runs on a thread that may block,
    /// where a panic ends nothing else.
    pub(crate) async fn examine(&self, found: Found, purpose: Purpose) -> Result<Examined, Box<Outcome>> {
        let Found { file, mut problems } = found;
        let mut report = PluginReport::new(&file.name);
        report.sha256 = Some(file.sha256.clone());
        report.size = Some(file.bytes.len() as u64);
        report.warnings.clone_from(&file.warnings);
        let (cache, config, looked_at) = (self.cache.clone(), self.config.clone(), file.clone());
        let looked = tokio::task::spawn_blocking(move || look(&looked_at, &cache, &config, purpose)).await;
        let looked = looked.unwrap_or_else(|error| Look::failed(Refusal::HostFailed(error.to_string())));
        report.signature = looked.signature;
        problems.extend(looked.problems);
        let Some((surface, component)) = looked.found else {
            return Err(Box::new(Outcome::not_admitted(report, problems)));
        };
        report.exports.clone_from(&surface.exports);
        report.capabilities = surface
            .capabilities
            .iter()
            .map(|capability| capability.name().to_owned())
            .collect();
        report.wasi.clone_from(&surface.wasi);
        Ok(Examined {
            file,
            report,
            problems,
            surface,
            component,
        })
    }

    /// Compiles what the cache does not have, and has not failed at before. The place in the queue is for [`Progress`].
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
        let sha256 = || (self.cache.clone(), file.sha256.clone());
        let (cache, hash) = sha256();
        let remembered = tokio::task::spawn_blocking(move || cache.failure(&hash)).await;
        if let Ok(Some(failure)) = remembered {
            return Err(failure.into());
        }
        let compiled = self.compiler.compile(&file.bytes, begun).await;
        if let Some(since) = since {
            self.progress.compiled(&file.name, since.elapsed());
        }
        let (cache, hash) = sha256();
        let kept = fallible(move || {
            let compiled = compiled.inspect_err(|failure| cache.remember(&hash, failure))?;
            cache.store(&hash, &compiled).map_err(|error| match error {
                CacheError::DoesNotFit(why) => Refusal::DoesNotFit(why),
                error @ (CacheError::Untrusted { .. } | CacheError::Way(_) | CacheError::Io { .. }) => {
                    Refusal::Cache(chain(&error))
                }
            })
        });
        examined.component = Some(kept.await?);
        Ok(())
    }

    /// Asks a compiled plugin who it is, and admits it or not.
    pub(crate) async fn admit(&self, examined: Examined) -> Outcome {
        let Examined {
            file,
            mut report,
            mut problems,
            surface,
            component,
        } = examined;
        let judged = match component {
            Some(component) => self.judge(&file, &mut report, &surface, component).await,
            // Why not is among the problems.
            None => Err(Vec::new()),
        };
        if report.name.is_some() {
            // What is wrong with its own entry says it better.
            problems.retain(|problem| !matches!(problem, Refusal::NotVouchedFor { .. }));
        }
        match judged {
            Ok(loaded) if problems.is_empty() => Outcome {
                report,
                result: Ok(Arc::new(loaded)),
            },
            Ok(_) => Outcome::not_admitted(report, problems),
            Err(more) => {
                problems.extend(more);
                Outcome::not_admitted(report, problems)
            }
        }
    }

    /// Everything that is wrong with it, as far as it can be told.
    async fn judge(
        &self,
        file: &WasmFile,
        report: &mut PluginReport,
        surface: &Surface,
        component: Component,
    ) -> Result<Loaded, Vec<Refusal>> {
        let limits = Limits {
            cpu_ms: PURE_CPU.as_millis() as u64,
            hook_ms: PURE_WALL.as_millis() as u64,
            ..self.config.default_limits.clone()
        };
        let prepared = Prepared::new(&self.engine, &component, surface, limits, self.ticker.clone())
            .map_err(|error| vec![Refusal::NotLinkable(format!("{error:#}"))])?;
        let description = self.describe(&prepared).await.map_err(|refusal| vec![refusal])?;
        let mut problems = vetting::note_description(report, &description);
        let name = report.name.clone();
        let entry = name.as_ref().and_then(|name| self.config.plugins.get(name));
        let entry = entry.cloned().unwrap_or_default();
        if let Some(name) = &name {
            report.granted = Some(entry.grants.clone());
            problems.extend(vetting::against_config(name, &entry, report, &self.config));
            problems.extend(entry.grants.check(name, &surface.capabilities).err());
        }
        let fits = config_fits(&description, name.clone(), &entry.config, report).await;
        let payload_schema = match fits {
            Ok(()) => self.payload_schema(&prepared, &entry.config).await,
            Err(refusal) => Err(refusal),
        };
        let payload_schema = payload_schema.map_err(|refusal| problems.push(refusal)).ok();
        report.payload_schema.clone_from(&payload_schema);
        match (name, payload_schema) {
            (Some(name), Some(payload_schema)) if problems.is_empty() => {
                let named = self.config.plugins.contains_key(&name);
                let limits = if named {
                    &entry.limits
                } else {
                    &self.config.default_limits
                };
                Ok(Loaded {
                    name: name.into(),
                    version: description.version.into(),
                    may_stop_the_worker: entry.grants.contains(Capability::Lifecycle),
                    prepared: prepared.with_limits(limits.clone()).with_grants(entry.grants),
                    config: entry.config,
                    required: entry.required,
                    payload_schema,
                    file: file.name.clone(),
                    sha256: file.sha256.clone(),
                })
            }
            _ => Err(problems),
        }
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
        let schema = fallible(move || Schema::parse("payload schema", &text)).await?;
        Ok(schema.value)
    }
}

/// Reads a plugin's config schema, and checks what the config says by it.
async fn config_fits(
    description: &Description,
    name: Option<String>,
    config: &Value,
    report: &mut PluginReport,
) -> Result<(), Refusal> {
    let (text, config) = (description.config_schema.clone(), config.clone());
    let schema = fallible(move || Schema::parse("config schema", &text)).await?;
    report.config_schema = Some(schema.value.clone());
    // What has no name has no config either.
    let Some(name) = name else { return Ok(()) };
    fallible(move || vetting::config_fits(&schema, name, &config)).await
}

/// What takes a while, such as what is made of a plugin's words, on a thread where nobody waits for others.
async fn fallible<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    blocking(work)
        .await
        .unwrap_or_else(|why| Err(Refusal::HostFailed(why)))
}

/// What a look at the bytes of a file has brought.
struct Look {
    signature: Option<SignatureReport>,
    problems: Vec<Refusal>,
    /// What there is, where the file is good enough to go on with it.
    found: Option<(Surface, Option<Component>)>,
}

impl Look {
    fn failed(refusal: Refusal) -> Self {
        Self {
            signature: None,
            problems: vec![refusal],
            found: None,
        }
    }
}

/// Who vouches for the bytes first, and then what they are.
fn look(file: &WasmFile, cache: &Cache, config: &HostConfig, purpose: Purpose) -> Look {
    let Vouching {
        signature,
        mut problems,
        limits,
    } = vetting::vouching(file, config);
    let mut found = None;
    if purpose == Purpose::Tell || problems.is_empty() {
        let surface = inspect::surface(&file.bytes).map_err(|refusals| problems.extend(refusals));
        let component = cache.load(&file.sha256);
        // What is in the cache has passed; what can't be read at all can't be read on.
        let bodies = if component.is_some() || problems.iter().any(Refusal::is_of_form) {
            Ok(())
        } else {
            inspect::bodies(&file.bytes, limits)
        };
        let bodies = bodies.map_err(|refusal| problems.push(refusal));
        found = surface
            .and_then(|surface| bodies.map(|()| (surface, component)))
            .ok();
    }
    Look {
        signature,
        problems,
        found,
    }
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
            why: why
                .chars()
                .take(vetting::MAX_LINE)
                .flat_map(char::escape_debug)
                .collect(),
        },
    }
}
