//! Hears from the kernel that something has changed in a directory, by inotify (Linux).

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd, RawFd},
    path::Path,
};

use nix::{
    errno::Errno,
    sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor},
};
use tokio::io::{Interest, unix::AsyncFd};

/// What may make another file of a name, or the same one fit or unfit to be trusted. Bytes that are written are not heard
/// of: they count once their writer has closed the file.
const CHANGES: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_CLOSE_WRITE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);

/// A watch on one directory.
#[derive(Debug)]
pub(crate) struct Watch {
    inotify: AsyncFd<Fd>,
    watched: Option<WatchDescriptor>,
}

#[derive(Debug)]
struct Fd(Inotify);

impl AsRawFd for Fd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Watch {
    /// A watch on nothing yet. Needs a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let inotify = Fd(Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?);
        #[expect(
            unsafe_code,
            reason = "there is no other way to wait for a descriptor of this kind"
        )]
        // SAFETY: the descriptor is inotify's own, is the same for as long as that lives, and is closed with it.
        let inotify = unsafe { AsyncFd::register_with_interest(inotify, Interest::READABLE) };
        Ok(Self {
            inotify: inotify.map_err(|error| error.into_parts().1)?,
            watched: None,
        })
    }

    /// Watches what is of that name now. To be called again when that may be another directory; it costs nothing if not.
    pub(crate) fn point_at(&mut self, directory: &Path) -> io::Result<()> {
        let inotify = &self.inotify.get_ref().0;
        let watched = inotify.add_watch(directory, CHANGES)?;
        if let Some(former) = self.watched.replace(watched)
            && former != watched
        {
            // It may have gone with its directory.
            let _ = inotify.rm_watch(former);
        }
        Ok(())
    }

    /// Waits for a change. All that have been until then are one.
    ///
    /// # Cancel safety
    /// May be dropped and called again: a change that was not answered yet is answered then.
    pub(crate) async fn changed(&self) -> io::Result<()> {
        loop {
            let mut ready = self.inotify.readable().await?;
            // Whatever the kernel had to leave out is announced by an event of its own.
            match ready.try_io(|fd| drain(&fd.get_ref().0)) {
                Ok(drained) => return drained,
                Err(_would_block) => {}
            }
        }
    }
}

/// Takes all events. An error where there is none.
fn drain(inotify: &Inotify) -> io::Result<()> {
    inotify.read_events()?;
    loop {
        match inotify.read_events() {
            Ok(_) => {}
            Err(Errno::EAGAIN) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn is_changed(watch: &Watch) -> bool {
        drain(&watch.inotify.get_ref().0).is_ok()
    }

    #[tokio::test]
    async fn every_way_to_change_a_file_is_heard_of_once_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let (outside, inside) = (folder.path().join("a"), folder.path().join("plugins/a"));
        fs::create_dir(folder.path().join("plugins")).unwrap();
        let mut watch = Watch::new().unwrap();
        watch.point_at(&folder.path().join("plugins")).unwrap();
        assert!(!is_changed(&watch));
        let changes: [(&str, &dyn Fn()); 4] = [
            ("written", &|| fs::write(&inside, "1").unwrap()),
            ("renamed into place", &|| {
                fs::write(&outside, "2").unwrap();
                fs::rename(&outside, &inside).unwrap();
            }),
            ("opened to others", &|| {
                fs::set_permissions(&inside, fs::Permissions::from_mode(0o666)).unwrap();
            }),
            ("removed", &|| fs::remove_file(&inside).unwrap()),
        ];
        for (what, change) in changes {
            change();
            watch.changed().await.unwrap();
            assert!(!is_changed(&watch), "{what} twice");
        }
    }

    #[tokio::test]
    async fn a_directory_in_place_of_the_former_one_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let plugins = folder.path().join("plugins");
        let mut watch = Watch::new().unwrap();
        assert!(watch.point_at(&plugins).is_err());
        fs::create_dir(&plugins).unwrap();
        watch.point_at(&plugins).unwrap();
        fs::rename(&plugins, folder.path().join("former")).unwrap();
        watch.changed().await.unwrap();
        fs::create_dir(&plugins).unwrap();
        watch.point_at(&plugins).unwrap();
        fs::write(plugins.join("a"), "").unwrap();
        watch.changed().await.unwrap();
        // What happens in the former one is heard of no more.
        fs::write(folder.path().join("former/a"), "").unwrap();
        fs::write(plugins.join("b"), "").unwrap();
        watch.changed().await.unwrap();
        assert!(!is_changed(&watch));
    }
}
