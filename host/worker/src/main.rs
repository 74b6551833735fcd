//! The binary. What it is made of is in the library of the same name.

fn main() -> std::process::ExitCode {
    taskcluster_worker::main()
}
