// SPDX-License-Identifier: Apache-2.0
//! Each test runs in a process of its own, made by fork(), as handlers belong to a process and some tests end it. Such a
//! child makes only calls that are allowed between fork() and exec() in a process with threads.

use std::mem::MaybeUninit;
use std::ptr::{self, null_mut};
use std::sync::atomic::{AtomicI32, Ordering};

use super::*;

const PAGE: usize = 4096;

/// Runs `child` in a child process and returns its wait status.
fn status_of(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child runs `child` and ends without running anything of the parent's.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "{}", io::Error::last_os_error());
    if pid == 0 {
        let code = child();
        // SAFETY: ends the child.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: `status` is writable.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    status
}

fn assert_exits_with(expected: i32, child: impl FnOnce() -> i32) {
    let status = status_of(child);
    assert!(
        libc::WIFEXITED(status),
        "ended by signal {}",
        libc::WTERMSIG(status)
    );
    assert_eq!(libc::WEXITSTATUS(status), expected);
}

fn assert_killed_by(signal: i32, child: impl FnOnce() -> i32) {
    let status = status_of(child);
    assert!(
        libc::WIFSIGNALED(status),
        "exited with {}",
        libc::WEXITSTATUS(status)
    );
    assert_eq!(libc::WTERMSIG(status), signal);
}

/// Two pages: the first with `protection`, the second PROT_NONE.
fn pages(protection: i32) -> *mut u8 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh mapping, and a change of its own first page.
    unsafe {
        let start = libc::mmap(null_mut(), 2 * PAGE, libc::PROT_NONE, flags, -1, 0);
        assert_ne!(start, libc::MAP_FAILED);
        assert_eq!(libc::mprotect(start, PAGE, protection), 0);
        start.cast()
    }
}

fn copy_bytes(destination: *mut u8, source: *const u8, length: usize) -> i32 {
    // SAFETY: every test gives its own live memory, or such as the kernel refuses to touch.
    unsafe { copy(null_mut(), destination.cast(), source.cast(), length) }
}

/// Touches an inaccessible page: a fault outside the routine.
fn fault_elsewhere(inaccessible: *mut u8) {
    // SAFETY: none: the fault is what the test is after. It is a mapping of the test's own.
    unsafe { ptr::write_volatile(inaccessible, 1) };
}

#[test]
fn every_length_is_copied_and_nothing_beside_it() {
    let source: Vec<u8> = (1..=64).collect();
    for length in 0..=40 {
        let mut destination = [0u8; 64];
        assert_eq!(
            copy_bytes(destination[3..].as_mut_ptr(), source[5..].as_ptr(), length),
            0
        );
        assert_eq!(destination[3..3 + length], source[5..5 + length]);
        assert!(destination[..3]
            .iter()
            .chain(&destination[3 + length..])
            .all(|byte| *byte == 0));
    }
}

#[test]
fn a_inaccessible_page_is_efault_in_both_directions_and_again() {
    assert_exits_with(0, || {
        let memory = pages(libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: within the two pages.
        let inaccessible = unsafe { memory.add(PAGE) };
        let mut own = [0u8; 32];
        install().unwrap();
        for _ in 0..3 {
            if copy_bytes(own.as_mut_ptr(), inaccessible, 32) != libc::EFAULT
                || copy_bytes(inaccessible, own.as_ptr(), 32) != libc::EFAULT
                || copy_bytes(memory, own.as_ptr(), 32) != 0
            {
                return 1;
            }
        }
        0
    });
}

#[test]
fn a_copy_into_a_inaccessible_page_does_what_comes_before_it() {
    assert_exits_with(0, || {
        let memory = pages(libc::PROT_READ | libc::PROT_WRITE);
        install().unwrap();
        // SAFETY: the last 13 bytes of the open page.
        let last = unsafe { memory.add(PAGE - 13) };
        let outcome = copy_bytes(last, [7u8; 32].as_ptr(), 32);
        // SAFETY: as above; whole words were copied, so 8 of the 13.
        let copied = unsafe { std::slice::from_raw_parts(last, 13) };
        i32::from(outcome != libc::EFAULT || copied != [7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 0, 0, 0])
    });
}

#[test]
fn a_truncated_file_is_efault() {
    assert_exits_with(0, || {
        // SAFETY: a file and a mapping of the test's own.
        let memory = unsafe {
            let file = libc::memfd_create(c"guest".as_ptr(), 0);
            assert_eq!(libc::ftruncate(file, PAGE as i64), 0);
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let memory = libc::mmap(null_mut(), PAGE, protection, libc::MAP_SHARED, file, 0);
            assert_eq!(libc::ftruncate(file, 0), 0);
            memory.cast::<u8>()
        };
        let mut own = [0u8; 32];
        install().unwrap();
        let outcomes = (
            copy_bytes(own.as_mut_ptr(), memory, 32),
            copy_bytes(memory, own.as_ptr(), 32),
        );
        i32::from(outcomes != (libc::EFAULT, libc::EFAULT))
    });
}

#[test]
fn a_fault_elsewhere_ends_the_process_where_no_handler_was() {
    for before in [libc::SIG_DFL, libc::SIG_IGN] {
        assert_killed_by(libc::SIGSEGV, || {
            set_handler(libc::SIGSEGV, before, 0);
            install().unwrap();
            fault_elsewhere(pages(libc::PROT_NONE));
            0
        });
    }
}

#[test]
fn a_sent_signal_is_ignored_where_it_was_and_deadly_where_it_was() {
    let raise_after = |before| {
        move || {
            set_handler(libc::SIGBUS, before, 0);
            install().unwrap();
            // SAFETY: sends a signal to this process.
            unsafe { libc::raise(libc::SIGBUS) };
            5
        }
    };
    assert_exits_with(5, raise_after(libc::SIG_IGN));
    assert_killed_by(libc::SIGBUS, raise_after(libc::SIG_DFL));
}

static SEEN: AtomicI32 = AtomicI32::new(0);
static OPENED: AtomicI32 = AtomicI32::new(0);

/// Opens the page that the fault was about, as a pager would, and lets the instruction run again.
unsafe extern "C" fn informed(signal: i32, info: *mut libc::siginfo_t, _context: *mut c_void) {
    SEEN.store(signal, Ordering::Relaxed);
    OPENED.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the kernel's siginfo of a fault has its address, which is in a page of the test's own.
    unsafe {
        let page = (*info).si_addr() as usize & !(PAGE - 1);
        libc::mprotect(page as *mut c_void, PAGE, libc::PROT_READ | libc::PROT_WRITE);
    }
}

unsafe extern "C" fn plain(signal: i32) {
    // SAFETY: ends the process, telling which signal came.
    unsafe { libc::_exit(signal) };
}

fn set_handler(signal: i32, handler: usize, flags: i32) {
    // SAFETY: all zeros are a valid sigaction; the handlers of this file are of the types that their flags say.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(signal, &action, null_mut()), 0);
    }
}

#[test]
fn a_fault_elsewhere_reaches_the_handler_that_was_there_and_one_in_the_routine_does_not() {
    assert_exits_with(0, || {
        set_handler(libc::SIGSEGV, informed as *const () as usize, libc::SA_SIGINFO);
        install().unwrap();
        let memory = pages(libc::PROT_NONE);
        let mut own = [0u8; 32];
        if copy_bytes(own.as_mut_ptr(), memory, 32) != libc::EFAULT || OPENED.load(Ordering::Relaxed) != 0 {
            return 1;
        }
        fault_elsewhere(memory);
        i32::from(SEEN.load(Ordering::Relaxed) != libc::SIGSEGV || OPENED.load(Ordering::Relaxed) != 1)
    });
}

#[test]
fn a_fault_elsewhere_reaches_a_handler_without_siginfo() {
    assert_exits_with(libc::SIGSEGV, || {
        set_handler(libc::SIGSEGV, plain as *const () as usize, 0);
        install().unwrap();
        fault_elsewhere(pages(libc::PROT_NONE));
        0
    });
}

#[test]
fn a_handler_for_one_fault_is_gone_after_it() {
    assert_killed_by(libc::SIGSEGV, || {
        let flags = libc::SA_SIGINFO | libc::SA_RESETHAND;
        set_handler(libc::SIGSEGV, informed as *const () as usize, flags);
        install().unwrap();
        fault_elsewhere(pages(libc::PROT_NONE));
        fault_elsewhere(pages(libc::PROT_NONE));
        0
    });
}

#[test]
fn a_handler_installed_later_keeps_the_tolerance_if_it_hands_on() {
    static LATER_BEHIND: OnceLock<libc::sigaction> = OnceLock::new();

    unsafe extern "C" fn later(signal: i32, info: *mut libc::siginfo_t, context: *mut c_void) {
        SEEN.fetch_add(1, Ordering::Relaxed);
        if let Some(behind) = LATER_BEHIND.get() {
            // SAFETY: this handler's own arguments, handed on.
            unsafe { hand_on(behind, false, signal, info, context) };
        }
    }

    assert_exits_with(0, || {
        install().unwrap();
        let _ = LATER_BEHIND.set(action_of(libc::SIGSEGV).unwrap());
        set_handler(libc::SIGSEGV, later as *const () as usize, libc::SA_SIGINFO);
        let mut own = [0u8; 32];
        let outcome = copy_bytes(own.as_mut_ptr(), pages(libc::PROT_NONE), 32);
        i32::from(outcome != libc::EFAULT || SEEN.load(Ordering::Relaxed) != 1)
    });
}

/// Delivers `signal` with this code to this thread, while it is in the copy routine: the handler is called as the kernel would,
/// with the routine's first instruction as the interrupted one. Returns where the thread would go on.
fn deliver_in_the_routine(signal: i32, code: i32) -> usize {
    let routine = copy as *const () as usize;
    // SAFETY: all zeros are valid for both; the handler reads the code and changes the instruction's address only.
    unsafe {
        let mut info: libc::siginfo_t = MaybeUninit::zeroed().assume_init();
        let mut context: libc::ucontext_t = MaybeUninit::zeroed().assume_init();
        info.si_signo = signal;
        info.si_code = code;
        context.uc_mcontext.gregs[libc::REG_RIP as usize] = routine as i64;
        on_fault(signal, &mut info, (&raw mut context).cast());
        context.uc_mcontext.gregs[libc::REG_RIP as usize] as usize - routine
    }
}

unsafe extern "C" fn noted(signal: i32) {
    SEEN.store(signal, Ordering::Relaxed);
}

#[test]
fn word_of_broken_memory_reaches_the_handler_that_was_there() {
    assert_exits_with(0, || {
        set_handler(libc::SIGBUS, noted as *const () as usize, 0);
        install().unwrap();
        // What the routine itself ran into is its own, and ends it.
        let own = deliver_in_the_routine(libc::SIGBUS, libc::BUS_MCEERR_AR);
        if own == 0 || SEEN.load(Ordering::Relaxed) != 0 {
            return 1;
        }
        let asynchronous = deliver_in_the_routine(libc::SIGBUS, libc::BUS_MCEERR_AO);
        i32::from(asynchronous != 0 || SEEN.load(Ordering::Relaxed) != libc::SIGBUS)
    });
}
