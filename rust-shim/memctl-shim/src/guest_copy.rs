// SPDX-License-Identifier: Apache-2.0
//! Copies between guest memory and the plugin's own that survive an access fault: on a page that the guest made
//! inaccessible with MPROTECT_NONE, or on one past the end of a truncated file. A guest can cause either for its own
//! request buffer, so a plain copy would let it end the VMM.
//!
//! The copy is one small routine whose instructions have known addresses. The handlers of SIGSEGV and SIGBUS
//! look at the interrupted instruction: inside the routine, they continue it at its error exit, which returns EFAULT;
//! anywhere else, they chain to the handler before them.
//!
//! They are installed after the plugin is loaded, so that they come before the runtime's (a fault in a copy that managed
//! code asked for must not be taken for a null reference). A VMM that installs a handler of its own for
//! SIGSEGV or SIGBUS later owes the same: call the one that was there before for every fault that is not its
//! own. One that does not do so loses the tolerance, and the first such page ends the process.

use std::ffi::c_void;
use std::io;
use std::ptr;
use std::sync::OnceLock;

use crate::signals::{action_of, set_action};

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("memctl-shim: the copy routine and its fault handlers are written for Linux on x86-64");

// Touches no stack and calls nothing, so that the error exit may be reached from each of its instructions: the
// return address is on top of the stack all the way, and what it clobbers a callee may clobber.
std::arch::global_asm!(
    ".pushsection .text.memctl_guest_copy, \"ax\", @progbits",
    ".balign 64", // the first path on one cache line
    ".hidden memctl_guest_copy",
    ".hidden memctl_guest_copy_end",
    ".hidden memctl_guest_copy_failed",
    ".globl memctl_guest_copy",
    ".globl memctl_guest_copy_end",
    ".globl memctl_guest_copy_failed",
    ".type memctl_guest_copy, @function",
    "memctl_guest_copy:", // (rdi: context, rsi: destination, rdx: source, rcx: length) -> eax
    ".cfi_startproc",
    "cmp rcx, 32", // a request buffer: four words at once
    "jne 5f",
    "mov rax, [rdx]",
    "mov rcx, [rdx + 8]",
    "mov r8, [rdx + 16]",
    "mov r9, [rdx + 24]",
    "mov [rsi], rax",
    "mov [rsi + 8], rcx",
    "mov [rsi + 16], r8",
    "mov [rsi + 24], r9",
    "xor eax, eax",
    "ret",
    "5:",
    "sub rcx, 8",
    "jb 2f",
    "1:",
    "mov rax, [rdx]", // a word at a time: a field that another vCPU changes is old or new
    "mov [rsi], rax",
    "add rdx, 8",
    "add rsi, 8",
    "sub rcx, 8",
    "jae 1b",
    "2:",
    "add rcx, 8",
    "jz 4f",
    "3:",
    "mov al, [rdx]",
    "mov [rsi], al",
    "inc rdx",
    "inc rsi",
    "dec rcx",
    "jnz 3b",
    "4:",
    "memctl_guest_copy_end:",
    "xor eax, eax",
    "ret",
    "memctl_guest_copy_failed:",
    "mov eax, {efault}",
    "ret",
    ".cfi_endproc",
    ".size memctl_guest_copy, . - memctl_guest_copy",
    ".popsection",
    efault = const libc::EFAULT,
);

extern "C" {
    /// The ABI's `copy_from_guest` and `copy_to_guest`: 0, or `EFAULT` with a part copied. To be called after
    /// [`install`], which the plugin's loading is.
    ///
    /// # Safety
    /// The side that is not guest memory is valid for `length` bytes. The guest's side is memory of a registered region,
    /// or of one whose mapping the kernel refuses to touch; it does not overlap the other. It is never behind a Rust
    /// reference, as it may change meanwhile.
    #[link_name = "memctl_guest_copy"]
    pub(crate) fn copy(
        context: *mut c_void,
        destination: *mut c_void,
        source: *const c_void,
        length: usize,
    ) -> i32;
    static memctl_guest_copy_end: u8;
    static memctl_guest_copy_failed: u8;
}

/// Copies between guest memory and the VMM's own, for accesses that the VMM makes in the guest's stead.
///
/// # Errors
/// EFAULT, with a part copied: the guest has made the memory inaccessible, or the host has lost it.
///
/// # Safety
/// As [`copy`]; a plugin is loaded.
pub unsafe fn copy_guest_memory(destination: *mut u8, source: *const u8, length: usize) -> io::Result<()> {
    // SAFETY: as the caller promises. The context is not used.
    match unsafe { copy(ptr::null_mut(), destination.cast(), source.cast(), length) } {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// The dispositions of SIGSEGV and SIGBUS before. Written once, before the handler that reads it is installed.
struct Before {
    segv: libc::sigaction,
    bus: libc::sigaction,
}

static BEFORE: OnceLock<Before> = OnceLock::new();

/// Installs the handlers before those in force. Later calls do nothing.
pub(crate) fn install() -> io::Result<()> {
    if BEFORE.get().is_some() {
        return Ok(());
    }
    let (segv, bus) = (action_of(libc::SIGSEGV)?, action_of(libc::SIGBUS)?);
    if BEFORE.set(Before { segv, bus }).is_ok() {
        set_action(libc::SIGSEGV, &in_front_of(&segv))?;
        set_action(libc::SIGBUS, &in_front_of(&bus))?;
    }
    Ok(())
}

/// The mask and flags of the handler behind, so that the kernel prepares for it what it asked for; where there is none,
/// the thread's alternate stack, as a fault may be that of an exhausted one.
fn in_front_of(behind: &libc::sigaction) -> libc::sigaction {
    let mut action = *behind;
    action.sa_flags = match behind.sa_sigaction {
        libc::SIG_DFL | libc::SIG_IGN => libc::SA_ONSTACK,
        _ => behind.sa_flags & !libc::SA_RESETHAND,
    } | libc::SA_SIGINFO;
    action.sa_sigaction = on_fault as *const () as usize;
    action
}

/// The handler. Allocates nothing, locks nothing, and on its own account calls only what may be called in a handler.
unsafe extern "C" fn on_fault(signal: i32, info: *mut libc::siginfo_t, context: *mut c_void) {
    let routine = copy as *const () as usize..&raw const memctl_guest_copy_end as usize;
    // SAFETY: with SA_SIGINFO the kernel passes a siginfo_t and a ucontext_t that are this handler's to read and
    // change until it returns.
    let (sent, instruction) = unsafe {
        let context = &mut *context.cast::<libc::ucontext_t>();
        let code = (*info).si_code;
        (
            code <= 0 || (signal == libc::SIGBUS && code == libc::BUS_MCEERR_AO),
            &mut context.uc_mcontext.gregs[libc::REG_RIP as usize],
        )
    };
    // A signal that was sent, rather than caused, may meet the routine by chance: that is no fault of its. So may word of
    // a page elsewhere whose memory broke (BUS_MCEERR_AO), which a VMM hands on to the guest.
    if !sent && routine.contains(&(*instruction as usize)) {
        *instruction = &raw const memctl_guest_copy_failed as i64;
        return;
    }
    if let Some(before) = BEFORE.get() {
        let behind = if signal == libc::SIGBUS {
            &before.bus
        } else {
            &before.segv
        };
        // SAFETY: the three are what the kernel passed for this signal; `behind` had it before.
        unsafe { hand_on(behind, sent, signal, info, context) };
    }
}

/// Does what the kernel would have done with `behind` in force.
///
/// # Safety
/// To be called from a handler of `signal`, with what the kernel passed to it.
unsafe fn hand_on(
    behind: &libc::sigaction,
    sent: bool,
    signal: i32,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    type Informed = unsafe extern "C" fn(i32, *mut libc::siginfo_t, *mut c_void);
    type Plain = unsafe extern "C" fn(i32);

    if behind.sa_flags & libc::SA_RESETHAND != 0 {
        // SAFETY: async-signal-safe; what the kernel does before it calls such a handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    match behind.sa_sigaction {
        libc::SIG_IGN if sent => {}
        // A fault cannot be ignored: the kernel takes the default action then, too.
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: async-signal-safe calls. The disposition is this signal's own; on return the instruction faults
            // again, or the signal raised here (blocked until then) arrives, and the default action is taken.
            unsafe {
                libc::signal(signal, libc::SIG_DFL);
                if sent {
                    libc::raise(signal);
                }
            }
        }
        // SAFETY: a handler that was in force with SA_SIGINFO is a function of this type, and this is a call
        // such as the kernel would have made.
        handler if behind.sa_flags & libc::SA_SIGINFO != 0 => unsafe {
            std::mem::transmute::<usize, Informed>(handler)(signal, info, context)
        },
        // SAFETY: as above, without SA_SIGINFO.
        handler => unsafe { std::mem::transmute::<usize, Plain>(handler)(signal) },
    }
}

#[cfg(test)]
mod tests;
