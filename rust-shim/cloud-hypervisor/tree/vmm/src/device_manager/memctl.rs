// SPDX-License-Identifier: Apache-2.0
//! The memctl device among the others: where it is made, what it learns of memory and of pinned memory.

use std::collections::{BTreeSet, HashMap};
use std::num::Wrapping;
use std::sync::{Arc, Mutex};

use log::{info, warn};
use virtio_devices::VirtioMemMappingSource;
use vm_device::dma_mapping::ExternalDmaMapping;
use vm_migration::{Migratable, Snapshot, snapshot_from_id};

use super::{DeviceManager, DeviceManagerError, DeviceManagerResult};
use crate::device_tree::{DeviceNode, DeviceTree};
use crate::memctl::{Backend, MemctlBusDevice, MemctlError, MemctlPciDevice, PluggedBlocks};
use crate::vm_config::VmConfig;
use crate::{GuestRegionMmap, device_node};

const MEMCTL_DEVICE_NAME: &str = "__memctl";

/// What the device manager knows of the memctl device, with or without one.
#[derive(Clone, Default)]
pub(super) struct Memctl(Arc<Mutex<Attached>>);

#[derive(Default)]
struct Attached {
    device: Option<(String, Arc<Backend>)>,
    /// Whether RAM that is hot-plugged will be advised mergeable. Taken once: whoever plugs it holds the configuration.
    mergeable: bool,
    /// Ids of devices that have guest RAM pinned, or are about to.
    pinning: BTreeSet<String>,
    /// What is discarded would come back with the bytes of the snapshot.
    served_by_uffd: bool,
}

impl Attached {
    fn settle(&self) -> Result<(), MemctlError> {
        match &self.device {
            Some((_, backend)) => {
                backend.inhibit_discard(self.served_by_uffd || !self.pinning.is_empty())
            }
            None => Ok(()),
        }
    }
}

/// A device that pins guest RAM is being made. When this is dropped, that has succeeded and the device
/// is in the tree, or has failed.
pub(super) struct Pin {
    memctl: Memctl,
    tree: Arc<Mutex<DeviceTree>>,
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.memctl.forget_unpinned(&self.tree);
    }
}

impl Memctl {
    /// To be called before a device maps guest RAM for DMA. From its return on, nothing is discarded.
    pub(super) fn pin(&self, id: &str, tree: &Arc<Mutex<DeviceTree>>) -> DeviceManagerResult<Pin> {
        let mut attached = self.0.lock().unwrap();
        attached.pinning.insert(id.to_owned());
        attached.settle().map_err(DeviceManagerError::Memctl)?;
        Ok(Pin {
            memctl: self.clone(),
            tree: Arc::clone(tree),
        })
    }

    /// To be called when a device that may have pinned guest RAM is gone.
    pub(super) fn forget_unpinned(&self, tree: &Mutex<DeviceTree>) {
        let mut attached = self.0.lock().unwrap();
        let tree = tree.lock().unwrap();
        attached.pinning.retain(|id| tree.contains_key(id));
        // Discards then stay forbidden, which harms nothing.
        if let Err(e) = attached.settle() {
            warn!("Cannot allow memctl discards again: {e}");
        }
    }

    /// Gives the device memory that was hot-plugged.
    pub(super) fn add_mapping(&self, mapping: &Arc<GuestRegionMmap>) -> DeviceManagerResult<()> {
        let attached = self.0.lock().unwrap();
        match &attached.device {
            Some((_, backend)) => backend
                .add_mapping(mapping, attached.mergeable)
                .map_err(DeviceManagerError::Memctl),
            None => Ok(()),
        }
    }

    pub(super) fn add_counters(
        &self,
        counters: &mut HashMap<String, HashMap<&'static str, Wrapping<u64>>>,
    ) {
        if let Some((id, backend)) = &self.0.lock().unwrap().device {
            match backend.counters() {
                Ok(own) => {
                    counters.insert(id.clone(), own);
                }
                Err(e) => warn!("Cannot read the counters of {id}: {e}"),
            }
        }
    }
}

impl DeviceManager {
    /// Makes the device if the configuration has one. All of guest RAM is there and, where the VM is restored, filled.
    pub(super) fn add_memctl_device(
        &mut self,
        snapshot: Option<&Snapshot>,
    ) -> DeviceManagerResult<()> {
        let config = self.config.lock().unwrap().clone();
        let Some(memctl) = &config.memctl else {
            return Ok(());
        };
        let id = memctl
            .pci_common
            .id
            .clone()
            .unwrap_or_else(|| MEMCTL_DEVICE_NAME.to_owned());
        info!("Creating memctl device {id}");

        let (pci_segment_id, pci_device_bdf, resources) = self.pci_resources(
            &id,
            memctl.pci_common.pci_segment,
            memctl.pci_common.pci_device_id,
        )?;

        let guest_memory = self.memory_manager.lock().unwrap().guest_memory();
        let backend =
            Arc::new(Backend::new(memctl, guest_memory).map_err(DeviceManagerError::Memctl)?);
        self.add_memory_to(&backend, &config)?;

        let own_snapshot = snapshot_from_id(snapshot, &id);
        if snapshot.is_some() && own_snapshot.is_none() {
            return Err(DeviceManagerError::Memctl(MemctlError::NoState(id)));
        }
        let pci_device = Arc::new(Mutex::new(
            MemctlPciDevice::new(id.clone(), Arc::clone(&backend), own_snapshot)
                .map_err(DeviceManagerError::Memctl)?,
        ));
        let (bars, new_resources) =
            self.allocate_pci_bars(pci_device.clone(), pci_segment_id, resources)?;

        let mut node = device_node!(id, pci_device);
        node.resources = new_resources;
        node.pci_bdf = Some(pci_device_bdf);
        node.pci_device_handle = None;
        self.device_tree.lock().unwrap().insert(id.clone(), node);

        let mut attached = self.memctl.0.lock().unwrap();
        attached.device = Some((id, Arc::clone(&backend)));
        attached.mergeable = config.memory.mergeable;
        attached.served_by_uffd = self.memory_manager.lock().unwrap().served_by_uffd();
        attached.settle().map_err(DeviceManagerError::Memctl)?;
        drop(attached);

        self.commit_pci_device(
            Arc::new(MemctlBusDevice(backend)),
            pci_device,
            pci_segment_id,
            pci_device_bdf,
            bars,
        )
    }

    fn add_memory_to(&self, backend: &Arc<Backend>, config: &VmConfig) -> DeviceManagerResult<()> {
        let mut virtio_mem_regions = Vec::new();
        for (id, zone) in self.memory_manager.lock().unwrap().memory_zones() {
            let mergeable = zone_is_mergeable(config, id);
            for mapping in zone.regions() {
                backend
                    .add_mapping(mapping, mergeable)
                    .map_err(DeviceManagerError::Memctl)?;
            }
            if let Some(virtio_mem) = zone.virtio_mem_zone() {
                virtio_mem_regions.push((Arc::clone(virtio_mem.region()), mergeable));
            }
        }
        if virtio_mem_regions.is_empty() {
            return Ok(());
        }

        let blocks: Arc<dyn ExternalDmaMapping> = Arc::new(
            PluggedBlocks::new(Arc::clone(backend), virtio_mem_regions)
                .map_err(DeviceManagerError::Memctl)?,
        );
        for virtio_mem in &self.virtio_mem_devices {
            virtio_mem
                .lock()
                .unwrap()
                .add_dma_mapping_handler(VirtioMemMappingSource::Memctl, Arc::clone(&blocks))
                .map_err(DeviceManagerError::AddDmaMappingHandlerVirtioMem)?;
        }
        Ok(())
    }
}

/// As the memory manager decides it.
fn zone_is_mergeable(config: &VmConfig, id: &str) -> bool {
    config
        .memory
        .zones
        .iter()
        .flatten()
        .find(|zone| zone.id == id)
        .map_or(config.memory.mergeable, |zone| zone.mergeable)
}

#[cfg(test)]
mod unit_tests {
    use super::*;
    use crate::memctl::unit_tests::backend;

    fn is_inhibited(backend: &Backend) -> bool {
        backend.counters().unwrap()["discard_inhibited"].0 == 1
    }

    #[test]
    fn discards_are_forbidden_while_a_device_pins_memory() {
        let Some(backend) = backend() else { return };
        let tree = Arc::new(Mutex::new(DeviceTree::new()));
        let memctl = Memctl::default();
        // Devices of the boot configuration are made before memctl is.
        let boot = memctl.pin("vfio0", &tree).unwrap();
        let node = DeviceNode::new("vfio0".to_owned(), None);
        tree.lock().unwrap().insert("vfio0".to_owned(), node);
        drop(boot);
        {
            let mut attached = memctl.0.lock().unwrap();
            attached.device = Some(("mem".to_owned(), Arc::clone(&backend)));
            attached.settle().unwrap();
        }
        assert!(is_inhibited(&backend));

        tree.lock().unwrap().remove("vfio0");
        memctl.forget_unpinned(&tree);
        assert!(!is_inhibited(&backend));

        // One that is plugged and fails.
        let plugged = memctl.pin("vfio1", &tree).unwrap();
        assert!(is_inhibited(&backend));
        drop(plugged);
        assert!(!is_inhibited(&backend));
    }
}
