// SPDX-License-Identifier: Apache-2.0
//! Snapshots: a folder with `config.json`, `state.json` and `memory-ranges`, as Cloud Hypervisor names them. The content
//! is this VMM's own.

use std::fs::{self, File};
use std::io::BufReader;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};
use kvm_bindings::{
    kvm_clock_data, kvm_irqchip, kvm_pit_state2, KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER,
    KVM_IRQCHIP_PIC_SLAVE,
};
use kvm_ioctls::{VcpuFd, VmFd};
use memctl_shim::Device;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::config::{CpusConfig, MemoryConfig};
use crate::memory::GuestRam;
use crate::memory_file;
use crate::pci::PciState;
use crate::serial::SavedSerial;
use crate::vcpu::{Machine, Vcpu};
use crate::vcpu_state::VcpuState;

const CONFIG: &str = "config.json";
const STATE: &str = "state.json";
const MEMORY: &str = "memory-ranges";
const VERSION: u32 = 1;

/// The machine's configuration.
#[derive(Deserialize, Serialize)]
pub struct SavedConfig {
    version: u32,
    /// `--cpus`
    pub cpus: CpusConfig,
    /// `--memory`
    pub memory: MemoryConfig,
}

/// All state of a paused VM but its memory.
#[derive(Deserialize, Serialize)]
pub struct VmState {
    clock: kvm_clock_data,
    interval_timer: Option<kvm_pit_state2>,
    interrupt_controllers: Vec<kvm_irqchip>,
    vcpus: Vec<VcpuState>,
    /// The PCI bus, with the places of the BARs.
    pub pci: PciState,
    /// The serial port, if there is one.
    pub serial: Option<SavedSerial>,
    /// The memctl device's state, as the plugin saved it.
    pub device: Option<Vec<u8>>,
}

impl VmState {
    /// Reads the state of a paused VM.
    ///
    /// # Errors
    /// KVM or the plugin refuses.
    pub fn capture(vm: &VmFd, vcpus: &[Vcpu], machine: &Machine, device: Option<&Device>) -> Result<Self> {
        // The vCPUs first: reading their state lets their local APICs' timers come to rest.
        let vcpus = vcpus
            .iter()
            .map(|vcpu| VcpuState::capture(&vcpu.fd()))
            .collect::<Result<_>>()?;
        let interrupt_controllers = [KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_IOAPIC]
            .into_iter()
            .map(|chip_id| {
                let mut chip = kvm_irqchip {
                    chip_id,
                    ..Default::default()
                };
                vm.get_irqchip(&mut chip)
                    .context("KVM_GET_IRQCHIP")
                    .map(|()| chip)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            clock: vm.get_clock().context("KVM_GET_CLOCK")?,
            interval_timer: vm.get_pit2().ok(),
            interrupt_controllers,
            vcpus,
            pci: machine.ports.pci().state(),
            serial: machine.ports.serial().map(|serial| serial.state()),
            device: device
                .map(|device| device.save().context("can't save the memctl device"))
                .transpose()?,
        })
    }

    /// Restores KVM's part of the state into a VM whose vCPUs do not run.
    ///
    /// # Errors
    /// KVM refuses, or the VM has another number of vCPUs.
    pub fn apply<V: Deref<Target = VcpuFd>>(
        &self,
        vm: &VmFd,
        vcpus: impl ExactSizeIterator<Item = V>,
    ) -> Result<()> {
        if vcpus.len() != self.vcpus.len() {
            bail!("the snapshot's state and configuration have different numbers of vCPUs");
        }
        for chip in &self.interrupt_controllers {
            vm.set_irqchip(chip).context("KVM_SET_IRQCHIP")?;
        }
        if let Some(timer) = &self.interval_timer {
            vm.set_pit2(timer).context("KVM_SET_PIT2")?;
        }
        let mut clock = self.clock;
        // With KVM_CLOCK_REALTIME, the guest's clock would jump by the age of the snapshot, and its watchdogs would
        // bark.
        clock.flags = 0;
        vm.set_clock(&clock).context("KVM_SET_CLOCK")?;
        vcpus
            .zip(&self.vcpus)
            .try_for_each(|(vcpu, state)| state.apply(&vcpu))
    }
}

/// A snapshot found on disk.
pub struct Snapshot {
    directory: PathBuf,
    /// The machine's configuration.
    pub config: SavedConfig,
    /// Its state.
    pub state: VmState,
}

impl Snapshot {
    /// Reads all but the memory.
    ///
    /// # Errors
    /// A file is missing or damaged, or of another version.
    pub fn open(directory: &Path) -> Result<Self> {
        let config: SavedConfig = read(&directory.join(CONFIG))?;
        if config.version != VERSION {
            let text = format!(
                "the snapshot has version {}, this program reads {VERSION}",
                config.version
            );
            bail!(text);
        }
        Ok(Self {
            directory: directory.to_owned(),
            config,
            state: read(&directory.join(STATE))?,
        })
    }

    /// Writes a snapshot of a paused VM.
    ///
    /// # Errors
    /// The folder can't be made or written.
    pub fn write(
        directory: &Path,
        cpus: CpusConfig,
        memory: MemoryConfig,
        state: &VmState,
        ram: &GuestRam,
    ) -> Result<()> {
        fs::create_dir_all(directory).with_context(|| format!("can't make {}", directory.display()))?;
        write(
            &directory.join(CONFIG),
            &SavedConfig {
                version: VERSION,
                cpus,
                memory,
            },
        )?;
        write(&directory.join(STATE), state)?;
        let path = directory.join(MEMORY);
        let file = File::create(&path).with_context(|| format!("can't write {}", path.display()))?;
        memory_file::write(&file, ram.regions()).with_context(|| format!("can't write {}", path.display()))
    }

    /// Fills RAM that is as large as it was.
    ///
    /// # Errors
    /// The file is missing or has another length than RAM.
    pub fn fill(&self, ram: &mut GuestRam) -> Result<()> {
        let path = self.directory.join(MEMORY);
        let file = File::open(&path).with_context(|| format!("can't read {}", path.display()))?;
        memory_file::read(&file, ram.regions()).with_context(|| format!("can't read {}", path.display()))
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let context = || format!("can't read {}", path.display());
    let file = File::open(path).with_context(context)?;
    serde_json::from_reader(BufReader::new(file)).with_context(context)
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let context = || format!("can't write {}", path.display());
    fs::write(path, serde_json::to_vec(value).with_context(context)?).with_context(context)
}
