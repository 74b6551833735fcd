//! `queue`: the embedded queue alone, for other workers and clients of this machine.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use tokio::sync::oneshot;

use super::{Outcome, could_not_run, print};
use crate::{
    config::{NotAPeriod, Period, default_claim_timeout},
    credentials_file,
    exit::Exit,
    root::{EmbeddedOptions, Root},
    signals::Signals,
};

#[derive(Debug, Args)]
pub(super) struct QueueArgs {
    /// Where tasks and artifacts are kept; created if it is missing
    #[arg(long, default_value = "queue")]
    directory: PathBuf,
    /// Where to listen; port 0 is any that is free
    #[arg(long, default_value = "127.0.0.1:8042")]
    listen: SocketAddr,
    /// How long a claim lasts before it must be renewed
    #[arg(long, default_value_t = default_claim_timeout(), value_parser = some_time, value_name = "TIME")]
    claim_timeout: Period,
}

pub(super) async fn run(root: &dyn Root, args: QueueArgs) -> Outcome {
    let QueueArgs {
        directory,
        listen,
        claim_timeout,
    } = args;
    let client = credentials_file::load_or_create(&directory).map_err(could_not_run)?;
    let credentials = credentials_file::path(&directory);
    let (stop, stopped) = oneshot::channel::<()>();
    let _signals = Signals::listen(vec![Box::new(move |_| drop(stop))]).map_err(could_not_run)?;
    let queue = root
        .embedded_queue(EmbeddedOptions {
            directory,
            listen,
            claim_timeout: claim_timeout.duration(),
            client,
        })
        .await
        .map_err(could_not_run)?;
    print(&format!("root URL:    {}", queue.root_url()));
    print(&format!("credentials: {}", credentials.display()));
    // The sender is dropped by the first signal.
    let _ = stopped.await;
    queue.shutdown().await;
    Ok(Exit::Success)
}

/// A claim that lasts no time can't be kept.
fn some_time(text: &str) -> Result<Period, String> {
    let period: Period = text.parse().map_err(|error: NotAPeriod| error.to_string())?;
    if period.duration().is_zero() {
        return Err("must be more than nothing".to_owned());
    }
    Ok(period)
}
