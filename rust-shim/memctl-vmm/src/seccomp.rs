// SPDX-License-Identifier: Apache-2.0
//! The sandbox. Every thread of the process is under one filter, those that the plugin's runtime and the HTTP server have
//! started too; each vCPU thread is under a second one, which contains what Cloud Hypervisor v53.0 allows its vCPU threads,
//! and what the shim publishes as needed by the plugin. A system call that one of these two lists lacks fails here first.
//!
//! libseccomp, as Debian 13 lacks rust-vmm's crate seccompiler.

use std::io;

use anyhow::{Context, Result};
use libseccomp::error::SeccompError;
use libseccomp::{ScmpAction, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use memctl_shim::sandbox;

use crate::config::SeccompConfig;

/// `vcpu_thread_rules` and `common_thread_rules` of Cloud Hypervisor v53.0 (vmm/src/seccomp_filters.rs, x86-64, KVM), but for
/// `fallocate` and `ioctl`, which it allows with certain arguments only.
const VCPU: &str = "\
    brk clock_gettime clock_nanosleep close dup epoll_ctl exit fcntl fstat fsync futex getcwd getpid \
    getrandom gettid lseek madvise mmap mprotect mremap munmap nanosleep newfstatat open openat pread64 \
    pwrite64 read readlink recvfrom recvmsg rt_sigaction rt_sigprocmask rt_sigreturn sched_yield sendmsg \
    sendto shutdown sigaltstack statx tgkill tkill unlink write writev";

/// `create_vcpu_ioctl_seccomp_rule_kvm` of the same file, without its rules for VFIO, vDPA and iommufd: this VMM has none of
/// the three.
const VCPU_IOCTLS: &[u64] = &[
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

/// What the other threads need beside [`VCPU`]: they make the VM and its threads, write snapshots, serve the API's socket
/// and end the process. prctl is for a thread's name and no_new_privs, seccomp for the vCPU threads' filter.
const PROCESS: &str = "\
    accept4 bind clone3 eventfd2 exit_group ftruncate getpeername getsockname listen memfd_create mkdir \
    poll prctl readv restart_syscall rseq seccomp set_robust_list setsockopt";

const TCGETS: u64 = 0x5401;
const TCSETS: u64 = 0x5402;
const FIONBIO: u64 = 0x5421;
const FIOCLEX: u64 = 0x5451;
/// Bits 8 to 15 of every request of /dev/kvm.
const KVM_IOCTL_TYPE: u64 = 0xae00;

/// The lower 32 bits, in which the kernel takes an `int`; or some bits of them.
const fn bits(mask: u64) -> ScmpCompareOp {
    ScmpCompareOp::MaskedEqual(mask)
}

const INT: ScmpCompareOp = bits(0xffff_ffff);

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
        vcpu_filter(refusal).context("can't make the sandbox of the vCPU threads")?;
        Ok(Some(Self(refusal)))
    }

    /// Puts every thread of the process under the process's filter, for good; later threads inherit it.
    ///
    /// # Errors
    /// libseccomp or the kernel refuses.
    pub fn enter(&self) -> Result<()> {
        process_filter(self.0)
            .and_then(|filter| filter.load())
            .context("can't enter the sandbox")
    }

    /// Puts the calling thread, a vCPU's, under the second filter too, for good.
    ///
    /// # Errors
    /// libseccomp or the kernel refuses.
    pub fn enter_vcpu(&self) -> Result<()> {
        vcpu_filter(self.0)
            .and_then(|filter| filter.load())
            .context("can't enter the sandbox of the vCPU threads")
    }
}

fn vcpu_filter(refusal: ScmpAction) -> Result<ScmpFilterContext, SeccompError> {
    let mut filter = ScmpFilterContext::new_filter(refusal)?;
    allow_vcpu(&mut filter)?;
    Ok(filter)
}

fn process_filter(refusal: ScmpAction) -> Result<ScmpFilterContext, SeccompError> {
    let mut filter = ScmpFilterContext::new_filter(refusal)?;
    // All threads at once, not the calling one alone.
    filter.set_ctl_tsync(true)?;
    allow_vcpu(&mut filter)?;
    allow_all(&mut filter, PROCESS)?;
    for request in [TCGETS, TCSETS, FIONBIO, FIOCLEX] {
        allow(&mut filter, libc::SYS_ioctl, &[(1, INT, request)])?;
    }
    allow(&mut filter, libc::SYS_ioctl, &[(1, bits(0xff00), KVM_IOCTL_TYPE)])?;
    allow(&mut filter, libc::SYS_socket, &[(0, INT, libc::AF_UNIX as u64)])?;
    Ok(filter)
}

fn allow_vcpu(filter: &mut ScmpFilterContext) -> Result<(), SeccompError> {
    allow_all(filter, VCPU)?;
    for request in VCPU_IOCTLS {
        allow(filter, libc::SYS_ioctl, &[(1, INT, *request)])?;
    }
    let punch_hole = (libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE) as u64;
    allow(filter, libc::SYS_fallocate, &[(1, INT, punch_hole)])?;
    for syscall in sandbox::REQUIRED_SYSCALLS {
        let argument = syscall.first_argument.map(|value| (0, INT, value));
        allow(filter, syscall.number, argument.as_slice())?;
    }
    Ok(())
}

/// Allows system calls, by their names.
fn allow_all(filter: &mut ScmpFilterContext, names: &str) -> Result<(), SeccompError> {
    for name in names.split_whitespace() {
        filter.add_rule(ScmpAction::Allow, ScmpSyscall::from_name(name)?)?;
    }
    Ok(())
}

/// Allows a system call on conditions (argument, comparison, value). One that is allowed without any stays so.
fn allow(
    filter: &mut ScmpFilterContext,
    number: libc::c_long,
    conditions: &[(u32, ScmpCompareOp, u64)],
) -> Result<(), SeccompError> {
    let conditions: Vec<_> = conditions
        .iter()
        .map(|(argument, operator, value)| ScmpArgCompare::new(*argument, *operator, *value))
        .collect();
    filter.add_rule_conditional(ScmpAction::Allow, ScmpSyscall::from(number as i32), &conditions)?;
    Ok(())
}

/// The sentence that a violation ends with, whose digits the handler fills in.
const VIOLATION: &[u8] = b"memctl-vmm: a thread made a system call that its sandbox forbids: number 0000\n";
const DIGITS_AT: usize = VIOLATION.len() - 5;

extern "C" fn on_violation(_signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    /// The part of `siginfo_t` that SIGSYS fills in: after three integers and a padding, the call's address, then its number.
    const NUMBER_AT: usize = 24;
    // SAFETY: the kernel passes a whole siginfo_t, whose bytes at this place are the number of the system call.
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
    // SAFETY: the structure is complete, and the handler calls only async-signal-safe functions.
    if unsafe { libc::sigaction(libc::SIGSYS, &action, std::ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error()).context("can't handle SIGSYS");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Output};
    use std::{env, process, sync::mpsc, thread};

    use super::*;

    /// In a process of its own, as a sandbox is for good: this test's name runs again there, with `CHILD` set.
    const CHILD: &str = "MEMCTL_VMM_SANDBOX_TEST";

    fn in_child(test: &str, body: fn()) -> Option<Output> {
        if env::var_os(CHILD).is_some() {
            body();
            // Not by the test harness, whose threads and output are no part of the sandbox.
            process::exit(0);
        }
        let mut command = Command::new(env::current_exe().unwrap());
        command.args([&format!("seccomp::tests::{test}"), "--exact", "--nocapture"]);
        Some(command.env(CHILD, "1").output().unwrap())
    }

    /// AF_INET, which no thread may use.
    fn open_internet_socket() {
        // SAFETY: plain integers.
        unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) };
    }

    fn assert_violation(output: &Output, number: libc::c_long) {
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{text}");
        assert!(text.contains(&format!("forbids: number {number:04}")), "{text}");
    }

    #[test]
    fn the_filter_can_be_made_of_the_two_lists() {
        assert!(Sandbox::new(SeccompConfig::On).unwrap().is_some());
        assert!(Sandbox::new(SeccompConfig::Log).unwrap().is_some());
        assert!(Sandbox::new(SeccompConfig::Off).unwrap().is_none());
    }

    #[test]
    fn a_thread_that_was_there_before_is_in_the_sandbox() {
        let output = in_child("a_thread_that_was_there_before_is_in_the_sandbox", || {
            let (entered, wait) = mpsc::channel();
            let before = thread::spawn(move || {
                wait.recv().unwrap();
                open_internet_socket();
            });
            let sandbox = Sandbox::new(SeccompConfig::On).unwrap().unwrap();
            sandbox.enter().unwrap();
            entered.send(()).unwrap();
            before.join().unwrap();
        });
        assert_violation(&output.unwrap(), libc::SYS_socket);
    }

    #[test]
    fn a_vcpu_thread_may_do_less_than_the_others() {
        let output = in_child("a_vcpu_thread_may_do_less_than_the_others", || {
            let sandbox = Sandbox::new(SeccompConfig::On).unwrap().unwrap();
            sandbox.enter().unwrap();
            std::os::unix::net::UnixDatagram::unbound().unwrap();
            let vcpu = thread::spawn(move || {
                sandbox.enter_vcpu().unwrap();
                std::os::unix::net::UnixDatagram::unbound().unwrap();
            });
            vcpu.join().unwrap();
        });
        assert_violation(&output.unwrap(), libc::SYS_socket);
    }

    #[test]
    fn each_request_of_ioctl_is_allowed_beside_the_others() {
        let output = in_child("each_request_of_ioctl_is_allowed_beside_the_others", || {
            let sandbox = Sandbox::new(SeccompConfig::On).unwrap().unwrap();
            sandbox.enter().unwrap();
            let kvm_create_vm = 0xae01;
            for request in
                VCPU_IOCTLS
                    .iter()
                    .copied()
                    .chain([TCGETS, TCSETS, FIONBIO, FIOCLEX, kvm_create_vm])
            {
                // SAFETY: no file has this descriptor, so that nothing is read or written.
                assert_eq!(unsafe { libc::ioctl(-1, request, 0) }, -1);
                assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::EBADF));
            }
        });
        let output = output.unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
