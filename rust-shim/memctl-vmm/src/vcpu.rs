// SPDX-License-Identifier: Apache-2.0
//! A vCPU's thread: runs the guest, and answers its accesses to ports and to the BAR.

use std::cell::Cell;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::{io, ptr};

use anyhow::{Context, Result};
use kvm_ioctls::{VcpuExit, VcpuFd};
use memctl_shim::{Device, DirtyLog, ErrorKind, Plugin};
use vmm_sys_util::signal::{register_signal_handler, Killable, SIGRTMIN};

use crate::dirty::DevicePages;
use crate::event::Event;
use crate::pci::BarWindow;
use crate::ports::Ports;
use crate::ram_map::RamMap;
use crate::seccomp::Sandbox;

/// The state that the vCPU threads of a VM share.
pub struct Machine {
    /// Port devices.
    pub ports: Arc<Ports>,
    /// The plugin of the memctl devices.
    pub plugin: Option<Plugin>,
    /// The memctl devices.
    pub devices: Vec<Arc<Device>>,
    /// Where each device's BAR is.
    pub windows: Vec<BarWindow>,
    /// Where RAM is.
    pub ram: Arc<RamMap>,
    /// The pages that were changed otherwise than by a guest that KVM ran.
    pub pages: Arc<DevicePages>,
    /// Whether vCPUs run.
    pub gate: Gate,
}

impl Machine {
    /// The device that an access is for, and the address of its BAR.
    fn device_at(&self, address: u64, length: usize) -> Option<(&Device, u64)> {
        let mut places = self.devices.iter().zip(&self.windows);
        places.find_map(|(device, window)| Some((device.as_ref(), window.base_of(address, length)?)))
    }

    /// Has the devices open what a vCPU ran into, where their options say so. None: KVM does not report the address.
    fn resolve_fault(&self, address: Option<u64>) -> Resolved {
        let mut resolved = Resolved::No;
        for device in &self.devices {
            match device.resolve_fault(address) {
                Ok(()) => return Resolved::Yes,
                Err(error) if error.kind() == ErrorKind::NotFound => resolved = Resolved::NothingThere,
                Err(error) => log::error!("{error}"),
            }
        }
        resolved
    }
}

/// KVM reports an instruction that it emulates and that meets inaccessible memory as an access to a device. Some hosts' KVM
/// emulates every such instruction. It can't be told to try again: the VMM carries the access out.
impl Machine {
    /// A load from where no device is. False: the memory stays inaccessible.
    fn load(&self, address: u64, data: &mut [u8]) -> bool {
        if !self.ram.contains(address) {
            data.fill(0xff);
            return true;
        }
        self.resolve_fault(Some(address)) != Resolved::No && self.ram.load(address, data)
    }

    /// A store to where no device is. False: the memory stays inaccessible.
    fn store(&self, address: u64, data: &[u8]) -> bool {
        if !self.ram.contains(address) {
            return true;
        }
        let stored = self.resolve_fault(Some(address)) != Resolved::No && self.ram.store(address, data);
        if stored {
            self.pages.mark_dirty(address, data.len() as u64);
        }
        stored
    }
}

/// What came of an access fault.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Resolved {
    /// The memory is accessible now.
    Yes,
    /// No guest has protected anything there.
    NothingThere,
    /// The operator wants the VM to stop, or the kernel refused.
    No,
}

const PAUSED: u8 = 0;
const RUNNING: u8 = 1;

/// Lets vCPU threads run, or stops them between two instructions of the guest. Stopped at first.
#[derive(Default)]
pub struct Gate {
    state: AtomicU8,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Gate {
    fn is_running(&self) -> bool {
        self.state.load(Ordering::SeqCst) == RUNNING
    }

    /// Lets the vCPUs run.
    pub fn run(&self) {
        let _guard = self.guard();
        self.state.store(RUNNING, Ordering::SeqCst);
        self.changed.notify_all();
    }

    fn stop(&self) {
        self.state.store(PAUSED, Ordering::SeqCst);
    }

    fn wait_until_running(&self) {
        let mut guard = self.guard();
        while !self.is_running() {
            guard = self
                .changed
                .wait(guard)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    fn guard(&self) -> MutexGuard<'_, ()> {
        // A panic aborts the process, so that no lock is ever poisoned.
        self.lock.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

thread_local! {
    /// `kvm_run.immediate_exit` of this thread's vCPU, for the signal handler. Constant initialisation and no
    /// destructor, so that the handler's access neither allocates nor runs code.
    static IMMEDIATE_EXIT: Cell<*const AtomicU8> = const { Cell::new(ptr::null()) };
}

/// A kick that comes while the thread is outside KVM_RUN must not be lost: the flag makes the next KVM_RUN return at once.
extern "C" fn on_kick(_signal: libc::c_int, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    let flag = IMMEDIATE_EXIT.get();
    if !flag.is_null() {
        // SAFETY: the pointer leads into the vCPU's kvm_run mapping, which outlives the thread that set it.
        unsafe { &*flag }.store(1, Ordering::Relaxed);
    }
}

/// Installs the handler of the kick signal, SIGRTMIN. To be called after the plugin was loaded, whose runtime takes it too.
///
/// # Errors
/// The kernel refuses.
pub fn own_the_kick_signal() -> Result<()> {
    register_signal_handler(SIGRTMIN(), on_kick).context("can't handle SIGRTMIN")
}

/// A vCPU with its thread.
pub struct Vcpu {
    fd: Arc<Mutex<VcpuFd>>,
    thread: JoinHandle<()>,
}

impl Vcpu {
    /// Starts the thread, which waits at the gate. Its sandbox is in force before it does anything else.
    ///
    /// # Errors
    /// The thread can't be started.
    pub fn start(
        index: u8,
        fd: VcpuFd,
        machine: Arc<Machine>,
        sandbox: Option<Sandbox>,
        events: Sender<Event>,
    ) -> Result<Self> {
        let fd = Arc::new(Mutex::new(fd));
        let own = Arc::clone(&fd);
        let thread = thread::Builder::new()
            .name(format!("vcpu{index}"))
            .spawn(move || {
                if let Some(Err(error)) = sandbox.map(|sandbox| sandbox.enter_vcpu()) {
                    report(&events, Event::Failed(format!("vCPU {index}: {error:#}")));
                    return;
                }
                // Inside the sandbox, as the sandbox's list of system calls covers a thread's first call.
                if let Some(plugin) = &machine.plugin {
                    plugin.attach_thread();
                }
                report(&events, run(index, &own, &machine));
            })
            .context("can't start a vCPU thread")?;
        Ok(Self { fd, thread })
    }

    /// The vCPU's registers and so on. Waits for the thread if it runs the guest: only for paused VMs.
    pub fn fd(&self) -> MutexGuard<'_, VcpuFd> {
        // A panic aborts the process, so that no lock is ever poisoned.
        self.fd.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn kick(&self) -> Result<()> {
        self.thread.kill(SIGRTMIN()).context("can't kick a vCPU thread")
    }
}

/// Stops every vCPU between two instructions, with no access of its in progress.
///
/// # Errors
/// A thread can't be signalled.
pub fn pause(vcpus: &[Vcpu], machine: &Machine) -> Result<()> {
    machine.gate.stop();
    for vcpu in vcpus {
        if !vcpu.thread.is_finished() {
            vcpu.kick()?;
        }
    }
    for vcpu in vcpus {
        // The thread owns this lock from the gate to the end of its last KVM_RUN.
        drop(vcpu.fd());
    }
    Ok(())
}

fn report(events: &Sender<Event>, event: Event) {
    // The receiver is gone only when the process is about to end.
    drop(events.send(event));
}

const ACCESS_FAULT: &str =
    "access fault: the guest touched memory that it made inaccessible, or that the host has lost";

/// Runs the guest until it ends.
fn run(index: u8, fd: &Mutex<VcpuFd>, machine: &Machine) -> Event {
    loop {
        machine.gate.wait_until_running();
        let mut fd = fd.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let flag = ptr::from_mut(&mut fd.get_kvm_run().immediate_exit).cast::<AtomicU8>();
        IMMEDIATE_EXIT.set(flag);
        // Between the gate and the lock the VM may have been paused, by a kick that found no flag yet.
        if !machine.gate.is_running() {
            continue;
        }
        if let Some(event) = run_until_paused(index, &mut fd, machine) {
            return event;
        }
    }
}

/// Runs the guest until it ends, or until a pause: then None. KVM_RUN has then returned EINTR, after it completed the
/// guest's last access, so that the registers can be saved.
fn run_until_paused(index: u8, fd: &mut VcpuFd, machine: &Machine) -> Option<Event> {
    // Whether the last exit was an access fault that nothing explained.
    let mut unexplained = false;
    loop {
        let exit = fd.run();
        let fault = match &exit {
            Ok(VcpuExit::MemoryFault { gpa, .. }) => Some(Some(*gpa)),
            Err(error) if error.errno() == libc::EFAULT => Some(None),
            _ => None,
        };
        if let Some(address) = fault {
            let resolved = machine.resolve_fault(address);
            // Another vCPU's fault may have had the page opened just before this one asked: one more try shows.
            if resolved == Resolved::Yes || (resolved == Resolved::NothingThere && !unexplained) {
                unexplained = resolved == Resolved::NothingThere;
                continue;
            }
        }
        unexplained = false;
        match exit {
            Ok(VcpuExit::MmioWrite(address, data)) => match machine.device_at(address, data.len()) {
                Some((device, base)) => device.write(base, address - base, data),
                None if machine.store(address, data) => {}
                None => return Some(access_fault(index, address)),
            },
            Ok(VcpuExit::MmioRead(address, data)) => match machine.device_at(address, data.len()) {
                Some((device, base)) => device.read(base, address - base, data),
                None if machine.load(address, data) => {}
                None => return Some(access_fault(index, address)),
            },
            Ok(VcpuExit::IoOut(port, data)) => {
                if let Some(ending) = machine.ports.write(port, data) {
                    return Some(Event::Ended(ending));
                }
            }
            Ok(VcpuExit::IoIn(port, data)) => machine.ports.read(port, data),
            Ok(VcpuExit::Intr) => {}
            Ok(exit) => return Some(Event::Failed(format!("vCPU {index}: {}", describe(&exit)))),
            Err(error) => match error.errno() {
                libc::EAGAIN => {}
                libc::EINTR => {
                    fd.set_kvm_immediate_exit(0);
                    // The check follows the clearing: a kick between the two is seen here, a later one at KVM_RUN.
                    if !machine.gate.is_running() {
                        return None;
                    }
                }
                errno => return Some(Event::Failed(format!("vCPU {index}: {}", describe_errno(errno)))),
            },
        }
    }
}

fn access_fault(index: u8, address: u64) -> Event {
    Event::Failed(format!("vCPU {index}: {ACCESS_FAULT}, at {address:#x}"))
}

fn describe(exit: &VcpuExit<'_>) -> String {
    match exit {
        VcpuExit::Shutdown => "the guest shut the processor down (a triple fault)".to_owned(),
        VcpuExit::Hlt => "the guest halted for good".to_owned(),
        VcpuExit::FailEntry(reason, _) => {
            format!("the processor refuses the guest's state (reason {reason:#x})")
        }
        VcpuExit::InternalError => "KVM could not emulate an instruction of the guest".to_owned(),
        VcpuExit::MemoryFault { gpa, .. } => format!("{ACCESS_FAULT}, at {gpa:#x}"),
        exit => format!("unexpected exit from the guest: {exit:?}"),
    }
}

fn describe_errno(errno: i32) -> String {
    match errno {
        libc::EFAULT => format!("{ACCESS_FAULT} (KVM_RUN: EFAULT)"),
        _ => format!("KVM_RUN: {}", io::Error::from_raw_os_error(errno)),
    }
}
