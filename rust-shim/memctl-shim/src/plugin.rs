// SPDX-License-Identifier: Apache-2.0
//! Loading a plugin.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use libloading::os::unix::{Library, Symbol, RTLD_LOCAL, RTLD_NOW};

use crate::abi::*;
use crate::device::{Device, DirtyLog};
use crate::error::{AbiVersion, Error, ErrorKind};
use crate::{guest_copy, signals};

thread_local! {
    /// Whether this thread has called the library. One flag, as a process has one plugin.
    static ATTACHED: Cell<bool> = const { Cell::new(false) };
}

/// Why this program can load no plugin, which is known when it is compiled. Its loader would only report a library that the
/// plugin needs, or nothing at all.
const CANNOT_LOAD: Option<&str> = if cfg!(target_env = "musl") {
    Some("is built for musl, and the plugin needs glibc")
} else if cfg!(target_feature = "crt-static") {
    Some("is linked statically")
} else {
    None
};

/// The PCI function that the guest's driver binds to, as the library defines it. BAR 0 is 32-bit memory, not
/// prefetchable; there is no interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PciIdentity {
    /// Vendor ID.
    pub vendor_id: u16,
    /// Device ID.
    pub device_id: u16,
    /// Subsystem vendor ID.
    pub subsystem_vendor_id: u16,
    /// Subsystem ID.
    pub subsystem_id: u16,
    /// Base class code.
    pub base_class: u8,
    /// Subclass code.
    pub subclass: u8,
    /// Programming interface.
    pub programming_interface: u8,
    /// Revision ID.
    pub revision: u8,
    /// Bytes of BAR 0, a power of two.
    pub bar_size: u64,
}

/// A loaded plugin. Clones share it. The library stays in the process for good: a .NET runtime cannot
/// be unloaded, so dropping a `Plugin` frees nothing of it.
#[derive(Clone)]
pub struct Plugin {
    loaded: Arc<Loaded>,
}

struct Loaded {
    path: PathBuf,
    version: AbiVersion,
    functions: memctl_functions,
}

impl Plugin {
    /// Loads the plugin at `path` and starts its runtime.
    ///
    /// Call this first thing in `main()`: the runtime reads /proc and /sys, reserves address space and starts a thread,
    /// which no sandbox of a VMM allows later. Install the VMM's own signal handlers afterwards
    /// (the `signals` module documents who owns which signal then) and mask signals as the VMM needs; this call keeps the
    /// thread's mask. Call it while no other thread of the process changes signal dispositions.
    ///
    /// # Errors
    /// [`ErrorKind::StaticProgram`], [`ErrorKind::FileMissing`], [`ErrorKind::NotAPlugin`] or
    /// [`ErrorKind::OtherVersion`], each with a message that names the file; [`ErrorKind::Signals`] if the kernel
    /// refuses a signal's disposition. A library that was loaded before the error stays loaded.
    pub fn load(path: &Path) -> Result<Plugin, Error> {
        if let Some(why) = CANNOT_LOAD {
            let message = format!(
                "this program {why}, so it cannot load {}; build it for x86_64-unknown-linux-gnu without crt-static, \
                 or link the plugin into it",
                path.display()
            );
            return Err(Error::new(ErrorKind::StaticProgram, message));
        }
        let path = present(path)?;
        Self::start(|| Loaded::open(path))
    }

    /// Starts the runtime of the plugin that is linked into this program, in the place of [`load`](Self::load).
    ///
    /// # Errors
    /// As of `load`, but for those of a file.
    #[cfg(feature = "static")]
    pub fn linked() -> Result<Plugin, Error> {
        Self::start(Loaded::linked)
    }

    fn start(open: impl FnOnce() -> Result<Loaded, Error>) -> Result<Plugin, Error> {
        // Two loads at once would each take the other's changes of dispositions for the process's own.
        static LOADING: Mutex<()> = Mutex::new(());
        let _loading = LOADING.lock().unwrap_or_else(PoisonError::into_inner);

        let about_signals = |error: io::Error| {
            Error::new(
                ErrorKind::Signals,
                format!("could not keep the process's signal dispositions: {error}"),
            )
        };
        let before = signals::Saved::before_load().map_err(about_signals)?;
        let loaded = open();
        // After an error too: whatever the library is, it has run by then.
        before.after_load().map_err(about_signals)?;
        let loaded = loaded?;
        guest_copy::install().map_err(about_signals)?;
        log::debug!("loaded {}, ABI {}", loaded.path.display(), loaded.version);
        Ok(Plugin {
            loaded: Arc::new(loaded),
        })
    }

    /// The file, as an absolute path: this program's, if the plugin is linked into it.
    pub fn path(&self) -> &Path {
        &self.loaded.path
    }

    /// The version of the C ABI that the library offers: [`AbiVersion::SHIM`] or a later minor version.
    pub fn abi_version(&self) -> AbiVersion {
        self.loaded.version
    }

    /// Makes the calling thread known to the runtime, with its signal mask kept. A VMM calls this when a vCPU thread
    /// starts, so that the system calls of a first call come before the guest runs. Later calls do nothing.
    #[inline]
    pub fn attach_thread(&self) {
        if !ATTACHED.get() {
            self.attach();
        }
    }

    /// The identity of the PCI function, the same for every device.
    ///
    /// # Errors
    /// None that a correct library returns.
    pub fn pci_identity(&self) -> Result<PciIdentity, Error> {
        let mut identity = memctl_pci_identity {
            size: size_of::<memctl_pci_identity>() as u32,
            vendor_id: 0,
            device_id: 0,
            subsystem_vendor_id: 0,
            subsystem_id: 0,
            base_class: 0,
            subclass: 0,
            programming_interface: 0,
            revision: 0,
            bar_size: 0,
        };
        // SAFETY: the structure is writable and carries its size.
        let status = unsafe { (self.functions().pci_identity)(&mut identity) };
        self.outcome(status)?;
        Ok(PciIdentity {
            vendor_id: identity.vendor_id,
            device_id: identity.device_id,
            subsystem_vendor_id: identity.subsystem_vendor_id,
            subsystem_id: identity.subsystem_id,
            base_class: identity.base_class,
            subclass: identity.subclass,
            programming_interface: identity.programming_interface,
            revision: identity.revision,
            bar_size: identity.bar_size,
        })
    }

    /// Judges options as [`create_device`](Self::create_device) would, without making a device.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] with the plugin's message about the options.
    pub fn check_options(&self, options: &str) -> Result<(), Error> {
        // SAFETY: `options` is readable for its length.
        let status = unsafe { (self.functions().check_options)(options.as_ptr().cast(), options.len()) };
        self.outcome(status)
    }

    /// Makes a device that has no memory and is disconnected. The plugin defines the `options`
    /// (docs/options.md); empty means the defaults. Without a `dirty_log`, dirty logging cannot be switched on.
    ///
    /// The device logs to the [`log`] crate, with the maximum level at the time of this call.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] with the plugin's message about the options; [`ErrorKind::LimitReached`].
    pub fn create_device(
        &self,
        options: &str,
        dirty_log: Option<Arc<dyn DirtyLog>>,
    ) -> Result<Device, Error> {
        Device::create(self.clone(), options, dirty_log)
    }

    /// The library's functions, for what the safe API does not cover. Their contract is `memctl_plugin.h`. Get them anew
    /// on each thread: this attaches the thread (see [`attach_thread`](Self::attach_thread)).
    #[inline]
    pub fn functions(&self) -> &memctl_functions {
        self.attach_thread();
        &self.loaded.functions
    }

    #[cold]
    fn attach(&self) {
        // SAFETY: it may be called from any thread at any time.
        unsafe { (self.loaded.functions.attach_thread)() };
        ATTACHED.set(true);
    }

    /// The result of a call that returned `status` on this thread, with the library's message on an error.
    pub(crate) fn outcome(&self, status: memctl_status) -> Result<(), Error> {
        match ErrorKind::from_status(status) {
            None => Ok(()),
            Some(kind) => Err(Error::new(kind, self.last_error())),
        }
    }

    fn last_error(&self) -> String {
        let mut buffer = vec![0u8; 256];
        loop {
            // SAFETY: the buffer is writable for the length given.
            let length = unsafe { (self.functions().last_error)(buffer.as_mut_ptr().cast(), buffer.len()) };
            if length < buffer.len() {
                return String::from_utf8_lossy(&buffer[..length]).into_owned();
            }
            buffer.resize(length + 1, 0);
        }
    }
}

/// The path made absolute, so that the loader does not search for a bare name, if there is a file.
fn present(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path)
        .and_then(|path| path.metadata().map(|_| path))
        .map_err(|error| {
            let message = match error.kind() {
                io::ErrorKind::NotFound => format!("there is no memctl plugin at {}", path.display()),
                _ => format!("the memctl plugin {} cannot be read: {error}", path.display()),
            };
            Error::new(ErrorKind::FileMissing, message)
        })
}

/// The functions of a library, each as the macro `$find` finds it by its name.
macro_rules! functions {
    ($find:ident) => {
        memctl_functions {
            abi_version: $find!(abi_version),
            attach_thread: $find!(attach_thread),
            last_error: $find!(last_error),
            pci_identity: $find!(pci_identity),
            check_options: $find!(check_options),
            device_create: $find!(device_create),
            device_destroy: $find!(device_destroy),
            device_reset: $find!(device_reset),
            register_memory: $find!(register_memory),
            unregister_memory: $find!(unregister_memory),
            plug_memory: $find!(plug_memory),
            unplug_memory: $find!(unplug_memory),
            mmio_read: $find!(mmio_read),
            mmio_write: $find!(mmio_write),
            set_dirty_logging: $find!(set_dirty_logging),
            inhibit_discard: $find!(inhibit_discard),
            keep_readable: $find!(keep_readable),
            keep_accessible: $find!(keep_accessible),
            resolve_fault: $find!(resolve_fault),
            device_save: $find!(device_save),
            device_restore: $find!(device_restore),
            device_statistics: $find!(device_statistics),
            device_attributes: $find!(device_attributes),
            device_report: $find!(device_report),
        }
    };
}

fn not_a_plugin(path: &Path, why: &str) -> Error {
    Error::new(
        ErrorKind::NotAPlugin,
        format!("{} is no memctl plugin: {why}", path.display()),
    )
}

/// The version that abi_version() answers, if this shim can use it.
fn usable_version(path: &Path, answer: u64) -> Result<AbiVersion, Error> {
    if answer >> 32 != u64::from(MEMCTL_ABI_MAGIC) {
        let why = format!("its abi_version() returns {answer:#x}, which lacks the ABI's magic");
        return Err(not_a_plugin(path, &why));
    }
    let version = AbiVersion {
        major: (answer >> 16) as u16,
        minor: answer as u16,
    };
    if !version.serves(AbiVersion::SHIM) {
        let message = format!(
            "the memctl plugin {} has ABI version {version}, and this program needs {}",
            path.display(),
            AbiVersion::SHIM
        );
        return Err(Error::new(ErrorKind::OtherVersion, message));
    }
    Ok(version)
}

impl Loaded {
    fn open(path: PathBuf) -> Result<Self, Error> {
        // SAFETY: initialisers of the library run here. By naming the file, the operator allows its code in this
        // process, as with any plugin.
        let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) }
            .map_err(|error| not_a_plugin(&path, &loader_message(&error)))?;
        // Never closed from here on, usable or not: its code may run on threads of its own.
        let library: &'static Library = Box::leak(Box::new(library));

        // SAFETY: an exported abi_version() is the function of the ABI. It has no parameters and returns a number in
        // every version of the ABI.
        let abi_version: unsafe extern "C" fn() -> u64 =
            unsafe { function(library, "abi_version") }.map_err(|why| not_a_plugin(&path, &why))?;
        // SAFETY: as above; it may be called from any thread at any time.
        let version = usable_version(&path, unsafe { abi_version() })?;

        macro_rules! find {
            ($name:ident) => {
                // SAFETY: by magic and version the library follows the contract, in which the symbol of this name has
                // the type of the field.
                unsafe { function(library, stringify!($name)) }.map_err(|why| not_a_plugin(&path, &why))?
            };
        }
        let functions = functions!(find);
        Ok(Loaded {
            path,
            version,
            functions,
        })
    }

    #[cfg(feature = "static")]
    fn linked() -> Result<Self, Error> {
        macro_rules! find {
            ($name:ident) => {{
                extern "C" {
                    #[link_name = concat!("memctl_", stringify!($name))]
                    fn $name();
                }
                // SAFETY: in libmemctl_static.a the symbol is the ABI's function of this name, which has the type of
                // the field; the archive and this table are built from one checkout, and the version is checked.
                unsafe { std::mem::transmute::<unsafe extern "C" fn(), _>($name) }
            }};
        }
        let path = std::env::current_exe().unwrap_or_default();
        let functions: memctl_functions = functions!(find);
        // SAFETY: it may be called from any thread at any time.
        let version = usable_version(&path, unsafe { (functions.abi_version)() })?;
        Ok(Loaded {
            path,
            version,
            functions,
        })
    }
}

/// # Safety
/// The symbol, where there is one, is a function of type `F`.
unsafe fn function<F: Copy>(library: &'static Library, name: &str) -> Result<F, String> {
    // SAFETY: promised by the caller.
    let symbol: Result<Symbol<F>, _> = unsafe { library.get(name.as_bytes()) };
    match symbol {
        Ok(symbol) => Ok(*symbol),
        Err(_) => Err(format!("it has no function {name}")),
    }
}

fn loader_message(error: &libloading::Error) -> String {
    // libloading's own text leaves out the loader's message.
    match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}
