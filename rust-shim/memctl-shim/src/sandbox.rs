// SPDX-License-Identifier: Apache-2.0
//! The one list of system calls that a thread needs to call the device. The reference VMM's seccomp filters allow
//! exactly these beside a plain VMM's own, and so does the Cloud Hypervisor patch: both read this list.
//!
//! In Cloud Hypervisor a vCPU's thread is a child of the vmm thread and carries both threads' filters, so each entry must
//! be in both. Loading the plugin needs more than this and happens before any filter.

/// A system call, by name and by its number on this architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syscall {
    /// As libseccomp knows it.
    pub name: &'static str,
    /// As `libc::SYS_*`.
    pub number: i64,
    /// The only value of the first argument (32 bits) that is needed, where one is enough.
    pub first_argument: Option<u64>,
    /// What it is for.
    pub why: &'static str,
}

const fn any(name: &'static str, number: libc::c_long, why: &'static str) -> Syscall {
    Syscall {
        name,
        number,
        first_argument: None,
        why,
    }
}

/// `PR_SET_VMA` of prctl().
const PR_SET_VMA: u64 = 0x5356_4d41;

/// What the device and its runtime may call on a thread that runs requests, complete.
pub const REQUIRED_SYSCALLS: &[Syscall] = &[
    any(
        "madvise",
        libc::SYS_madvise,
        "DONTNEED, REMOVE, FREE, PAGEOUT, UNMERGEABLE, DONTDUMP",
    ),
    any(
        "mlock",
        libc::SYS_mlock,
        "MLOCK: glibc's mlock2() without flags is this call",
    ),
    any(
        "mlock2",
        libc::SYS_mlock2,
        "MLOCK, where the C library makes the call as asked",
    ),
    any("munlock", libc::SYS_munlock, "MUNLOCK"),
    any(
        "mprotect",
        libc::SYS_mprotect,
        "MPROTECT_NONE, _R, _W, _RW; heap growth of the runtime",
    ),
    Syscall {
        name: "prctl",
        number: libc::SYS_prctl,
        first_argument: Some(PR_SET_VMA),
        why: "SET_VMA_ANON_NAME",
    },
];
