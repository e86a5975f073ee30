// SPDX-License-Identifier: Apache-2.0
//! The plugin's device, and the guest RAM that it was given.

use std::collections::{BTreeMap, HashMap};
use std::num::Wrapping;
use std::sync::{Arc, Mutex};

use log::warn;
use memctl_shim::{Device, DirtyLog, ErrorKind, Region, RegionFlags};
use vm_memory::bitmap::Bitmap;
use vm_memory::{
    Address, GuestAddress, GuestAddressSpace, GuestMemory, GuestMemoryAtomic, GuestMemoryRegion,
};

use super::config::MemctlConfig;
use super::{MemctlError, plugin};
use crate::{GuestMemoryMmap, GuestRegionMmap};

/// A device and its memory. Requests go straight to the device; what is locked here is its life cycle only.
pub(crate) struct Backend {
    // Above `ram`, so that it is gone before the mappings that it may touch.
    device: Device,
    ram: Mutex<BTreeMap<u64, Ram>>,
    readers: Mutex<Readers>,
}

/// A registered piece of guest RAM, and what keeps it mapped.
struct Ram {
    length: u64,
    _mapping: Arc<GuestRegionMmap>,
}

/// Why the VMM may read all of guest RAM at the moment, pages that the guest has closed too.
#[derive(Clone, Copy, Default)]
struct Readers {
    paused: bool,
    migrating: bool,
}

impl Readers {
    fn any(self) -> bool {
        self.paused || self.migrating
    }
}

/// The bitmaps in which the VMM notes its own writes during a live migration.
struct DirtyBitmaps(GuestMemoryAtomic<GuestMemoryMmap>);

impl DirtyLog for DirtyBitmaps {
    fn mark_dirty(&self, guest_address: u64, length: u64) {
        let memory = self.0.memory();
        let mut start = guest_address;
        let end = guest_address.saturating_add(length);
        // A request may span regions that adjoin.
        while start < end
            && let Some(region) = memory.find_region(GuestAddress(start))
        {
            let offset = start - region.start_addr().raw_value();
            let part = (region.len() - offset).min(end - start);
            (**region)
                .bitmap()
                .mark_dirty(offset as usize, part as usize);
            start += part;
        }
    }
}

impl Backend {
    pub(crate) fn new(
        config: &MemctlConfig,
        guest_memory: GuestMemoryAtomic<GuestMemoryMmap>,
    ) -> Result<Self, MemctlError> {
        let plugin = plugin::loaded_as(config.plugin.as_deref())?;
        let dirty_log = Arc::new(DirtyBitmaps(guest_memory));
        Ok(Backend {
            device: plugin.create_device(&config.plugin_options(), Some(dirty_log))?,
            ram: Mutex::default(),
            readers: Mutex::default(),
        })
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    /// Gives the device a whole mapping of guest RAM.
    pub(crate) fn add_mapping(
        &self,
        mapping: &Arc<GuestRegionMmap>,
        mergeable: bool,
    ) -> Result<(), MemctlError> {
        self.add_range(
            mapping,
            mapping.start_addr().raw_value(),
            mapping.len(),
            mergeable,
        )
    }

    /// Gives the device a part of a mapping of guest RAM.
    pub(super) fn add_range(
        &self,
        mapping: &Arc<GuestRegionMmap>,
        address: u64,
        length: u64,
        mergeable: bool,
    ) -> Result<(), MemctlError> {
        let offset = address
            .checked_sub(mapping.start_addr().raw_value())
            .filter(|offset| {
                offset
                    .checked_add(length)
                    .is_some_and(|end| end <= mapping.len())
            })
            .ok_or(MemctlError::NotMapped { address, length })?;
        let region = Region {
            guest_address: address,
            length,
            host_address: mapping.as_ptr().wrapping_add(offset as usize),
            flags: RegionFlags {
                mergeable,
                // MemoryManager::create_userspace_mapping() advises it for all guest RAM.
                dont_dump: true,
            },
        };

        let mut ram = self.ram.lock().unwrap();
        // SAFETY: the range was checked to be inside the mapping, which is guest RAM, mapped readable and writable, and
        // is kept mapped by the reference that is stored below until the region is unregistered or the device, which
        // is dropped before the references, is gone. The VMM holds no Rust references into guest RAM.
        unsafe { self.device.register_memory(&region) }?;
        ram.insert(
            address,
            Ram {
                length,
                _mapping: Arc::clone(mapping),
            },
        );
        Ok(())
    }

    /// Takes away every piece of RAM that lies in the range. What is not there is not an error.
    pub(super) fn remove_ranges(&self, address: u64, length: u64) -> Result<(), MemctlError> {
        let mut ram = self.ram.lock().unwrap();
        let end = address.saturating_add(length);
        while let Some((&start, piece)) = ram
            .range(address..end)
            .find(|(start, piece)| *start + piece.length <= end)
        {
            match self.device.unregister_memory(start, piece.length) {
                Ok(()) => {}
                // The region is gone; something that the guest had set on it stays.
                Err(e) if e.kind() == ErrorKind::HostCallFailed => warn!("memctl: {e}"),
                Err(e) => return Err(e.into()),
            }
            ram.remove(&start);
        }
        Ok(())
    }

    /// While the VM is paused, its memory may be read for a snapshot, a core dump or a migration.
    pub(super) fn set_paused(&self, paused: bool) -> Result<(), MemctlError> {
        self.hold_readable(|readers| readers.paused = paused)
    }

    /// While dirty pages are logged, guest RAM is being copied, and what the device changes is noted.
    pub(super) fn set_migrating(&self, migrating: bool) -> Result<(), MemctlError> {
        self.hold_readable(|readers| readers.migrating = migrating)?;
        self.device.set_dirty_logging(migrating)?;
        Ok(())
    }

    fn hold_readable(&self, change: impl FnOnce(&mut Readers)) -> Result<(), MemctlError> {
        let mut readers = self.readers.lock().unwrap();
        let mut wanted = *readers;
        change(&mut wanted);
        if wanted.any() != readers.any() {
            self.device.hold_readable(wanted.any())?;
        }
        *readers = wanted;
        Ok(())
    }

    /// For as long as a device of the host has guest RAM pinned.
    pub(crate) fn inhibit_discard(&self, inhibit: bool) -> Result<(), MemctlError> {
        Ok(self.device.inhibit_discard(inhibit)?)
    }

    /// In the form of this VMM's counters.
    pub(crate) fn counters(&self) -> Result<HashMap<&'static str, Wrapping<u64>>, MemctlError> {
        Ok(self
            .device
            .counters()?
            .into_iter()
            .map(|counter| (counter.name, Wrapping(counter.value)))
            .collect())
    }
}
