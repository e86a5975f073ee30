// SPDX-License-Identifier: Apache-2.0
//! `--memctl` and the API's `memctl`, which have the same keys.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use option_parser::{ByteSized, OptionParser, OptionParserError, StringList};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::plugin;
use crate::config::{self, ValidationError};
use crate::vm_config::{PciDeviceCommonConfig, VmConfig};

/// `--memctl` could not be read.
#[derive(Debug, Error)]
pub enum MemctlParseError {
    /// Unknown keys, values of the wrong kind.
    #[error("Error parsing --memctl")]
    Options(#[source] OptionParserError),
    /// There is no device without one.
    #[error("Error parsing --memctl: plugin missing")]
    PluginMissing,
}

/// A configuration that this process can't serve.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MemctlConfigError {
    /// The API can't make the VMM load a library.
    #[error(
        "memctl needs a plugin, which is loaded when the VMM starts: start it with --memctl plugin=<path>"
    )]
    NotLoaded,
    /// As above, with one loaded.
    #[error("memctl plugin {asked:?} is not the one that the VMM was started with, {loaded:?}")]
    OtherPlugin { asked: PathBuf, loaded: PathBuf },
    /// The plugin's own words about a key's value.
    #[error("Invalid memctl option: {0}")]
    Refused(String),
}

/// The protocol that the guest's driver speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MemctlDialect {
    /// As proposed to Linux.
    #[default]
    Memctl,
    /// As this VMM's own pvmemcontrol.
    Pvmemcontrol,
}

impl FromStr for MemctlDialect {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "memctl" => Ok(Self::Memctl),
            "pvmemcontrol" => Ok(Self::Pvmemcontrol),
            other => Err(format!("'{other}' is neither memctl nor pvmemcontrol")),
        }
    }
}

impl fmt::Display for MemctlDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memctl => "memctl",
            Self::Pvmemcontrol => "pvmemcontrol",
        })
    }
}

/// A VM's memctl device. Budgets that are not given are the plugin's defaults.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct MemctlConfig {
    #[serde(flatten)]
    pub pci_common: PciDeviceCommonConfig,
    /// Where given, it must be the plugin that the VMM was started with. A snapshot does not carry it: the
    /// process that restores has its own.
    #[serde(default, skip_serializing)]
    pub plugin: Option<PathBuf>,
    #[serde(default)]
    pub dialect: MemctlDialect,
    /// How many request buffers a guest may register.
    #[serde(default)]
    pub channels: Option<u32>,
    /// Bytes that a guest may lock.
    #[serde(default)]
    pub max_locked: Option<u64>,
    /// How many host mappings a guest's requests may split off.
    #[serde(default)]
    pub max_splits: Option<u32>,
    /// Log records a minute that a guest may cause.
    #[serde(default)]
    pub max_log_lines: Option<u32>,
    /// Functions or groups; nothing else is then allowed.
    #[serde(default)]
    pub allow: Option<Vec<String>>,
    /// Functions or groups.
    #[serde(default)]
    pub deny: Option<Vec<String>>,
}

impl MemctlConfig {
    pub const SYNTAX: &'static str = "Device by which the guest manages the host memory behind its RAM. The plugin \
    is loaded when the VMM starts, so it is given on the command line, with --restore and with a mere --api-socket \
    too: \"plugin=<path_of_libmemctl.so>,dialect=memctl|pvmemcontrol,channels=<most_request_buffers>,\
    max_locked=<most_bytes_locked>,max_splits=<most_host_mappings_split_off>,\
    max_log_lines=<most_log_lines_a_minute>,allow=[<functions_or_groups>],deny=[<functions_or_groups>],\
    id=<device_id>,pci_segment=<segment_id>,pci_device_id=<pci_slot>\"";

    pub fn parse(memctl: &str) -> config::Result<Self> {
        Self::parse_options(memctl, PciDeviceCommonConfig::parse(memctl)?)
            .map_err(config::Error::ParseMemctl)
    }

    fn parse_options(
        memctl: &str,
        pci_common: PciDeviceCommonConfig,
    ) -> Result<Self, MemctlParseError> {
        let mut parser = OptionParser::new();
        parser.add_all(&[
            "plugin",
            "dialect",
            "channels",
            "max_locked",
            "max_splits",
            "max_log_lines",
            "allow",
            "deny",
            "id",
            "pci_segment",
            "pci_device_id",
        ]);
        parser.parse(memctl).map_err(MemctlParseError::Options)?;

        let plugin = parser
            .get("plugin")
            .ok_or(MemctlParseError::PluginMissing)?;
        let options = MemctlParseError::Options;
        Ok(MemctlConfig {
            pci_common,
            plugin: Some(PathBuf::from(plugin)),
            dialect: parser
                .convert("dialect")
                .map_err(options)?
                .unwrap_or_default(),
            channels: parser.convert("channels").map_err(options)?,
            max_locked: parser
                .convert::<ByteSized>("max_locked")
                .map_err(options)?
                .map(|size| size.0),
            max_splits: parser.convert("max_splits").map_err(options)?,
            max_log_lines: parser.convert("max_log_lines").map_err(options)?,
            allow: parser
                .convert::<StringList>("allow")
                .map_err(options)?
                .map(|names| names.0),
            deny: parser
                .convert::<StringList>("deny")
                .map_err(options)?
                .map(|names| names.0),
        })
    }

    /// The plugin judges its own options, by making a device that is dropped at once.
    pub fn validate(&self, vm_config: &VmConfig) -> Result<(), ValidationError> {
        if self.pci_common.iommu {
            return Err(ValidationError::IommuNotSupported);
        }
        self.pci_common.validate(vm_config)?;

        let plugin = plugin::loaded_as(self.plugin.as_deref()).map_err(ValidationError::Memctl)?;
        plugin
            .create_device(&self.plugin_options(), None)
            .map_err(|e| ValidationError::Memctl(MemctlConfigError::Refused(e.to_string())))?;
        Ok(())
    }

    /// In the plugin's own form. A name with a separator in it can't become an option of its own: the brackets hold
    /// it, and the plugin knows no such name.
    pub(super) fn plugin_options(&self) -> String {
        let mut options = vec![format!("dialect={}", self.dialect)];
        let numbers = [
            ("channels", self.channels.map(u64::from)),
            ("max_locked", self.max_locked),
            ("max_splits", self.max_splits.map(u64::from)),
            ("max_log_lines", self.max_log_lines.map(u64::from)),
        ];
        for (key, value) in numbers {
            options.extend(value.map(|value| format!("{key}={value}")));
        }
        for (key, names) in [("allow", &self.allow), ("deny", &self.deny)] {
            options.extend(
                names
                    .as_ref()
                    .map(|names| format!("{key}=[{}]", names.join(","))),
            );
        }
        options.join(",")
    }
}
