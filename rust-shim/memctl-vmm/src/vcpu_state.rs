// SPDX-License-Identifier: Apache-2.0
//! A paused vCPU's state, as KVM tells and takes it.

use kvm_bindings::{
    kvm_debugregs, kvm_lapic_state, kvm_mp_state, kvm_msr_entry, kvm_regs, kvm_sregs, kvm_vcpu_events,
    kvm_xcrs, kvm_xsave, Msrs,
};
use kvm_ioctls::{Kvm, VcpuFd};
use serde::{Deserialize, Serialize};

use crate::failure::{Doing, Failure, Result};

/// Everything that KVM keeps for a vCPU but CPUID, which the new process makes again.
#[derive(Deserialize, Serialize)]
pub struct VcpuState {
    mp_state: kvm_mp_state,
    regs: kvm_regs,
    sregs: kvm_sregs,
    xsave: kvm_xsave,
    xcrs: kvm_xcrs,
    debug_regs: kvm_debugregs,
    local_apic: kvm_lapic_state,
    msrs: Vec<kvm_msr_entry>,
    events: kvm_vcpu_events,
}

impl VcpuState {
    /// Reads the state. The vCPU's last KVM_RUN must have returned EINTR.
    ///
    /// # Errors
    /// KVM refuses.
    pub fn capture(vcpu: &VcpuFd) -> Result<Self> {
        Ok(Self {
            // First: it lets pending INIT and SIPI take effect.
            mp_state: vcpu.get_mp_state().doing("KVM_GET_MP_STATE")?,
            regs: vcpu.get_regs().doing("KVM_GET_REGS")?,
            sregs: vcpu.get_sregs().doing("KVM_GET_SREGS")?,
            xsave: vcpu.get_xsave().doing("KVM_GET_XSAVE")?,
            xcrs: vcpu.get_xcrs().doing("KVM_GET_XCRS")?,
            debug_regs: vcpu.get_debug_regs().doing("KVM_GET_DEBUGREGS")?,
            local_apic: vcpu.get_lapic().doing("KVM_GET_LAPIC")?,
            msrs: get_msrs(vcpu)?,
            events: vcpu.get_vcpu_events().doing("KVM_GET_VCPU_EVENTS")?,
        })
    }

    /// Puts the state into a new vCPU whose CPUID is set.
    ///
    /// # Errors
    /// KVM refuses.
    pub fn apply(&self, vcpu: &VcpuFd) -> Result<()> {
        vcpu.set_mp_state(self.mp_state).doing("KVM_SET_MP_STATE")?;
        vcpu.set_regs(&self.regs).doing("KVM_SET_REGS")?;
        vcpu.set_sregs(&self.sregs).doing("KVM_SET_SREGS")?;
        vcpu.set_xsave(&self.xsave).doing("KVM_SET_XSAVE")?;
        vcpu.set_xcrs(&self.xcrs).doing("KVM_SET_XCRS")?;
        vcpu.set_debug_regs(&self.debug_regs).doing("KVM_SET_DEBUGREGS")?;
        // The local APIC before the MSRs: one of them is its timer's deadline.
        vcpu.set_lapic(&self.local_apic).doing("KVM_SET_LAPIC")?;
        set_msrs(vcpu, &self.msrs)?;
        vcpu.set_vcpu_events(&self.events).doing("KVM_SET_VCPU_EVENTS")
    }
}

/// Every MSR of KVM's list that this vCPU has.
fn get_msrs(vcpu: &VcpuFd) -> Result<Vec<kvm_msr_entry>> {
    let kvm = Kvm::new().doing("can't open /dev/kvm")?;
    let indices = kvm.get_msr_index_list().doing("KVM_GET_MSR_INDEX_LIST")?;
    let mut wanted: Vec<u32> = indices.as_slice().to_vec();
    let mut values = Vec::new();
    while !wanted.is_empty() {
        let mut msrs = list(&entries(&wanted))?;
        let read = vcpu.get_msrs(&mut msrs).doing("KVM_GET_MSRS")?;
        values.extend_from_slice(&msrs.as_slice()[..read]);
        // KVM stops at the first one that the vCPU lacks, with the features it has.
        wanted.drain(..wanted.len().min(read + 1));
    }
    Ok(values)
}

fn set_msrs(vcpu: &VcpuFd, values: &[kvm_msr_entry]) -> Result<()> {
    let mut left = values;
    while !left.is_empty() {
        let set = vcpu.set_msrs(&list(left)?).doing("KVM_SET_MSRS")?;
        if let Some(refused) = left.get(set) {
            // Some can be read and not written; none of those holds state of the guest.
            log::debug!("KVM does not take MSR {:#x} back", refused.index);
        }
        left = left.get(set + 1..).unwrap_or_default();
    }
    Ok(())
}

fn entries(indices: &[u32]) -> Vec<kvm_msr_entry> {
    indices
        .iter()
        .map(|index| kvm_msr_entry {
            index: *index,
            ..Default::default()
        })
        .collect()
}

fn list(entries: &[kvm_msr_entry]) -> Result<Msrs> {
    Msrs::from_entries(entries).map_err(|error| Failure::new(format!("a list of MSRs: {error:?}")))
}
