// SPDX-License-Identifier: Apache-2.0
//! Guest RAM as vCPU threads reach it, which handle an access that KVM could not carry out.

use std::sync::{Arc, RwLock};

use vm_memory::{GuestAddress, GuestMemoryRegion, GuestRegionMmap};

/// Where RAM is mapped.
#[derive(Default)]
pub struct RamMap(RwLock<Vec<Arc<GuestRegionMmap>>>);

impl RamMap {
    /// Carries out a guest's load. False: the memory is inaccessible, or gone.
    pub fn load(&self, address: u64, data: &mut [u8]) -> bool {
        // SAFETY: the other side is RAM, mapped, of this length, and behind no reference.
        self.access(address, data.len(), |ram| unsafe {
            memctl_shim::copy_guest_memory(data.as_mut_ptr(), ram, data.len()).is_ok()
        }) == Some(true)
    }

    /// Carries out a guest's store. False: the memory is inaccessible, or gone.
    pub fn store(&self, address: u64, data: &[u8]) -> bool {
        // SAFETY: as in `load`.
        self.access(address, data.len(), |ram| unsafe {
            memctl_shim::copy_guest_memory(ram, data.as_ptr(), data.len()).is_ok()
        }) == Some(true)
    }

    /// Whether there is RAM at an address.
    pub fn contains(&self, address: u64) -> bool {
        self.access(address, 1, |_| ()).is_some()
    }

    /// The mapping stays while `access` runs. KVM asks for no more than eight bytes of one page at a time.
    fn access<T>(&self, address: u64, length: usize, access: impl FnOnce(*mut u8) -> T) -> Option<T> {
        // A panic aborts the process, so that no lock is ever poisoned.
        let regions = self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let ram = regions.iter().find_map(|region| {
            let offset = region.to_region_addr(GuestAddress(address))?;
            region.checked_offset(offset, length - 1)?;
            region.get_host_address(offset).ok()
        })?;
        Some(access(ram))
    }

    /// Replaces the mappings. When it returns, no vCPU thread accesses one that is not among them.
    pub fn set(&self, regions: Vec<Arc<GuestRegionMmap>>) {
        *self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = regions;
    }
}

#[cfg(test)]
mod tests {
    use vm_memory::MmapRegion;

    use super::*;

    const START: u64 = 0x10_0000;
    const LENGTH: usize = 0x2000;

    fn two_regions() -> RamMap {
        let region = |start| {
            let mapping = MmapRegion::new(LENGTH).unwrap();
            Arc::new(GuestRegionMmap::new(mapping, GuestAddress(start)).unwrap())
        };
        RamMap(RwLock::new(vec![region(START), region(2 * START)]))
    }

    #[test]
    fn an_access_is_carried_out_where_there_is_ram() {
        let ram = two_regions();
        let last = 2 * START + LENGTH as u64 - 8;
        let mut loaded = [0; 8];
        assert!(ram.store(last, &[1, 2, 3, 4, 5, 6, 7, 8]));
        assert!(ram.load(last, &mut loaded));
        assert_eq!(loaded, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(ram.contains(last + 7));
        assert!(!ram.contains(last + 8));
    }

    #[test]
    fn an_access_past_the_end_of_a_region_is_not() {
        let ram = two_regions();
        let last = START + LENGTH as u64 - 4;
        assert!(!ram.store(last, &[0; 8]));
        assert!(!ram.load(last, &mut [0; 8]));
        assert!(!ram.load(START - 1, &mut [0; 1]));
    }
}
