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

/// `PIDFD_SELF` of process_madvise(), as a 32-bit argument. The libc crate has no name for it.
const PIDFD_SELF: u64 = (-10_000_i32) as u32 as u64;

/// What the device and its runtime may call on a thread that calls the device, complete; `tests/sandbox.rs` runs under
/// nothing else. Three groups: what requests ask for; a thread's first and last moments with the runtime; and a garbage
/// collection, which runs on the thread whose allocation starts it. Neither requests nor the log records of a guest
/// allocate, but transport commands do, so even a vCPU's thread may come to collect.
///
/// openat() is for /proc/meminfo, read-only; the runtime goes on if it is refused by path (Landlock), not if it is trapped.
pub const REQUIRED_SYSCALLS: &[Syscall] = &[
    any(
        "madvise",
        libc::SYS_madvise,
        "DONTNEED, REMOVE, FREE, PAGEOUT, UNMERGEABLE, DONTDUMP",
    ),
    Syscall {
        name: "process_madvise",
        number: libc::SYS_process_madvise,
        first_argument: Some(PIDFD_SELF),
        why: "the same on several ranges at once, of this process only; asked for when a device is made",
    },
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
        "MPROTECT_NONE, _R, _W, _RW; growth of the managed heap",
    ),
    Syscall {
        name: "prctl",
        number: libc::SYS_prctl,
        first_argument: Some(PR_SET_VMA),
        why: "SET_VMA_ANON_NAME",
    },
    any(
        "futex",
        libc::SYS_futex,
        "requests that change attributes wait for one another",
    ),
    any(
        "sched_yield",
        libc::SYS_sched_yield,
        "a short wait before the long one",
    ),
    any(
        "clock_nanosleep",
        libc::SYS_clock_nanosleep,
        "the same under load, between tries",
    ),
    any(
        "clock_gettime",
        libc::SYS_clock_gettime,
        "the time, where the kernel's clock source keeps it out of the vDSO",
    ),
    any("gettid", libc::SYS_gettid, "first call of a thread"),
    any(
        "sched_getaffinity",
        libc::SYS_sched_getaffinity,
        "first call of a thread: where its stack is",
    ),
    any(
        "rt_sigprocmask",
        libc::SYS_rt_sigprocmask,
        "first call of a thread, whose mask is kept",
    ),
    any("mmap", libc::SYS_mmap, "memory of the runtime and of malloc"),
    any("munmap", libc::SYS_munmap, "memory of the runtime and of malloc"),
    any(
        "membarrier",
        libc::SYS_membarrier,
        "collection: stops threads that run managed code",
    ),
    any("getpid", libc::SYS_getpid, "collection: the same, by SIGRTMIN"),
    any("tgkill", libc::SYS_tgkill, "collection: the same, by SIGRTMIN"),
    any("sysinfo", libc::SYS_sysinfo, "collection: free memory"),
    any(
        "prlimit64",
        libc::SYS_prlimit64,
        "collection: the limit of address space",
    ),
    any("openat", libc::SYS_openat, "collection: /proc/meminfo"),
    any("newfstatat", libc::SYS_newfstatat, "collection: /proc/meminfo"),
    any(
        "fstat",
        libc::SYS_fstat,
        "collection: the same with a newer C library",
    ),
    any("read", libc::SYS_read, "collection: /proc/meminfo"),
    any("close", libc::SYS_close, "collection: /proc/meminfo"),
];
