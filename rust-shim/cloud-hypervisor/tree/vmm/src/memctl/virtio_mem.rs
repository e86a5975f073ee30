// SPDX-License-Identifier: Apache-2.0
//! Guest RAM that comes and goes block by block.
//!
//! virtio-mem tells its DMA mapping handlers of each block that the guest plugs or unplugs, and this one once more, before
//! the block is discarded. It does so on the thread of the virtio-mem device, whose filter allows less than the plugin may
//! need. So the work is handed to a thread of our own, which is a child of the vmm thread and carries its filter.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::{io, thread};

use vm_device::dma_mapping::ExternalDmaMapping;
use vm_memory::{Address, GuestMemoryRegion};

use super::{Backend, MemctlError};
use crate::GuestRegionMmap;

/// Follows the blocks of all virtio-mem regions.
pub(crate) struct PluggedBlocks {
    orders: Mutex<Sender<Order>>,
}

/// A region of a virtio-mem device, and whether the VMM has advised it mergeable.
pub(crate) type VirtioMemRegion = (Arc<GuestRegionMmap>, bool);

struct Order {
    plug: bool,
    address: u64,
    length: u64,
    done: SyncSender<Result<(), MemctlError>>,
}

impl PluggedBlocks {
    /// Starts the thread. It ends when this is dropped.
    pub(crate) fn new(
        backend: Arc<Backend>,
        regions: Vec<VirtioMemRegion>,
    ) -> Result<Self, MemctlError> {
        let (orders, received) = channel();
        thread::Builder::new()
            .name("memctl_blocks".to_owned())
            .spawn(move || serve(&received, &backend, &regions))
            .map_err(MemctlError::Thread)?;
        Ok(PluggedBlocks {
            orders: Mutex::new(orders),
        })
    }

    fn order(&self, plug: bool, address: u64, length: u64) -> io::Result<()> {
        let (done, outcome) = sync_channel(1);
        let order = Order {
            plug,
            address,
            length,
            done,
        };
        self.orders
            .lock()
            .unwrap()
            .send(order)
            .map_err(io::Error::other)?;
        outcome
            .recv()
            .map_err(io::Error::other)?
            .map_err(io::Error::other)
    }
}

impl ExternalDmaMapping for PluggedBlocks {
    fn map(&self, _iova: u64, gpa: u64, size: u64) -> io::Result<()> {
        self.order(true, gpa, size)
    }

    fn unmap(&self, iova: u64, size: u64) -> io::Result<()> {
        self.order(false, iova, size)
    }
}

fn serve(orders: &Receiver<Order>, backend: &Backend, regions: &[VirtioMemRegion]) {
    for order in orders {
        let (address, length) = (order.address, order.length);
        let outcome = if order.plug {
            regions
                .iter()
                .find(|(mapping, _)| {
                    let start = mapping.start_addr().raw_value();
                    (start..start + mapping.len()).contains(&address)
                })
                .ok_or(MemctlError::NotMapped { address, length })
                .and_then(|(mapping, mergeable)| {
                    backend.add_range(mapping, address, length, *mergeable)
                })
        } else {
            backend.remove_ranges(address, length)
        };
        // The other side waits for it.
        let _ = order.done.send(outcome);
    }
}
