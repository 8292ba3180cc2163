//! Who goes first when the processors do not suffice: the mixing threads. Signalling that waits is
//! repeated; a tick that waits is heard.

use rustix::process::setpriority_process;

/// The niceness of mixing threads, where the system allows it: to root, with `CAP_SYS_NICE`, or
/// within `RLIMIT_NICE`. It is that of sound servers on desktops.
const MIXING: i32 = -11;

/// Prefers the calling thread to those of signalling and of other programs, where that is allowed.
pub(super) fn prefer() {
    // On Linux a niceness is a thread's own, and no process number means the calling thread.
    match setpriority_process(None, MIXING) {
        Ok(()) => tracing::debug!(niceness = MIXING, "mixing thread preferred"),
        Err(error) => tracing::debug!(%error, "mixing thread not preferred to other programs"),
    }
}

/// The niceness of the threads that decode and encode pictures: that of signalling, so that both wait for sound.
const PICTURES: i32 = 5;

/// Lets the calling thread wait for those that mix.
pub(super) fn defer() {
    // Being nicer is always allowed, unless it is so already.
    if let Err(error) = setpriority_process(None, PICTURES) {
        tracing::debug!(%error, "picture thread not deferred");
    }
}
