// SPDX-License-Identifier: Apache-2.0
//! The guest's physical address space: Cloud Hypervisor's layout on x86-64.

/// End of the conventional memory that a kernel may use. RAM from here to [`HIGH_RAM_START`] is not in the guest's
/// memory map.
pub const EBDA_START: u64 = 0xa_0000;
/// ACPI's root pointer, with the tables after it.
pub const RSDP: u64 = EBDA_START;
/// Memory that a kernel is loaded into.
pub const HIGH_RAM_START: u64 = 0x10_0000;
/// No RAM from here to 4 GiB: PCI functions, interrupt controllers and what KVM needs.
pub const HOLE_START: u64 = 0xc000_0000;
/// Where RAM goes on above the hole.
pub const RAM_64BIT_START: u64 = 0x1_0000_0000;
/// Bytes that PCI functions' BARs may take, from [`HOLE_START`].
pub const PCI_WINDOW_LENGTH: u64 = 640 << 20;
/// Three pages that KVM needs on processors without unrestricted guests.
pub const KVM_TSS: u64 = HOLE_START + PCI_WINDOW_LENGTH + (256 << 20);
/// One page more of that kind.
pub const KVM_IDENTITY_MAP: u64 = KVM_TSS + 3 * 4096;
/// The first I/O APIC's registers.
pub const IOAPIC: u64 = 0xfec0_0000;
/// Every local APIC's registers.
pub const LOCAL_APIC: u64 = 0xfee0_0000;
/// Hot-plugged RAM starts at a multiple of this.
pub const HOTPLUG_ALIGNMENT: u64 = 128 << 20;

/// A range of guest-physical address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First address.
    pub start: u64,
    /// Bytes.
    pub length: u64,
}

impl Range {
    /// The first address after the range.
    pub fn end(&self) -> u64 {
        self.start + self.length
    }
}

/// Where `size` bytes of RAM are: from 0 up to the hole, and the rest above it.
pub fn ram(size: u64) -> Vec<Range> {
    let low = size.min(HOLE_START);
    let mut ranges = vec![Range {
        start: 0,
        length: low,
    }];
    if size > low {
        ranges.push(Range {
            start: RAM_64BIT_START,
            length: size - low,
        });
    }
    ranges
}

/// Where hot-plugged RAM may start when RAM ends at `ram_end`.
pub fn hotplug_start(ram_end: u64) -> u64 {
    ram_end.max(RAM_64BIT_START).next_multiple_of(HOTPLUG_ALIGNMENT)
}

/// The guest's memory map: RAM without the part below 1 MiB that contains tables.
pub fn usable(ram: &[Range]) -> Vec<Range> {
    let mut usable = vec![Range {
        start: 0,
        length: EBDA_START,
    }];
    for range in ram {
        let start = range.start.max(HIGH_RAM_START);
        if range.end() > start {
            usable.push(Range {
                start,
                length: range.end() - start,
            });
        }
    }
    usable
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn ram_below_the_hole_is_one_range() {
        assert_eq!(
            ram(512 << 20),
            [Range {
                start: 0,
                length: 512 << 20
            }]
        );
        assert_eq!(
            ram(3 * GIB),
            [Range {
                start: 0,
                length: 3 * GIB
            }]
        );
    }

    #[test]
    fn ram_goes_on_above_the_hole() {
        assert_eq!(
            ram(3 * GIB + 4096),
            [
                Range {
                    start: 0,
                    length: 3 * GIB
                },
                Range {
                    start: 4 * GIB,
                    length: 4096
                }
            ]
        );
    }

    #[test]
    fn hotplugged_ram_is_above_the_hole_and_aligned() {
        assert_eq!(hotplug_start(512 << 20), 4 * GIB);
        assert_eq!(hotplug_start(4 * GIB + 4096), 4 * GIB + HOTPLUG_ALIGNMENT);
        assert_eq!(hotplug_start(5 * GIB), 5 * GIB);
    }

    #[test]
    fn the_tables_below_one_mebibyte_are_not_usable() {
        assert_eq!(
            usable(&ram(4 * GIB)),
            [
                Range {
                    start: 0,
                    length: EBDA_START
                },
                Range {
                    start: HIGH_RAM_START,
                    length: 3 * GIB - HIGH_RAM_START
                },
                Range {
                    start: 4 * GIB,
                    length: GIB
                },
            ]
        );
    }

    #[test]
    fn what_kvm_needs_is_in_the_hole() {
        for address in [KVM_TSS, KVM_IDENTITY_MAP] {
            assert!(address >= HOLE_START + PCI_WINDOW_LENGTH && address + 3 * 4096 < IOAPIC);
        }
    }
}
