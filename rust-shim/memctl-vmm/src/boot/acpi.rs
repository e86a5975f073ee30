// SPDX-License-Identifier: Apache-2.0
//! The ACPI tables: processors, interrupt controllers, the PCI host bridge, the serial port, power-off and reset. The machine
//! is "hardware-reduced", as Cloud Hypervisor's is. Written out here and in `aml`, as Debian 13 lacks the crate acpi_tables.

use anyhow::Result;
use vm_memory::GuestMemoryMmap;

use super::{aml, put};
use crate::{layout, ports, serial};

const OEM: &[u8; 6] = b"MEMCTL";
const OEM_TABLE: &[u8; 8] = b"MEMCTLVM";
const HEADER_LENGTH: usize = 36;
const CHECKSUM_AT: usize = 9;

const FADT_LENGTH: usize = 276;
const FADT_REVISION: u8 = 6;
const FADT_BOOT_FLAGS_AT: usize = 109;
/// No VGA to probe, and no real-time clock behind ports 0x70 and 0x71.
const FADT_NO_VGA_NO_CLOCK: u16 = 1 << 2 | 1 << 5;
const FADT_FLAGS_AT: usize = 112;
/// WBINVD works, no fixed power and sleep buttons, a reset register, hardware-reduced.
const FADT_FLAGS: u32 = 1 << 0 | 1 << 4 | 1 << 5 | 1 << 10 | 1 << 20;
const FADT_RESET_REGISTER_AT: usize = 116;
const FADT_RESET_VALUE_AT: usize = 128;
const FADT_MINOR_AT: usize = 131;
const FADT_DSDT_AT: usize = 140;
const FADT_SLEEP_CONTROL_AT: usize = 244;
const FADT_SLEEP_STATUS_AT: usize = 256;

const MADT_LOCAL_APIC: u8 = 0;
const MADT_IO_APIC: u8 = 1;

/// Writes the tables to [`layout::RSDP`] and behind it.
pub fn put_tables(memory: &GuestMemoryMmap, vcpus: u8) -> Result<()> {
    let root_length = 64;
    let mut address = layout::RSDP + root_length;
    let mut place = |table: &[u8]| -> Result<u64> {
        let at = address;
        put(memory, table, at)?;
        address = (at + table.len() as u64).next_multiple_of(16);
        Ok(at)
    };
    let dsdt = place(&dsdt())?;
    let fadt = place(&fadt(dsdt))?;
    let madt = place(&madt(vcpus))?;
    let xsdt = place(&xsdt(&[fadt, madt]))?;
    put(memory, &rsdp(xsdt), layout::RSDP)
}

fn rsdp(xsdt: u64) -> Vec<u8> {
    const LENGTH: u32 = 36;
    const REVISION: u8 = 2;
    let mut table = [
        &b"RSD PTR "[..],
        &[0],
        OEM,
        &[REVISION],
        &0_u32.to_le_bytes(),
        &LENGTH.to_le_bytes(),
    ]
    .concat();
    table.extend(xsdt.to_le_bytes());
    table.extend([0; 4]);
    table[8] = checksum(&table[..20]);
    table[32] = checksum(&table);
    table
}

fn xsdt(tables: &[u64]) -> Vec<u8> {
    let entries = tables.iter().flat_map(|address| address.to_le_bytes()).collect();
    table(b"XSDT", 1, entries)
}

fn fadt(dsdt: u64) -> Vec<u8> {
    let mut content = vec![0; FADT_LENGTH - HEADER_LENGTH];
    let mut set =
        |at: usize, value: &[u8]| content[at - HEADER_LENGTH..][..value.len()].copy_from_slice(value);
    set(FADT_BOOT_FLAGS_AT, &FADT_NO_VGA_NO_CLOCK.to_le_bytes());
    set(FADT_FLAGS_AT, &FADT_FLAGS.to_le_bytes());
    set(FADT_RESET_REGISTER_AT, &byte_port(ports::ACPI_POWER));
    set(FADT_RESET_VALUE_AT, &[ports::ACPI_RESET_VALUE]);
    set(FADT_MINOR_AT, &[3]);
    set(FADT_DSDT_AT, &dsdt.to_le_bytes());
    set(FADT_SLEEP_CONTROL_AT, &byte_port(ports::ACPI_POWER));
    set(FADT_SLEEP_STATUS_AT, &byte_port(ports::ACPI_POWER));
    table(b"FACP", FADT_REVISION, content)
}

/// A generic address structure: an I/O port of one byte.
fn byte_port(port: u16) -> Vec<u8> {
    const SYSTEM_IO: u8 = 1;
    const BYTE_ACCESS: u8 = 1;
    [
        &[SYSTEM_IO, 8, 0, BYTE_ACCESS][..],
        &u64::from(port).to_le_bytes(),
    ]
    .concat()
}

fn madt(vcpus: u8) -> Vec<u8> {
    const ENABLED: u32 = 1;
    const IO_APIC_ID: u8 = 0;
    let mut content = (layout::LOCAL_APIC as u32).to_le_bytes().to_vec();
    content.extend(0_u32.to_le_bytes());
    for index in 0..vcpus {
        content.extend([MADT_LOCAL_APIC, 8, index, index]);
        content.extend(ENABLED.to_le_bytes());
    }
    content.extend([MADT_IO_APIC, 12, IO_APIC_ID, 0]);
    content.extend((layout::IOAPIC as u32).to_le_bytes());
    content.extend(0_u32.to_le_bytes());
    table(b"APIC", 5, content)
}

fn dsdt() -> Vec<u8> {
    let host_bridge = aml::device(
        "PCI0",
        &[
            aml::name("_HID", aml::eisa_id("PNP0A03")),
            aml::name("_UID", aml::integer(0)),
            aml::name(
                "_CRS",
                aml::resources(&[
                    aml::bus_numbers(0, 0),
                    aml::io_ports(0xcf8, 8),
                    aml::memory_window(layout::HOLE_START as u32, layout::PCI_WINDOW_LENGTH as u32),
                ]),
            ),
        ],
    );
    let serial_port = aml::device(
        "COM1",
        &[
            aml::name("_HID", aml::eisa_id("PNP0501")),
            aml::name("_UID", aml::integer(0)),
            aml::name(
                "_CRS",
                aml::resources(&[aml::interrupt(serial::INTERRUPT), aml::io_ports(serial::BASE, 8)]),
            ),
        ],
    );
    let sleep = aml::name("_S5", aml::package(&[aml::integer(u32::from(ports::ACPI_S5))]));
    table(
        b"DSDT",
        6,
        [aml::scope("\\_SB", &[host_bridge, serial_port]), sleep].concat(),
    )
}

fn table(signature: &[u8; 4], revision: u8, content: Vec<u8>) -> Vec<u8> {
    let length = (HEADER_LENGTH + content.len()) as u32;
    let mut table = [
        &signature[..],
        &length.to_le_bytes(),
        &[revision, 0],
        OEM,
        OEM_TABLE,
        &1_u32.to_le_bytes(),
        OEM_TABLE[..4].as_ref(),
        &1_u32.to_le_bytes(),
        &content,
    ]
    .concat();
    table[CHECKSUM_AT] = checksum(&table);
    table
}

/// The byte that makes the sum of all bytes 0.
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_sums_up_to_zero_and_knows_its_length() {
        for table in [dsdt(), fadt(0xa_0040), madt(4), xsdt(&[1, 2])] {
            assert_eq!(checksum(&table), 0);
            assert_eq!(
                u32::from_le_bytes(table[4..8].try_into().unwrap()) as usize,
                table.len()
            );
        }
        let root = rsdp(0xa_0400);
        assert_eq!((checksum(&root[..20]), checksum(&root), root.len()), (0, 0, 36));
        assert_eq!(fadt(0).len(), FADT_LENGTH);
    }

    #[test]
    fn the_tables_of_the_largest_machine_stay_below_one_mebibyte() {
        let length = 64 + dsdt().len() + FADT_LENGTH + madt(254).len() + xsdt(&[0, 0]).len() + 4 * 16;
        assert!(layout::RSDP + (length as u64) < layout::HIGH_RAM_START);
    }
}
