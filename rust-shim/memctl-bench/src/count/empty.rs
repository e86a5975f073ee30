// SPDX-License-Identifier: Apache-2.0
//! A device that does nothing, behind the library's table of functions.

use std::ptr::{self, null_mut};

use memctl_shim::abi::{memctl_device, memctl_status, MEMCTL_OK};

use crate::bus::Bus;

/// Called as `memctl_shim::Device` calls the library: by pointers to functions of the C ABI beside a handle.
pub struct Empty {
    handle: *mut memctl_device,
    mmio_read: unsafe extern "C" fn(*mut memctl_device, u64, *mut u8, usize) -> memctl_status,
    mmio_write: unsafe extern "C" fn(*mut memctl_device, u64, *const u8, usize) -> memctl_status,
}

// SAFETY: the handle is null, and nobody follows it.
unsafe impl Send for Empty {}
// SAFETY: as above.
unsafe impl Sync for Empty {}

impl Empty {
    pub fn new() -> Self {
        Empty {
            handle: null_mut(),
            mmio_read: read,
            mmio_write: write,
        }
    }
}

impl Bus for Empty {
    fn read(&self, offset: u64, data: &mut [u8]) {
        // SAFETY: `data` is writable for its length.
        let status = unsafe { (self.mmio_read)(self.handle, offset, data.as_mut_ptr(), data.len()) };
        assert_eq!(status, MEMCTL_OK);
    }

    fn write(&self, offset: u64, data: &[u8]) {
        // SAFETY: `data` is readable for its length.
        let status = unsafe { (self.mmio_write)(self.handle, offset, data.as_ptr(), data.len()) };
        assert_eq!(status, MEMCTL_OK);
    }
}

/// # Safety
/// `data` is writable for `length` bytes.
unsafe extern "C" fn read(_: *mut memctl_device, _: u64, data: *mut u8, length: usize) -> memctl_status {
    // SAFETY: promised by the caller.
    unsafe { ptr::write_bytes(data, 0, length) };
    MEMCTL_OK
}

unsafe extern "C" fn write(_: *mut memctl_device, _: u64, _: *const u8, _: usize) -> memctl_status {
    MEMCTL_OK
}
