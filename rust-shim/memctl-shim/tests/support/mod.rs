// SPDX-License-Identifier: Apache-2.0
//! A guest for the tests: memory, and the driver's side of the protocol, around a device of the real library.

#![allow(dead_code, reason = "each test file uses its own part")]

pub mod proc_files;

use std::path::PathBuf;
use std::ptr::null_mut;
use std::sync::Arc;

use memctl_shim::{Device, DirtyLog, Plugin, Region, RegionFlags};

pub const PAGE: u64 = 4096;
/// Where the tests' guest RAM begins, guest-physical; not 0, so that a host address never passes for a guest's.
pub const RAM: u64 = 0x1_0000_0000;

pub const RESET: u32 = 0x060F_E6D2;
pub const REGISTER: u32 = 0x0E35_9539;
pub const READY: u32 = 0x0CA8_D227;
pub const DISCONNECT: u32 = 0x030F_5DA0;
pub const ACK: u32 = 0x03CF_5196;
pub const ERROR: u32 = 0x01FB_A249;

pub const INFO: u64 = 0;
pub const DONTNEED: u64 = 1;
pub const REMOVE: u64 = 2;
pub const FREE: u64 = 3;
pub const PAGEOUT: u64 = 4;
pub const UNMERGEABLE: u64 = 5;
pub const DONTDUMP: u64 = 6;
pub const MLOCK: u64 = 7;
pub const MUNLOCK: u64 = 8;
pub const MPROTECT_NONE: u64 = 9;
pub const MPROTECT_R: u64 = 10;
pub const MPROTECT_W: u64 = 11;
pub const MPROTECT_RW: u64 = 12;
pub const SET_VMA_ANON_NAME: u64 = 13;

/// The library under test: what MEMCTL_PLUGIN names, or the one that `./build.sh build` makes.
pub fn plugin_path() -> PathBuf {
    let path = std::env::var_os("MEMCTL_PLUGIN").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../out/libmemctl.so")),
        PathBuf::from,
    );
    assert!(
        path.exists(),
        "there is no {}; build it with ./build.sh build",
        path.display()
    );
    path
}

/// The library under test, loaded.
pub fn plugin() -> Plugin {
    Plugin::load(&plugin_path()).unwrap()
}

/// Page-aligned memory with an inaccessible page on each side, so that the kernel merges it with nothing else.
pub struct Mapping {
    pub start: *mut u8,
    pub length: u64,
    file: Option<i32>,
}

// SAFETY: the tests touch the memory through raw pointers only, as guest memory.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    pub fn private(pages: u64) -> Self {
        Self::new(pages, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, None)
    }

    /// A mapping of a memfd.
    pub fn shared(pages: u64) -> Self {
        // SAFETY: makes a file; no pointers but the name.
        let file = unsafe { libc::memfd_create(c"guest".as_ptr(), libc::MFD_CLOEXEC) };
        assert!(file >= 0);
        // SAFETY: `file` is this function's.
        assert_eq!(unsafe { libc::ftruncate(file, (pages * PAGE) as i64) }, 0);
        Self::new(pages, libc::MAP_SHARED, Some(file))
    }

    fn new(pages: u64, flags: i32, file: Option<i32>) -> Self {
        let length = pages * PAGE;
        let around = (length + 2 * PAGE) as usize;
        let reserve = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a reservation wherever the kernel likes, and a mapping over its inner pages.
        let start = unsafe {
            let outer = libc::mmap(null_mut(), around, libc::PROT_NONE, reserve, -1, 0);
            assert_ne!(outer, libc::MAP_FAILED);
            let inner = outer.byte_add(PAGE as usize);
            let fixed = flags | libc::MAP_FIXED;
            libc::mmap(inner, length as usize, protection, fixed, file.unwrap_or(-1), 0)
        };
        assert_ne!(start, libc::MAP_FAILED);
        Mapping {
            start: start.cast(),
            length,
            file,
        }
    }

    /// Cuts the file behind a shared mapping.
    pub fn truncate(&self, length: u64) {
        // SAFETY: the file is this mapping's.
        assert_eq!(unsafe { libc::ftruncate(self.file.unwrap(), length as i64) }, 0);
    }

    /// Bytes that the file behind a shared mapping has on the host.
    pub fn file_bytes(&self) -> u64 {
        // SAFETY: all zeros are a valid stat; fstat() fills it.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: as above, and the file is this mapping's.
        assert_eq!(unsafe { libc::fstat(self.file.unwrap(), &mut stat) }, 0);
        stat.st_blocks as u64 * 512
    }

    pub fn at(&self, offset: u64) -> *mut u8 {
        assert!(offset < self.length);
        // SAFETY: inside the mapping, as just checked.
        unsafe { self.start.add(offset as usize) }
    }

    pub fn advise(&self, advice: i32) {
        // SAFETY: the whole of this mapping; the tests' advices destroy nothing that a reference points to.
        let outcome = unsafe { libc::madvise(self.start.cast(), self.length as usize, advice) };
        assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
    }

    /// Changes the host's own protection of pages.
    pub fn protect(&self, offset: u64, length: u64, protection: i32) {
        // SAFETY: pages of this mapping, which only raw accesses touch.
        let outcome = unsafe { libc::mprotect(self.at(offset).cast(), length as usize, protection) };
        assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
    }

    pub fn write_u64(&self, offset: u64, value: u64) {
        assert!(offset + 8 <= self.length);
        // SAFETY: inside the mapping; guest memory is only accessed like this.
        unsafe { self.at(offset).cast::<u64>().write_volatile(value) }
    }

    pub fn read_u64(&self, offset: u64) -> u64 {
        assert!(offset + 8 <= self.length);
        // SAFETY: as in write_u64.
        unsafe { self.at(offset).cast::<u64>().read_volatile() }
    }

    /// Fills pages, which makes them resident.
    pub fn fill(&self, offset: u64, length: u64, value: u8) {
        assert!(offset + length <= self.length);
        // SAFETY: as in write_u64.
        unsafe { std::ptr::write_bytes(self.at(offset), value, length as usize) }
    }

    pub fn region(&self, guest_address: u64, flags: RegionFlags) -> Region {
        Region {
            guest_address,
            length: self.length,
            host_address: self.start,
            block_size: 0,
            flags,
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping and its two inaccessible pages; its users have been dropped before (see Guest).
        unsafe {
            libc::munmap(
                self.start.sub(PAGE as usize).cast(),
                (self.length + 2 * PAGE) as usize,
            );
            if let Some(file) = self.file {
                libc::close(file);
            }
        }
    }
}

/// The 32 bytes that the device answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub ret_errno: u32,
    pub ret_code: u32,
    pub rest: [u64; 3],
}

/// A virtual machine without processors: RAM at [`RAM`] whose first page holds the request buffers. Fields are dropped in
/// order: the device before the memory.
pub struct Guest {
    pub device: Device,
    pub memory: Arc<Mapping>,
}

#[derive(Clone, Copy, Debug)]
pub struct Channel {
    pub command: u32,
    pub buffer: u64,
}

impl Guest {
    pub fn new(plugin: &Plugin, memory: Mapping) -> Self {
        Self::with(plugin, memory, "", RegionFlags::default(), None)
    }

    pub fn with(
        plugin: &Plugin,
        memory: Mapping,
        options: &str,
        flags: RegionFlags,
        dirty_log: Option<Arc<dyn DirtyLog>>,
    ) -> Self {
        let device = plugin.create_device(options, dirty_log).unwrap();
        // SAFETY: the mapping outlives the device, and only raw accesses are made to it.
        unsafe { device.register_memory(&memory.region(RAM, flags)) }.unwrap();
        Guest {
            device,
            memory: Arc::new(memory),
        }
    }

    pub fn command(&self, command: u32) -> u32 {
        self.device.write(0, 8, &command.to_le_bytes());
        self.read_u32(8)
    }

    pub fn read_u32(&self, offset: u64) -> u32 {
        let mut bytes = [0; 4];
        self.device.read(0, offset, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// RESET, a channel for each buffer, READY: what a driver's probe does. Buffers are offsets into RAM.
    pub fn connect_at(&self, buffers: &[u64]) -> Vec<Channel> {
        assert_eq!(self.command(RESET), ACK);
        let channels = buffers
            .iter()
            .map(|&buffer| {
                self.device.write(0, 0, &(RAM + buffer).to_le_bytes());
                assert_eq!(self.command(REGISTER), ACK);
                let command = self.read_u32(0);
                assert!(command & 0x8000_0000 != 0, "{command:#x}");
                Channel { command, buffer }
            })
            .collect();
        assert_eq!(self.command(READY), ACK);
        channels
    }

    /// Connects channels whose buffers lie one after the other from the start of RAM.
    pub fn connect(&self, count: u64) -> Vec<Channel> {
        self.connect_at(&(0..count).map(|index| index * 32).collect::<Vec<_>>())
    }

    /// One request. `address` is guest-physical.
    pub fn call(&self, channel: Channel, func_code: u64, address: u64, length: u64, arg: u64) -> Answer {
        self.put_request(channel, [func_code, address, length, arg]);
        self.device.write(0, 8, &channel.command.to_le_bytes());
        self.answer(channel)
    }

    pub fn put_request(&self, channel: Channel, request: [u64; 4]) {
        for (index, word) in request.into_iter().enumerate() {
            self.memory.write_u64(channel.buffer + 8 * index as u64, word);
        }
    }

    pub fn answer(&self, channel: Channel) -> Answer {
        let word = |index: u64| self.memory.read_u64(channel.buffer + 8 * index);
        Answer {
            ret_errno: word(0) as u32,
            ret_code: (word(0) >> 32) as u32,
            rest: [word(1), word(2), word(3)],
        }
    }

    /// A request on whole pages of RAM, by page number; returns (ret_errno, ret_code).
    pub fn on_pages(&self, channel: Channel, func_code: u64, page: u64, pages: u64) -> (i32, u32) {
        let answer = self.call(channel, func_code, RAM + page * PAGE, pages * PAGE, 0);
        (answer.ret_errno as i32, answer.ret_code)
    }

    pub fn counter(&self, name: &str) -> u64 {
        let counters = self.device.counters().unwrap();
        match counters.iter().find(|counter| counter.name == name) {
            Some(counter) => counter.value,
            None => panic!("no counter {name}"),
        }
    }
}
