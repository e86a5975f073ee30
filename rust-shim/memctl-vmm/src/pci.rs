// SPDX-License-Identifier: Apache-2.0
//! PCI bus 0 behind configuration mechanism 1: a host bridge, and the memctl functions with their BARs.

mod function;

use anyhow::{bail, Result};
use memctl_shim::PciIdentity;

pub use self::function::BarWindow;
use self::function::{Function, FunctionState};
use crate::layout;

/// I/O port of CONFIG_ADDRESS; CONFIG_DATA is the four ports after it.
pub const CONFIG_ADDRESS: u16 = 0xcf8;
/// First I/O port of CONFIG_DATA.
pub const CONFIG_DATA: u16 = 0xcfc;
/// Maximum number of plugin functions on the bus: the bus has 32 devices, but a process has at most 8 of the library.
pub const MAX_PLUGIN_FUNCTIONS: usize = 8;
/// Minimum size of a BAR in memory space, by the PCI specification.
const MIN_BAR_SIZE: u64 = 16;
/// Minimum distance of two BARs: a page, which keeps other devices out of it.
const BAR_ALIGNMENT: u64 = 4096;

const CONFIG_ENABLE: u32 = 1 << 31;

/// The saved state of the bus.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct PciState {
    address: u32,
    functions: Vec<FunctionState>,
}

/// Bus 0 and its two configuration ports.
#[derive(Debug)]
pub struct PciBus {
    address: u32,
    host_bridge: Function,
    functions: Vec<(Function, BarWindow)>,
}

impl PciBus {
    /// A bus with the host bridge at 00.0 and `count` plugin functions, up to [`MAX_PLUGIN_FUNCTIONS`], from 01.0 on. As
    /// after a reset, their memory space is disabled; each BAR contains an address that the guest may keep.
    ///
    /// # Errors
    /// The BARs are of no size that PCI knows, or do not fit below 4 GiB.
    pub fn new(identity: &PciIdentity, count: usize) -> Result<Self> {
        let size = identity.bar_size;
        let distance = size.max(BAR_ALIGNMENT);
        let fits = distance.saturating_mul(count as u64) <= layout::PCI_WINDOW_LENGTH;
        if !size.is_power_of_two() || size < MIN_BAR_SIZE || !fits {
            bail!("the plugin asks for {count} PCI functions with BARs of {size} bytes, which this machine can't place");
        }
        let bars = (layout::HOLE_START..).step_by(distance as usize);
        let function = |bar| (Function::plugin(identity, bar), BarWindow::new(size));
        Ok(Self {
            functions: bars.take(count).map(function).collect(),
            ..Self::empty()
        })
    }

    /// A bus with the host bridge alone.
    pub fn empty() -> Self {
        Self {
            address: 0,
            host_bridge: Function::host_bridge(),
            functions: Vec::new(),
        }
    }

    /// The window of each plugin function's BAR 0, for the vCPUs.
    pub fn windows(&self) -> Vec<BarWindow> {
        self.functions.iter().map(|(_, window)| window.clone()).collect()
    }

    /// A read of the ports; all ones where no function answers.
    pub fn read(&self, port: u16, data: &mut [u8]) {
        data.fill(0xff);
        if port == CONFIG_ADDRESS && data.len() == 4 {
            data.copy_from_slice(&self.address.to_le_bytes());
        } else if let Some((device, register, first)) = self.selected(port, data.len()) {
            let function = match device.checked_sub(1) {
                None => &self.host_bridge,
                Some(index) => &self.functions[index].0,
            };
            data.copy_from_slice(&function.read(register)[first..first + data.len()]);
        }
    }

    /// A write of the ports.
    pub fn write(&mut self, port: u16, data: &[u8]) {
        if port == CONFIG_ADDRESS {
            // By the PCI specification, narrower accesses of CONFIG_ADDRESS are not configuration accesses.
            if let Ok(bytes) = data.try_into() {
                self.address = u32::from_le_bytes(bytes);
            }
            return;
        }
        let Some((device, register, first)) = self.selected(port, data.len()) else {
            return;
        };
        // The host bridge is read-only.
        let Some((function, window)) = device.checked_sub(1).map(|index| &mut self.functions[index]) else {
            return;
        };
        let mut bytes = function.read(register);
        bytes[first..first + data.len()].copy_from_slice(data);
        function.write(register, bytes);
        window.place(function);
    }

    /// The state for a snapshot.
    pub fn state(&self) -> PciState {
        PciState {
            address: self.address,
            functions: self
                .functions
                .iter()
                .map(|(function, _)| function.state())
                .collect(),
        }
    }

    /// Restores a snapshot's state, but for bits that a guest can't write.
    pub fn restore(&mut self, state: &PciState) {
        self.address = state.address;
        for ((function, window), state) in self.functions.iter_mut().zip(&state.functions) {
            function.restore(state);
            window.place(function);
        }
    }

    /// The device, register and first byte that an access of CONFIG_DATA selects.
    fn selected(&self, port: u16, length: usize) -> Option<(usize, usize, usize)> {
        let first = usize::from(port.checked_sub(CONFIG_DATA)?);
        let (bus, device, function) = (
            self.address >> 16 & 0xff,
            self.address >> 11 & 0x1f,
            self.address >> 8 & 7,
        );
        let present = (device as usize) <= self.functions.len() && bus == 0 && function == 0;
        let fits = length != 0 && first + length <= 4;
        (present && fits && self.address & CONFIG_ENABLE != 0).then_some((
            device as usize,
            (self.address >> 2 & 0x3f) as usize,
            first,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::function::COMMAND_MEMORY;
    use super::*;

    /// No plugin's: the bus takes whatever the library reports.
    const IDENTITY: PciIdentity = PciIdentity {
        vendor_id: 0x1234,
        device_id: 0x5678,
        subsystem_vendor_id: 0x9abc,
        subsystem_id: 0xdef0,
        base_class: 0x11,
        subclass: 0x22,
        programming_interface: 0x33,
        revision: 0x44,
        bar_size: 4096,
    };

    fn bus_with(count: usize) -> PciBus {
        PciBus::new(&IDENTITY, count).unwrap()
    }

    fn bus_of(bar_size: u64, count: usize) -> Result<PciBus> {
        let identity = PciIdentity { bar_size, ..IDENTITY };
        PciBus::new(&identity, count)
    }

    fn select(bus: &mut PciBus, device: u32, register: u32) {
        bus.write(
            CONFIG_ADDRESS,
            &(CONFIG_ENABLE | device << 11 | register).to_le_bytes(),
        );
    }

    fn get(bus: &mut PciBus, device: u32, register: u32) -> u32 {
        let mut data = [0; 4];
        select(bus, device, register);
        bus.read(CONFIG_DATA, &mut data);
        u32::from_le_bytes(data)
    }

    fn set(bus: &mut PciBus, device: u32, register: u32, value: u32) {
        select(bus, device, register);
        bus.write(CONFIG_DATA, &value.to_le_bytes());
    }

    #[test]
    fn the_function_has_the_plugins_identity() {
        let mut bus = bus_with(1);
        assert_eq!(get(&mut bus, 1, 0x00), 0x5678_1234);
        assert_eq!(get(&mut bus, 1, 0x08), 0x1122_3344);
        assert_eq!(get(&mut bus, 1, 0x0c) >> 16 & 0xff, 0);
        assert_eq!(get(&mut bus, 1, 0x2c), 0xdef0_9abc);
        assert_eq!(get(&mut bus, 1, 0x3c), 0);
        for bar in 1..6 {
            set(&mut bus, 1, 0x10 + bar * 4, u32::MAX);
            assert_eq!(get(&mut bus, 1, 0x10 + bar * 4), 0);
        }
    }

    #[test]
    fn absent_functions_read_as_ones() {
        let mut bus = PciBus::empty();
        assert_eq!(get(&mut bus, 0, 0x00), 0x0d57_8086);
        assert_eq!(get(&mut bus, 1, 0x00), u32::MAX);
        bus.write(CONFIG_ADDRESS, &(CONFIG_ENABLE | 1 << 16).to_le_bytes());
        let mut data = [0; 4];
        bus.read(CONFIG_DATA, &mut data);
        assert_eq!(data, [0xff; 4]);
        bus.write(CONFIG_ADDRESS, &0_u32.to_le_bytes());
        bus.read(CONFIG_DATA, &mut data);
        assert_eq!(data, [0xff; 4]);
    }

    #[test]
    fn config_address_takes_whole_words_only() {
        let mut bus = bus_with(1);
        bus.write(CONFIG_ADDRESS, &CONFIG_ENABLE.to_le_bytes());
        bus.write(CONFIG_ADDRESS + 3, &[1]);
        bus.write(CONFIG_ADDRESS, &[1]);
        let mut data = [0; 4];
        bus.read(CONFIG_ADDRESS, &mut data);
        assert_eq!(u32::from_le_bytes(data), CONFIG_ENABLE);
    }

    #[test]
    fn parts_of_a_register_are_read_and_written() {
        let mut bus = bus_with(1);
        select(&mut bus, 1, 0x08);
        let mut data = [0; 2];
        bus.read(CONFIG_DATA + 2, &mut data);
        assert_eq!(u16::from_le_bytes(data), 0x1122);
        select(&mut bus, 1, 0x04);
        bus.write(CONFIG_DATA, &2_u16.to_le_bytes());
        assert_eq!(get(&mut bus, 1, 0x04), 2);
        let mut wide = [0; 4];
        bus.read(CONFIG_DATA + 2, &mut wide);
        assert_eq!(wide, [0xff; 4], "an access across the register's end is nobody's");
    }

    #[test]
    fn the_bar_sizes_as_32_bit_memory_of_the_plugins_size() {
        for (size, mask) in [(16, 0xffff_fff0), (4096, 0xffff_f000), (1 << 20, 0xfff0_0000)] {
            let mut bus = bus_of(size, 2).unwrap();
            let before = get(&mut bus, 2, 0x10);
            assert_eq!(before as u64 % size, 0);
            set(&mut bus, 2, 0x10, u32::MAX);
            assert_eq!(get(&mut bus, 2, 0x10), mask);
            set(&mut bus, 2, 0x10, before);
            set(&mut bus, 2, 0x04, COMMAND_MEMORY);
            let window = bus.windows().remove(1);
            let last = u64::from(before) + size - 4;
            assert_eq!(window.base_of(last, 4), Some(before.into()));
            assert_eq!(window.base_of(last + 4, 1), None);
        }
    }

    #[test]
    fn bars_that_can_not_be_placed_are_refused() {
        for size in [0, 8, 5000, 1 << 30, 1 << 63] {
            assert!(bus_of(size, 1).is_err(), "{size}");
        }
        assert!(bus_of(64 << 20, 10).is_ok());
        assert!(bus_of(64 << 20, 11).is_err());
    }

    #[test]
    fn the_bar_answers_where_the_guest_put_it_and_while_memory_is_enabled() {
        let mut bus = bus_with(1);
        let window = bus.windows().remove(0);
        let first = u64::from(get(&mut bus, 1, 0x10));
        assert_eq!(window.base_of(first, 4), None);
        set(&mut bus, 1, 0x04, COMMAND_MEMORY);
        assert_eq!(window.base_of(first, 4), Some(first));
        assert_eq!(window.base_of(first + 4088, 8), Some(first));
        assert_eq!(window.base_of(first + 4092, 8), None);
        assert_eq!(window.base_of(first - 1, 1), None);
        set(&mut bus, 1, 0x10, 0xd000_0000);
        assert_eq!(window.base_of(first, 4), None);
        assert_eq!(window.base_of(0xd000_0008, 4), Some(0xd000_0000));
        set(&mut bus, 1, 0x04, 0);
        assert_eq!(window.base_of(0xd000_0008, 4), None);
    }

    #[test]
    fn a_restored_bus_has_the_bar_where_it_was() {
        let mut bus = bus_with(1);
        set(&mut bus, 1, 0x10, 0xd000_0000);
        set(&mut bus, 1, 0x04, COMMAND_MEMORY);
        let mut other = bus_with(1);
        other.restore(&bus.state());
        assert_eq!(other.windows()[0].base_of(0xd000_0000, 8), Some(0xd000_0000));
        assert_eq!(other.state(), bus.state());
    }

    #[test]
    fn each_function_has_a_bar_of_its_own() {
        let mut bus = bus_with(2);
        let windows = bus.windows();
        let first = u64::from(get(&mut bus, 1, 0x10));
        let second = u64::from(get(&mut bus, 2, 0x10));
        assert_eq!(second, first + 4096);
        assert_eq!(get(&mut bus, 2, 0x00), 0x5678_1234);
        assert_eq!(get(&mut bus, 3, 0x00), u32::MAX);
        set(&mut bus, 2, 0x04, COMMAND_MEMORY);
        assert_eq!(windows[0].base_of(first, 4), None);
        assert_eq!(windows[1].base_of(second, 4), Some(second));
        let mut other = bus_with(2);
        other.restore(&bus.state());
        assert_eq!(other.state(), bus.state());
        assert_eq!(other.windows()[1].base_of(second, 4), Some(second));
    }
}
