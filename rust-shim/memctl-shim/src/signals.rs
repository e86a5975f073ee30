// SPDX-License-Identifier: Apache-2.0
//! Who owns which signal once a .NET runtime lives in the process.
//!
//! Starting, the runtime takes SIGSEGV and SIGFPE (null references and divisions by zero in C# become exceptions; what
//! is not its own it passes to the handler before it), takes SIGRTMIN to stop threads for a garbage
//! collection, and ignores SIGPIPE. It starts one thread, the finaliser.
//!
//! Here that becomes:
//!
//! * SIGSEGV and SIGFPE stay with the runtime, which chains to the handler before it. [`crate::guest_copy`] installs its own
//!   for SIGSEGV and SIGBUS before the runtime's and chains likewise.
//! * Everything else is restored, SIGPIPE too: the effect of a write to a broken pipe is the VMM's decision.
//! * **SIGRTMIN is the VMM's**, its vCPU kick. The runtime's handler must not stay: it can run on a thread inside malloc
//!   and deadlock (dotnet/runtime#121345). Without it a collection waits until threads leave managed code, which
//!   takes one request at most, since a vCPU waits for the guest in native code. The runtime still sends the
//!   signal to a thread in managed code, so where nothing had taken it, it is ignored until the VMM does:
//!   its default action would end the process. A VMM's handler sees such a signal as one more kick.
//! * The runtime unblocks SIGRTMIN in every thread at the thread's first call. The library's `attach_thread()` undoes that
//!   and raises a kick anew that was taken meanwhile, as a VMM may rely on it staying pending until KVM_RUN. The shim
//!   makes it every thread's first call.
//! * The runtime's own thread has every signal blocked but faults and SIGRTMIN, so that what is sent to the process as a
//!   whole runs no handler of the VMM's there.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// Faults of the running instruction: blocking them would end a thread that the runtime could have served.
const FAULTS: [i32; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// What the runtime keeps after loading.
const KEPT_BY_RUNTIME: [i32; 2] = [libc::SIGSEGV, libc::SIGFPE];

/// The dispositions of all signals and the calling thread's mask, as they were before loading.
pub(crate) struct Saved {
    actions: Vec<(i32, libc::sigaction)>,
    mask: libc::sigset_t,
}

impl Saved {
    /// Reads the state, and blocks all signals but faults in this thread, whose mask new threads inherit.
    pub(crate) fn before_load() -> io::Result<Self> {
        let mut actions = Vec::new();
        for signal in all_signals() {
            actions.push((signal, action_of(signal)?));
        }
        Ok(Saved {
            actions,
            mask: set_mask(&all_but_faults())?,
        })
    }

    /// Restores what the module's text says the VMM keeps.
    pub(crate) fn after_load(self) -> io::Result<()> {
        for (signal, before) in &self.actions {
            if KEPT_BY_RUNTIME.contains(signal) {
                continue;
            }
            let mut wanted = *before;
            if *signal == libc::SIGRTMIN() && wanted.sa_sigaction == libc::SIG_DFL {
                wanted.sa_sigaction = libc::SIG_IGN;
            }
            let now = action_of(*signal)?;
            if now.sa_sigaction != wanted.sa_sigaction || now.sa_flags != wanted.sa_flags {
                set_action(*signal, &wanted)?;
            }
        }
        set_mask(&self.mask)?;
        Ok(())
    }
}

/// Every signal whose action a program can set: the C library keeps those between the standard and the real-time
/// ones for itself, and two cannot be caught.
fn all_signals() -> impl Iterator<Item = i32> {
    (1..=31)
        .chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
        .filter(|signal| ![libc::SIGKILL, libc::SIGSTOP].contains(signal))
}

fn all_but_faults() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigfillset() initialises the set that it is given; sigdelset() then changes an initialised one.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        for signal in FAULTS {
            libc::sigdelset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

/// Sets the calling thread's mask and returns the one before.
fn set_mask(mask: &libc::sigset_t) -> io::Result<libc::sigset_t> {
    let mut before = MaybeUninit::uninit();
    // SAFETY: both point to sets that live through the call; `before` is initialised when it returns 0.
    match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, mask, before.as_mut_ptr()) } {
        // SAFETY: as above.
        0 => Ok(unsafe { before.assume_init() }),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// A signal's disposition.
pub(crate) fn action_of(signal: i32) -> io::Result<libc::sigaction> {
    let mut action = MaybeUninit::zeroed();
    // SAFETY: a null new action only reads; the old one is a writable sigaction.
    if unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: sigaction() succeeded, so it has filled the structure (which all-zero bytes are valid for anyway).
    Ok(unsafe { action.assume_init() })
}

/// Sets a signal's disposition to one that was read by [`action_of`] or is made as carefully.
pub(crate) fn set_action(signal: i32, action: &libc::sigaction) -> io::Result<()> {
    // SAFETY: `action` is readable. That its handler may run at any time is what whoever made it answers for: it was
    // in force before, is SIG_IGN or SIG_DFL, or is `guest_copy`'s, which argues its own.
    if unsafe { libc::sigaction(signal, action, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
