// SPDX-License-Identifier: Apache-2.0
//! Linux's 64-bit boot protocol (Documentation/arch/x86/boot.rst): a bzImage, and boot_params for it. Written out here, as
//! Debian 13 lacks the crate linux-loader.

use anyhow::{bail, Context, Result};
use vm_memory::GuestMemoryMmap;

use super::{
    field, put, put_initramfs, usable, Entry, Payload, COMMAND_LINE, COMMAND_LINE_CAPACITY, ZERO_PAGE,
};
use crate::layout::{self, Range};

const MAGIC: [u8; 4] = *b"HdrS";
/// 2.12, the first version with `xloadflags`.
const MIN_VERSION: u16 = 0x20c;
const XLOADFLAG_KERNEL_64: u16 = 1;
/// The number of a loader that Linux does not list.
const LOADER_UNDEFINED: u8 = 0xff;
const E820_RAM: u32 = 1;
const SECTOR: usize = 512;
const ENTRY_64: u64 = 0x200;
const ZERO_PAGE_LENGTH: usize = 4096;
/// Where a bzImage's header starts, in the file and in boot_params.
const HEADER: usize = 0x1f1;

/// Offsets in boot_params.
mod at {
    pub const ACPI_RSDP: usize = 0x070;
    pub const E820_ENTRIES: usize = 0x1e8;
    pub const HEADER_LENGTH: usize = 0x201;
    pub const SETUP_SECTORS: usize = 0x1f1;
    pub const VIDEO_MODE: usize = 0x1fa;
    pub const MAGIC: usize = 0x202;
    pub const VERSION: usize = 0x206;
    pub const LOADER: usize = 0x210;
    pub const LOAD_FLAGS: usize = 0x211;
    pub const CODE_START: usize = 0x214;
    pub const INITRD_ADDRESS: usize = 0x218;
    pub const INITRD_LENGTH: usize = 0x21c;
    pub const COMMAND_LINE: usize = 0x228;
    pub const INITRD_LIMIT: usize = 0x22c;
    pub const XLOADFLAGS: usize = 0x236;
    pub const COMMAND_LINE_LENGTH: usize = 0x238;
    pub const PREFERRED_ADDRESS: usize = 0x258;
    pub const INIT_LENGTH: usize = 0x260;
    pub const E820_TABLE: usize = 0x2d0;
}

pub fn load(
    memory: &GuestMemoryMmap,
    kernel: &[u8],
    initramfs: Option<&[u8]>,
    payload: &Payload<'_>,
) -> Result<Entry> {
    check(kernel, payload.command_line)?;
    // At its preferred address the kernel need not move itself.
    let address = u64::from_le_bytes(field(kernel, at::PREFERRED_ADDRESS)?).max(layout::HIGH_RAM_START);
    let setup_sectors = match kernel[at::SETUP_SECTORS] {
        0 => 4,
        count => usize::from(count),
    };
    let code = kernel
        .get((setup_sectors + 1) * SECTOR..)
        .context("the bzImage is cut off")?;
    put(memory, code, address)?;

    let mut page = zero_page(kernel, address)?;
    if let Some(data) = initramfs {
        let limit = u64::from(u32::from_le_bytes(field(kernel, at::INITRD_LIMIT)?)) + 1;
        let floor = address + u64::from(u32::from_le_bytes(field(kernel, at::INIT_LENGTH)?));
        let place = put_initramfs(memory, data, payload.ram, limit, floor)?;
        set(&mut page, at::INITRD_ADDRESS, &(place as u32).to_le_bytes());
        set(&mut page, at::INITRD_LENGTH, &(data.len() as u32).to_le_bytes());
    }
    set_memory_map(&mut page, &usable(payload));
    put(memory, &page, ZERO_PAGE)?;
    Ok(Entry::Linux {
        address: address + ENTRY_64,
    })
}

fn check(kernel: &[u8], command_line: &str) -> Result<()> {
    if kernel.len() < ZERO_PAGE_LENGTH || field::<4>(kernel, at::MAGIC)? != MAGIC {
        bail!("neither an ELF file nor a bzImage");
    }
    if u16::from_le_bytes(field(kernel, at::VERSION)?) < MIN_VERSION
        || u16::from_le_bytes(field(kernel, at::XLOADFLAGS)?) & XLOADFLAG_KERNEL_64 == 0
    {
        bail!("the bzImage has no 64-bit entry point");
    }
    let capacity = u32::from_le_bytes(field(kernel, at::COMMAND_LINE_LENGTH)?) as usize;
    if command_line.len() > capacity.min(COMMAND_LINE_CAPACITY - 1) {
        bail!("the kernel takes a command line of at most {capacity} bytes");
    }
    Ok(())
}

fn zero_page(kernel: &[u8], address: u64) -> Result<Vec<u8>> {
    let mut page = vec![0; ZERO_PAGE_LENGTH];
    // The header starts with a jump over itself; the jump's target gives its length.
    let end = at::MAGIC + usize::from(kernel[at::HEADER_LENGTH]);
    set(&mut page, HEADER, &kernel[HEADER..end]);
    set(&mut page, at::LOADER, &[LOADER_UNDEFINED]);
    set(&mut page, at::VIDEO_MODE, &u16::MAX.to_le_bytes());
    // The code is loaded high; no heap of the 16-bit setup code is announced, as that code does not run.
    set(&mut page, at::LOAD_FLAGS, &[kernel[at::LOAD_FLAGS] | 1]);
    set(&mut page, at::CODE_START, &(address as u32).to_le_bytes());
    set(&mut page, at::COMMAND_LINE, &(COMMAND_LINE as u32).to_le_bytes());
    set(&mut page, at::ACPI_RSDP, &layout::RSDP.to_le_bytes());
    Ok(page)
}

fn set_memory_map(page: &mut [u8], ranges: &[Range]) {
    set(page, at::E820_ENTRIES, &[ranges.len() as u8]);
    let mut offset = at::E820_TABLE;
    for range in ranges {
        set(page, offset, &range.start.to_le_bytes());
        set(page, offset + 8, &range.length.to_le_bytes());
        set(page, offset + 16, &E820_RAM.to_le_bytes());
        offset += 20;
    }
}

fn set(page: &mut [u8], offset: usize, value: &[u8]) {
    page[offset..offset + value.len()].copy_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Vec<u8> {
        let mut image = vec![0; 8192];
        set(&mut image, at::SETUP_SECTORS, &[3]);
        set(&mut image, at::HEADER_LENGTH, &[0x6a]);
        set(&mut image, at::MAGIC, &MAGIC);
        set(&mut image, at::VERSION, &0x20f_u16.to_le_bytes());
        set(&mut image, at::XLOADFLAGS, &XLOADFLAG_KERNEL_64.to_le_bytes());
        set(&mut image, at::COMMAND_LINE_LENGTH, &2047_u32.to_le_bytes());
        image
    }

    #[test]
    fn a_64_bit_bzimage_is_taken() {
        assert!(check(&image(), "quiet").is_ok());
    }

    #[test]
    fn other_files_are_refused() {
        assert!(check(b"#!/bin/sh", "").is_err());
        let mut old = image();
        set(&mut old, at::VERSION, &0x20b_u16.to_le_bytes());
        assert!(check(&old, "").is_err());
        let mut narrow = image();
        set(&mut narrow, at::XLOADFLAGS, &[0, 0]);
        assert!(check(&narrow, "").is_err());
        assert!(check(&image(), &"x".repeat(2048)).is_err());
    }

    #[test]
    fn the_memory_map_is_in_e820_form() {
        let mut page = vec![0; ZERO_PAGE_LENGTH];
        set_memory_map(&mut page, &layout::usable(&layout::ram(512 << 20)));
        assert_eq!(page[at::E820_ENTRIES], 2);
        assert_eq!(
            page[at::E820_TABLE + 8..at::E820_TABLE + 16],
            layout::EBDA_START.to_le_bytes()
        );
        assert_eq!(
            page[at::E820_TABLE + 20..at::E820_TABLE + 28],
            layout::HIGH_RAM_START.to_le_bytes()
        );
        assert_eq!(
            page[at::E820_TABLE + 36..at::E820_TABLE + 40],
            E820_RAM.to_le_bytes()
        );
    }

    #[test]
    fn the_zero_page_keeps_the_kernels_header() {
        let page = zero_page(&image(), 0x100_0000).unwrap();
        assert_eq!(page[at::MAGIC..at::MAGIC + 4], MAGIC);
        assert_eq!(
            page[at::CODE_START..at::CODE_START + 4],
            0x100_0000_u32.to_le_bytes()
        );
        assert_eq!(page[at::LOADER], LOADER_UNDEFINED);
    }
}
