// SPDX-License-Identifier: Apache-2.0
//! The one plugin of this process. Loading it starts a .NET runtime, which needs more system calls and files than the
//! sandbox allows, so it is loaded before that, and so its path can come from the command line only.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use log::info;
use memctl_shim::Plugin;
use thiserror::Error;

use super::config::{MemctlConfig, MemctlConfigError};
use crate::config;

static PLUGIN: OnceLock<Plugin> = OnceLock::new();

/// The plugin could not be loaded.
#[derive(Debug, Error)]
pub enum MemctlLoadError {
    /// `--memctl` could not be read.
    #[error(transparent)]
    Option(config::Error),
    /// No file, no plugin, or one of another version.
    #[error("Cannot load the memctl plugin")]
    Load(#[source] memctl_shim::Error),
}

/// Loads the plugin that `--memctl` names. To be called once, by the main thread, before any sandbox is in force and
/// any thread runs, and after the signals are masked that are meant for one thread: the runtime's thread inherits that.
pub fn preload(memctl: &str) -> Result<(), MemctlLoadError> {
    let path = MemctlConfig::parse(memctl)
        .map_err(MemctlLoadError::Option)?
        .plugin
        .unwrap_or_default();
    let plugin = Plugin::load(&path).map_err(MemctlLoadError::Load)?;
    info!(
        "Loaded the memctl plugin {}, ABI version {}",
        plugin.path().display(),
        plugin.abi_version()
    );
    PLUGIN.get_or_init(|| plugin);
    Ok(())
}

/// The plugin, if one was loaded.
pub(super) fn loaded() -> Option<&'static Plugin> {
    PLUGIN.get()
}

/// The plugin, if one was loaded and it is the one asked for.
pub(super) fn loaded_as(asked: Option<&Path>) -> Result<&'static Plugin, MemctlConfigError> {
    let plugin = loaded().ok_or(MemctlConfigError::NotLoaded)?;
    match asked {
        Some(asked) if asked != plugin.path() => Err(MemctlConfigError::OtherPlugin {
            asked: asked.to_path_buf(),
            loaded: PathBuf::from(plugin.path()),
        }),
        _ => Ok(plugin),
    }
}
