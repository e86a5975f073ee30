// SPDX-License-Identifier: Apache-2.0
//! What a device reports of itself.

use std::collections::BTreeSet;
use std::ffi::{c_char, CStr};
use std::sync::{Mutex, PoisonError};

use super::Device;
use crate::abi::*;
use crate::error::Error;

/// A counter or gauge of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Unique within a device.
    pub name: &'static str,
    /// Its value at the time of the call.
    pub value: u64,
}

/// An extent of the attribute map: consecutive pages on which the guest has set the same attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Guest-physical.
    pub guest_address: u64,
    /// Bytes, not 0.
    pub length: u64,
    /// Accesses that the guest left: `PROT_READ | PROT_WRITE` of mprotect(2), or less.
    pub protection: u32,
    /// Whether the guest has locked it.
    pub locked: bool,
    /// Whether the guest excludes it from core dumps.
    pub dont_dump: bool,
    /// Whether the guest allows (`true`) or forbids (`false`) merging of equal pages; `None`: as registered.
    pub mergeable: Option<bool>,
    /// The number that the guest gave it as a name.
    pub name: Option<u64>,
}

impl Device {
    /// Counters and gauges, always in the same order for one device.
    ///
    /// # Errors
    /// None that a correct library returns.
    pub fn counters(&self) -> Result<Vec<Counter>, Error> {
        let empty = memctl_counter {
            name: [0; 40],
            value: 0,
        };
        // SAFETY: the function stores at most as many elements as the slice has, and their number.
        let counters = self.read_array(empty, |counters, count| unsafe {
            (self.functions().device_statistics)(
                self.mmio.handle,
                counters.as_mut_ptr(),
                counters.len(),
                count,
            )
        })?;
        let convert = |counter: memctl_counter| Counter {
            name: interned(&counter.name),
            value: counter.value,
        };
        Ok(counters.into_iter().map(convert).collect())
    }

    /// The attribute map, for monitoring: sorted by address, without pages on which the guest has set nothing.
    ///
    /// # Errors
    /// None that a correct library returns.
    pub fn attributes(&self) -> Result<Vec<Extent>, Error> {
        let empty = memctl_extent {
            guest_address: 0,
            length: 0,
            protection: 0,
            flags: 0,
            name: 0,
        };
        // SAFETY: as in counters().
        let extents = self.read_array(empty, |extents, count| unsafe {
            (self.functions().device_attributes)(self.mmio.handle, extents.as_mut_ptr(), extents.len(), count)
        })?;
        Ok(extents.into_iter().map(Extent::from).collect())
    }

    /// Counters, guest RAM and the attribute map as one JSON object, for a VMM's API to pass on as it is
    /// (docs/monitoring.md). Waits for no request.
    ///
    /// # Errors
    /// None that a correct library returns.
    pub fn report(&self) -> Result<String, Error> {
        // SAFETY: as in counters().
        let report = self.read_array(0, |buffer, length| unsafe {
            (self.functions().device_report)(
                self.mmio.handle,
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                length,
            )
        })?;
        Ok(String::from_utf8_lossy(&report).into_owned())
    }
}

impl From<memctl_extent> for Extent {
    fn from(extent: memctl_extent) -> Self {
        let has = |flag| extent.flags & flag != 0;
        Extent {
            guest_address: extent.guest_address,
            length: extent.length,
            protection: extent.protection,
            locked: has(MEMCTL_EXTENT_LOCKED),
            dont_dump: has(MEMCTL_EXTENT_DONTDUMP),
            mergeable: match (has(MEMCTL_EXTENT_MERGEABLE), has(MEMCTL_EXTENT_UNMERGEABLE)) {
                (false, false) => None,
                (mergeable, _) => Some(mergeable),
            },
            name: (extent.name != 0).then_some(extent.name),
        }
    }
}

/// The name in static memory, which holds each of the library's names once.
fn interned(name: &[c_char; 40]) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

    let bytes = name.map(|character| character as u8);
    let name = match CStr::from_bytes_until_nul(&bytes) {
        Ok(name) => name.to_string_lossy(),
        Err(_) => String::from_utf8_lossy(&bytes),
    };
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);

    match names.get(name.as_ref()) {
        Some(name) => name,
        None => {
            let name: &'static str = Box::leak(name.into_owned().into_boxed_str());
            names.insert(name);
            name
        }
    }
}
