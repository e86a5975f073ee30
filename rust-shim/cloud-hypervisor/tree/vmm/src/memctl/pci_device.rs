// SPDX-License-Identifier: Apache-2.0
//! The PCI function: identity, configuration space, one BAR, life cycle.

use std::any::Any;
use std::sync::{Arc, Barrier};
use std::{io, result};

use anyhow::anyhow;
use log::error;
use pci::{
    BarReprogrammingParams, PCI_CONFIGURATION_ID, PciBarConfiguration, PciBarPrefetchable,
    PciBarRegionType, PciClassCode, PciConfiguration, PciDevice, PciDeviceError, PciHeaderType,
    PciSubclass,
};
use serde::{Deserialize, Serialize};
use vm_allocator::{AddressAllocator, SystemAllocator};
use vm_device::{BusDeviceSync, Resource};
use vm_memory::{Address, GuestAddress};
use vm_migration::{
    Migratable, MigratableError, Pausable, Snapshot, Snapshottable, Transportable, state_from_id,
};

use super::{Backend, MemctlError};

const VENDOR_ID: u16 = 0x1ae0;
const DEVICE_ID: u16 = 0x0087;
const SUBSYSTEM_VENDOR_ID: u16 = 0x1ae0;
const SUBSYSTEM_ID: u16 = 0x011f;
const REVISION: u8 = 1;
const BAR_INDEX: usize = 0;
/// A whole page, which keeps other devices out of it. The registers are its first 16 bytes.
const BAR_SIZE: u64 = 0x1000;

/// Of [`MemctlState`], not of the plugin's bytes, which have their own.
const STATE_VERSION: u32 = 1;

#[derive(Clone, Copy)]
enum MemctlSubclass {
    Other = 0x80,
}

impl PciSubclass for MemctlSubclass {
    fn get_register_value(&self) -> u8 {
        *self as u8
    }
}

/// What a snapshot holds beside the PCI configuration.
#[derive(Serialize, Deserialize)]
struct MemctlState {
    version: u32,
    /// The plugin's own, checked by the plugin.
    plugin: Vec<u8>,
}

/// The BAR. Several vCPUs enter it at once and no lock is taken.
pub(crate) struct MemctlBusDevice(pub(crate) Arc<Backend>);

impl BusDeviceSync for MemctlBusDevice {
    fn read(&self, base: u64, offset: u64, data: &mut [u8]) {
        self.0.device().read(base, offset, data);
    }

    fn write(&self, base: u64, offset: u64, data: &[u8]) -> Option<Arc<Barrier>> {
        self.0.device().write(base, offset, data);
        None
    }
}

/// The rest of the function.
pub(crate) struct MemctlPciDevice {
    id: String,
    configuration: PciConfiguration,
    bar: Option<PciBarConfiguration>,
    backend: Arc<Backend>,
}

impl MemctlPciDevice {
    /// `snapshot` is the device's own; with it the state that it holds is put into the backend, whose memory
    /// must be complete and filled.
    pub(crate) fn new(
        id: String,
        backend: Arc<Backend>,
        snapshot: Option<&Snapshot>,
    ) -> Result<Self, MemctlError> {
        let configuration = PciConfiguration::new(
            VENDOR_ID,
            DEVICE_ID,
            REVISION,
            PciClassCode::BaseSystemPeripheral,
            &MemctlSubclass::Other,
            None,
            PciHeaderType::Device,
            SUBSYSTEM_VENDOR_ID,
            SUBSYSTEM_ID,
            None,
            state_from_id(snapshot, PCI_CONFIGURATION_ID).map_err(MemctlError::Restore)?,
        );
        let identity = configuration.read_config_register(0);
        if identity != (u32::from(DEVICE_ID) << 16 | u32::from(VENDOR_ID)) {
            return Err(MemctlError::Identity(identity));
        }

        if let Some(snapshot) = snapshot {
            let state: MemctlState = snapshot.to_state().map_err(MemctlError::Restore)?;
            if state.version != STATE_VERSION {
                return Err(MemctlError::StateVersion {
                    found: state.version,
                    known: STATE_VERSION,
                });
            }
            backend.device().restore(&state.plugin)?;
            // A restored VM is paused until it is resumed, and may be saved again before that.
            backend.set_paused(true)?;
        }

        Ok(MemctlPciDevice {
            id,
            configuration,
            bar: None,
            backend,
        })
    }
}

impl PciDevice for MemctlPciDevice {
    fn allocate_bars(
        &mut self,
        _allocator: &mut SystemAllocator,
        mmio32_allocator: &mut AddressAllocator,
        _mmio64_allocator: &mut AddressAllocator,
        resources: Option<Vec<Resource>>,
    ) -> Result<Vec<PciBarConfiguration>, PciDeviceError> {
        let restoring = resources.is_some();
        let mut wanted = None;
        for resource in resources.into_iter().flatten() {
            match resource {
                Resource::PciBar {
                    index: BAR_INDEX,
                    base,
                    ..
                } => wanted = Some(GuestAddress(base)),
                other => error!("Unexpected resource {other:?}"),
            }
        }
        if restoring && wanted.is_none() {
            return Err(PciDeviceError::MissingResource);
        }

        let address = mmio32_allocator
            .allocate(wanted, BAR_SIZE, Some(BAR_SIZE))
            .ok_or(PciDeviceError::IoAllocationFailed(BAR_SIZE))?;
        let bar = PciBarConfiguration::default()
            .set_index(BAR_INDEX)
            .set_address(address.raw_value())
            .set_size(BAR_SIZE)
            .set_region_type(PciBarRegionType::Memory32BitRegion)
            .set_prefetchable(PciBarPrefetchable::NotPrefetchable);
        // A restored configuration space has it already.
        if !restoring {
            self.configuration
                .add_pci_bar(&bar)
                .map_err(|e| PciDeviceError::IoRegistrationFailed(address.raw_value(), e))?;
        }
        self.bar = Some(bar);
        Ok(vec![bar])
    }

    fn free_bars(
        &mut self,
        _allocator: &mut SystemAllocator,
        mmio32_allocator: &mut AddressAllocator,
        _mmio64_allocator: &mut AddressAllocator,
    ) -> Result<(), PciDeviceError> {
        if let Some(bar) = self.bar.take() {
            mmio32_allocator.free(GuestAddress(bar.addr()), bar.size());
        }
        Ok(())
    }

    fn write_config_register(
        &mut self,
        reg_idx: usize,
        offset: u64,
        data: &[u8],
    ) -> (Vec<BarReprogrammingParams>, Option<Arc<Barrier>>) {
        (
            self.configuration
                .write_config_register(reg_idx, offset, data),
            None,
        )
    }

    fn read_config_register(&mut self, reg_idx: usize) -> u32 {
        self.configuration.read_config_register(reg_idx)
    }

    fn move_bar(&mut self, old_base: u64, new_base: u64) -> io::Result<()> {
        self.bar = self.bar.map(|bar| match bar.addr() == old_base {
            true => bar.set_address(new_base),
            false => bar,
        });
        Ok(())
    }

    fn restore_bar_addr(&mut self, params: &BarReprogrammingParams) {
        self.configuration.restore_bar_addr(params);
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn id(&self) -> Option<String> {
        Some(self.id.clone())
    }
}

impl Pausable for MemctlPciDevice {
    fn pause(&mut self) -> result::Result<(), MigratableError> {
        self.backend
            .set_paused(true)
            .map_err(|e| MigratableError::Pause(anyhow!(e)))
    }

    fn resume(&mut self) -> result::Result<(), MigratableError> {
        self.backend
            .set_paused(false)
            .map_err(|e| MigratableError::Resume(anyhow!(e)))
    }
}

impl Snapshottable for MemctlPciDevice {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn snapshot(&mut self) -> result::Result<Snapshot, MigratableError> {
        let plugin = self
            .backend
            .device()
            .save()
            .map_err(|e| MigratableError::Snapshot(anyhow!(e)))?;
        let mut snapshot = Snapshot::new_from_state(&MemctlState {
            version: STATE_VERSION,
            plugin,
        })?;
        snapshot.add_snapshot(self.configuration.id(), self.configuration.snapshot()?);
        Ok(snapshot)
    }
}

impl Transportable for MemctlPciDevice {}

impl Migratable for MemctlPciDevice {
    fn start_dirty_log(&mut self) -> result::Result<(), MigratableError> {
        self.backend
            .set_migrating(true)
            .map_err(|e| MigratableError::StartDirtyLog(anyhow!(e)))
    }

    fn stop_dirty_log(&mut self) -> result::Result<(), MigratableError> {
        self.backend
            .set_migrating(false)
            .map_err(|e| MigratableError::StopDirtyLog(anyhow!(e)))
    }
}
