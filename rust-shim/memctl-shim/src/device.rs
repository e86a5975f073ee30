// SPDX-License-Identifier: Apache-2.0
//! A device, as a VMM uses it.

use std::collections::BTreeSet;
use std::ffi::{c_char, c_void, CStr};
use std::process::abort;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::abi::*;
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::plugin::Plugin;
use crate::{guest_copy, logging};

/// Takes note of guest memory that the device has changed, for live migration.
pub trait DirtyLog: Send + Sync {
    /// [`guest_address`, `guest_address + length`) has changed. Called on the vCPU's thread, several at once, while
    /// dirty logging is on; must not call the device. A panic ends the process: a change that is not noted
    /// would be lost in the migrated guest.
    fn mark_dirty(&self, guest_address: u64, length: u64);
}

/// A piece of guest RAM. Addresses and length are multiples of the host's page size.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// Guest-physical.
    pub guest_address: u64,
    /// Bytes, not 0.
    pub length: u64,
    /// Where it is mapped in this process.
    pub host_address: *mut u8,
    /// What the VMM has advised the kernel about it.
    pub flags: RegionFlags,
}

/// What a VMM has advised the kernel about a region, so that a guest's request can be lifted to that and no further.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegionFlags {
    /// `MADV_MERGEABLE`.
    pub mergeable: bool,
    /// `MADV_DONTDUMP`.
    pub dont_dump: bool,
}

/// One number that a device keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Unique within a device.
    pub name: &'static str,
    /// Its value at the time of the call.
    pub value: u64,
}

/// A device. All methods may be called from any thread, also at once.
pub struct Device {
    plugin: Plugin,
    handle: *mut memctl_device,
    _host: Box<Host>,
    defect_told: AtomicBool,
}

/// What the callbacks need; their context points here. In a box, because a `Device` moves; kept until it is dropped.
struct Host {
    dirty_log: Option<Arc<dyn DirtyLog>>,
}

// SAFETY: the handle is a value that the library checks on every call, and the ABI allows calls from any thread. `Host` is
// only read, and `DirtyLog` is Send + Sync.
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
        Ok(Device {
            plugin,
            handle,
            _host: host,
            defect_told: AtomicBool::new(false),
        })
    }

    /// A guest's load of 1 to 8 bytes from BAR 0, in the shape of a VMM's bus device; `base` is not used. Always fills
    /// `data`, with zeros where there is no register.
    pub fn read(&self, _base: u64, offset: u64, data: &mut [u8]) {
        // SAFETY: `data` is writable for its length.
        let status =
            unsafe { (self.functions().mmio_read)(self.handle, offset, data.as_mut_ptr(), data.len()) };
        if status != MEMCTL_OK && status != MEMCTL_IGNORED_ACCESS {
            data.fill(0);
            self.tell_of_defect("mmio_read", status);
        }
    }

    /// A guest's store of 1 to 8 bytes to BAR 0. When it returns, the request that it started is complete.
    pub fn write(&self, _base: u64, offset: u64, data: &[u8]) {
        // SAFETY: `data` is readable for its length. What the library then does to guest memory is what
        // `register_memory` had promised about it.
        let status = unsafe { (self.functions().mmio_write)(self.handle, offset, data.as_ptr(), data.len()) };
        if status != MEMCTL_OK && status != MEMCTL_IGNORED_ACCESS {
            self.tell_of_defect("mmio_write", status);
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
    /// guest's RAM, and behind no Rust reference: the guest may have it read, written, discarded, or closed
    /// to reads and writes at any moment. After `unregister_memory` it is open again.
    pub unsafe fn register_memory(&self, region: &Region) -> Result<(), Error> {
        let flag = |set, bit| if set { bit } else { 0 };
        let region = memctl_region {
            size: size_of::<memctl_region>() as u32,
            flags: flag(region.flags.mergeable, MEMCTL_REGION_MERGEABLE)
                | flag(region.flags.dont_dump, MEMCTL_REGION_DONTDUMP),
            guest_address: region.guest_address,
            length: region.length,
            host_address: region.host_address.cast(),
        };
        // SAFETY: `region` is valid during the call; what it names, the caller has promised.
        let status = unsafe { (self.functions().register_memory)(self.handle, &region) };
        self.plugin.outcome(status)
    }

    /// Takes away guest RAM, named exactly as it was registered, with what the guest had set on it lifted. When this
    /// returns, no request touches it any more and the VMM may unmap it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]: nothing changed. [`ErrorKind::HostCallFailed`]: the region is gone
    /// from the device, but something that the guest had set on it could not be lifted.
    pub fn unregister_memory(&self, guest_address: u64, length: u64) -> Result<(), Error> {
        // SAFETY: no pointers.
        let status = unsafe { (self.functions().unregister_memory)(self.handle, guest_address, length) };
        self.plugin.outcome(status)
    }

    /// As a reset of the virtual machine: channels forgotten, what the guest had set on its memory lifted, memory and
    /// counters kept.
    ///
    /// # Errors
    /// [`ErrorKind::HostCallFailed`] if something could not be lifted.
    pub fn reset(&self) -> Result<(), Error> {
        // SAFETY: no pointers.
        let status = unsafe { (self.functions().device_reset)(self.handle) };
        self.plugin.outcome(status)
    }

    /// Switches calls of the [`DirtyLog`] on or off. On: every change by a later request is reported. Off: no call is
    /// in progress when this returns.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a device that was made without one.
    pub fn set_dirty_logging(&self, enabled: bool) -> Result<(), Error> {
        // SAFETY: no pointers.
        let status = unsafe { (self.functions().set_dirty_logging)(self.handle, enabled.into()) };
        self.plugin.outcome(status)
    }

    /// While on, DONTNEED, REMOVE and FREE answer EBUSY: for guest memory that a device of the host has pinned. When
    /// this returns, no discard is in progress.
    ///
    /// # Errors
    /// None that a correct library gives.
    pub fn inhibit_discard(&self, enabled: bool) -> Result<(), Error> {
        // SAFETY: no pointers.
        let status = unsafe { (self.functions().inhibit_discard)(self.handle, enabled.into()) };
        self.plugin.outcome(status)
    }

    /// While on, guest memory that the guest has closed is readable by the host, for a snapshot or a migration. What
    /// the guest sees of its settings, and what is saved, do not change.
    ///
    /// # Errors
    /// [`ErrorKind::HostCallFailed`] if a protection could not be changed.
    pub fn hold_readable(&self, enabled: bool) -> Result<(), Error> {
        // SAFETY: no pointers.
        let status = unsafe { (self.functions().hold_readable)(self.handle, enabled.into()) };
        self.plugin.outcome(status)
    }

    /// The device's whole state. The vCPUs must be paused.
    ///
    /// # Errors
    /// None that a correct library gives.
    pub fn save(&self) -> Result<Vec<u8>, Error> {
        let mut state = Vec::new();
        loop {
            let mut length = 0;
            // SAFETY: `state` is writable for its length, `length` for one number.
            let status = unsafe {
                (self.functions().device_save)(self.handle, state.as_mut_ptr(), state.len(), &mut length)
            };
            if status == MEMCTL_BUFFER_TOO_SMALL && length > state.len() {
                state.resize(length, 0);
                continue;
            }
            self.plugin.outcome(status)?;
            state.truncate(length);
            return Ok(state);
        }
    }

    /// Puts a saved state into a device that was just created, with its memory registered and filled and no vCPU
    /// running, and applies what the guest had set on its memory.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidState`], [`ErrorKind::HostCallFailed`]; the device is then as before.
    pub fn restore(&self, state: &[u8]) -> Result<(), Error> {
        // SAFETY: `state` is readable for its length.
        let status = unsafe { (self.functions().device_restore)(self.handle, state.as_ptr(), state.len()) };
        self.plugin.outcome(status)
    }

    /// Counters and gauges, always in the same order for one device.
    ///
    /// # Errors
    /// None that a correct library gives.
    pub fn counters(&self) -> Result<Vec<Counter>, Error> {
        let empty = memctl_counter {
            name: [0; 40],
            value: 0,
        };
        let mut counters = vec![empty; 64];
        loop {
            let mut count = 0;
            // SAFETY: `counters` is writable for its length, `count` for one number.
            let status = unsafe {
                (self.functions().device_statistics)(
                    self.handle,
                    counters.as_mut_ptr(),
                    counters.len(),
                    &mut count,
                )
            };
            if status == MEMCTL_BUFFER_TOO_SMALL && count > counters.len() {
                counters.resize(count, empty);
                continue;
            }
            self.plugin.outcome(status)?;
            counters.truncate(count);
            return Ok(counters
                .iter()
                .map(|counter| Counter {
                    name: interned(&counter.name),
                    value: counter.value,
                })
                .collect());
        }
    }

    fn functions(&self) -> &memctl_functions {
        self.plugin.functions()
    }

    /// A status that neither guest nor VMM can bring about through this type. Told once for a device, as it would come
    /// back with every access.
    fn tell_of_defect(&self, function: &str, status: memctl_status) {
        if !self.defect_told.swap(true, Ordering::Relaxed) {
            if let Err(error) = self.plugin.outcome(status) {
                log::error!("{function} failed ({:?}): {error}; told once", error.kind());
            }
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: no pointers. `self._host` lives until after this, as the library may call back until it returns.
        let status = unsafe { (self.functions().device_destroy)(self.handle) };
        if let Err(error) = self.plugin.outcome(status) {
            log::error!("could not destroy a memctl device: {error}");
        }
    }
}

/// The ABI's `dirty`. A panic in an `extern "C"` function ends the process, which is what [`DirtyLog`] says.
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

/// The name in static memory. What this keeps for good is bounded by how many names the library has.
fn interned(name: &[c_char; 40]) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

    let bytes = name.map(|character| character as u8);
    let name = match CStr::from_bytes_until_nul(&bytes) {
        Ok(name) => name.to_string_lossy(),
        Err(_) => String::from_utf8_lossy(&bytes),
    };
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);

    match names.get(name.as_ref()) {
        Some(name) => name,
        None => {
            let name: &'static str = Box::leak(name.into_owned().into_boxed_str());
            names.insert(name);
            name
        }
    }
}
