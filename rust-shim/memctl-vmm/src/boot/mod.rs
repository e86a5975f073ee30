// SPDX-License-Identifier: Apache-2.0
//! Loading a kernel, and the state in which a vCPU starts it.

mod acpi;
mod aml;
mod bzimage;
mod pvh;
mod registers;

use std::fs;
use std::path::Path;

use anyhow::{bail, Context, Result};
use kvm_ioctls::VcpuFd;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::layout::{self, Range};

/// Address of the command line, which is terminated.
const COMMAND_LINE: u64 = 0x2_0000;
/// Bytes that the command line may take with its terminator.
const COMMAND_LINE_CAPACITY: usize = 0x1_0000;
/// PVH's structures.
const PVH_INFO: u64 = 0x6000;
/// Linux's boot_params, "the zero page".
const ZERO_PAGE: u64 = 0x7000;
/// Page tables of a kernel that starts in 64-bit mode.
const PAGE_TABLES: u64 = 0xa000;
/// The segment descriptors that the segment registers were loaded from.
const DESCRIPTORS: u64 = 0x500;

/// Where and in which mode the first vCPU starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// PVH: 32-bit protected mode without paging, EBX = address of `hvm_start_info`.
    Pvh {
        /// Guest-physical address of the first instruction.
        address: u64,
    },
    /// Linux's 64-bit boot protocol: long mode, RSI = address of `boot_params`.
    Linux {
        /// Guest-physical address of the first instruction.
        address: u64,
    },
}

/// The files and parameters that a guest starts with.
pub struct Payload<'a> {
    /// An ELF file with a PVH entry point, or a 64-bit bzImage.
    pub kernel: &'a Path,
    /// The initial RAM disk.
    pub initramfs: Option<&'a Path>,
    /// The kernel's command line.
    pub command_line: &'a str,
    /// Number of vCPUs in the ACPI tables.
    pub vcpus: u8,
    /// Guest RAM.
    pub ram: &'a [Range],
}

/// Loads the payload and describes the machine to it.
///
/// # Errors
/// A file can't be read, is no kernel of the two kinds, or does not fit into guest RAM.
pub fn load(memory: &GuestMemoryMmap, payload: &Payload<'_>) -> Result<Entry> {
    let kernel = read(payload.kernel)?;
    let initramfs = payload.initramfs.map(read).transpose()?;
    put_command_line(memory, payload.command_line)?;
    acpi::put_tables(memory, payload.vcpus)?;
    let result = if kernel.starts_with(pvh::MAGIC) {
        pvh::load(memory, &kernel, initramfs.as_deref(), payload)
    } else {
        bzimage::load(memory, &kernel, initramfs.as_deref(), payload)
    };
    result.with_context(|| payload.kernel.display().to_string())
}

/// Sets a new vCPU to the state of a processor after a reset; the first one to the state that its entry needs.
///
/// # Errors
/// KVM refuses a register.
pub fn set_up_vcpu(memory: &GuestMemoryMmap, vcpu: &VcpuFd, first: Option<Entry>) -> Result<()> {
    registers::set_msrs(vcpu)?;
    registers::set_local_apic(vcpu)?;
    match first {
        None => Ok(()),
        Some(Entry::Pvh { address }) => registers::enter_protected_mode(memory, vcpu, address, PVH_INFO),
        Some(Entry::Linux { address }) => registers::enter_long_mode(memory, vcpu, address, ZERO_PAGE),
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("can't read {}", path.display()))
}

fn put(memory: &GuestMemoryMmap, data: &[u8], address: u64) -> Result<()> {
    memory
        .write_slice(data, GuestAddress(address))
        .with_context(|| format!("{} bytes at {address:#x} do not fit into guest RAM", data.len()))
}

fn put_command_line(memory: &GuestMemoryMmap, text: &str) -> Result<()> {
    if text.len() >= COMMAND_LINE_CAPACITY || text.contains('\0') {
        bail!("the command line is longer than {COMMAND_LINE_CAPACITY} bytes");
    }
    put(memory, text.as_bytes(), COMMAND_LINE)?;
    put(memory, &[0], COMMAND_LINE + text.len() as u64)
}

/// Writes the initial RAM disk as high as `limit` and low RAM allow, on a page boundary; returns its address.
fn put_initramfs(
    memory: &GuestMemoryMmap,
    data: &[u8],
    ram: &[Range],
    limit: u64,
    floor: u64,
) -> Result<u64> {
    let end = ram[0].end().min(limit);
    let address = end
        .checked_sub(data.len() as u64)
        .map(|address| address & !0xfff)
        .filter(|address| *address >= floor)
        .context("the initramfs does not fit into guest RAM")?;
    put(memory, data, address)?;
    Ok(address)
}

/// An integer at `offset` of a file's header.
fn field<const N: usize>(data: &[u8], offset: usize) -> Result<[u8; N]> {
    data.get(offset..offset + N)
        .and_then(|bytes| bytes.try_into().ok())
        .context("the file is cut off")
}

fn usable(payload: &Payload<'_>) -> Vec<Range> {
    layout::usable(payload.ram)
}
