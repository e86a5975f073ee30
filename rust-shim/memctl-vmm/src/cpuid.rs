// SPDX-License-Identifier: Apache-2.0
//! A vCPU's CPUID: all that KVM supports and a snapshot can save, in a topology of one socket with one thread per core.

use anyhow::{Context, Result};
use kvm_bindings::{kvm_cpuid_entry2, CpuId, KVM_MAX_CPUID_ENTRIES};
use kvm_ioctls::{Cap, Kvm};

const LEAF_FEATURES: u32 = 0x1;
const LEAF_CACHES: u32 = 0x4;
const LEAVES_TOPOLOGY: [u32; 2] = [0xb, 0x1f];
const LEAF_AMD_SIZES: u32 = 0x8000_0008;
const LEAF_AMD_TOPOLOGY: u32 = 0x8000_001e;
const LEAF_KVM_FEATURES: u32 = 0x4000_0001;
/// KVM_FEATURE_PV_UNHALT: a processor that waits for a spin lock halts until a hypercall of another one. KVM reports a
/// wake-up just before the halt in no state, so a snapshot could lose it, and the processor would sleep for ever.
const EAX_PV_UNHALT: u32 = 1 << 7;
const ECX_TSC_DEADLINE: u32 = 1 << 24;
const ECX_HYPERVISOR: u32 = 1 << 31;
const EDX_MULTIPLE_PROCESSORS: u32 = 1 << 28;
/// Topology levels as leaf 0xb numbers them.
const LEVEL_THREAD: u32 = 1 << 8;
const LEVEL_CORE: u32 = 2 << 8;

/// The features that KVM supports on this host.
///
/// # Errors
/// KVM refuses.
pub fn supported(kvm: &Kvm) -> Result<CpuId> {
    let mut cpuid = kvm
        .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
        .context("KVM_GET_SUPPORTED_CPUID")?;
    if kvm.check_extension(Cap::TscDeadlineTimer) {
        for entry in cpuid
            .as_mut_slice()
            .iter_mut()
            .filter(|entry| entry.function == LEAF_FEATURES)
        {
            entry.ecx |= ECX_TSC_DEADLINE;
        }
    }
    Ok(cpuid)
}

/// `supported` as vCPU `index` of `count` sees it.
pub fn of_vcpu(supported: &CpuId, index: u8, count: u8) -> CpuId {
    let mut cpuid = supported.clone();
    for entry in cpuid.as_mut_slice() {
        adapt(entry, u32::from(index), u32::from(count));
    }
    cpuid
}

fn adapt(entry: &mut kvm_cpuid_entry2, index: u32, count: u32) {
    match entry.function {
        LEAF_FEATURES => {
            entry.ebx = entry.ebx & 0xffff | count << 16 | index << 24;
            entry.ecx |= ECX_HYPERVISOR;
            if count > 1 {
                entry.edx |= EDX_MULTIPLE_PROCESSORS;
            }
        }
        // Cores in the package in bits 26 and up; caches are each core's own, but for the one of level 3.
        LEAF_CACHES if entry.eax & 0x1f != 0 => {
            let sharing = if entry.eax >> 5 & 7 == 3 { count - 1 } else { 0 };
            entry.eax = entry.eax & 0x3fff | sharing << 14 | (count - 1).min(63) << 26;
        }
        leaf if LEAVES_TOPOLOGY.contains(&leaf) => {
            (entry.eax, entry.ebx, entry.ecx) = match entry.index {
                0 => (0, 1, LEVEL_THREAD),
                1 => (apic_id_bits(count), count, LEVEL_CORE | 1),
                other => (0, 0, other),
            };
            entry.edx = index;
        }
        LEAF_KVM_FEATURES => entry.eax &= !EAX_PV_UNHALT,
        LEAF_AMD_SIZES => entry.ecx = apic_id_bits(count) << 12 | (count - 1),
        LEAF_AMD_TOPOLOGY => {
            entry.eax = index;
            entry.ebx = index & 0xff;
            entry.ecx = 0;
        }
        _ => {}
    }
}

/// Bits of the APIC id that number the cores of the package.
fn apic_id_bits(count: u32) -> u32 {
    count.next_power_of_two().trailing_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(function: u32, index: u32, vcpu: u32, count: u32) -> kvm_cpuid_entry2 {
        let mut entry = kvm_cpuid_entry2 {
            function,
            index,
            ebx: 0x0100_0800,
            ..Default::default()
        };
        adapt(&mut entry, vcpu, count);
        entry
    }

    #[test]
    fn every_vcpu_has_its_apic_id() {
        let features = placed(LEAF_FEATURES, 0, 3, 4);
        assert_eq!(features.ebx, 3 << 24 | 4 << 16 | 0x0800);
        assert_ne!(features.edx & EDX_MULTIPLE_PROCESSORS, 0);
        assert_eq!(placed(0xb, 1, 3, 4).edx, 3);
        assert_eq!(placed(LEAF_AMD_TOPOLOGY, 0, 3, 4).eax, 3);
    }

    #[test]
    fn the_topology_is_one_socket_of_cores() {
        let threads = placed(0xb, 0, 0, 4);
        assert_eq!((threads.eax, threads.ebx, threads.ecx), (0, 1, 0x100));
        let cores = placed(0xb, 1, 0, 4);
        assert_eq!((cores.eax, cores.ebx, cores.ecx), (2, 4, 0x201));
        assert_eq!(placed(LEAF_AMD_SIZES, 0, 0, 3).ecx, 2 << 12 | 2);
    }

    #[test]
    fn what_a_snapshot_could_lose_is_not_offered() {
        let mut entry = kvm_cpuid_entry2 {
            function: LEAF_KVM_FEATURES,
            eax: u32::MAX,
            ..Default::default()
        };
        adapt(&mut entry, 0, 1);
        assert_eq!(entry.eax, !EAX_PV_UNHALT);
    }

    #[test]
    fn apic_ids_have_the_bits_that_they_need() {
        assert_eq!([1, 2, 3, 4, 5].map(apic_id_bits), [0, 1, 2, 2, 3]);
    }
}
