// SPDX-License-Identifier: Apache-2.0
//! One PCI function: its configuration space, its BAR, and where the guest put that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use memctl_shim::PciIdentity;

const COMMAND: usize = 0x04;
pub(super) const COMMAND_MEMORY: u32 = 1 << 1;
const BAR0: usize = 0x10;
const INTERRUPT_LINE: usize = 0x3c;
const BAR_NOWHERE: u64 = u64::MAX;

/// Where a plugin function's BAR 0 is now. Written by configuration accesses, read without a lock by every vCPU on every
/// memory access that leaves the guest.
#[derive(Clone, Debug)]
pub struct BarWindow {
    base: Arc<AtomicU64>,
    size: u64,
}

impl BarWindow {
    pub(super) fn new(size: u64) -> Self {
        Self {
            base: Arc::new(AtomicU64::new(BAR_NOWHERE)),
            size,
        }
    }

    /// Follows a write of the function's configuration space.
    pub(super) fn place(&self, function: &Function) {
        self.base.store(function.bar(), Ordering::Relaxed);
    }

    /// The BAR's address, if an access of `length` bytes at `address` is for it.
    pub fn base_of(&self, address: u64, length: usize) -> Option<u64> {
        // Relaxed: no other data depends on this word. A vCPU that moves the BAR sees its own store; the guest
        // synchronises the others by its own means.
        let base = self.base.load(Ordering::Relaxed);
        let offset = address.checked_sub(base)?;
        (offset < self.size && length as u64 <= self.size - offset).then_some(base)
    }
}

/// The configuration space of one function: 64 registers and which of their bits a guest may write.
#[derive(Clone, Debug)]
pub(super) struct Function {
    registers: [u32; 64],
    writable: [u32; 64],
}

impl Function {
    fn new(identity: &[(usize, u32)], writable: &[(usize, u32)]) -> Self {
        let mut function = Self {
            registers: [0; 64],
            writable: [0; 64],
        };
        for (offset, value) in identity {
            function.registers[offset / 4] = *value;
        }
        for (offset, mask) in writable {
            function.writable[offset / 4] = *mask;
        }
        function
    }

    /// 8086:0d57, the host bridge that Cloud Hypervisor shows.
    pub(super) fn host_bridge() -> Self {
        Self::new(&[(0x00, 0x0d57_8086), (0x08, 0x0600_0000)], &[])
    }

    /// A function of the plugin, without an interrupt.
    pub(super) fn plugin(identity: &PciIdentity, bar: u64) -> Self {
        let halves = |low, high| u32::from(high) << 16 | u32::from(low);
        let class = [
            identity.revision,
            identity.programming_interface,
            identity.subclass,
            identity.base_class,
        ];
        Self::new(
            &[
                (0x00, halves(identity.vendor_id, identity.device_id)),
                (0x08, u32::from_le_bytes(class)),
                (BAR0, bar as u32),
                (0x2c, halves(identity.subsystem_vendor_id, identity.subsystem_id)),
            ],
            // Memory space and bus master enable; the address bits of the BAR; the interrupt line, which
            // firmware may use as a scratch register.
            &[
                (COMMAND, 0x6),
                (BAR0, !(identity.bar_size as u32 - 1)),
                (INTERRUPT_LINE, 0xff),
            ],
        )
    }

    /// A register by its number.
    pub(super) fn read(&self, register: usize) -> [u8; 4] {
        self.registers[register].to_le_bytes()
    }

    /// Writes the bits of a register that a guest may write.
    pub(super) fn write(&mut self, register: usize, bytes: [u8; 4]) {
        let mask = self.writable[register];
        self.registers[register] = self.registers[register] & !mask | u32::from_le_bytes(bytes) & mask;
    }

    pub(super) fn state(&self) -> FunctionState {
        FunctionState {
            command: self.registers[COMMAND / 4],
            bar: self.registers[BAR0 / 4],
            interrupt_line: self.registers[INTERRUPT_LINE / 4],
        }
    }

    pub(super) fn restore(&mut self, state: &FunctionState) {
        for (offset, value) in [
            (COMMAND, state.command),
            (BAR0, state.bar),
            (INTERRUPT_LINE, state.interrupt_line),
        ] {
            self.write(offset / 4, value.to_le_bytes());
        }
    }

    fn bar(&self) -> u64 {
        if self.registers[COMMAND / 4] & COMMAND_MEMORY == 0 {
            return BAR_NOWHERE;
        }
        u64::from(self.registers[BAR0 / 4])
    }
}

/// The saved state of a plugin function.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub(super) struct FunctionState {
    command: u32,
    bar: u32,
    interrupt_line: u32,
}
