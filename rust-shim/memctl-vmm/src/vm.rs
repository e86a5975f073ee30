// SPDX-License-Identifier: Apache-2.0
//! The virtual machine, composed of KVM's part, guest RAM, devices and vCPUs. Owned by one thread.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::Arc;

use anyhow::{anyhow, bail, Context, Result};
use kvm_bindings::{kvm_pit_config, KVM_PIT_SPEAKER_DUMMY};
use kvm_ioctls::{Cap, Kvm, VmFd};
use memctl_shim::{Device, Plugin};
use vmm_sys_util::eventfd::EventFd;

use crate::boot::{self, Payload};
use crate::config::{Arguments, CpusConfig, MemctlConfig, MemoryConfig};
use crate::dirty::DevicePages;
use crate::event::Event;
use crate::memory::GuestRam;
use crate::pci::PciBus;
use crate::ports::Ports;
use crate::seccomp::Sandbox;
use crate::serial::{self, SerialPort};
use crate::snapshot::{Snapshot, VmState};
use crate::vcpu::{self, Gate, Machine, Vcpu};
use crate::{cpuid, layout};

/// Capabilities that KVM must have. Without KVM_CAP_SYNC_MMU, a guest would go on using pages that the device discarded.
const REQUIRED: [(Cap, &str); 6] = [
    (Cap::SyncMmu, "KVM_CAP_SYNC_MMU"),
    (Cap::UserMemory, "KVM_CAP_USER_MEMORY"),
    (Cap::Irqchip, "KVM_CAP_IRQCHIP"),
    (Cap::Irqfd, "KVM_CAP_IRQFD"),
    (Cap::ImmediateExit, "KVM_CAP_IMMEDIATE_EXIT"),
    (Cap::ExtCpuid, "KVM_CAP_EXT_CPUID"),
];

/// What a reset starts from.
struct PowerOn {
    kernel: PathBuf,
    initramfs: Option<PathBuf>,
    command_line: String,
    /// The vCPUs at their first instruction.
    state: VmState,
}

/// A virtual machine with its vCPU threads. Made paused.
pub struct Vm {
    fd: Arc<VmFd>,
    cpus: CpusConfig,
    memory: MemoryConfig,
    ram: GuestRam,
    machine: Arc<Machine>,
    vcpus: Vec<Vcpu>,
    running: bool,
    dirty_logging: bool,
    /// None in a restored VM, whose kernel's file is not part of a snapshot.
    power_on: Option<PowerOn>,
}

impl Vm {
    /// Makes the machine that the command line describes, and loads its kernel or its snapshot. vCPU threads enter `sandbox`
    /// and report the end of the guest to `events`.
    ///
    /// # Errors
    /// The host lacks something, a file can't be read, or the plugin refuses its options.
    pub fn new(
        arguments: &Arguments,
        plugin: Option<&Plugin>,
        sandbox: Option<Sandbox>,
        events: &Sender<Event>,
    ) -> Result<Self> {
        let snapshot = arguments
            .restore
            .as_ref()
            .map(|directory| Snapshot::open(directory))
            .transpose()?;
        let (cpus, memory) = match &snapshot {
            Some(snapshot) => (snapshot.config.cpus, snapshot.config.memory),
            None => (arguments.cpus, arguments.memory),
        };
        let (kvm, fd) = open_kvm()?;
        let pages = Arc::new(DevicePages::default());
        let devices = make_devices(arguments, plugin, &pages)?;
        let mut ram = GuestRam::new(memory, Arc::clone(&fd), devices.clone())?;

        let interrupt = EventFd::new(libc::EFD_NONBLOCK).context("eventfd")?;
        fd.register_irqfd(&interrupt, serial::INTERRUPT)
            .context("KVM_IRQFD")?;
        let saved = snapshot.as_ref().map(|snapshot| &snapshot.state);
        let uart = SerialPort::new(
            &arguments.serial,
            interrupt,
            saved.and_then(|state| state.serial.as_ref()),
        )?;
        let mut pci = match plugin {
            Some(plugin) => {
                let identity = plugin.pci_identity().context("can't read the PCI identity")?;
                PciBus::new(&identity, devices.len())?
            }
            None => PciBus::empty(),
        };
        if let Some(state) = saved {
            pci.restore(&state.pci);
        }
        let windows = pci.windows();
        let ports = Arc::new(Ports::new(uart, pci));
        let machine = Arc::new(Machine {
            ports,
            plugin: plugin.cloned(),
            devices,
            windows,
            ram: ram.map(),
            pages,
            gate: Gate::default(),
        });

        let fds = make_vcpus(&kvm, &fd, cpus.boot)?;
        match &snapshot {
            Some(snapshot) => {
                snapshot.fill(&mut ram)?;
                snapshot.state.apply(&fd, fds.iter())?;
                restore_device(&machine.devices, &snapshot.state)?;
            }
            None => {
                let entry = load(
                    arguments.kernel.as_deref(),
                    arguments.initramfs.as_deref(),
                    &arguments.cmdline,
                    &ram,
                    cpus,
                )?;
                let view = ram.view()?;
                for (index, vcpu) in fds.iter().enumerate() {
                    boot::set_up_vcpu(&view, vcpu, (index == 0).then_some(entry))?;
                }
            }
        }
        let vcpus = (0..cpus.boot)
            .zip(fds)
            .map(|(index, fd)| Vcpu::start(index, fd, Arc::clone(&machine), sandbox, events.clone()))
            .collect::<Result<Vec<_>>>()?;
        let power_on = match &arguments.kernel {
            Some(kernel) if snapshot.is_none() => Some(PowerOn {
                kernel: kernel.clone(),
                initramfs: arguments.initramfs.clone(),
                command_line: arguments.cmdline.clone(),
                state: VmState::capture(&fd, &vcpus, &machine, None)?,
            }),
            _ => None,
        };
        Ok(Self {
            fd,
            cpus,
            memory,
            ram,
            machine,
            vcpus,
            running: false,
            dirty_logging: false,
            power_on,
        })
    }

    /// Port devices, for serial input.
    pub fn ports(&self) -> &Ports {
        &self.machine.ports
    }

    /// The memctl devices, at least one.
    ///
    /// # Errors
    /// The VM has none.
    pub fn devices(&self) -> Result<&[Arc<Device>]> {
        match self.machine.devices.as_slice() {
            [] => bail!("this VM has no memctl device"),
            devices => Ok(devices),
        }
    }

    /// Whether vCPUs run.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// Guest RAM now.
    pub fn ram(&self) -> &GuestRam {
        &self.ram
    }

    /// Lets the vCPUs run.
    pub fn resume(&mut self) {
        self.running = true;
        self.machine.gate.run();
    }

    /// Stops every vCPU between two instructions.
    ///
    /// # Errors
    /// A thread can't be signalled.
    pub fn pause(&mut self) -> Result<()> {
        self.running = false;
        vcpu::pause(&self.vcpus, &self.machine)
    }

    /// Resets the VM: devices as after power-on, what the guest had set on its memory reverted, the kernel loaded anew and
    /// every vCPU at its start. RAM keeps its other content, as on a machine.
    ///
    /// # Errors
    /// The VM was restored, the kernel's file has gone, or KVM or the plugin refuses.
    pub fn reboot(&mut self) -> Result<()> {
        let power_on = self
            .power_on
            .as_ref()
            .context("a restored VM has no kernel to start again")?;
        vcpu::pause(&self.vcpus, &self.machine)?;
        for device in &self.machine.devices {
            device.reset().context("can't reset the memctl device")?;
        }
        self.machine.ports.pci().restore(&power_on.state.pci);
        load(
            Some(&power_on.kernel),
            power_on.initramfs.as_deref(),
            &power_on.command_line,
            &self.ram,
            self.cpus,
        )?;
        power_on.state.apply(&self.fd, self.vcpus.iter().map(Vcpu::fd))?;
        self.resume();
        Ok(())
    }

    /// Hot-plugs or unplugs RAM, while the guest runs.
    ///
    /// # Errors
    /// As [`GuestRam::resize`].
    pub fn resize_memory(&mut self, size: u64) -> Result<()> {
        self.ram.resize(size)
    }

    /// Writes a snapshot into `directory`. Meanwhile memory that the guest made inaccessible is readable.
    ///
    /// # Errors
    /// The VM is running, has hot-plugged RAM or several memctl devices, or the folder can't be written.
    pub fn snapshot(&self, directory: &Path) -> Result<()> {
        if self.running {
            bail!("a running VM can't be saved: pause it first");
        }
        if self.ram.size() != self.memory.size {
            bail!("a VM with hot-plugged RAM can't be saved: unplug it first");
        }
        let device = match self.machine.devices.as_slice() {
            [] => None,
            [device] => Some(device.as_ref()),
            _ => bail!("a VM with several memctl devices can't be saved"),
        };
        let state = VmState::capture(&self.fd, &self.vcpus, &self.machine, device)?;
        if let Some(device) = device {
            device
                .keep_readable(true)
                .context("can't keep guest RAM readable")?;
        }
        let written = Snapshot::write(directory, self.cpus, self.memory, &state, &self.ram);
        if let Some(device) = device {
            device
                .keep_readable(false)
                .context("can't make guest RAM inaccessible again")?;
        }
        written
    }

    /// Switches the logs of changed pages, KVM's and the device's.
    ///
    /// # Errors
    /// KVM or the plugin refuses.
    pub fn set_dirty_logging(&mut self, enabled: bool) -> Result<()> {
        self.ram.set_dirty_logging(enabled)?;
        for device in &self.machine.devices {
            device
                .set_dirty_logging(enabled)
                .context("can't switch the device's dirty log")?;
        }
        self.dirty_logging = enabled;
        self.machine.pages.take();
        Ok(())
    }

    /// Addresses of the pages changed since the last call: by the guest, and by the device.
    ///
    /// # Errors
    /// Dirty logging is off.
    pub fn take_dirty_pages(&self) -> Result<(Vec<u64>, Vec<u64>)> {
        if !self.dirty_logging {
            bail!("dirty logging is off");
        }
        Ok((
            self.ram.take_dirty_pages()?,
            self.machine.pages.take().into_iter().collect(),
        ))
    }
}

fn open_kvm() -> Result<(Kvm, Arc<VmFd>)> {
    let kvm = Kvm::new().context("can't open /dev/kvm")?;
    if let Some((_, name)) = REQUIRED.iter().find(|(cap, _)| !kvm.check_extension(*cap)) {
        bail!("KVM on this host lacks {name}");
    }
    let fd = kvm.create_vm().context("KVM_CREATE_VM")?;
    fd.set_identity_map_address(layout::KVM_IDENTITY_MAP)
        .context("KVM_SET_IDENTITY_MAP_ADDR")?;
    fd.set_tss_address(layout::KVM_TSS as usize)
        .context("KVM_SET_TSS_ADDR")?;
    fd.create_irq_chip().context("KVM_CREATE_IRQCHIP")?;
    if kvm.check_extension(Cap::Pit2) {
        let config = kvm_pit_config {
            flags: KVM_PIT_SPEAKER_DUMMY,
            ..Default::default()
        };
        fd.create_pit2(config).context("KVM_CREATE_PIT2")?;
    }
    Ok((kvm, Arc::new(fd)))
}

fn make_devices(
    arguments: &Arguments,
    plugin: Option<&Plugin>,
    pages: &Arc<DevicePages>,
) -> Result<Vec<Arc<Device>>> {
    let Some(plugin) = plugin else {
        return Ok(Vec::new());
    };
    let make = |config: &MemctlConfig| {
        let log: Arc<dyn memctl_shim::DirtyLog> = Arc::clone(pages) as _;
        let device = plugin.create_device(&config.options, Some(log));
        device.map(Arc::new).context("can't make the memctl device")
    };
    arguments.memctl.iter().map(make).collect()
}

fn make_vcpus(kvm: &Kvm, vm: &VmFd, count: u8) -> Result<Vec<kvm_ioctls::VcpuFd>> {
    let supported = cpuid::supported(kvm)?;
    (0..count)
        .map(|index| {
            let vcpu = vm.create_vcpu(u64::from(index)).context("KVM_CREATE_VCPU")?;
            vcpu.set_cpuid2(&cpuid::of_vcpu(&supported, index, count))
                .context("KVM_SET_CPUID2")?;
            Ok(vcpu)
        })
        .collect()
}

fn load(
    kernel: Option<&Path>,
    initramfs: Option<&Path>,
    command_line: &str,
    ram: &GuestRam,
    cpus: CpusConfig,
) -> Result<boot::Entry> {
    let kernel = kernel.context("--kernel is needed")?;
    let ranges: Vec<_> = ram.regions().iter().map(|region| region.range()).collect();
    let payload = Payload {
        kernel,
        initramfs,
        command_line,
        vcpus: cpus.boot,
        ram: &ranges,
    };
    boot::load(&ram.view()?, &payload)
}

fn restore_device(devices: &[Arc<Device>], state: &VmState) -> Result<()> {
    match (devices, &state.device) {
        ([device], Some(bytes)) => device.restore(bytes).context("can't restore the memctl device"),
        ([], None) => Ok(()),
        ([], Some(_)) => Err(anyhow!(
            "the snapshot is of a VM with a memctl device: --memctl is needed"
        )),
        (_, None) => Err(anyhow!("the snapshot is of a VM without a memctl device")),
        (_, Some(_)) => Err(anyhow!("the snapshot is of a VM with one memctl device")),
    }
}
