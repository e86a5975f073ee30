// SPDX-License-Identifier: Apache-2.0
//! The same requests served by a device in plain Rust, as a yardstick that builds with this repository.
//!
//! It is what a VMM author writes on the crates at hand, and does per request what the device of Cloud Hypervisor v53.0
//! (`pvmemcontrol.rs`) does: a read-write lock around the transport's state, a hash map from command to
//! buffer, guest memory behind an atomically counted pointer with a bitmap of dirty pages, a lookup of the range in the
//! map of regions, the system call, and the answer through the same checked accesses. It has none of memctl's policies,
//! counters, channel bookkeeping or undoing of attributes.

use std::collections::HashMap;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, RwLock};

use vm_memory::bitmap::AtomicBitmap;
use vm_memory::mmap::{GuestRegionMmap, MmapRegionBuilder};
use vm_memory::{Bytes, GuestAddress, GuestAddressSpace, GuestMemory, GuestMemoryAtomic, GuestMemoryMmap};

use crate::bus::{self, Bus, Ram, PAGE};

type Memory = GuestMemoryMmap<AtomicBitmap>;

const PAGE_SIZE: NonZeroUsize = NonZeroUsize::new(PAGE as usize).unwrap();
const RESET: u32 = 0x060F_E6D2;
const REGISTER: u32 = 0x0E35_9539;
const READY: u32 = 0x0CA8_D227;
const ACK: u32 = 0x03CF_5196;
const ERROR: u32 = 0x01FB_A249;
const FIRST_CHANNEL: u32 = 0x8000_0000;

#[derive(PartialEq, Eq)]
enum State {
    Disconnected,
    Registering,
    Ready,
}

struct Transport {
    state: State,
    payload: u64,
    answer: u32,
    channels: HashMap<u32, Arc<Channel>>,
}

struct Channel {
    buffer: GuestAddress,
}

/// The device.
pub struct StandIn {
    transport: RwLock<Transport>,
    memory: GuestMemoryAtomic<Memory>,
}

impl StandIn {
    /// A device whose guest RAM is `regions`: guest-physical addresses, and where each is mapped.
    pub fn new(regions: &[(u64, Ram)]) -> Self {
        let regions = regions
            .iter()
            .map(|&(address, ram)| {
                // SAFETY: mapped to the end of the process, accessed through raw pointers only.
                let region = unsafe {
                    MmapRegionBuilder::new_with_bitmap(
                        ram.length as usize,
                        AtomicBitmap::new(ram.length as usize, PAGE_SIZE),
                    )
                    .with_raw_mmap_pointer(ram.start)
                    .with_mmap_prot(libc::PROT_READ | libc::PROT_WRITE)
                    .build()
                };
                GuestRegionMmap::new(region.unwrap(), GuestAddress(address)).unwrap()
            })
            .collect();
        StandIn {
            transport: RwLock::new(Transport {
                state: State::Disconnected,
                payload: 0,
                answer: ERROR,
                channels: HashMap::new(),
            }),
            memory: GuestMemoryAtomic::new(Memory::from_regions(regions).unwrap()),
        }
    }

    fn command(&self, command: u32) {
        let transport = &mut *self.transport.write().unwrap();
        let legal = match command {
            RESET => {
                transport.channels.clear();
                transport.state = State::Registering;
                true
            }
            REGISTER => {
                let buffer = GuestAddress(transport.payload);
                let legal =
                    transport.state == State::Registering && self.memory.memory().check_range(buffer, 32);
                if legal {
                    let command = FIRST_CHANNEL + transport.channels.len() as u32;
                    transport.channels.insert(command, Arc::new(Channel { buffer }));
                    transport.payload = command.into();
                }
                legal
            }
            READY => {
                let legal = transport.state == State::Registering;
                transport.state = State::Ready;
                legal
            }
            _ => false,
        };
        if !legal {
            transport.channels.clear();
            transport.state = State::Disconnected;
        }
        transport.answer = if legal { ACK } else { ERROR };
    }

    fn serve(&self, command: u32) {
        let Some(channel) = self.channel(command) else {
            return;
        };
        let mut request = [0u8; 32];
        if self
            .memory
            .memory()
            .read_slice(&mut request, channel.buffer)
            .is_err()
        {
            return;
        }
        let word = |index: usize| u64::from_le_bytes(request[8 * index..][..8].try_into().unwrap());
        let answer = process(&self.memory.memory(), word(0), word(1), word(2));
        let mut bytes = [0u8; 32];
        for (to, from) in bytes.chunks_exact_mut(8).zip(answer) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        // A buffer that has gone since is the guest's loss.
        let _ = self.memory.memory().write_slice(&bytes, channel.buffer);
    }

    /// Counted by its own pointer, so that the lock is not held over the system call.
    fn channel(&self, command: u32) -> Option<Arc<Channel>> {
        let transport = self.transport.read().unwrap();
        let channel = (transport.state == State::Ready).then(|| transport.channels.get(&command))?;
        channel.cloned()
    }
}

impl Bus for StandIn {
    fn read(&self, offset: u64, data: &mut [u8]) {
        let transport = self.transport.read().unwrap();
        match (offset, data.len()) {
            (0, 4) => data.copy_from_slice(&(transport.payload as u32).to_le_bytes()),
            (8, 4) => data.copy_from_slice(&transport.answer.to_le_bytes()),
            _ => data.fill(0),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) {
        match (offset, data.len()) {
            (0, 8) => self.transport.write().unwrap().payload = u64::from_le_bytes(data.try_into().unwrap()),
            (8, 4) => match u32::from_le_bytes(data.try_into().unwrap()) {
                command if command & FIRST_CHANNEL != 0 => self.serve(command),
                command => self.command(command),
            },
            _ => {}
        }
    }
}

fn process(memory: &Memory, func_code: u64, address: u64, length: u64) -> [u64; 4] {
    let refuse = |errno: i32| [errno as u64 | func_code << 32, 0, 0, 0];
    if func_code == bus::INFO {
        return [0, 0, 1, PAGE];
    }
    if (address | length) & (PAGE - 1) != 0 {
        return refuse(libc::EINVAL);
    }
    // A range across two regions is refused, as that device refuses it.
    let Ok(slice) = memory.get_slice(GuestAddress(address), length as usize) else {
        return refuse(libc::EINVAL);
    };
    let (start, length) = (slice.ptr_guard_mut().as_ptr().cast(), slice.len());
    // SAFETY: guest RAM, by the lookup above, which nothing but the guest uses.
    let status = unsafe {
        match func_code {
            bus::DONTNEED => libc::madvise(start, length, libc::MADV_DONTNEED),
            bus::MLOCK => libc::mlock(start, length),
            bus::MUNLOCK => libc::munlock(start, length),
            bus::MPROTECT_NONE => libc::mprotect(start, length, libc::PROT_NONE),
            bus::MPROTECT_R => libc::mprotect(start, length, libc::PROT_READ),
            bus::MPROTECT_RW => libc::mprotect(start, length, libc::PROT_READ | libc::PROT_WRITE),
            _ => return refuse(libc::EOPNOTSUPP),
        }
    };
    if status == 0 {
        return [0; 4];
    }
    let errno = io::Error::last_os_error().raw_os_error();
    [errno.unwrap_or(libc::EIO) as u64, 0, 0, 0]
}
