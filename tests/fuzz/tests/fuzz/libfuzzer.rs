//! One target in libFuzzer's hands.

use std::{
    cell::Cell,
    env,
    ffi::{CString, c_char, c_int},
    process::ExitCode,
    ptr, slice,
};

use fuzz_targets::{Findings, Place, Ready, TARGETS};
// Of which nothing is used but what it links: libFuzzer.
use libfuzzer_sys as _;
use plugin_host::CompilerCommand;

thread_local! {
    /// The target. libFuzzer calls it on the thread that it was started on, and exits as it likes: nothing is dropped.
    static TARGET: Cell<Option<&'static Ready>> = const { Cell::new(None) };
}

#[expect(unsafe_code, reason = "libFuzzer is C++")]
unsafe extern "C" {
    /// Reads options, calls the function with inputs, and answers an exit status.
    fn LLVMFuzzerRunDriver(
        count: *mut c_int,
        arguments: *mut *mut *mut c_char,
        take: extern "C" fn(*const u8, usize) -> c_int,
    ) -> c_int;
}

/// Takes one input. A panic has ended the process before it gets here.
#[expect(unsafe_code, reason = "libFuzzer passes a pointer")]
extern "C" fn take(input: *const u8, length: usize) -> c_int {
    let input = if length == 0 {
        &[]
    } else {
        // SAFETY: libFuzzer's input is there, and nobody else's, until this returns.
        unsafe { slice::from_raw_parts(input, length) }
    };
    if let Some(target) = TARGET.get() {
        target(input);
    }
    0
}

/// Runs a target, with libFuzzer's own arguments, the program before them.
pub(crate) fn run(name: &str, arguments: impl Iterator<Item = String>) -> ExitCode {
    let Ok(program) = env::current_exe() else {
        return ExitCode::from(2);
    };
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
        return ExitCode::from(2);
    };
    Findings::end_the_process();
    let place = Place::new(CompilerCommand {
        program,
        args: vec!["__compile".into()],
    });
    let ready = (target.ready)(&place);
    TARGET.set(Some(Box::leak(Box::new(ready))));
    let arguments = arguments.filter_map(|argument| CString::new(argument).ok());
    u8::try_from(drive(arguments.collect())).map_or(ExitCode::FAILURE, ExitCode::from)
}

#[expect(unsafe_code, reason = "libFuzzer is C++")]
fn drive(arguments: Vec<CString>) -> c_int {
    let mut pointers: Vec<*mut c_char> = arguments
        .iter()
        .map(|argument| argument.as_ptr().cast_mut())
        .collect();
    let mut count = c_int::try_from(pointers.len()).unwrap_or_default();
    pointers.push(ptr::null_mut());
    let mut first = pointers.as_mut_ptr();
    // SAFETY: the arguments are as `main` gets them, and outlive the call; libFuzzer writes to none of them.
    unsafe { LLVMFuzzerRunDriver(&mut count, &mut first, take) }
}
