// SPDX-License-Identifier: Apache-2.0
//! The guest's I/O ports.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::pci::{self, PciBus};
use crate::serial::{self, SerialPort};

/// ACPI's sleep control, sleep status and reset register, where Cloud Hypervisor has them.
pub const ACPI_POWER: u16 = 0x600;
/// The value for ACPI's reset register.
pub const ACPI_RESET_VALUE: u8 = 1;
/// The sleep type of S5 in the `_S5_` package.
pub const ACPI_S5: u8 = 5;
/// The keyboard controller's command port.
const I8042_COMMAND: u16 = 0x64;
/// The keyboard controller's command that pulses the processor's reset line.
const I8042_RESET: u8 = 0xfe;
/// Ends the VMM with the stored byte as its status, for a guest without an operating system. (QEMU's isa-debug-exit,
/// commonly at the same port, makes `value << 1 | 1` of it.)
pub const DEBUG_EXIT: u16 = 0xf4;

/// How a guest ended itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// ACPI S5.
    PowerOff,
    /// ACPI's reset register or the keyboard controller.
    Reset,
    /// A byte stored to [`DEBUG_EXIT`].
    Status(u8),
}

/// All port devices. Shared by the vCPUs; each device has its own lock.
pub struct Ports {
    serial: Option<Arc<SerialPort>>,
    pci: Mutex<PciBus>,
}

impl Ports {
    /// The given devices at their usual places.
    pub fn new(serial: Option<Arc<SerialPort>>, pci: PciBus) -> Self {
        Self {
            serial,
            pci: Mutex::new(pci),
        }
    }

    /// The serial port, if there is one.
    pub fn serial(&self) -> Option<&Arc<SerialPort>> {
        self.serial.as_ref()
    }

    /// The PCI bus, locked.
    pub fn pci(&self) -> MutexGuard<'_, PciBus> {
        // A panic aborts the process, so that no lock is ever poisoned.
        self.pci.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Answers `in`: `data` is one access of 1, 2 or 4 bytes, or a string of bytes from one port.
    pub fn read(&self, port: u16, data: &mut [u8]) {
        match (port, &self.serial) {
            (serial::BASE..=serial::LAST, Some(serial)) => {
                data.fill_with(|| serial.read((port - serial::BASE) as u8));
            }
            (pci::CONFIG_ADDRESS..=0xcff, _) => self.pci().read(port, data),
            // No output pending, no input waiting: the kernel then does not wait for a keyboard.
            (I8042_COMMAND, _) => data.fill(0),
            (ACPI_POWER, _) => data.fill(0),
            _ => data.fill(0xff),
        }
    }

    /// Carries out `out`; returns how it ends the guest, if it does.
    pub fn write(&self, port: u16, data: &[u8]) -> Option<Ending> {
        match (port, &self.serial) {
            (serial::BASE..=serial::LAST, Some(serial)) => {
                for value in data {
                    serial.write((port - serial::BASE) as u8, *value);
                }
            }
            (pci::CONFIG_ADDRESS..=0xcff, _) => self.pci().write(port, data),
            (I8042_COMMAND, _) if data == [I8042_RESET] => return Some(Ending::Reset),
            (ACPI_POWER, _) if data == [ACPI_RESET_VALUE] => return Some(Ending::Reset),
            // Sleep type in bits 2 to 4, sleep enable in bit 5.
            (ACPI_POWER, _) if data == [ACPI_S5 << 2 | 1 << 5] => return Some(Ending::PowerOff),
            (DEBUG_EXIT, _) => return data.first().copied().map(Ending::Status),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_ends_itself_by_three_ports() {
        let ports = Ports::new(None, PciBus::empty());
        assert_eq!(ports.write(ACPI_POWER, &[0x34]), Some(Ending::PowerOff));
        assert_eq!(ports.write(ACPI_POWER, &[ACPI_RESET_VALUE]), Some(Ending::Reset));
        assert_eq!(ports.write(I8042_COMMAND, &[I8042_RESET]), Some(Ending::Reset));
        assert_eq!(ports.write(DEBUG_EXIT, &[7, 0, 0, 0]), Some(Ending::Status(7)));
        assert_eq!(ports.write(ACPI_POWER, &[0x14]), None);
        assert_eq!(ports.write(0x80, &[1]), None);
    }

    #[test]
    fn ports_without_a_device_read_as_ones() {
        let ports = Ports::new(None, PciBus::empty());
        let mut data = [0; 1];
        ports.read(serial::BASE, &mut data);
        assert_eq!(data, [0xff]);
    }
}
