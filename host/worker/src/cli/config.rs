//! `config`: what is wrong with a config, and what it comes to.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Outcome, could_not_run, print, say, work::failure};
use crate::{
    config::{Draft, Identity, Shown},
    exit::Exit,
    patience::Patience,
    start,
};

mod text;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Say everything that is wrong with a config. Nothing is registered or begun
    Check(CheckArgs),
    /// Print the whole config that is in force, defaults included. Secrets are masked
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The config, in YAML or JSON
    file: PathBuf,
    /// Ask the deployment too: for the pool's secret and for the values of secrets
    #[arg(long)]
    online: bool,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The config, in YAML or JSON
    file: PathBuf,
    /// Say where each value comes from
    #[arg(long)]
    origin: bool,
    /// Print JSON, with --origin {"config", "origins"}
    #[arg(long)]
    json: bool,
    /// Ask the deployment too, as `work` does: where that registers the worker, so does this
    #[arg(long)]
    online: bool,
}

/// What there is of a config before its deployment is asked.
struct Read {
    draft: Draft,
    identity: Identity,
}

pub(super) async fn run(command: ConfigCommand) -> Outcome {
    match command {
        ConfigCommand::Check(args) => check(&args).await,
        ConfigCommand::Show(args) => show(&args).await,
    }
}

async fn check(args: &CheckArgs) -> Outcome {
    let Read { draft, identity } = read(&args.file)?;
    if args.online && identity.taskcluster.registers() {
        say(
            "what the deployment says is not checked: that takes the registration of the worker, which `config show --online` makes",
        );
    } else if args.online {
        completed(draft, &identity).await?.finish()?;
    } else if !draft.secrets().is_empty() {
        say(&format!(
            "the values of these secrets are not checked, --online asks for them: {}",
            draft.secrets().join(", ")
        ));
    } else {
        draft.finish()?;
    }
    say(&format!("{}: the config is right", args.file.display()));
    Ok(Exit::Success)
}

async fn show(args: &ShowArgs) -> Outcome {
    let Read { draft, identity } = read(&args.file)?;
    let draft = if args.online {
        completed(draft, &identity).await?
    } else {
        draft
    };
    let shown = draft.show();
    print(&match (args.json, args.origin) {
        (true, false) => format!("{:#}", shown.config),
        (true, true) => {
            let Shown { config, origins } = shown;
            format!("{:#}", json!({ "config": config, "origins": origins }))
        }
        (false, false) => text::yaml(&shown.config, |_| None),
        (false, true) => text::yaml(&shown.config, |pointer| shown.origins.get(pointer).cloned()),
    });
    Ok(Exit::Success)
}

fn read(file: &Path) -> Result<Read, super::Failure> {
    let draft = Draft::read(file)?;
    let identity = draft.identity()?;
    Ok(Read { draft, identity })
}

/// With what the deployment says.
async fn completed(draft: Draft, identity: &Identity) -> Result<Draft, super::Failure> {
    let patience = Patience::None;
    match start::gain(identity, &patience).await.map_err(failure)? {
        Some(gained) => start::complete(draft, identity, &gained, &patience)
            .await
            .map_err(failure),
        None if draft.secrets().is_empty() => Ok(draft),
        None => Err(could_not_run(anyhow::anyhow!(
            "an embedded queue has no secrets service before it begins"
        ))),
    }
}
