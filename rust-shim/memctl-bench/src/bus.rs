// SPDX-License-Identifier: Apache-2.0
//! A guest without processors: RAM, and the driver's side of the protocol on any device that a VMM's bus can carry.

use std::ptr::null_mut;

use memctl_shim::{Device, Error, Plugin, Region, RegionFlags};

/// Bytes of a page, the host's and the guest's.
pub const PAGE: u64 = 4096;
/// Where guest RAM begins, guest-physical; not 0, so that a host address never passes for a guest's.
pub const RAM: u64 = 0x1_0000_0000;

const RESET: u32 = 0x060F_E6D2;
const REGISTER: u32 = 0x0E35_9539;
const READY: u32 = 0x0CA8_D227;
const ACK: u32 = 0x03CF_5196;

/// Function codes of the dialect `memctl`.
pub const INFO: u64 = 0;
pub const DONTNEED: u64 = 1;
pub const MLOCK: u64 = 7;
pub const MUNLOCK: u64 = 8;
pub const MPROTECT_NONE: u64 = 9;
pub const MPROTECT_R: u64 = 10;
pub const MPROTECT_RW: u64 = 12;

/// BAR 0 as a VMM's bus calls it, through a pointer and from many threads at once.
pub trait Bus: Send + Sync {
    /// A guest's load.
    fn read(&self, offset: u64, data: &mut [u8]);
    /// A guest's store.
    fn write(&self, offset: u64, data: &[u8]);
}

impl Bus for Device {
    fn read(&self, offset: u64, data: &mut [u8]) {
        Device::read(self, 0, offset, data);
    }

    fn write(&self, offset: u64, data: &[u8]) {
        Device::write(self, 0, offset, data);
    }
}

/// Private anonymous memory, mapped to the end of the process, that only raw accesses touch.
#[derive(Clone, Copy)]
pub struct Ram {
    pub start: *mut u8,
    pub length: u64,
}

// SAFETY: raw accesses only; each thread of a measurement has pages of its own.
unsafe impl Send for Ram {}
// SAFETY: as above.
unsafe impl Sync for Ram {}

impl Ram {
    pub fn new(pages: u64) -> Self {
        let (access, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
        );
        let length = pages * PAGE;
        // SAFETY: a fresh mapping wherever the kernel likes.
        let start = unsafe { libc::mmap(null_mut(), length as usize, access, kind, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
        // Transparent huge pages would make one 4 KiB discard cost what splitting one costs, and the next one nothing.
        // SAFETY: of the mapping just made; the advice changes no byte.
        unsafe { libc::madvise(start, length as usize, libc::MADV_NOHUGEPAGE) };
        Ram {
            start: start.cast(),
            length,
        }
    }

    pub fn at(&self, offset: u64) -> *mut u8 {
        assert!(offset < self.length);
        // SAFETY: inside the mapping, as just checked.
        unsafe { self.start.add(offset as usize) }
    }

    pub fn touch(&self, page: u64) {
        // SAFETY: inside the mapping; raw accesses only.
        unsafe { self.at(page * PAGE).write_volatile(1) };
    }

    pub fn discard(&self, page: u64) {
        // SAFETY: a page of guest RAM, behind no reference.
        let status =
            unsafe { libc::madvise(self.at(page * PAGE).cast(), PAGE as usize, libc::MADV_DONTNEED) };
        assert_eq!(status, 0, "{}", std::io::Error::last_os_error());
    }

    pub fn protect(&self, page: u64, protection: i32) {
        // SAFETY: as above; the page is accessed again only when it is readable and writable.
        let status = unsafe { libc::mprotect(self.at(page * PAGE).cast(), PAGE as usize, protection) };
        assert_eq!(status, 0, "{}", std::io::Error::last_os_error());
    }
}

/// A device of the library with `ram` as its one region, at [`RAM`].
///
/// # Errors
/// Those of the library.
pub fn memctl(plugin: &Plugin, options: &str, ram: Ram) -> Result<Device, Error> {
    let device = plugin.create_device(options, None)?;
    let region = Region {
        guest_address: RAM,
        length: ram.length,
        host_address: ram.start,
        block_size: 0,
        flags: RegionFlags::default(),
    };
    // SAFETY: mapped to the end of the process, accessed through raw pointers only.
    unsafe { device.register_memory(&region)? };
    Ok(device)
}

/// One connected channel: what a guest's CPU has.
#[derive(Clone, Copy, Debug)]
pub struct Channel {
    pub command: u32,
    /// Offset of the request buffer in RAM.
    pub buffer: u64,
}

/// A device, and the RAM that is registered with it.
#[derive(Clone, Copy)]
pub struct Guest<'a> {
    pub bus: &'a dyn Bus,
    pub ram: Ram,
}

impl Guest<'_> {
    fn command(&self, command: u32) -> u32 {
        self.bus.write(8, &command.to_le_bytes());
        self.load(8)
    }

    pub fn load(&self, offset: u64) -> u32 {
        let mut bytes = [0; 4];
        self.bus.read(offset, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// What a driver's probe does: RESET, a channel for each buffer (offsets into RAM), READY.
    pub fn connect(&self, buffers: impl IntoIterator<Item = u64>) -> Vec<Channel> {
        assert_eq!(self.command(RESET), ACK);
        let channels = buffers
            .into_iter()
            .map(|buffer| {
                self.bus.write(0, &(RAM + buffer).to_le_bytes());
                assert_eq!(self.command(REGISTER), ACK);
                Channel {
                    command: self.load(0),
                    buffer,
                }
            })
            .collect();
        assert_eq!(self.command(READY), ACK);
        channels
    }

    /// Fills a channel's buffer.
    pub fn put(&self, channel: Channel, func_code: u64, address: u64, length: u64) {
        let buffer = self.ram.at(channel.buffer).cast::<[u64; 4]>();
        // SAFETY: this channel's 32 bytes of RAM, aligned to 8, which no other thread uses.
        unsafe { buffer.write_volatile([func_code, address, length, 0]) };
    }

    /// The store that makes the request.
    #[inline]
    pub fn ring(&self, channel: Channel) {
        self.bus.write(8, &channel.command.to_le_bytes());
    }

    /// ret_errno in the low half, ret_code in the high half.
    pub fn outcome(&self, channel: Channel) -> u64 {
        // SAFETY: as in `put`.
        unsafe { self.ram.at(channel.buffer).cast::<u64>().read_volatile() }
    }

    /// One request that must succeed, on a range of guest-physical addresses.
    pub fn request(&self, channel: Channel, func_code: u64, address: u64, length: u64) {
        self.put(channel, func_code, address, length);
        self.ring(channel);
        let outcome = self.outcome(channel);
        assert_eq!(outcome, 0, "ret_errno and ret_code of function {func_code}");
    }

    /// One request that must succeed, on a page of RAM by its number.
    pub fn on_page(&self, channel: Channel, func_code: u64, page: u64) {
        self.request(channel, func_code, RAM + page * PAGE, PAGE);
    }
}
