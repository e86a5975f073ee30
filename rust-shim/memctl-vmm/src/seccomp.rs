// SPDX-License-Identifier: Apache-2.0
//! The sandbox of the vCPU threads: what Cloud Hypervisor v53.0 allows its vCPU threads, and what the shim publishes as
//! needed by the plugin. So a system call that one of the two lists lacks shows here first.

use libseccomp::error::SeccompError;
use libseccomp::{ScmpAction, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use memctl_shim::sandbox;

use crate::config::SeccompConfig;
use crate::failure::{Doing, Failure, Result};

/// `vcpu_thread_rules` and `common_thread_rules` of Cloud Hypervisor v53.0 (vmm/src/seccomp_filters.rs, x86-64, KVM), but for
/// `fallocate` and `ioctl`, which it allows with certain arguments only.
const UNCONDITIONAL: &[libc::c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_epoll_ctl,
    libc::SYS_exit,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_fsync,
    libc::SYS_futex,
    libc::SYS_getcwd,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_newfstatat,
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_readlink,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_yield,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_shutdown,
    libc::SYS_sigaltstack,
    libc::SYS_statx,
    libc::SYS_tgkill,
    libc::SYS_tkill,
    libc::SYS_unlink,
    libc::SYS_write,
    libc::SYS_writev,
];

/// `create_vcpu_ioctl_seccomp_rule_kvm` of the same file. Its rules for VFIO, vDPA and iommufd are left out: this VMM has none of
/// the three.
const IOCTLS: &[u64] = &[
    0x0000_ae03, // KVM_CHECK_EXTENSION
    0x0000_ae80, // KVM_RUN
    0x0000_ae9a, // KVM_NMI
    0x4008_ae6a, // KVM_SET_GSI_ROUTING
    0x4018_aee1, // KVM_SET_DEVICE_ATTR
    0x4020_ae46, // KVM_SET_USER_MEMORY_REGION
    0x4020_ae76, // KVM_IRQFD
    0x4020_aed2, // KVM_SET_MEMORY_ATTRIBUTES
    0x4040_ae79, // KVM_IOEVENTFD
    0x4080_aebf, // KVM_SET_NESTED_STATE
    0x40a0_ae49, // KVM_SET_USER_MEMORY_REGION2
    0xc040_aed4, // KVM_CREATE_GUEST_MEMFD
    0xc080_aebe, // KVM_GET_NESTED_STATE
];

/// The sandbox that `--seccomp` asks for.
#[derive(Clone, Copy, Debug)]
pub struct Sandbox(ScmpAction);

impl Sandbox {
    /// Prepares the sandbox, or none. A violation of it will end the process with a sentence that names the system call.
    ///
    /// # Errors
    /// libseccomp refuses the lists, or the kernel the signal handler.
    pub fn new(config: SeccompConfig) -> Result<Option<Self>> {
        let refusal = match config {
            SeccompConfig::Off => return Ok(None),
            SeccompConfig::On => ScmpAction::Trap,
            SeccompConfig::Log => ScmpAction::Log,
        };
        if config == SeccompConfig::On {
            announce_violations()?;
        }
        // Built here once to find out; libseccomp's filters can't be handed to another thread.
        filter(refusal).doing("can't make the sandbox of the vCPU threads")?;
        Ok(Some(Self(refusal)))
    }

    /// Puts the calling thread under the filter, for good.
    ///
    /// # Errors
    /// libseccomp or the kernel refuses.
    pub fn enter(&self) -> Result<()> {
        filter(self.0)
            .and_then(|filter| filter.load())
            .doing("can't enter the sandbox")
    }
}

fn filter(refusal: ScmpAction) -> std::result::Result<ScmpFilterContext, SeccompError> {
    let mut context = ScmpFilterContext::new_filter(refusal)?;
    let equals =
        |argument, value| ScmpArgCompare::new(argument, ScmpCompareOp::MaskedEqual(0xffff_ffff), value);
    let mut allow = |number: libc::c_long, conditions: &[ScmpArgCompare]| {
        context.add_rule_conditional(ScmpAction::Allow, ScmpSyscall::from(number as i32), conditions)
    };
    for number in UNCONDITIONAL {
        allow(*number, &[])?;
    }
    for request in IOCTLS {
        allow(libc::SYS_ioctl, &[equals(1, *request)])?;
    }
    let punch_hole = (libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE) as u64;
    allow(libc::SYS_fallocate, &[equals(1, punch_hole)])?;
    for syscall in sandbox::REQUIRED_SYSCALLS {
        if UNCONDITIONAL.contains(&syscall.number) {
            continue;
        }
        match syscall.first_argument {
            Some(value) => allow(syscall.number, &[equals(0, value)])?,
            None => allow(syscall.number, &[])?,
        }
    }
    Ok(context)
}

/// The sentence that a violation ends with, whose digits the handler fills in.
const VIOLATION: &[u8] =
    b"memctl-vmm: a vCPU thread made a system call that its sandbox forbids: number 0000\n";
const DIGITS_AT: usize = VIOLATION.len() - 5;

extern "C" fn on_violation(_signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    /// The part of `siginfo_t` that SIGSYS fills in: after three integers and a padding, the call's address, then its number.
    const NUMBER_AT: usize = 24;
    // SAFETY: the kernel hands over a whole siginfo_t, whose bytes at this place are the number of the system call.
    let mut number = unsafe { info.cast::<u8>().add(NUMBER_AT).cast::<u32>().read() };
    let mut text = [0; VIOLATION.len()];
    text.copy_from_slice(VIOLATION);
    for digit in text[DIGITS_AT..DIGITS_AT + 4].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    // SAFETY: write and abort may be called in a signal handler, and the sandbox allows both.
    unsafe {
        libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len());
        libc::abort();
    }
}

fn announce_violations() -> Result<()> {
    // SAFETY: an all-zero sigaction is a valid one: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_flags = libc::SA_SIGINFO;
    action.sa_sigaction = on_violation as *const () as usize;
    // SAFETY: the structure is complete, and the handler calls nothing but what a handler may.
    if unsafe { libc::sigaction(libc::SIGSYS, &action, std::ptr::null_mut()) } != 0 {
        return Err(Failure::last_os_error("can't handle SIGSYS"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_can_be_made_of_the_two_lists() {
        assert!(Sandbox::new(SeccompConfig::On).unwrap().is_some());
        assert!(Sandbox::new(SeccompConfig::Log).unwrap().is_some());
        assert!(Sandbox::new(SeccompConfig::Off).unwrap().is_none());
    }
}
