// SPDX-License-Identifier: Apache-2.0
//! The published list of system calls is enough: a thread that may make no other calls the device, and collects garbage.

mod support;

use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use memctl_shim::sandbox::REQUIRED_SYSCALLS;
use memctl_shim::ErrorKind;
use support::*;

/// What a thread made by Rust needs to allocate and to end, whatever it runs.
const OF_ANY_THREAD: [i64; 6] = [
    libc::SYS_brk,
    libc::SYS_exit,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_madvise,
    libc::SYS_munmap,
];

const PATIENCE: Duration = Duration::from_secs(60);
/// Exceptions for each round of requests. A collection takes megabytes of them, more where the processor's cache is large.
const GARBAGE: usize = 64;

static TRAPPED: AtomicI64 = AtomicI64::new(-1);

/// Notes the first call that the filter refused; the call then fails with a number that is no errno.
unsafe extern "C" fn trapped(_: i32, _: *mut libc::siginfo_t, context: *mut std::ffi::c_void) {
    // SAFETY: the kernel passes a ucontext_t; on SIGSYS, rax has the call's number.
    let number = unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_RAX as usize] };
    let _ = TRAPPED.compare_exchange(-1, number, Ordering::Relaxed, Ordering::Relaxed);
}

/// Puts this thread under a filter that traps every call that is not in the list.
fn confine(allowed: &[i64]) {
    const LOAD_NUMBER: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };

    let mut program = vec![step(LOAD_NUMBER, 0, 0, 0)];
    for number in allowed {
        program.push(step(IF_EQUAL, 0, 1, *number as u32));
        program.push(step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    }
    program.push(step(RETURN, 0, 0, libc::SECCOMP_RET_TRAP));
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program lives through the call, which copies it; both calls concern this thread alone.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program),
            0
        );
    }
}

#[test]
fn a_thread_with_no_other_system_calls_runs_every_function_and_collects() {
    let plugin = plugin();
    // SAFETY: all zeros are a valid sigaction; the handler only stores a number.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = trapped as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        assert_eq!(libc::sigaction(libc::SIGSYS, &action, null_mut()), 0);
    }
    let guest = Guest::new(&plugin, Mapping::private(64));
    let channels = guest.connect_at(&[0, PAGE]);
    let allowed: Vec<_> = REQUIRED_SYSCALLS
        .iter()
        .map(|syscall| syscall.number)
        .chain(OF_ANY_THREAD)
        .collect();

    let requests = |channel, page| {
        for function in INFO..=SET_VMA_ANON_NAME + 1 {
            guest.on_pages(channel, function, page, 4);
            guest.on_pages(channel, MPROTECT_RW, page, 4);
        }
    };
    let collections = || guest.counter("managed_collections");
    std::thread::scope(|scope| {
        // Two threads, so that one waits for the other and is stopped in managed code.
        let confined = [(channels[0], 8), (channels[1], 16)].map(|(channel, page)| {
            let (allowed, device) = (&allowed, &guest.device);
            scope.spawn(move || {
                confine(allowed);
                let enough = collections() + 5;
                while collections() < enough {
                    requests(channel, page);
                    // Requests allocate nothing. This throws, and a vCPU's thread calls it.
                    for _ in 0..GARBAGE {
                        let refused = device.resolve_fault(None).unwrap_err();
                        assert_eq!(refused.kind(), ErrorKind::Denied);
                    }
                }
            })
        });
        let deadline = Instant::now() + PATIENCE;
        while confined.iter().any(|thread| !thread.is_finished()) {
            let trapped = TRAPPED.load(Ordering::Relaxed);
            if trapped != -1 || Instant::now() > deadline {
                // The runtime may spin on a call that keeps failing, and a scope cannot be left before its threads.
                eprintln!("the list lacks system call {trapped} (-1: none, and a thread hangs)");
                std::process::abort();
            }
            std::thread::yield_now();
        }
        for thread in confined {
            thread.join().unwrap();
        }
    });

    std::thread::scope(|scope| {
        scope.spawn(|| {
            confine(&allowed);
            // SAFETY: no arguments.
            unsafe { libc::getppid() };
        });
    });
    assert_eq!(
        TRAPPED.load(Ordering::Relaxed),
        libc::SYS_getppid,
        "the filter bites"
    );
}
