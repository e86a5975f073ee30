// SPDX-License-Identifier: Apache-2.0
//! The pages that the device has changed, or the VMM in the guest's stead, which KVM's own log does not contain.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

use memctl_shim::DirtyLog;

const PAGE: u64 = 4096;

/// Filled by vCPU threads, by the device only while dirty logging is on. A lock is good enough: a live migration lasts seconds.
#[derive(Default)]
pub struct DevicePages(Mutex<BTreeSet<u64>>);

impl DevicePages {
    /// The addresses of the pages changed since the last call.
    pub fn take(&self) -> BTreeSet<u64> {
        std::mem::take(&mut *self.pages())
    }

    fn pages(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        // A panic aborts the process, so that no lock is ever poisoned.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl DirtyLog for DevicePages {
    fn mark_dirty(&self, guest_address: u64, length: u64) {
        let first = guest_address / PAGE;
        let last = (guest_address + length.max(1) - 1) / PAGE;
        self.pages().extend((first..=last).map(|page| page * PAGE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_marks_every_page_that_it_touches_once() {
        let pages = DevicePages::default();
        pages.mark_dirty(0x1ff0, 0x20);
        pages.mark_dirty(0x2000, 0x1000);
        assert_eq!(pages.take().into_iter().collect::<Vec<_>>(), [0x1000, 0x2000]);
        assert!(pages.take().is_empty());
    }
}
