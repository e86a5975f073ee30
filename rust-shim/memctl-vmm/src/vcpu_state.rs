// SPDX-License-Identifier: Apache-2.0
//! A paused vCPU's state, as KVM reports and takes it.

use anyhow::{anyhow, Context, Result};
use kvm_bindings::{
    kvm_debugregs, kvm_lapic_state, kvm_mp_state, kvm_msr_entry, kvm_regs, kvm_sregs, kvm_vcpu_events,
    kvm_xcrs, kvm_xsave, Msrs,
};
use kvm_ioctls::{Kvm, VcpuFd};
use serde::{Deserialize, Serialize};

/// All of KVM's state of a vCPU but CPUID, which the new process computes again.
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
            mp_state: vcpu.get_mp_state().context("KVM_GET_MP_STATE")?,
            regs: vcpu.get_regs().context("KVM_GET_REGS")?,
            sregs: vcpu.get_sregs().context("KVM_GET_SREGS")?,
            xsave: vcpu.get_xsave().context("KVM_GET_XSAVE")?,
            xcrs: vcpu.get_xcrs().context("KVM_GET_XCRS")?,
            debug_regs: vcpu.get_debug_regs().context("KVM_GET_DEBUGREGS")?,
            local_apic: vcpu.get_lapic().context("KVM_GET_LAPIC")?,
            msrs: get_msrs(vcpu)?,
            events: vcpu.get_vcpu_events().context("KVM_GET_VCPU_EVENTS")?,
        })
    }

    /// Restores the state into a new vCPU whose CPUID is set.
    ///
    /// # Errors
    /// KVM refuses.
    pub fn apply(&self, vcpu: &VcpuFd) -> Result<()> {
        vcpu.set_mp_state(self.mp_state).context("KVM_SET_MP_STATE")?;
        vcpu.set_regs(&self.regs).context("KVM_SET_REGS")?;
        vcpu.set_sregs(&self.sregs).context("KVM_SET_SREGS")?;
        vcpu.set_xsave(&self.xsave).context("KVM_SET_XSAVE")?;
        vcpu.set_xcrs(&self.xcrs).context("KVM_SET_XCRS")?;
        vcpu.set_debug_regs(&self.debug_regs)
            .context("KVM_SET_DEBUGREGS")?;
        // The local APIC before the MSRs: one of them is its timer's deadline.
        vcpu.set_lapic(&self.local_apic).context("KVM_SET_LAPIC")?;
        set_msrs(vcpu, &self.msrs)?;
        vcpu.set_vcpu_events(&self.events).context("KVM_SET_VCPU_EVENTS")
    }
}

/// Every MSR of KVM's list that this vCPU has.
fn get_msrs(vcpu: &VcpuFd) -> Result<Vec<kvm_msr_entry>> {
    let kvm = Kvm::new().context("can't open /dev/kvm")?;
    let indices = kvm.get_msr_index_list().context("KVM_GET_MSR_INDEX_LIST")?;
    let mut wanted: Vec<u32> = indices.as_slice().to_vec();
    let mut values = Vec::new();
    while !wanted.is_empty() {
        let mut msrs = list(&entries(&wanted))?;
        let read = vcpu.get_msrs(&mut msrs).context("KVM_GET_MSRS")?;
        values.extend_from_slice(&msrs.as_slice()[..read]);
        // KVM stops at the first one that the vCPU lacks, with the features it has.
        wanted.drain(..wanted.len().min(read + 1));
    }
    Ok(values)
}

fn set_msrs(vcpu: &VcpuFd, values: &[kvm_msr_entry]) -> Result<()> {
    let mut left = values;
    while !left.is_empty() {
        let set = vcpu.set_msrs(&list(left)?).context("KVM_SET_MSRS")?;
        if let Some(refused) = left.get(set) {
            // Some can be read and not written; none of those is state of the guest.
            log::debug!("KVM refuses MSR {:#x}", refused.index);
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
    Msrs::from_entries(entries).map_err(|error| anyhow!("a list of MSRs: {error:?}"))
}
