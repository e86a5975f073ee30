// SPDX-License-Identifier: Apache-2.0
//! Loads `libmemctl.so`, the memctl paravirtual memory device, into a VMM and offers it as a safe API.
//!
//! ```no_run
//! # use std::path::Path;
//! # fn example() -> Result<(), memctl_shim::Error> {
//! // First thing in main(), before any thread, sandbox or signal handler of the VMM:
//! let plugin = memctl_shim::Plugin::load(Path::new("/usr/lib/memctl/libmemctl.so"))?;
//! // With the rest of the virtual machine: a PCI function, register_memory() for every region of guest RAM, and BAR 0's
//! // accesses to read() and write(), from any vCPU's thread after its attach_thread().
//! let identity = plugin.pci_identity()?;
//! let device = plugin.create_device("channels=64", None)?;
//! # Ok(())
//! # }
//! ```
//!
//! Obligations of the process beside this API:
//!
//! * system calls: the threads that call the device need those of [`sandbox::REQUIRED_SYSCALLS`];
//! * signals: loading gives the runtime SIGSEGV and SIGFPE and restores everything else. SIGRTMIN is the
//!   VMM's. A handler for SIGSEGV or SIGBUS that the VMM installs must call the one before it for faults not its own;
//! * threads: loading starts one, the runtime's finaliser, on which no signal of the VMM's is delivered.

pub mod abi;
mod device;
mod error;
mod guest_copy;
mod logging;
mod plugin;
pub mod sandbox;
mod signals;

pub use device::{Counter, Device, DirtyLog, Extent, Region, RegionFlags};
pub use error::{AbiVersion, Error, ErrorKind};
pub use guest_copy::copy_guest_memory;
pub use plugin::{PciIdentity, Plugin};
