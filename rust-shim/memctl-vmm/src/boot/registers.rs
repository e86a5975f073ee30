// SPDX-License-Identifier: Apache-2.0
//! The registers that a boot protocol asks for.

use anyhow::{anyhow, bail, Context, Result};
use kvm_bindings::{kvm_msr_entry, kvm_regs, kvm_segment, Msrs};
use kvm_ioctls::VcpuFd;
use vm_memory::GuestMemoryMmap;

use super::{put, DESCRIPTORS, PAGE_TABLES};

const CR0_PE: u64 = 1 << 0;
const CR0_ET: u64 = 1 << 4;
const CR0_PG: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const EFER_LME: u64 = 1 << 8;
const EFER_LMA: u64 = 1 << 10;
/// The bit of RFLAGS that is always set; interrupts are off.
const RFLAGS_FIXED: u64 = 1 << 1;

const MSR_MISC_ENABLE: u32 = 0x1a0;
const MISC_ENABLE_FAST_STRING: u64 = 1;
const MSR_MTRR_DEFAULT_TYPE: u32 = 0x2ff;
const MTRR_ENABLE_WRITE_BACK: u64 = 1 << 11 | 6;

const LOCAL_APIC_LINT0: usize = 0x350;
const LOCAL_APIC_LINT1: usize = 0x360;
const DELIVER_EXTINT: u32 = 7 << 8;
const DELIVER_NMI: u32 = 4 << 8;

const PAGE: u64 = 4096;
const ENTRY_TABLE: u64 = 0b11; // present, writable
const ENTRY_LARGE: u64 = ENTRY_TABLE | 1 << 7;
/// Linux wants the kernel, boot_params and the command line mapped; this maps all below the end of the hole.
const MAPPED_GIBIBYTES: u64 = 4;

const CODE: u16 = 1;
const DATA: u16 = 2;
const TASK: u16 = 3;

const TYPE_CODE: u8 = 0xb; // executable, readable, accessed
const TYPE_DATA: u8 = 0x3; // writable, accessed
const TYPE_TASK: u8 = 0xb; // 32- or 64-bit TSS, busy

/// Memory is write-back, as firmware would leave it.
pub fn set_msrs(vcpu: &VcpuFd) -> Result<()> {
    let entry = |index, data| kvm_msr_entry {
        index,
        data,
        ..Default::default()
    };
    let entries = [
        entry(MSR_MISC_ENABLE, MISC_ENABLE_FAST_STRING),
        entry(MSR_MTRR_DEFAULT_TYPE, MTRR_ENABLE_WRITE_BACK),
    ];
    let msrs = Msrs::from_entries(&entries).map_err(|error| anyhow!("{error:?}"))?;
    let set = vcpu.set_msrs(&msrs).context("KVM_SET_MSRS")?;
    if set != entries.len() {
        bail!("KVM refuses MSR {:#x}", entries[set].index);
    }
    Ok(())
}

/// The legacy interrupt controller and the NMI line reach the processor, as firmware would have it.
pub fn set_local_apic(vcpu: &VcpuFd) -> Result<()> {
    let mut apic = vcpu.get_lapic().context("KVM_GET_LAPIC")?;
    for (register, mode) in [
        (LOCAL_APIC_LINT0, DELIVER_EXTINT),
        (LOCAL_APIC_LINT1, DELIVER_NMI),
    ] {
        for (place, byte) in apic.regs[register..register + 4]
            .iter_mut()
            .zip(mode.to_le_bytes())
        {
            *place = byte as libc::c_char;
        }
    }
    vcpu.set_lapic(&apic).context("KVM_SET_LAPIC")
}

/// 32-bit protected mode with flat segments and no paging; EBX leads to `info`.
pub fn enter_protected_mode(memory: &GuestMemoryMmap, vcpu: &VcpuFd, address: u64, info: u64) -> Result<()> {
    let code = segment(CODE, TYPE_CODE, Width::Bits32);
    set_segments(memory, vcpu, code, |sregs| {
        sregs.cr0 = CR0_PE | CR0_ET;
        sregs.cr4 = 0;
    })?;
    vcpu.set_regs(&kvm_regs {
        rflags: RFLAGS_FIXED,
        rip: address,
        rbx: info,
        ..Default::default()
    })
    .context("KVM_SET_REGS")
}

/// Long mode with the first 4 GiB mapped to themselves; RSI leads to `boot_params`.
pub fn enter_long_mode(
    memory: &GuestMemoryMmap,
    vcpu: &VcpuFd,
    address: u64,
    boot_params: u64,
) -> Result<()> {
    put_page_tables(memory)?;
    let code = segment(CODE, TYPE_CODE, Width::Bits64);
    set_segments(memory, vcpu, code, |sregs| {
        sregs.cr0 = CR0_PE | CR0_ET | CR0_PG;
        sregs.cr3 = PAGE_TABLES;
        sregs.cr4 = CR4_PAE;
        sregs.efer = EFER_LME | EFER_LMA;
    })?;
    vcpu.set_regs(&kvm_regs {
        rflags: RFLAGS_FIXED,
        rip: address,
        rsi: boot_params,
        ..Default::default()
    })
    .context("KVM_SET_REGS")
}

fn put_page_tables(memory: &GuestMemoryMmap) -> Result<()> {
    let directories = PAGE_TABLES + PAGE;
    let first_tables = directories + PAGE;
    put(memory, &(directories | ENTRY_TABLE).to_le_bytes(), PAGE_TABLES)?;
    for gibibyte in 0..MAPPED_GIBIBYTES {
        let tables = first_tables + gibibyte * PAGE;
        put(
            memory,
            &(tables | ENTRY_TABLE).to_le_bytes(),
            directories + gibibyte * 8,
        )?;
        let entries: Vec<u8> = (0..512)
            .flat_map(|index| (gibibyte << 30 | index << 21 | ENTRY_LARGE).to_le_bytes())
            .collect();
        put(memory, &entries, tables)?;
    }
    Ok(())
}

enum Width {
    Bits32,
    Bits64,
}

fn segment(index: u16, type_: u8, width: Width) -> kvm_segment {
    let wide = matches!(width, Width::Bits64);
    kvm_segment {
        base: 0,
        limit: u32::MAX,
        selector: index * 8,
        type_,
        present: 1,
        db: u8::from(!wide),
        s: 1,
        l: u8::from(wide),
        g: 1,
        ..Default::default()
    }
}

fn set_segments(
    memory: &GuestMemoryMmap,
    vcpu: &VcpuFd,
    code: kvm_segment,
    adjust: impl FnOnce(&mut kvm_bindings::kvm_sregs),
) -> Result<()> {
    let data = segment(DATA, TYPE_DATA, Width::Bits32);
    let task = kvm_segment {
        limit: 0x67,
        db: 0,
        s: 0,
        g: 0,
        ..segment(TASK, TYPE_TASK, Width::Bits32)
    };
    let table = [0, descriptor(&code), descriptor(&data), descriptor(&task)];
    let bytes: Vec<u8> = table.iter().flat_map(|entry| entry.to_le_bytes()).collect();
    put(memory, &bytes, DESCRIPTORS)?;

    let mut sregs = vcpu.get_sregs().context("KVM_GET_SREGS")?;
    sregs.cs = code;
    for register in [
        &mut sregs.ds,
        &mut sregs.es,
        &mut sregs.fs,
        &mut sregs.gs,
        &mut sregs.ss,
    ] {
        *register = data;
    }
    sregs.tr = task;
    sregs.gdt.base = DESCRIPTORS;
    sregs.gdt.limit = bytes.len() as u16 - 1;
    sregs.idt.base = 0;
    sregs.idt.limit = 0;
    adjust(&mut sregs);
    vcpu.set_sregs(&sregs).context("KVM_SET_SREGS")
}

/// The descriptor that a segment register with this content was loaded from.
fn descriptor(segment: &kvm_segment) -> u64 {
    let limit = u64::from(if segment.g == 1 {
        segment.limit >> 12
    } else {
        segment.limit
    });
    let access = u64::from(segment.type_ | segment.s << 4 | segment.dpl << 5 | segment.present << 7);
    let flags = u64::from(segment.avl | segment.l << 1 | segment.db << 2 | segment.g << 3);
    limit & 0xffff
        | (segment.base & 0xff_ffff) << 16
        | access << 40
        | (limit >> 16 & 0xf) << 48
        | flags << 52
        | (segment.base >> 24 & 0xff) << 56
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_in_the_processors_form() {
        assert_eq!(
            descriptor(&segment(CODE, TYPE_CODE, Width::Bits32)),
            0x00cf_9b00_0000_ffff
        );
        assert_eq!(
            descriptor(&segment(CODE, TYPE_CODE, Width::Bits64)),
            0x00af_9b00_0000_ffff
        );
        assert_eq!(
            descriptor(&segment(DATA, TYPE_DATA, Width::Bits32)),
            0x00cf_9300_0000_ffff
        );
    }
}
