// SPDX-License-Identifier: Apache-2.0
//! Guest RAM: mapped, and registered with KVM and the plugin, at boot and by hot-plug.

use std::fs::File;
use std::io;
use std::os::fd::FromRawFd;
use std::sync::Arc;

use anyhow::{bail, Context, Result};
use kvm_bindings::{kvm_userspace_memory_region, KVM_MEM_LOG_DIRTY_PAGES};
use kvm_ioctls::VmFd;
use memctl_shim::{Device, Region, RegionFlags};
use vm_memory::{FileOffset, GuestAddress, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap, MmapRegion};

use crate::config::MemoryConfig;
use crate::layout::{self, Range};
use crate::ram_map::RamMap;

/// One mapping of guest RAM.
pub struct RamRegion {
    slot: u32,
    mapping: Arc<GuestRegionMmap>,
}

impl RamRegion {
    /// Where the guest sees it.
    pub fn range(&self) -> Range {
        Range {
            start: self.mapping.start_addr().0,
            length: self.mapping.len(),
        }
    }

    /// Where it is mapped in this process.
    pub fn host_address(&self) -> *mut u8 {
        self.mapping.as_ptr()
    }

    /// The mapping itself.
    pub fn mapping(&self) -> &GuestRegionMmap {
        &self.mapping
    }

    /// The memfd of a shared mapping, whose content is that of RAM.
    pub fn shared_file(&self) -> Option<&File> {
        let shared = self.mapping.flags() & libc::MAP_SHARED != 0;
        self.mapping
            .file_offset()
            .map(FileOffset::file)
            .filter(|_| shared)
    }
}

/// All RAM of the guest. Owned by the thread that controls the VM; vCPUs reach RAM through KVM only.
pub struct GuestRam {
    config: MemoryConfig,
    vm: Arc<VmFd>,
    devices: Vec<Arc<Device>>,
    regions: Vec<RamRegion>,
    map: Arc<RamMap>,
    boot_regions: usize,
    dirty_logging: bool,
}

impl GuestRam {
    /// Makes the RAM that the guest has at boot.
    ///
    /// # Errors
    /// The host has not the memory, or KVM or the plugin refuses it.
    pub fn new(config: MemoryConfig, vm: Arc<VmFd>, devices: Vec<Arc<Device>>) -> Result<Self> {
        let mut ram = Self {
            config,
            vm,
            devices,
            regions: Vec::new(),
            map: Arc::default(),
            boot_regions: 0,
            dirty_logging: false,
        };
        for range in layout::ram(config.size) {
            ram.add(range)?;
        }
        ram.boot_regions = ram.regions.len();
        Ok(ram)
    }

    /// Every region, in the order of their addresses.
    pub fn regions(&self) -> &[RamRegion] {
        &self.regions
    }

    /// Where the regions are, for other threads.
    pub fn map(&self) -> Arc<RamMap> {
        Arc::clone(&self.map)
    }

    /// Bytes of RAM, hot-plugged ones with them.
    pub fn size(&self) -> u64 {
        self.regions.iter().map(|region| region.range().length).sum()
    }

    /// The view through which boot code fills RAM.
    ///
    /// # Errors
    /// None that [`Self::add`] lets come about.
    pub fn view(&self) -> Result<GuestMemoryMmap> {
        let regions = self.regions.iter().map(|region| region.mapping.clone()).collect();
        GuestMemoryMmap::from_arc_regions(regions).context("can't lay out guest RAM")
    }

    /// Adds a region: maps it, registers it with KVM, then with the plugin.
    ///
    /// # Errors
    /// The host has not the memory, or KVM or the plugin refuses it; nothing is added then.
    pub fn add(&mut self, range: Range) -> Result<()> {
        let mapping = Arc::new(map(range, &self.config)?);
        let slot = (0..).find(|slot| self.regions.iter().all(|region| region.slot != *slot));
        let region = RamRegion {
            slot: slot.unwrap_or(u32::MAX),
            mapping,
        };
        self.set_kvm_slot(&region, range.length)?;
        if let Err(error) = self.register(&region) {
            self.set_kvm_slot(&region, 0)?;
            return Err(error);
        }
        let place = self
            .regions
            .partition_point(|other| other.range().start < range.start);
        self.regions.insert(place, region);
        self.publish();
        Ok(())
    }

    /// Lets vCPU threads see the regions as they are now.
    fn publish(&self) {
        let mappings = self.regions.iter().map(|region| Arc::clone(&region.mapping));
        self.map.set(mappings.collect());
    }

    /// Registers a region with every device, or with none.
    fn register(&self, region: &RamRegion) -> Result<()> {
        let range = region.range();
        let description = Region {
            guest_address: range.start,
            length: range.length,
            host_address: region.host_address(),
            block_size: 0,
            flags: RegionFlags {
                mergeable: self.config.mergeable,
                ..RegionFlags::default()
            },
        };
        for (index, device) in self.devices.iter().enumerate() {
            // SAFETY: the mapping is readable and writable and stays until remove_last() or drop(), both of which
            // unregister it first.
            if let Err(error) = unsafe { device.register_memory(&description) } {
                unregister(&self.devices[..index], range);
                bail!("the plugin refuses guest RAM at {:#x}: {error}", range.start);
            }
        }
        Ok(())
    }

    /// Removes the last region, which must be hot-plugged: from the plugin, then from KVM, then from the host.
    ///
    /// # Errors
    /// There is no hot-plugged region, or KVM refuses.
    fn remove_last(&mut self) -> Result<()> {
        if self.regions.len() == self.boot_regions {
            bail!("RAM present at boot can't be unplugged");
        }
        let region = self.regions.pop().context("no RAM")?;
        self.publish();
        let range = region.range();
        unregister(&self.devices, range);
        self.set_kvm_slot(&region, 0)
    }

    /// Makes RAM `size` bytes large: by hot-plugging one region, or by unplugging hot-plugged ones.
    ///
    /// # Errors
    /// The size is no multiple of the page size or can't be reached by whole regions, or [`Self::add`] fails.
    pub fn resize(&mut self, size: u64) -> Result<()> {
        let present = self.size();
        if size % self.config.page_size() != 0 {
            bail!("{size} is no multiple of the page size");
        }
        if size > present {
            let end = self.regions.last().map_or(0, |region| region.range().end());
            return self.add(Range {
                start: layout::hotplug_start(end),
                length: size - present,
            });
        }
        let reachable = self.regions[self.boot_regions..]
            .iter()
            .rev()
            .scan(present, |left, region| {
                *left -= region.range().length;
                Some(*left)
            })
            .any(|left| left == size);
        if size != present && !reachable {
            bail!("only whole hot-plugged regions can be unplugged, the last first");
        }
        while self.size() > size {
            self.remove_last()?;
        }
        Ok(())
    }

    /// Switches KVM's log of the pages that the guest changes.
    ///
    /// # Errors
    /// KVM refuses.
    pub fn set_dirty_logging(&mut self, enabled: bool) -> Result<()> {
        self.dirty_logging = enabled;
        for region in &self.regions {
            self.set_kvm_slot(region, region.range().length)?;
        }
        Ok(())
    }

    /// The pages that the guest itself has changed since the last call, as addresses; for each the log starts anew.
    ///
    /// # Errors
    /// Dirty logging is off.
    pub fn take_dirty_pages(&self) -> Result<Vec<u64>> {
        let mut pages = Vec::new();
        for region in &self.regions {
            let range = region.range();
            let bitmap = self
                .vm
                .get_dirty_log(region.slot, range.length as usize)
                .context("KVM_GET_DIRTY_LOG")?;
            for (word, bits) in bitmap.into_iter().enumerate() {
                let first = range.start + word as u64 * 64 * 4096;
                pages.extend(
                    (0..64)
                        .filter(|bit| bits >> bit & 1 == 1)
                        .map(|bit| first + bit * 4096),
                );
            }
        }
        Ok(pages)
    }

    fn set_kvm_slot(&self, region: &RamRegion, length: u64) -> Result<()> {
        let slot = kvm_userspace_memory_region {
            slot: region.slot,
            flags: if self.dirty_logging {
                KVM_MEM_LOG_DIRTY_PAGES
            } else {
                0
            },
            guest_phys_addr: region.range().start,
            memory_size: length,
            userspace_addr: region.host_address() as u64,
        };
        // SAFETY: the mapping is at least `length` bytes long and is unmapped only after this was called with 0.
        unsafe { self.vm.set_user_memory_region(slot) }.context("KVM_SET_USER_MEMORY_REGION")
    }
}

impl Drop for GuestRam {
    fn drop(&mut self) {
        for region in &self.regions {
            unregister(&self.devices, region.range());
        }
    }
}

fn unregister(devices: &[Arc<Device>], range: Range) {
    for device in devices {
        if let Err(error) = device.unregister_memory(range.start, range.length) {
            // The contract of unregister_memory: no request touches the range any more, whatever it reports.
            log::warn!("unregistering guest RAM at {:#x}: {error}", range.start);
        }
    }
}

fn map(range: Range, config: &MemoryConfig) -> Result<GuestRegionMmap> {
    let context = || format!("can't map {} MiB of guest RAM", range.length >> 20);
    let file = if config.shared || config.hugepages {
        Some(memory_file(range.length, config)?)
    } else {
        None
    };
    let mut flags = if config.shared {
        libc::MAP_SHARED
    } else {
        libc::MAP_PRIVATE
    };
    if file.is_none() {
        flags |= libc::MAP_ANONYMOUS;
    }
    if !config.hugepages {
        // Without this, a host that counts commitments would refuse RAM that the guest may never touch. Huge pages
        // are reserved, so that their lack shows here and not as a SIGBUS.
        flags |= libc::MAP_NORESERVE;
    }
    let length = range.length as usize;
    let mapping = MmapRegion::build(
        file.map(|file| FileOffset::new(file, 0)),
        length,
        libc::PROT_READ | libc::PROT_WRITE,
        flags,
    )
    .with_context(context)?;
    if config.mergeable {
        advise(&mapping, libc::MADV_MERGEABLE, "MADV_MERGEABLE")?;
    }
    if config.thp && !config.shared && !config.hugepages {
        advise(&mapping, libc::MADV_HUGEPAGE, "MADV_HUGEPAGE")?;
    }
    GuestRegionMmap::new(mapping, GuestAddress(range.start)).with_context(context)
}

fn advise(mapping: &MmapRegion, advice: libc::c_int, name: &str) -> Result<()> {
    // SAFETY: the range is exactly the mapping, and neither advice changes what it holds.
    if unsafe { libc::madvise(mapping.as_ptr().cast(), mapping.size(), advice) } != 0 {
        return Err(io::Error::last_os_error()).with_context(|| format!("can't advise guest RAM {name}"));
    }
    Ok(())
}

fn memory_file(length: u64, config: &MemoryConfig) -> Result<File> {
    let mut flags = libc::MFD_CLOEXEC;
    if config.hugepages {
        flags |= libc::MFD_HUGETLB | libc::MFD_HUGE_2MB;
    }
    // SAFETY: the name is a terminated string, and no memory is handed over.
    let descriptor = unsafe { libc::memfd_create(c"guest-ram".as_ptr(), flags) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error()).context("can't make a file for guest RAM");
    }
    // SAFETY: the descriptor is new, and nothing else owns it.
    let file = unsafe { File::from_raw_fd(descriptor) };
    file.set_len(length)
        .context("can't size the file for guest RAM")?;
    Ok(file)
}
