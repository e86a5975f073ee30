// SPDX-License-Identifier: Apache-2.0
//! The memctl device: a guest manages the host memory behind its own RAM. What the device does is in a plugin,
//! `libmemctl.so`, which `memctl-shim` loads; here is what makes it one of this VMM's devices.
//!
//! See docs/memctl.md.

mod backend;
mod config;
mod pci_device;
mod plugin;
mod sandbox;
#[cfg(test)]
pub(crate) mod unit_tests;
mod virtio_mem;

use std::io;

pub(crate) use backend::Backend;
pub use config::{MemctlConfig, MemctlConfigError, MemctlDialect, MemctlParseError};
pub(crate) use pci_device::{MemctlBusDevice, MemctlPciDevice};
pub use plugin::{MemctlLoadError, preload};
pub(crate) use sandbox::extend_seccomp_rules;
use thiserror::Error;
pub(crate) use virtio_mem::PluggedBlocks;
use vm_migration::MigratableError;

/// Why a memctl device could not be made, or given its memory.
#[derive(Debug, Error)]
pub enum MemctlError {
    /// The configuration reached the device without having been validated.
    #[error(transparent)]
    Config(#[from] MemctlConfigError),
    /// The plugin refused; the text is its own.
    #[error("The memctl plugin refused")]
    Plugin(#[from] memctl_shim::Error),
    /// A range that is not inside the mapping that is said to hold it.
    #[error("No guest RAM is mapped at [{address:#x}, +{length:#x})")]
    NotMapped { address: u64, length: u64 },
    /// The snapshot is damaged, or of another device.
    #[error("Cannot restore the memctl device from its snapshot")]
    Restore(#[source] MigratableError),
    /// The snapshot was taken of a VM without this device.
    #[error("The snapshot holds no state of the memctl device {0}")]
    NoState(String),
    /// The state is of a later version of this VMM.
    #[error("The snapshot's memctl state has version {found}, and this program reads {known}")]
    StateVersion { found: u32, known: u32 },
    /// The configuration space in the snapshot is not that of a memctl device.
    #[error("The snapshot's PCI configuration is that of {0:#010x}, which is no memctl device")]
    Identity(u32),
    /// The thread that serves virtio-mem could not be started.
    #[error("Cannot start the thread that follows virtio-mem")]
    Thread(#[source] io::Error),
}
