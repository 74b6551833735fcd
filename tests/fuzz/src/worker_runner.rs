//! The target `worker_runner`: a stream of lines, any of which may be a message.

use taskcluster_worker::fuzz;

use crate::{Place, Ready, findings::OrFinding as _};

pub(crate) fn ready(_place: &Place) -> Ready {
    Box::new(|input| {
        let (messages, others) = fuzz::worker_runner(input).or_finding("reading bytes");
        let ends = input.iter().filter(|byte| **byte == b'\n').count();
        assert!(
            (ends..=ends + 1).contains(&(messages + others)),
            "{messages} and {others} of {ends} lines"
        );
        // What the worker logs is no message, whatever it is.
        let said = fuzz::worker_runner_log(&String::from_utf8_lossy(input));
        assert_eq!(fuzz::worker_runner(&*said).or_finding("reading bytes").0, 0);
    })
}
