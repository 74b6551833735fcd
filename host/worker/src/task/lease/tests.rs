//! How claims are renewed and reports repeated.

use axum::http::StatusCode;

use super::*;
use crate::task::run::tests::{claim, queue_that_answers, refusing_queue};

fn renewal() -> Renewal {
    Renewal {
        within: watch::channel(Duration::MAX).1,
        failures: Count::default(),
    }
}

async fn lease() -> (Lease, JoinHandle<()>) {
    let key = RunKey {
        task_id: slugid::nice(),
        run_id: 0,
    };
    let (deployment, server) = refusing_queue().await;
    let lease = Lease::begin(&claim(&key), &deployment.queue(), renewal());
    (lease, server)
}

#[tokio::test]
async fn a_run_is_not_reclaimed_after_its_report() {
    let (lease, server) = lease().await;
    assert!(!lease.ended.is_cancelled());
    let reported = lease.report(Resolution::Completed).await;
    // The queue answers that it has the run resolved already.
    assert_eq!(reported, Ok(()));
    assert!(lease.ended.is_cancelled());
    lease.end().await;
    server.abort();
}

#[tokio::test]
async fn a_report_that_nobody_heard_before_the_claim_ended_is_none() {
    let (deployment, server) =
        queue_that_answers(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError").await;
    let key = RunKey {
        task_id: slugid::nice(),
        run_id: 0,
    };
    let mut claim = claim(&key);
    claim.taken_until = Utc::now() + chrono::TimeDelta::milliseconds(300);
    let lease = Lease::begin(&claim, &deployment.queue(), renewal());
    let reported = lease.report(Resolution::Completed).await;
    assert_eq!(reported, Err(NotReported::TooLate));
    lease.end().await;
    server.abort();
}

#[tokio::test]
async fn a_run_whose_claim_expired_is_not_taken_for_one_that_was_resolved() {
    let (deployment, server) =
        queue_that_answers(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError").await;
    let key = RunKey {
        task_id: slugid::nice(),
        run_id: 0,
    };
    for (resolved, reported) in [
        // Perhaps by the report itself, whose answer was lost.
        ("completed", Ok(())),
        ("claim-expired", Err(NotReported::TooLate)),
    ] {
        let lease = Lease::begin(&claim(&key), &deployment.queue(), renewal());
        let mut status = claim(&key).status;
        let run = serde_json::json!({
            "runId": 0, "state": "exception", "reasonCreated": "scheduled", "reasonResolved": resolved,
            "scheduled": wire::timestamp::format(&Utc::now()),
        });
        status.runs = vec![serde_json::from_value(run).unwrap()];
        lease.signal().seen(&status);
        assert_eq!(lease.report(Resolution::Completed).await, reported, "{resolved}");
        lease.end().await;
    }
    server.abort();
}

#[tokio::test]
async fn a_run_whose_owner_broke_is_not_reclaimed_for_ever() {
    let (lease, server) = lease().await;
    let ended = lease.ended.clone();
    drop(lease);
    assert!(ended.is_cancelled());
    server.abort();
}

#[tokio::test]
async fn only_a_run_that_was_resolved_is_lost() {
    let (lease, server) = lease().await;
    let signal = lease.signal();
    let mut status = claim(lease.key()).status;
    for (state, is_held) in [("running", true), ("newState", true), ("exception", false)] {
        let run = serde_json::json!({
            "runId": 0, "state": state, "reasonCreated": "scheduled", "reasonResolved": "canceled",
            "scheduled": wire::timestamp::format(&Utc::now()),
        });
        status.runs = vec![serde_json::from_value(run).unwrap()];
        signal.seen(&status);
        assert_eq!(signal.is_held(), is_held, "{state}");
    }
    assert_eq!(lease.lost().await, AbortReason::Canceled);
    lease.end().await;
    server.abort();
}

#[test]
fn a_queue_that_grants_no_time_is_not_asked_without_a_pause() {
    assert_eq!(renewal_pause(Duration::ZERO, Duration::MAX), SHORTEST_PAUSE);
    assert_eq!(
        renewal_pause(Duration::from_secs(60), Duration::MAX),
        Duration::from_secs(20)
    );
    assert_eq!(
        renewal_pause(Duration::from_secs(60), Duration::from_secs(5)),
        Duration::from_secs(5)
    );
}

#[test]
fn a_run_that_is_lost_stays_lost() {
    let (sender, state) = watch::channel(State::Held(Instant::now()));
    assert!(change(&sender, State::Lost(AbortReason::Canceled)));
    assert!(!change(&sender, State::Held(Instant::now())));
    assert!(!change(&sender, State::Lost(AbortReason::ClaimLost)));
    assert!(matches!(*state.borrow(), State::Lost(AbortReason::Canceled)));
}

#[test]
fn an_outage_of_13_of_a_claim_s_20_minutes_leaves_time_for_a_try() {
    let seconds = Duration::from_secs;
    // The worst that can be: it begins with the first attempt to reclaim, and every attempt hangs until its time is over.
    let (mut left, at_the_end) = (seconds(1200 - 400), seconds(1200 - 400 - 13 * 60));
    for _ in 0..10_000 {
        while left > at_the_end {
            left = left.saturating_sub(time_for_a_try(left).min(seconds(30)) + retry_pause(left));
        }
        assert!(left > seconds(5), "{left:?}");
    }
}

#[test]
fn retries_come_oftener_the_less_is_left() {
    let long = retry_pause(Duration::from_secs(800));
    let short = retry_pause(Duration::from_secs(8));
    assert!(long <= RETRY_PAUSE.1.mul_f64(1.25) && long > short);
    assert!(retry_pause(Duration::ZERO) >= RETRY_PAUSE.0.mul_f64(0.75));
}

#[test]
fn a_report_is_tried_again_soon_whatever_is_left_of_the_claim() {
    let left = Duration::from_secs(1200);
    assert!(report_pause(1, left) < Duration::from_secs(1));
    assert!(report_pause(2, left) < Duration::from_secs(2));
    assert!(report_pause(40, left) >= RETRY_PAUSE.1.mul_f64(0.75));
    assert!(report_pause(40, Duration::from_secs(8)) <= Duration::from_millis(1250));
}
