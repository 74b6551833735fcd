//! `schema`: what a config and a task's payload may say.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::Value;

use super::{Outcome, could_not_run, plugin, print};
use crate::{config, exit::Exit, payload::PayloadSchema, root::Root};

#[derive(Debug, Subcommand)]
pub(super) enum SchemaCommand {
    /// Of a config
    Config,
    /// Of the payload of tasks, as the engine and the plugins of a config read it
    Payload {
        /// The config; without it, the one that `run-task` has
        config: Option<PathBuf>,
    },
}

pub(super) async fn run(root: &dyn Root, command: SchemaCommand) -> Outcome {
    let schema = match command {
        SchemaCommand::Config => config::schema(),
        SchemaCommand::Payload { config } => {
            let context = plugin::Context::new(root, config.as_deref(), None)?;
            let reports = context.reports().await?;
            let schemas = reports
                .iter()
                .filter(|report| report.is_loaded())
                .filter_map(|report| Some((report.name.clone()?, report.payload_schema.clone()?)));
            let engine = context.config().engine.name();
            let merged =
                PayloadSchema::merge(engine, root.engine_schema(context.config()), schemas.collect())
                    .map_err(could_not_run)?;
            merged.document().clone()
        }
    };
    print(&pretty(&schema));
    Ok(Exit::Success)
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}
