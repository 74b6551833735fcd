//! The handles that a script has: those that are lent for a hook, also once they were given back, those that it keeps, and
//! numbers that it makes up.

use plugin_sdk::{
    ResultSet, Sandbox, SandboxBuilder,
    files::{File, Reader},
    lifecycle::Lifecycle,
    results::Folder,
};

use crate::arguments::Arguments;

/// From this byte on a handle is a number that was made up.
const MADE_UP: u8 = 0xf0;

/// See the file.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    pub(crate) builder: Option<u32>,
    pub(crate) sandbox: Option<u32>,
    pub(crate) results: Option<u32>,
    pub(crate) files: Vec<File>,
    pub(crate) readers: Vec<Reader>,
    pub(crate) folders: Vec<Folder>,
    pub(crate) lives: Vec<Lifecycle>,
}

/// A method for each kind of handle that uses one, of those that are there or made up; none where there is none.
macro_rules! uses {
    ($(#[$doc:meta])* $method:ident, $kind:ty, $own:expr) => {
        $(#[$doc])*
        #[expect(unsafe_code, reason = "the bindings let nobody use a handle that is not their own")]
        pub(crate) fn $method<T>(&self, script: &mut Arguments, use_it: impl FnOnce(&$kind) -> T) -> Option<T> {
            let byte = script.byte();
            let own: fn(&Self, u8) -> Option<u32> = $own;
            let handle = match byte {
                MADE_UP.. => u32::from(byte - MADE_UP),
                _ => own(self, byte)?,
            };
            // SAFETY: a handle is a number that the host looks up, whatever it is, and it is not dropped here.
            let thing = std::mem::ManuallyDrop::new(unsafe { <$kind>::from_handle(handle) });
            Some(use_it(&thing))
        }
    };
}

impl Handles {
    uses!(with_builder, SandboxBuilder, |handles, _| handles.builder);
    uses!(with_sandbox, Sandbox, |handles, _| handles.sandbox);
    uses!(with_results, ResultSet, |handles, _| handles.results);
    uses!(with_file, File, |handles, byte| at(&handles.files, byte)
        .map(File::handle));
    uses!(with_reader, Reader, |handles, byte| at(&handles.readers, byte)
        .map(Reader::handle));
    uses!(with_folder, Folder, |handles, byte| at(&handles.folders, byte)
        .map(Folder::handle));
    uses!(with_life, Lifecycle, |handles, byte| at(&handles.lives, byte)
        .map(Lifecycle::handle));

    /// A file that may be given away; one that is made up among them.
    #[expect(
        unsafe_code,
        reason = "the bindings let nobody use a handle that is not their own"
    )]
    pub(crate) fn take_file(&mut self, script: &mut Arguments) -> Option<File> {
        let byte = script.byte();
        if let Some(number) = byte.checked_sub(MADE_UP) {
            // SAFETY: a handle is a number that the host looks up, whatever it is.
            return Some(unsafe { File::from_handle(number.into()) });
        }
        take(&mut self.files, byte)
    }

    /// Gives one back: of those that are kept, or of those that are lent, which the bindings then give back once more.
    #[expect(unsafe_code, reason = "the bindings let nobody give back what was given back")]
    pub(crate) fn drop_one(&mut self, script: &mut Arguments) {
        let (kind, byte) = (script.byte(), script.byte());
        match kind % 8 {
            0 | 1 => drop(take(&mut self.files, byte)),
            2 => drop(take(&mut self.readers, byte)),
            3 => drop(take(&mut self.folders, byte)),
            4 => drop(take(&mut self.lives, byte)),
            5 => {
                // SAFETY: a handle is a number that the host looks up, whatever it is.
                drop(
                    self.builder
                        .map(|handle| unsafe { SandboxBuilder::from_handle(handle) }),
                );
            }
            6 => {
                // SAFETY: as above.
                drop(self.sandbox.map(|handle| unsafe { Sandbox::from_handle(handle) }));
            }
            _ => {
                // SAFETY: as above.
                drop(
                    self.results
                        .map(|handle| unsafe { ResultSet::from_handle(handle) }),
                );
            }
        }
    }
}

fn at<T>(kept: &[T], byte: u8) -> Option<&T> {
    kept.get(usize::from(byte).checked_rem(kept.len())?)
}

fn take<T>(kept: &mut Vec<T>, byte: u8) -> Option<T> {
    let index = usize::from(byte).checked_rem(kept.len())?;
    Some(kept.swap_remove(index))
}
