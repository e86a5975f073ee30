// SPDX-License-Identifier: Apache-2.0
//! A device, as a VMM uses it.

mod monitoring;

use std::ffi::c_void;
use std::process::abort;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use crate::abi::*;
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::plugin::Plugin;
use crate::{guest_copy, logging};

pub use monitoring::{Counter, Extent};

/// Records guest memory that the device has changed, for live migration.
pub trait DirtyLog: Send + Sync {
    /// [`guest_address`, `guest_address + length`) has changed. Called on the vCPU's thread, several at once, while
    /// dirty logging is on; must not call the device. A panic ends the process: a change that is not recorded
    /// would be lost in the migrated guest.
    fn mark_dirty(&self, guest_address: u64, length: u64);
}

/// A region of guest RAM. Addresses and length are multiples of the host's page size.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// Guest-physical.
    pub guest_address: u64,
    /// Bytes, not 0.
    pub length: u64,
    /// Where it is mapped in this process.
    pub host_address: *mut u8,
    /// Bytes of a hot-plug block. 0: all of the region is guest RAM from now on. Otherwise a power of two, at least the
    /// host's page size, that divides `guest_address` and `length`: every block is absent until
    /// [`Device::plug_memory`].
    pub block_size: u64,
    /// What the VMM has advised the kernel about it.
    pub flags: RegionFlags,
}

/// What a VMM has advised the kernel about a region: the state to which the device reverts a guest's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegionFlags {
    /// `MADV_MERGEABLE`.
    pub mergeable: bool,
    /// `MADV_DONTDUMP`.
    pub dont_dump: bool,
}

/// A device. All methods may be called from any thread, concurrently too.
pub struct Device {
    mmio: Mmio,
    plugin: Plugin,
    functions: memctl_functions,
    _host: Box<Host>,
    defect_logged: AtomicBool,
}

/// All that a guest's access reads of the shim's memory, on one cache line.
#[repr(align(32))]
struct Mmio {
    handle: *mut memctl_device,
    read: unsafe extern "C" fn(*mut memctl_device, u64, *mut u8, usize) -> memctl_status,
    write: unsafe extern "C" fn(*mut memctl_device, u64, *const u8, usize) -> memctl_status,
}

/// The context of the callbacks. In a box, because a `Device` moves; kept until it is dropped.
struct Host {
    dirty_log: Option<Arc<dyn DirtyLog>>,
}

// SAFETY: the handle is a value that the library checks on every call, and the ABI allows calls from any thread. `Host` is
// never written, and `DirtyLog` is Send + Sync.
unsafe impl Send for Device {}
// SAFETY: as above; the ABI serialises calls of one device where they need it.
unsafe impl Sync for Device {}

impl Device {
    pub(crate) fn create(
        plugin: Plugin,
        options: &str,
        dirty_log: Option<Arc<dyn DirtyLog>>,
    ) -> Result<Self, Error> {
        let has_dirty_log = dirty_log.is_some();
        let host = Box::new(Host { dirty_log });
        let offer = memctl_host {
            size: size_of::<memctl_host>() as u32,
            abi_version: MEMCTL_ABI_VERSION,
            context: (&raw const *host).cast_mut().cast(),
            log: Some(logging::log_record),
            log_level: logging::wanted_level(),
            reserved: 0,
            dirty: has_dirty_log.then_some(mark_dirty),
            copy_from_guest: Some(guest_copy::copy),
            copy_to_guest: Some(guest_copy::copy),
        };
        let mut handle = ptr::null_mut();
        // SAFETY: all pointers are valid during the call. The context lives until `drop` has destroyed the device
        // and is only read; the callbacks are of the ABI's types, keep its rules, and are safe from any thread.
        let status = unsafe {
            (plugin.functions().device_create)(&offer, options.as_ptr().cast(), options.len(), &mut handle)
        };
        plugin.outcome(status)?;
        let functions = *plugin.functions();
        Ok(Device {
            mmio: Mmio {
                handle,
                read: functions.mmio_read,
                write: functions.mmio_write,
            },
            plugin,
            functions,
            _host: host,
            defect_logged: AtomicBool::new(false),
        })
    }

    /// A guest's load of 1 to 8 bytes from BAR 0, in the shape of a VMM's bus device; `base` is not used. Always fills
    /// `data`, with zeros where there is no register.
    #[inline]
    pub fn read(&self, _base: u64, offset: u64, data: &mut [u8]) {
        // SAFETY: `data` is writable for its length.
        let status = unsafe { (self.mmio().read)(self.mmio.handle, offset, data.as_mut_ptr(), data.len()) };
        if status != MEMCTL_OK && status != MEMCTL_IGNORED_ACCESS {
            data.fill(0);
            self.log_defect("mmio_read", status);
        }
    }

    /// A guest's store of 1 to 8 bytes to BAR 0. When it returns, the request that it started is complete.
    #[inline]
    pub fn write(&self, _base: u64, offset: u64, data: &[u8]) {
        // SAFETY: `data` is readable for its length. The library changes guest memory, as the caller of
        // `register_memory` has allowed.
        let status = unsafe { (self.mmio().write)(self.mmio.handle, offset, data.as_ptr(), data.len()) };
        if status != MEMCTL_OK && status != MEMCTL_IGNORED_ACCESS {
            self.log_defect("mmio_write", status);
        }
    }

    /// Adds guest RAM; requests that start after the return may use it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`], [`ErrorKind::Overlap`], [`ErrorKind::LimitReached`].
    ///
    /// # Safety
    /// From now until [`unregister_memory`](Self::unregister_memory) of this region has returned, or the device was
    /// dropped, `[host_address, host_address + length)` is mapped readable and writable, used for nothing but this
    /// guest's RAM, and behind no Rust reference: the guest may have it read, written, discarded, or made inaccessible
    /// at any moment. After `unregister_memory` it is readable and writable again.
    pub unsafe fn register_memory(&self, region: &Region) -> Result<(), Error> {
        let flag = |set, bit| if set { bit } else { 0 };
        let region = memctl_region {
            size: size_of::<memctl_region>() as u32,
            flags: flag(region.flags.mergeable, MEMCTL_REGION_MERGEABLE)
                | flag(region.flags.dont_dump, MEMCTL_REGION_DONTDUMP),
            guest_address: region.guest_address,
            length: region.length,
            host_address: region.host_address.cast(),
            block_size: region.block_size,
        };
        // SAFETY: `region` is valid during the call; what it names, the caller has promised.
        let status = unsafe { (self.functions().register_memory)(self.mmio.handle, &region) };
        self.plugin.outcome(status)
    }

    /// Removes guest RAM, named exactly as it was registered, and reverts what the guest had set on it. When this
    /// returns, no request touches it any more and the VMM may unmap it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]: nothing changed. [`ErrorKind::HostCallFailed`]: the region is unregistered, but the kernel
    /// refused to revert something that the guest had set on it.
    pub fn unregister_memory(&self, guest_address: u64, length: u64) -> Result<(), Error> {
        // SAFETY: no pointers.
        let status = unsafe { (self.functions().unregister_memory)(self.mmio.handle, guest_address, length) };
        self.plugin.outcome(status)
    }

    /// Makes absent blocks of a region present: whole blocks of one region that was registered with a block size. Call it
    /// before the guest learns that they are there.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if the range is not in such a region; [`ErrorKind::InvalidArgument`] if it is not whole
    /// blocks, or one of them is present. Nothing has changed then.
    pub fn plug_memory(&self, guest_address: u64, length: u64) -> Result<(), Error> {
        // SAFETY: no pointers.
        let status = unsafe { (self.functions().plug_memory)(self.mmio.handle, guest_address, length) };
        self.plugin.outcome(status)
    }

    /// Makes present blocks absent and reverts what the guest had set on them. When this returns `Ok`, no request touches
    /// them any more.
    ///
    /// # Errors
    /// [`ErrorKind::HostCallFailed`]: the blocks are absent, but the kernel refused to revert something. Any other: nothing
    /// has changed, and the VMM refuses the guest's unplug. [`ErrorKind::NotFound`] and
    /// [`ErrorKind::InvalidArgument`] as for [`plug_memory`](Self::plug_memory), here for absent blocks;
    /// [`ErrorKind::LimitReached`] if the revert would split more mappings than the device has room for.
    pub fn unplug_memory(&self, guest_address: u64, length: u64) -> Result<(), Error> {
        // SAFETY: no pointers.
        let status = unsafe { (self.functions().unplug_memory)(self.mmio.handle, guest_address, length) };
        self.plugin.outcome(status)
    }

    /// A reset of the virtual machine: forgets the channels and reverts what the guest had set on its memory; memory and
    /// counters stay.
    ///
    /// # Errors
    /// [`ErrorKind::HostCallFailed`] if the kernel refused to revert something.
    pub fn reset(&self) -> Result<(), Error> {
        // SAFETY: no pointers.
        let status = unsafe { (self.functions().device_reset)(self.mmio.handle) };
        self.plugin.outcome(status)
    }

    /// Switches calls of the [`DirtyLog`] on or off. On: the device reports every change by a later request. Off: no call
    /// is in progress when this returns.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a device without one.
    pub fn set_dirty_logging(&self, enabled: bool) -> Result<(), Error> {
        // SAFETY: no pointers.
        let status = unsafe { (self.functions().set_dirty_logging)(self.mmio.handle, enabled.into()) };
        self.plugin.outcome(status)
    }

    /// While on, the device answers EBUSY to DONTNEED, REMOVE and FREE: for guest memory that a device of the host has
    /// pinned. When this returns, no discard is in progress.
    ///
    /// # Errors
    /// None that a correct library returns.
    pub fn inhibit_discard(&self, enabled: bool) -> Result<(), Error> {
        // SAFETY: no pointers.
        let status = unsafe { (self.functions().inhibit_discard)(self.mmio.handle, enabled.into()) };
        self.plugin.outcome(status)
    }

    /// While on, this process can read all guest memory, whatever the guest has protected: for a snapshot, a core dump or a
    /// migration. Saved state and attribute map do not change.
    ///
    /// # Errors
    /// [`ErrorKind::HostCallFailed`] if the kernel refused a protection.
    pub fn keep_readable(&self, enabled: bool) -> Result<(), Error> {
        // SAFETY: no pointers.
        let status = unsafe { (self.functions().keep_readable)(self.mmio.handle, enabled.into()) };
        self.plugin.outcome(status)
    }

    /// While on, this process can read and write all guest memory: for as long as the kernel pins it, as VFIO and vDPA do when
    /// they map it for DMA. What is pinned stays reachable for DMA afterwards. The guest can use its protected pages
    /// meanwhile: keep it short. Independent of [`keep_readable`](Self::keep_readable).
    ///
    /// # Errors
    /// [`ErrorKind::HostCallFailed`] if the kernel refused a protection.
    pub fn keep_accessible(&self, enabled: bool) -> Result<(), Error> {
        // SAFETY: no pointers.
        let status = unsafe { (self.functions().keep_accessible)(self.mmio.handle, enabled.into()) };
        self.plugin.outcome(status)
    }

    /// To be called when a vCPU ran into guest memory that this process can't access: KVM_RUN failed with EFAULT.
    /// `guest_address` is that of KVM_EXIT_MEMORY_FAULT, None where KVM does not report it.
    /// With `on_fault=open`, makes accessible what the guest has protected there, or everywhere. After `Ok` the vCPU
    /// may run again.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]: the guest has protected nothing there; another vCPU's call may just have opened it, so run
    /// the vCPU once more and stop at the second in a row. [`ErrorKind::Denied`]: `on_fault` is `stop`.
    /// [`ErrorKind::HostCallFailed`]: the kernel refused.
    pub fn resolve_fault(&self, guest_address: Option<u64>) -> Result<(), Error> {
        let address = guest_address.unwrap_or(MEMCTL_ADDRESS_UNKNOWN);
        // SAFETY: no pointers.
        let status = unsafe { (self.functions().resolve_fault)(self.mmio.handle, address) };
        self.plugin.outcome(status)
    }

    /// The device's whole state. The vCPUs must be paused.
    ///
    /// # Errors
    /// None that a correct library returns.
    pub fn save(&self) -> Result<Vec<u8>, Error> {
        // SAFETY: the function stores at most as many bytes as the slice has, and their number.
        self.read_array(0, |state, length| unsafe {
            (self.functions().device_save)(self.mmio.handle, state.as_mut_ptr(), state.len(), length)
        })
    }

    /// Restores a saved state into a new device, with its memory registered, plugged and filled and no vCPU
    /// running, and applies what the guest had set on its memory.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidState`], [`ErrorKind::HostCallFailed`]; the device is unchanged then.
    pub fn restore(&self, state: &[u8]) -> Result<(), Error> {
        // SAFETY: `state` is readable for its length.
        let status =
            unsafe { (self.functions().device_restore)(self.mmio.handle, state.as_ptr(), state.len()) };
        self.plugin.outcome(status)
    }

    /// Reads an array whose length only the library knows, with room for more on each try.
    fn read_array<T: Copy>(
        &self,
        empty: T,
        mut read: impl FnMut(&mut [T], &mut usize) -> memctl_status,
    ) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        loop {
            let mut count = 0;
            let status = read(&mut items, &mut count);
            if status == MEMCTL_BUFFER_TOO_SMALL && count > items.len() {
                items.resize(count + count / 8, empty);
                continue;
            }
            self.plugin.outcome(status)?;
            items.truncate(count);
            return Ok(items);
        }
    }

    #[inline]
    fn mmio(&self) -> &Mmio {
        self.plugin.attach_thread();
        &self.mmio
    }

    #[inline]
    fn functions(&self) -> &memctl_functions {
        self.plugin.attach_thread();
        &self.functions
    }

    /// Logs a status that neither guest nor VMM can cause through this type. Once for a device, as every access would
    /// cause it again.
    fn log_defect(&self, function: &str, status: memctl_status) {
        if !self.defect_logged.swap(true, Ordering::Relaxed) {
            if let Err(error) = self.plugin.outcome(status) {
                log::error!("{function} failed ({:?}): {error}; logged once", error.kind());
            }
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: no pointers. `self._host` lives until after this, as the library may call back until it returns.
        let status = unsafe { (self.functions().device_destroy)(self.mmio.handle) };
        if let Err(error) = self.plugin.outcome(status) {
            log::error!("could not destroy a memctl device: {error}");
        }
    }
}

/// The ABI's `dirty`. A panic in an `extern "C"` function ends the process, as [`DirtyLog`] documents.
///
/// # Safety
/// `context` is the one that `Device::create` offered, of a device not yet destroyed.
unsafe extern "C" fn mark_dirty(context: *mut c_void, guest_address: u64, length: u64) {
    // SAFETY: promised by the caller; `Host` is never written to.
    let host = unsafe { &*context.cast::<Host>() };
    match &host.dirty_log {
        Some(dirty_log) => dirty_log.mark_dirty(guest_address, length),
        // Not offered, so not called; a lost change must not go unnoticed.
        None => abort(),
    }
}
