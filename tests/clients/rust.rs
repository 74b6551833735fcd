//! The checks in Rust, by the crates `taskcluster`, `taskcluster-upload` and `taskcluster-download`.
//!
//! The crate `taskcluster` signs a path without its query, so that a signed call with a query is refused. Lists are read
//! through addresses that it signs, which are right. The crate `taskcluster-download` looks for an object artifact's credentials
//! under names that no service gives them. One check for each of the two looks whether the fault is still there.

mod artifacts;
mod credentials;
mod kit;
mod services;
mod tasks;
mod workers;

use std::{future::Future, pin::Pin};

use crate::{
    deployment::Deployment,
    report::{Outcome, Report},
};
use kit::{Kit, Skip};

/// What a check does, to its end.
type Running<'a> = Pin<Box<dyn Future<Output = anyhow::Result<()>> + 'a>>;

/// A check: its name is a claim.
struct Check {
    name: &'static str,
    run: for<'a> fn(&'a Kit<'a>) -> Running<'a>,
}

macro_rules! checks {
    ($($module:ident::$name:ident),* $(,)?) => {
        [$(Check { name: stringify!($name), run: |kit| Box::pin($module::$name(kit)) }),*]
    };
}

/// Runs all checks, one after the other.
pub(crate) async fn run(deployment: &Deployment, report: &mut Report) {
    let checks = checks![
        tasks::task_is_created_claimed_and_completed,
        tasks::claim_is_renewed_with_new_credentials,
        tasks::canceled_task_can_neither_be_reclaimed_nor_resolved,
        tasks::task_that_is_rerun_has_a_second_run,
        tasks::dependent_waits_for_what_it_depends_on,
        tasks::group_is_listed_page_by_page,
        artifacts::s3_artifact_is_fetched_as_it_was_put,
        artifacts::object_artifact_is_fetched_as_it_was_put,
        artifacts::object_artifact_is_not_found_by_its_name_for_the_crate_misspells_credentials,
        artifacts::object_is_downloaded_as_it_was_uploaded,
        artifacts::error_artifact_tells_its_reason,
        artifacts::artifacts_are_listed_page_by_page,
        artifacts::signed_address_opens_a_private_artifact,
        services::secret_is_set_listed_got_and_removed,
        services::task_of_the_highest_rank_is_found,
        services::artifact_is_found_by_the_task_s_place_in_the_index,
        services::request_to_purge_is_there_for_workers,
        credentials::scopes_are_those_of_the_credentials,
        credentials::temporary_credentials_may_do_what_they_were_made_for,
        credentials::authorized_scopes_narrow_what_a_client_may_do,
        credentials::unknown_task_is_not_found,
        credentials::another_task_of_the_same_id_is_a_conflict,
        credentials::signed_call_with_a_query_is_refused_for_the_crate_leaves_the_query_out,
        workers::worker_registers_and_registers_again,
        workers::error_that_a_worker_reports_is_listed,
        workers::quarantined_worker_is_listed_as_such,
    ];
    let kit = Kit::new(deployment);
    for check in checks {
        let outcome = match (check.run)(&kit).await {
            Ok(()) => Outcome::Passed,
            Err(error) => match error.downcast_ref::<Skip>() {
                Some(Skip(reason)) => Outcome::Skipped((*reason).to_owned()),
                None => {
                    report.add("rust", check.name, Outcome::Failed);
                    report.say(&format!("# {error:#}"));
                    continue;
                }
            },
        };
        report.add("rust", check.name, outcome);
    }
}
