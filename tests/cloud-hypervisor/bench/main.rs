// SPDX-License-Identifier: Apache-2.0
//! Times requests of memctl beside those of the device that is in Cloud Hypervisor's tree, alternating in one run.
//!
//! Built in a tree of Cloud Hypervisor by bench.sh, which puts two files of memctl-bench beside this one.

// What of memctl-bench this program needs is not all there is.
#![allow(dead_code)]

mod bus;
mod measure;

use std::env;
use std::error::Error;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::path::Path;

use devices::pvmemcontrol::{PvmemcontrolBusDevice, PvmemcontrolDevice};
use memctl_shim::Plugin;
use vm_device::BusDeviceSync;
use vm_memory::bitmap::AtomicBitmap;
use vm_memory::mmap::MmapRegionBuilder;
use vm_memory::{GuestAddress, GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap};

use bus::{Bus, Channel, Guest, Ram, DONTNEED, INFO, PAGE, RAM};
use measure::{after, alternate, Spread};

const PAGES: u64 = 128;
/// The page that is discarded.
const WORK: u64 = 64;
const PAGE_SIZE: NonZeroUsize = NonZeroUsize::new(PAGE as usize).unwrap();

/// The device of Cloud Hypervisor, as its bus calls it.
struct InTree(PvmemcontrolBusDevice);

impl Bus for InTree {
    fn read(&self, offset: u64, data: &mut [u8]) {
        self.0.read(0, offset, data);
    }

    fn write(&self, offset: u64, data: &[u8]) {
        self.0.write(0, offset, data);
    }
}

fn in_tree(ram: Ram) -> Result<InTree, Box<dyn Error>> {
    let bitmap = AtomicBitmap::new(ram.length as usize, PAGE_SIZE);
    // SAFETY: mapped to the end of the process, accessed through raw pointers only.
    let region = unsafe {
        MmapRegionBuilder::new_with_bitmap(ram.length as usize, bitmap)
            .with_raw_mmap_pointer(ram.start)
            .with_mmap_prot(libc::PROT_READ | libc::PROT_WRITE)
            .build()?
    };
    let region = GuestRegionMmap::new(region, GuestAddress(RAM)).ok_or("RAM past the end of the address space")?;
    let memory = GuestMemoryAtomic::new(GuestMemoryMmap::from_regions(vec![region])?);
    Ok(InTree(PvmemcontrolDevice::make_device("device".into(), memory).1))
}

struct Side<'a> {
    guest: Guest<'a>,
    channel: Channel,
}

impl<'a> Side<'a> {
    fn new(bus: &'a dyn Bus, ram: Ram) -> Self {
        let guest = Guest { bus, ram };
        let channel = guest.connect([0])[0];
        Side { guest, channel }
    }

    fn info(&self) {
        self.guest.put(self.channel, INFO, 0, 0);
        self.guest.ring(self.channel);
        assert_eq!(self.guest.outcome(self.channel) as u32, 0, "ret_errno of INFO");
    }

    fn discard(&self) {
        self.guest.on_page(self.channel, DONTNEED, WORK);
    }
}

fn system_call() {
    // SAFETY: no arguments.
    black_box(unsafe { libc::syscall(libc::SYS_getppid) });
}

fn print(name: &str, figure: Spread) {
    println!("{name:<66} {:>8.2}  {:.2} to {:.2}", figure.median, figure.min, figure.max);
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args_os().nth(1).ok_or("the plugin's path is missing")?;
    let plugin = Plugin::load(Path::new(&path))?;
    let (ram, other_ram) = (Ram::new(PAGES), Ram::new(PAGES));
    let device = bus::memctl(&plugin, "dialect=pvmemcontrol", ram)?;
    let other_device = in_tree(other_ram)?;
    let (memctl, other) = (Side::new(&device, ram), Side::new(&other_device, other_ram));

    let sides: [&dyn Fn(); 2] = [&|| memctl.info(), &|| other.info()];
    let warm = alternate(&sides);
    let cold = after(&system_call, &sides);
    for (name, times) in [("INFO warm", warm), ("INFO right after a system call", cold)] {
        print(&format!("{name}: memctl, ns"), times.side(0));
        print(&format!("{name}: Cloud Hypervisor's own device, ns"), times.side(1));
        print(&format!("{name}: ratio"), times.figure(|sides| sides[0] / sides[1]));
    }
    let discards = alternate(&[&|| ram.discard(WORK), &|| memctl.discard(), &|| other.discard()]);
    print("madvise of 4 KiB, absent, ns", discards.side(0));
    print("DONTNEED: memctl over madvise, ns", discards.figure(|sides| sides[1] - sides[0]));
    print(
        "DONTNEED: Cloud Hypervisor's own device over madvise, ns",
        discards.figure(|sides| sides[2] - sides[0]),
    );
    print(
        "DONTNEED: ratio of the two",
        discards.ratio(|sides| sides[1] - sides[0], |sides| sides[2] - sides[0]),
    );
    Ok(())
}
