// SPDX-License-Identifier: Apache-2.0
//! Dispositions and masks around a load. One test, as both belong to the process: the library's first load counts.

mod support;

use std::fs;
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};

use memctl_shim::Plugin;
use support::*;

extern "C" fn own_handler(_: i32) {}

fn action_of(signal: i32) -> libc::sigaction {
    let mut action = MaybeUninit::zeroed();
    // SAFETY: a null new action only reads into the old one, for which all zeros are valid.
    unsafe {
        assert_eq!(
            libc::sigaction(signal, null(), action.as_mut_ptr()),
            0,
            "signal {signal}"
        );
        action.assume_init()
    }
}

fn set_handler(signal: i32, handler: usize, flags: i32) {
    // SAFETY: all zeros are a valid sigaction; the handler is SIG_IGN, SIG_DFL or a function that does nothing.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(signal, &action, null_mut()), 0);
    }
}

fn block(signal: i32) {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the set is initialised by the first call.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        assert_eq!(
            libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), null_mut()),
            0
        );
    }
}

fn catchable() -> impl Iterator<Item = i32> {
    (1..=31)
        .chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
        .filter(|signal| ![libc::SIGKILL, libc::SIGSTOP].contains(signal))
}

/// A mask of a thread's status file.
fn mask_of(task: &str, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/self/task/{task}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap()
}

/// The mask of a thread that has begun to run: until then, the C library has everything blocked in it.
fn started_mask_of(task: &str) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let mask = mask_of(task, "SigBlk");
        if mask & bit(libc::SIGSEGV) == 0 {
            return mask;
        }
        assert!(Instant::now() < deadline, "the runtime's thread does not start");
        std::thread::yield_now();
    }
}

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

fn tasks() -> Vec<String> {
    let entries = fs::read_dir("/proc/self/task").unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn loading_keeps_every_signal_but_the_runtimes_and_its_thread_takes_none() {
    let path = plugin_path();
    let own = own_handler as *const () as usize;
    set_handler(libc::SIGTERM, own, libc::SA_RESTART);
    set_handler(libc::SIGRTMIN() + 1, own, 0);
    set_handler(libc::SIGPIPE, libc::SIG_DFL, 0);
    set_handler(libc::SIGCHLD, libc::SIG_IGN, 0);
    block(libc::SIGUSR2);
    block(libc::SIGRTMIN());
    let before: Vec<_> = catchable().map(|signal| (signal, action_of(signal))).collect();
    // SAFETY: no arguments.
    let this_thread = unsafe { libc::gettid() }.to_string();
    let mask = mask_of(&this_thread, "SigBlk");
    assert_ne!(mask & bit(libc::SIGUSR2), 0);
    let tasks_before = tasks();

    let plugin = Plugin::load(&path).unwrap();
    let guest = Guest::new(&plugin, Mapping::private(16));
    let channel = guest.connect(1)[0];
    assert_eq!(guest.on_pages(channel, MLOCK, 4, 4), (0, 0));
    guest.device.counters().unwrap();

    let added: Vec<_> = tasks()
        .into_iter()
        .filter(|task| !tasks_before.contains(task))
        .collect();
    assert_eq!(added.len(), 1, "the finaliser");

    for (signal, before) in before {
        let now = action_of(signal);
        match signal {
            libc::SIGSEGV | libc::SIGBUS | libc::SIGFPE => {
                assert!(
                    now.sa_sigaction != before.sa_sigaction,
                    "signal {signal} has a handler in front"
                );
            }
            // Nothing had taken it, and the runtime sends it: its default action would end the process.
            _ if signal == libc::SIGRTMIN() => assert_eq!(now.sa_sigaction, libc::SIG_IGN),
            _ => {
                assert_eq!(now.sa_sigaction, before.sa_sigaction, "signal {signal}");
                assert_eq!(now.sa_flags, before.sa_flags, "signal {signal}");
            }
        }
    }
    assert_eq!(mask_of(&this_thread, "SigBlk"), mask);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: no arguments.
            let vcpu = unsafe { libc::gettid() }.to_string();
            let inherited = mask_of(&vcpu, "SigBlk");
            assert_ne!(inherited & bit(libc::SIGRTMIN()), 0);
            assert_eq!(guest.call(channel, INFO, 0, 0, 0).ret_errno, 0);
            assert_eq!(mask_of(&vcpu, "SigBlk"), inherited, "after a thread's first call");
        });
    });

    let blocked = started_mask_of(&added[0]);
    // SIGRTMIN is not among them: the runtime unblocks it in every thread of its own.
    for signal in [
        libc::SIGTERM,
        libc::SIGINT,
        libc::SIGALRM,
        libc::SIGUSR2,
        libc::SIGRTMIN() + 1,
    ] {
        assert_ne!(
            blocked & bit(signal),
            0,
            "signal {signal} on the runtime's thread"
        );
    }
    assert_eq!(blocked & bit(libc::SIGSEGV), 0);
}
