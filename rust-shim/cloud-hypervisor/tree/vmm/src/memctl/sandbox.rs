// SPDX-License-Identifier: Apache-2.0
//! The system calls that the plugin needs on a thread that runs requests, as its shim publishes them.

use memctl_shim::sandbox::{REQUIRED_SYSCALLS, Syscall};
use seccompiler::SeccompCmpOp::Eq;
use seccompiler::{BackendError, SeccompCmpArgLen, SeccompCondition, SeccompRule};

use super::plugin;
use crate::seccomp_filters::Thread;

type Rules = Vec<(i64, Vec<SeccompRule>)>;

/// Lets the threads that run requests make the plugin's calls, if there is a plugin. A vCPU's thread is a child of the vmm
/// thread and carries the filters of both.
pub(crate) fn extend_seccomp_rules(thread: Thread, rules: &mut Rules) -> Result<(), BackendError> {
    if plugin::loaded().is_some() && matches!(thread, Thread::Vcpu | Thread::Vmm) {
        allow(rules, REQUIRED_SYSCALLS)?;
    }
    Ok(())
}

/// Adds what is missing. Rules of one call must stand in one entry: of two, the filter would take the last.
pub(super) fn allow(rules: &mut Rules, syscalls: &[Syscall]) -> Result<(), BackendError> {
    for syscall in syscalls {
        let added = match syscall.first_argument {
            Some(value) => vec![SeccompRule::new(vec![SeccompCondition::new(
                0,
                SeccompCmpArgLen::Dword,
                Eq,
                value,
            )?])?],
            None => vec![],
        };
        match rules
            .iter_mut()
            .find(|(number, _)| *number == syscall.number)
        {
            None => rules.push((syscall.number, added)),
            // No condition: any arguments.
            Some((_, present)) if present.is_empty() => {}
            Some((_, present)) if added.is_empty() => present.clear(),
            Some((_, present)) => present.extend(added),
        }
    }
    Ok(())
}
