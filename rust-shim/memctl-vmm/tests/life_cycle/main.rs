// SPDX-License-Identifier: Apache-2.0
//! A rehearsal of what a fleet does to a VM while its guest makes requests: preload, sandbox, save and restore across two
//! processes, hot-plug and unplug, inhibition of discards, dirty logging, counters, a user's terminal. The guest is the
//! selftest image, which checks every answer itself; the effects are read from the host.

mod client;
mod proc_files;
mod process;
mod rehearsals;
mod snapshots;
mod terminal;

use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `./build.sh build` makes: the plugin and the guest.
pub struct Build {
    /// `libmemctl.so`
    pub plugin: PathBuf,
    /// The same with states of a later minor version.
    pub later_plugin: PathBuf,
    /// The bare-metal guest.
    pub guest: PathBuf,
}

impl Build {
    fn find() -> Result<Self, String> {
        let out = match std::env::var_os("MEMCTL_OUT") {
            Some(path) => PathBuf::from(path),
            None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../out")),
        };
        let plugin =
            std::env::var_os("MEMCTL_PLUGIN").map_or_else(|| out.join("libmemctl.so"), PathBuf::from);
        let guest =
            std::env::var_os("MEMCTL_SELFTEST").map_or_else(|| out.join("selftest.elf"), PathBuf::from);
        let later_plugin = out.join("later/libmemctl.so");
        for path in [&plugin, &later_plugin, &guest] {
            if !path.exists() {
                return Err(format!(
                    "there is no {}; ./build.sh test rehearsals builds it",
                    path.display()
                ));
            }
        }
        if std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/kvm")
            .is_err()
        {
            return Err("/dev/kvm can't be opened".to_owned());
        }
        Ok(Self {
            plugin,
            later_plugin,
            guest,
        })
    }
}

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let build = Build::find();
    let mut number = 0;
    let mut failed = 0;
    for (name, rehearsal) in rehearsals::ALL {
        if !wanted.is_empty() && !wanted.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        number += 1;
        match &build {
            Err(reason) => println!("ok {number} - {name} # SKIP {reason}"),
            Ok(build) => {
                let scratch = Scratch::new(number);
                if panic::catch_unwind(AssertUnwindSafe(|| rehearsal(build, &scratch.0))).is_ok() {
                    println!("ok {number} - {name}");
                } else {
                    failed += 1;
                    println!("not ok {number} - {name}");
                }
            }
        }
    }
    println!("1..{number}");
    ExitCode::from(u8::from(failed > 0))
}

/// A folder that goes with the rehearsal.
struct Scratch(PathBuf);

impl Scratch {
    fn new(number: usize) -> Self {
        let path = std::env::temp_dir().join(format!("memctl-life-cycle-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// One rehearsal, with a folder of its own. It panics with the reason if something is wrong.
type Rehearsal = fn(&Build, &Path);
