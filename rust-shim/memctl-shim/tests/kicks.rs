// SPDX-License-Identifier: Apache-2.0
//! Kicks: SIGRTMIN on a thread that makes requests, as a VMM sends it to its vCPUs, while the runtime collects garbage on
//! other threads' account. One test, as the disposition is the process's.

mod support;

use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use support::*;

const KICKS: u64 = 100_000;
const PATIENCE: Duration = Duration::from_secs(120);

static TAKEN: AtomicU64 = AtomicU64::new(0);
static STOP: AtomicBool = AtomicBool::new(false);

/// A VMM's handler does no more than interrupt a system call.
extern "C" fn kicked(_: i32) {
    TAKEN.fetch_add(1, Ordering::Relaxed);
}

fn take_the_kick() {
    // SAFETY: all zeros are a valid sigaction, and the handler is async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = kicked as *const () as usize;
        assert_eq!(libc::sigaction(libc::SIGRTMIN(), &action, null_mut()), 0);
    }
}

fn kick(thread: i32) {
    let deadline = Instant::now() + PATIENCE;
    // SAFETY: signals a thread of this process by its id.
    while unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGRTMIN()) } != 0 {
        // The queue of pending signals is full: the thread has not taken them yet.
        let error = std::io::Error::last_os_error();
        assert_eq!(error.raw_os_error(), Some(libc::EAGAIN), "{error}");
        assert!(Instant::now() < deadline, "the thread takes no signals");
        thread::yield_now();
    }
}

/// Makes requests until it is stopped and checks each answer; returns their number.
fn vcpu(guest: &Guest, channel: Channel, first_page: u64) -> u64 {
    let mut requests = 0;
    while !STOP.load(Ordering::Relaxed) {
        for function in [INFO, DONTNEED, MPROTECT_R, MPROTECT_RW, MLOCK, MUNLOCK] {
            guest.put_request(channel, [function, RAM + first_page * PAGE, 4 * PAGE, 0]);
            guest.device.write(0, 8, &channel.command.to_le_bytes());
            let answer = guest.answer(channel);
            assert_eq!((answer.ret_errno, answer.ret_code), (0, 0), "function {function}");
            requests += 1;
        }
    }
    requests
}

#[test]
fn a_hundred_thousand_kicks_lose_no_request_while_the_runtime_collects() {
    let plugin = plugin();
    take_the_kick();
    let guest = Guest::new(&plugin, Mapping::private(64));
    // A page apart, as guests' buffers for each CPU are.
    let channels = guest.connect_at(&[0, PAGE]);
    let collections_before = guest.counter("managed_collections");
    let kicked_thread = AtomicI32::new(0);

    let (requests, other_requests) = thread::scope(|scope| {
        let (ended, end) = mpsc::channel();
        scope.spawn(move || {
            // A hang must fail the test, and a scope cannot be left while a thread of it hangs.
            if end.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("a thread hangs");
                std::process::abort();
            }
        });
        let kicked = scope.spawn(|| {
            // SAFETY: no arguments.
            kicked_thread.store(unsafe { libc::gettid() }, Ordering::Release);
            vcpu(&guest, channels[0], 8)
        });
        let other = scope.spawn(|| vcpu(&guest, channels[1], 16));
        scope.spawn(|| {
            // Allocates, and so collects: what a monitoring VMM does, without its pauses.
            while !STOP.load(Ordering::Relaxed) {
                guest.device.counters().unwrap();
                drop(plugin.create_device("channels=16", None).unwrap());
            }
        });

        let deadline = Instant::now() + PATIENCE;
        while kicked_thread.load(Ordering::Acquire) == 0 {
            thread::yield_now();
        }
        for _ in 0..KICKS {
            kick(kicked_thread.load(Ordering::Relaxed));
        }
        while TAKEN.load(Ordering::Relaxed) < KICKS
            || guest.counter("managed_collections") < collections_before + 3
        {
            assert!(
                Instant::now() < deadline,
                "{} kicks taken",
                TAKEN.load(Ordering::Relaxed)
            );
            thread::yield_now();
        }
        STOP.store(true, Ordering::Relaxed);
        let requests = (kicked.join().unwrap(), other.join().unwrap());
        ended.send(()).unwrap();
        requests
    });

    let collections = guest.counter("managed_collections") - collections_before;
    let taken = TAKEN.load(Ordering::Relaxed);
    eprintln!(
        "{taken} kicks taken, {requests} + {other_requests} requests answered, {collections} collections"
    );
    let answered: u64 = [
        "INFO",
        "DONTNEED",
        "MPROTECT_R",
        "MPROTECT_RW",
        "MLOCK",
        "MUNLOCK",
    ]
    .map(|name| guest.counter(&format!("requests_{name}")))
    .iter()
    .sum();
    assert_eq!(answered, requests + other_requests, "the device counts as many");
    assert!(requests > 0 && other_requests > 0);
}
