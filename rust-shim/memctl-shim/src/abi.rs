// SPDX-License-Identifier: Apache-2.0
//! The C ABI of `libmemctl.so` as Rust types, under the names of the contract, `native/include/memctl_plugin.h`, which
//! defines what everything here means. `memctl-csbindgen` generates the C# side from this file; `tests/abi` compares all
//! three.
//!
//! csbindgen reads this file's text: constants are literals, and no macro generates an item.

#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_void};

/// "MEMC": the upper half of the result of [`memctl_functions::abi_version`].
pub const MEMCTL_ABI_MAGIC: u32 = 0x4d45_4d43;
/// A library of another major version cannot be used.
pub const MEMCTL_ABI_VERSION_MAJOR: u32 = 1;
/// A library of a lower minor version lacks something that callers of this one may use.
pub const MEMCTL_ABI_VERSION_MINOR: u32 = 0;
/// Major and minor version in one number, as in [`memctl_host::abi_version`].
pub const MEMCTL_ABI_VERSION: u32 = 0x0001_0000;

const _: () = assert!(MEMCTL_ABI_VERSION == (MEMCTL_ABI_VERSION_MAJOR << 16 | MEMCTL_ABI_VERSION_MINOR));

/// Result of every function that can fail: one of the `MEMCTL_*` values below.
pub type memctl_status = u32;

/// Done.
pub const MEMCTL_OK: memctl_status = 0;
/// A null pointer, a bad length, alignment, range or option.
pub const MEMCTL_INVALID_ARGUMENT: memctl_status = 1;
/// Null, never created, or destroyed.
pub const MEMCTL_INVALID_HANDLE: memctl_status = 2;
/// A structure's size is less than that of version 1.0.
pub const MEMCTL_INVALID_SIZE: memctl_status = 3;
/// The caller was built for an ABI that the library does not offer.
pub const MEMCTL_UNSUPPORTED_VERSION: memctl_status = 4;
/// The guest's access has no meaning; the device counted it and changed nothing.
pub const MEMCTL_IGNORED_ACCESS: memctl_status = 5;
/// The region overlaps a registered one.
pub const MEMCTL_OVERLAP: memctl_status = 6;
/// No such region is registered.
pub const MEMCTL_NOT_FOUND: memctl_status = 7;
/// Too many devices in the process, regions in the device, or mappings.
pub const MEMCTL_LIMIT_REACHED: memctl_status = 8;
/// A saved state is damaged, foreign, or does not fit the device.
pub const MEMCTL_INVALID_STATE: memctl_status = 9;
/// The kernel refused a call on guest memory; the message contains its errno.
pub const MEMCTL_HOST_CALL_FAILED: memctl_status = 10;
/// The library stored the length that it needs.
pub const MEMCTL_BUFFER_TOO_SMALL: memctl_status = 11;
/// A defect in the library; the device goes on as far as it can.
pub const MEMCTL_INTERNAL_ERROR: memctl_status = 12;
/// The operator's options do not allow it.
pub const MEMCTL_DENIED: memctl_status = 13;

/// The guest-physical address of [`memctl_functions::resolve_fault`] where the kernel reports none.
pub const MEMCTL_ADDRESS_UNKNOWN: u64 = u64::MAX;

/// No log records at all.
pub const MEMCTL_LOG_OFF: u32 = 0;
/// Something failed.
pub const MEMCTL_LOG_ERROR: u32 = 1;
/// Something is wrong, and the device goes on.
pub const MEMCTL_LOG_WARN: u32 = 2;
/// Of interest to an operator.
pub const MEMCTL_LOG_INFO: u32 = 3;
/// Of interest to a developer.
pub const MEMCTL_LOG_DEBUG: u32 = 4;
/// Everything.
pub const MEMCTL_LOG_TRACE: u32 = 5;

/// The VMM has advised this region `MADV_MERGEABLE`.
pub const MEMCTL_REGION_MERGEABLE: u32 = 0x1;
/// The VMM has advised this region `MADV_DONTDUMP`.
pub const MEMCTL_REGION_DONTDUMP: u32 = 0x2;

/// The guest has locked the extent.
pub const MEMCTL_EXTENT_LOCKED: u32 = 0x1;
/// The guest excludes the extent from core dumps.
pub const MEMCTL_EXTENT_DONTDUMP: u32 = 0x2;
/// The guest allows merging of equal pages.
pub const MEMCTL_EXTENT_MERGEABLE: u32 = 0x4;
/// The guest forbids merging of equal pages.
pub const MEMCTL_EXTENT_UNMERGEABLE: u32 = 0x8;

/// A device: opaque, and a value rather than an address.
#[repr(C)]
pub struct memctl_device {
    opaque: [u8; 0],
}

/// What the VMM offers to a device.
#[repr(C)]
pub struct memctl_host {
    /// `size_of::<memctl_host>()`.
    pub size: u32,
    /// [`MEMCTL_ABI_VERSION`].
    pub abi_version: u32,
    /// First argument of every callback.
    pub context: *mut c_void,
    /// Takes one log record.
    pub log: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            level: u32,
            target: *const c_char,
            target_length: usize,
            message: *const c_char,
            message_length: usize,
        ),
    >,
    /// Minimum severity to deliver.
    pub log_level: u32,
    /// Zero.
    pub reserved: u32,
    /// Takes a range of guest memory that the device has changed.
    pub dirty: Option<unsafe extern "C" fn(context: *mut c_void, guest_address: u64, length: u64)>,
    /// Copies from guest memory; 0 or `EFAULT`.
    pub copy_from_guest: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            destination: *mut c_void,
            source: *const c_void,
            length: usize,
        ) -> i32,
    >,
    /// Copies to guest memory; 0 or `EFAULT`.
    pub copy_to_guest: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            destination: *mut c_void,
            source: *const c_void,
            length: usize,
        ) -> i32,
    >,
}

/// A region of guest RAM.
#[repr(C)]
pub struct memctl_region {
    /// `size_of::<memctl_region>()`.
    pub size: u32,
    /// `MEMCTL_REGION_*`.
    pub flags: u32,
    /// Guest-physical, whole host pages.
    pub guest_address: u64,
    /// Bytes, whole host pages.
    pub length: u64,
    /// Where it is mapped.
    pub host_address: *mut c_void,
    /// Bytes of a hot-plug block, or 0 for a region that is all present.
    pub block_size: u64,
}

/// The PCI function that the guest's driver binds to.
#[repr(C)]
pub struct memctl_pci_identity {
    /// `size_of::<memctl_pci_identity>()`.
    pub size: u32,
    /// Vendor ID.
    pub vendor_id: u16,
    /// Device ID.
    pub device_id: u16,
    /// Subsystem vendor ID.
    pub subsystem_vendor_id: u16,
    /// Subsystem ID.
    pub subsystem_id: u16,
    /// Base class code.
    pub base_class: u8,
    /// Subclass code.
    pub subclass: u8,
    /// Programming interface.
    pub programming_interface: u8,
    /// Revision ID.
    pub revision: u8,
    /// Bytes of BAR 0, a power of two.
    pub bar_size: u64,
}

/// A counter or gauge.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct memctl_counter {
    /// Terminated.
    pub name: [c_char; 40],
    /// Its value now.
    pub value: u64,
}

/// An extent of the attribute map.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct memctl_extent {
    /// Guest-physical.
    pub guest_address: u64,
    /// Bytes, not 0.
    pub length: u64,
    /// `PROT_*` bits that the guest left.
    pub protection: u32,
    /// `MEMCTL_EXTENT_*`.
    pub flags: u32,
    /// The number of SET_VMA_ANON_NAME, or 0.
    pub name: u64,
}

/// The library's functions, one field for each exported symbol and of its name. No such structure crosses the boundary:
/// the shim fills it from the symbols, and the C# side checks its exports against it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct memctl_functions {
    /// Magic and version; starts the runtime.
    pub abi_version: unsafe extern "C" fn() -> u64,
    /// Makes the calling thread known to the runtime.
    pub attach_thread: unsafe extern "C" fn(),
    /// The calling thread's last message.
    pub last_error: unsafe extern "C" fn(buffer: *mut c_char, capacity: usize) -> usize,
    /// The identity of the PCI function.
    pub pci_identity: unsafe extern "C" fn(identity: *mut memctl_pci_identity) -> memctl_status,
    /// Judges options without making a device.
    pub check_options: unsafe extern "C" fn(options: *const c_char, options_length: usize) -> memctl_status,
    /// Makes a device.
    pub device_create: unsafe extern "C" fn(
        host: *const memctl_host,
        options: *const c_char,
        options_length: usize,
        device: *mut *mut memctl_device,
    ) -> memctl_status,
    /// Ends a device.
    pub device_destroy: unsafe extern "C" fn(device: *mut memctl_device) -> memctl_status,
    /// A reset of the virtual machine.
    pub device_reset: unsafe extern "C" fn(device: *mut memctl_device) -> memctl_status,
    /// Adds guest RAM.
    pub register_memory:
        unsafe extern "C" fn(device: *mut memctl_device, region: *const memctl_region) -> memctl_status,
    /// Removes guest RAM.
    pub unregister_memory:
        unsafe extern "C" fn(device: *mut memctl_device, guest_address: u64, length: u64) -> memctl_status,
    /// Makes blocks present.
    pub plug_memory:
        unsafe extern "C" fn(device: *mut memctl_device, guest_address: u64, length: u64) -> memctl_status,
    /// Makes blocks absent.
    pub unplug_memory:
        unsafe extern "C" fn(device: *mut memctl_device, guest_address: u64, length: u64) -> memctl_status,
    /// A guest's load from BAR 0.
    pub mmio_read: unsafe extern "C" fn(
        device: *mut memctl_device,
        offset: u64,
        data: *mut u8,
        length: usize,
    ) -> memctl_status,
    /// A guest's store to BAR 0.
    pub mmio_write: unsafe extern "C" fn(
        device: *mut memctl_device,
        offset: u64,
        data: *const u8,
        length: usize,
    ) -> memctl_status,
    /// Switches calls of [`memctl_host::dirty`].
    pub set_dirty_logging: unsafe extern "C" fn(device: *mut memctl_device, enabled: u32) -> memctl_status,
    /// Makes the device answer `EBUSY` to discards.
    pub inhibit_discard: unsafe extern "C" fn(device: *mut memctl_device, enabled: u32) -> memctl_status,
    /// Keeps inaccessible guest memory readable by the host.
    pub keep_readable: unsafe extern "C" fn(device: *mut memctl_device, enabled: u32) -> memctl_status,
    /// Keeps guest memory accessible by the host.
    pub keep_accessible: unsafe extern "C" fn(device: *mut memctl_device, enabled: u32) -> memctl_status,
    /// A vCPU ran into inaccessible guest memory.
    pub resolve_fault: unsafe extern "C" fn(device: *mut memctl_device, guest_address: u64) -> memctl_status,
    /// The device's state as bytes.
    pub device_save: unsafe extern "C" fn(
        device: *mut memctl_device,
        buffer: *mut u8,
        capacity: usize,
        length: *mut usize,
    ) -> memctl_status,
    /// Restores a saved state into a new device.
    pub device_restore:
        unsafe extern "C" fn(device: *mut memctl_device, state: *const u8, length: usize) -> memctl_status,
    /// Counters and gauges.
    pub device_statistics: unsafe extern "C" fn(
        device: *mut memctl_device,
        counters: *mut memctl_counter,
        capacity: usize,
        count: *mut usize,
    ) -> memctl_status,
    /// The attribute map.
    pub device_attributes: unsafe extern "C" fn(
        device: *mut memctl_device,
        extents: *mut memctl_extent,
        capacity: usize,
        count: *mut usize,
    ) -> memctl_status,
    /// Counters, guest RAM and the attribute map as JSON.
    pub device_report: unsafe extern "C" fn(
        device: *mut memctl_device,
        buffer: *mut c_char,
        capacity: usize,
        length: *mut usize,
    ) -> memctl_status,
}
