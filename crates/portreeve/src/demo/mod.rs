//! `portreeve demo`: the whole road in half a minute.
//!
//! Role: starts a house on a directory of its own, fills the catalogue, makes keys, imports a real file of requests,
//! walks some of them to live, lets a short one expire, and prints the events as they come.
//! Invariants: everything goes through the gateway with keys, as any client does; nothing outside its own temporary
//! directory and two free ports is touched.
//! Failure story: a step that fails ends the demo with its reason; the directory is removed either way.

mod road;
mod stage;

use std::path::PathBuf;

use clap::Args;

use crate::trouble::Trouble;

/// `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Keep the ledger in this new directory instead of removing it.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// Shows the road.
///
/// # Errors
/// The step that failed.
pub async fn run(args: DemoArgs) -> Result<(), Trouble> {
    let stage = stage::Stage::build(args.keep).await?;
    let walked = road::walk(&stage).await;
    stage.strike().await;
    walked
}
