//! Hostile plugins and files, one test for each attack of a list: see `docs/attacks.md`, which is made from the rows here.
//!
//! Each test lays a siege ([`harness::Siege`]): a worker with a hostile plugin and well-behaved ones beside it. It shows that
//! the attack ends in the error of its defence, that a task with the well-behaved plugins alone completes meanwhile, that the
//! worker's memory does not grow over repetitions, and that no descriptor and no process is left.

mod assault;
mod files;
mod harness;
mod hostile;
mod measure;
mod soak;
mod table;

mod confinement;
mod directory;
mod failure;
mod knobs;
mod load_time;
mod memory;
mod output;
mod paths;
mod service;
mod time;
mod trust;

use self::table::Attack;

/// Every row, by number.
fn all() -> Vec<Attack> {
    let mut all: Vec<Attack> = [
        load_time::ATTACKS,
        directory::ATTACKS,
        paths::ATTACKS,
        confinement::ATTACKS,
        output::ATTACKS,
        service::ATTACKS,
        trust::ATTACKS,
        time::ATTACKS,
        memory::ATTACKS,
        failure::ATTACKS,
        knobs::ATTACKS,
    ]
    .concat();
    // A stable sort: rows of one number stay in their order; what has no number comes last.
    all.sort_by_key(|row| row.number.wrapping_sub(1));
    all
}
