// SPDX-License-Identifier: Apache-2.0
//! The command line, in Cloud Hypervisor's own flags: what is tried here runs unchanged there.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{bail, Result};
use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::option_list::{file_url, pairs, parse_size, parse_toggle};
use crate::pci::MAX_PLUGIN_FUNCTIONS;

const HUGE_PAGE_SIZE: u64 = 2 << 20;
/// The ids of a local APIC are 8 bits wide, and 255 means all of them.
const MAX_VCPUS: u8 = 254;

/// Runs a guest under KVM with the memctl device, whose logic is in a plugin.
#[derive(Debug, Parser)]
#[command(name = "memctl-vmm", version)]
pub struct Arguments {
    /// Kernel: a 64-bit Linux bzImage, or an ELF file with a PVH entry point
    #[arg(long, value_name = "FILE", required_unless_present = "restore")]
    pub kernel: Option<PathBuf>,

    /// Initial RAM disk for the kernel
    #[arg(long, value_name = "FILE")]
    pub initramfs: Option<PathBuf>,

    /// Kernel command line
    #[arg(long, value_name = "TEXT", default_value = "", allow_hyphen_values = true)]
    pub cmdline: String,

    /// boot=NUMBER_OF_VCPUS
    #[arg(long, default_value = "boot=1")]
    pub cpus: CpusConfig,

    /// size=SIZE[,shared=on|off][,hugepages=on|off][,mergeable=on|off][,thp=on|off]
    #[arg(long, default_value = "size=512M")]
    pub memory: MemoryConfig,

    /// Serial port at I/O port 0x3f8: off|null|tty|file=PATH
    #[arg(long, default_value = "off")]
    pub serial: SerialConfig,

    /// Virtio console, which this VMM does not have: off|null
    #[arg(long, default_value = "off", value_parser = ["off", "null"])]
    pub console: String,

    /// Sandbox of all threads: true (a forbidden system call ends the VMM), false (none), log (the kernel logs and permits it)
    #[arg(long, value_enum, default_value = "true")]
    pub seccomp: SeccompConfig,

    /// A memctl device: plugin=PATH[,KEY=VALUE]..., all that follows the path being for the plugin. Given again, with the
    /// same path, a further device
    #[arg(long, value_name = "OPTIONS")]
    pub memctl: Vec<MemctlConfig>,

    /// Unix socket of the HTTP API: path=PATH or PATH
    #[arg(long, value_name = "PATH", value_parser = socket_path)]
    pub api_socket: Option<PathBuf>,

    /// Start from a snapshot, in place of a kernel: source_url=file://DIRECTORY
    #[arg(long, value_name = "SOURCE", value_parser = snapshot_directory)]
    pub restore: Option<PathBuf>,

    /// More log records: -v informs, -vv is for debugging, -vvv is everything
    #[arg(short, action = clap::ArgAction::Count)]
    pub verbosity: u8,
}

/// `--cpus`
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct CpusConfig {
    /// vCPUs present at boot, 1 to 254.
    pub boot: u8,
}

/// `--memory`
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct MemoryConfig {
    /// Bytes of guest RAM at boot.
    pub size: u64,
    /// Mapped shared, from a memfd: what vhost-user and virtio-fs need.
    pub shared: bool,
    /// From the host's pool of 2 MiB pages.
    pub hugepages: bool,
    /// Advised MADV_MERGEABLE for KSM.
    pub mergeable: bool,
    /// Private memory is advised MADV_HUGEPAGE.
    pub thp: bool,
}

/// `--serial`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SerialConfig {
    /// No serial port.
    Off,
    /// A serial port whose output is dropped.
    Null,
    /// Standard output and standard input.
    Tty,
    /// Output to a file.
    File(PathBuf),
}

/// `--seccomp`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SeccompConfig {
    /// A forbidden system call ends the VMM.
    #[value(name = "true")]
    On,
    /// No filter.
    #[value(name = "false")]
    Off,
    /// A forbidden system call is logged by the kernel and carried out.
    Log,
}

/// `--memctl`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemctlConfig {
    /// The plugin's library.
    pub plugin: PathBuf,
    /// Everything that follows the path, for the plugin to judge.
    pub options: String,
}

impl Arguments {
    /// The plugin of all memctl devices, if there is one. A process has one plugin: its runtime owns signals and threads.
    ///
    /// # Errors
    /// There are too many devices, or of different plugins.
    pub fn plugin(&self) -> anyhow::Result<Option<&Path>> {
        let mut paths = self.memctl.iter().map(|config| config.plugin.as_path());
        let first = paths.next();
        if paths.any(|path| Some(path) != first) {
            bail!("every --memctl must name the same plugin");
        }
        if self.memctl.len() > MAX_PLUGIN_FUNCTIONS {
            bail!("there is room for {MAX_PLUGIN_FUNCTIONS} memctl devices");
        }
        Ok(first)
    }
}

impl FromStr for CpusConfig {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut boot = 1;
        for (key, value) in pairs(text)? {
            match key {
                "boot" => {
                    boot = value
                        .parse()
                        .ok()
                        .filter(|count| (1..=MAX_VCPUS).contains(count))
                        .ok_or_else(|| format!("boot=\"{value}\" is not 1 to {MAX_VCPUS}"))?;
                }
                _ => return Err(format!("unknown key \"{key}\"")),
            }
        }
        Ok(Self { boot })
    }
}

impl FromStr for MemoryConfig {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut config = Self {
            size: 512 << 20,
            shared: false,
            hugepages: false,
            mergeable: false,
            thp: true,
        };
        for (key, value) in pairs(text)? {
            match key {
                "size" => config.size = parse_size(value)?,
                "shared" => config.shared = parse_toggle(key, value)?,
                "hugepages" => config.hugepages = parse_toggle(key, value)?,
                "mergeable" => config.mergeable = parse_toggle(key, value)?,
                "thp" => config.thp = parse_toggle(key, value)?,
                _ => return Err(format!("unknown key \"{key}\"")),
            }
        }
        let unit = config.page_size();
        if config.size < 4 << 20 || config.size % unit != 0 {
            return Err(format!(
                "size must be at least 4M and a multiple of the page size, {unit} bytes"
            ));
        }
        Ok(config)
    }
}

impl MemoryConfig {
    /// The unit in which the host backs this memory.
    pub fn page_size(&self) -> u64 {
        if self.hugepages {
            HUGE_PAGE_SIZE
        } else {
            4096
        }
    }
}

impl FromStr for SerialConfig {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "off" => Ok(Self::Off),
            None if text == "null" => Ok(Self::Null),
            None if text == "tty" => Ok(Self::Tty),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(PathBuf::from(path))),
            _ => Err(format!("\"{text}\" is none of off, null, tty, file=PATH")),
        }
    }
}

impl FromStr for MemctlConfig {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text
            .strip_prefix("plugin=")
            .ok_or("the first key must be plugin=PATH")?;
        let (plugin, options) = rest.split_once(',').unwrap_or((rest, ""));
        if plugin.is_empty() {
            return Err("plugin= needs a path".to_owned());
        }
        Ok(Self {
            plugin: PathBuf::from(plugin),
            options: options.to_owned(),
        })
    }
}

/// `--api-socket`: the path.
fn socket_path(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("path=").unwrap_or(text) {
        "" => Err("the path is empty".to_owned()),
        path => Ok(PathBuf::from(path)),
    }
}

/// `--restore`: the snapshot's folder.
fn snapshot_directory(text: &str) -> Result<PathBuf, String> {
    match *pairs(text)? {
        [("source_url", url)] => file_url(url),
        _ => Err("the one key is source_url=file://DIRECTORY".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_takes_its_keys_in_any_order() {
        let config: MemoryConfig = "hugepages=on,size=1G,shared=on".parse().unwrap();
        assert_eq!(
            config,
            MemoryConfig {
                size: 1 << 30,
                shared: true,
                hugepages: true,
                mergeable: false,
                thp: true
            }
        );
    }

    #[test]
    fn memory_refuses_what_it_can_not_back() {
        for wrong in [
            "size=1M",
            "size=513",
            "size=5M,hugepages=on",
            "shared=yes",
            "size=1G,size=1G",
            "zone=a",
            "size",
        ] {
            assert!(wrong.parse::<MemoryConfig>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn plugin_options_pass_untouched() {
        let config: MemctlConfig = "plugin=/lib/x.so,allow=[INFO,FREE],channels=4,plugin=2"
            .parse()
            .unwrap();
        assert_eq!(config.plugin, PathBuf::from("/lib/x.so"));
        assert_eq!(config.options, "allow=[INFO,FREE],channels=4,plugin=2");
        let bare: MemctlConfig = "plugin=/lib/x.so".parse().unwrap();
        assert_eq!(bare.options, "");
        for wrong in ["", "channels=4,plugin=/lib/x.so", "plugin=", "plugin=,channels=4"] {
            assert!(wrong.parse::<MemctlConfig>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn devices_have_one_plugin() {
        let plugin_of = |paths: &[&str]| {
            let options = paths.iter().map(|path| format!("--memctl=plugin={path}"));
            let words = ["memctl-vmm", "--kernel=k"].map(str::to_owned).into_iter();
            let arguments = Arguments::parse_from(words.chain(options));
            arguments.plugin().map(|path| path.map(Path::to_owned))
        };
        assert_eq!(plugin_of(&[]).unwrap(), None);
        assert_eq!(
            plugin_of(&["/a.so", "/a.so,channels=4"]).unwrap(),
            Some("/a.so".into())
        );
        assert!(plugin_of(&["/a.so", "/b.so"]).is_err());
        assert!(plugin_of(&["/a.so"; MAX_PLUGIN_FUNCTIONS]).is_ok());
        assert!(plugin_of(&["/a.so"; MAX_PLUGIN_FUNCTIONS + 1]).is_err());
    }

    #[test]
    fn cpus_are_counted_from_one() {
        assert_eq!("boot=4".parse(), Ok(CpusConfig { boot: 4 }));
        for wrong in ["boot=0", "boot=255", "boot=", "4", "boot=1,boot=2", "max=4"] {
            assert!(wrong.parse::<CpusConfig>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn serial_names_its_kind() {
        assert_eq!("tty".parse(), Ok(SerialConfig::Tty));
        assert_eq!(
            "file=/tmp/x".parse(),
            Ok(SerialConfig::File(PathBuf::from("/tmp/x")))
        );
        for wrong in ["", "file=", "pty", "file"] {
            assert!(wrong.parse::<SerialConfig>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn restore_takes_a_file_url() {
        let directory = snapshot_directory("source_url=file:///var/s");
        assert_eq!(directory, Ok(PathBuf::from("/var/s")));
        for wrong in [
            "file:///var/s",
            "source_url=/var/s",
            "source_url=file://",
            "prefault=on",
        ] {
            assert!(snapshot_directory(wrong).is_err(), "{wrong}");
        }
    }
}
