// SPDX-License-Identifier: Apache-2.0
//! The VMM's part besides routing accesses: save and restore, dirty logging, pins, inaccessible memory, blocks.

mod support;

use std::sync::{Arc, Mutex};

use memctl_shim::{DirtyLog, ErrorKind, RegionFlags};
use support::proc_files::{present_pages, vma_at};
use support::*;

#[derive(Default)]
struct Recorded(Mutex<Vec<(u64, u64)>>);

impl DirtyLog for Recorded {
    fn mark_dirty(&self, guest_address: u64, length: u64) {
        self.0.lock().unwrap().push((guest_address, length));
    }
}

impl Recorded {
    fn take(&self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[test]
fn a_restored_device_answers_on_the_channels_that_were_saved_and_protects_what_was_protected() {
    let plugin = plugin();
    let old = Guest::new(&plugin, Mapping::private(16));
    let channels = old.connect(2);
    assert_eq!(old.on_pages(channels[0], MPROTECT_R, 4, 2), (0, 0));
    assert_eq!(old.on_pages(channels[0], MLOCK, 8, 1), (0, 0));
    let state = old.device.save().unwrap();
    assert_eq!(state, old.device.save().unwrap(), "saving changes nothing");
    drop(old);

    let new = Guest::new(&plugin, Mapping::private(16));
    new.device.restore(&state).unwrap();
    let vma = vma_at(new.memory.at(4 * PAGE));
    assert_eq!(
        (vma.permissions.as_str(), vma.end - vma.start),
        ("r--p", 2 * PAGE)
    );
    assert!(vma_at(new.memory.at(8 * PAGE)).has_flag("lo"));
    assert_eq!(new.read_u32(8), ACK);
    for channel in channels {
        assert_eq!(new.call(channel, INFO, 0, 0, 0).ret_errno, 0);
    }
    assert_eq!(new.device.save().unwrap(), state);
}

#[test]
fn a_damaged_state_is_refused_and_leaves_the_device_as_it_was() {
    let plugin = plugin();
    let old = Guest::new(&plugin, Mapping::private(16));
    let channel = old.connect(1)[0];
    assert_eq!(old.on_pages(channel, MPROTECT_R, 4, 2), (0, 0));
    let state = old.device.save().unwrap();

    let new = Guest::new(&plugin, Mapping::private(16));
    let fresh = new.device.save().unwrap();
    let refuse = |damaged: &[u8]| {
        let error = new.device.restore(damaged).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
        assert_eq!(vma_at(new.memory.at(4 * PAGE)).permissions, "rw-p");
    };
    for length in 0..state.len() {
        refuse(&state[..length]);
    }
    refuse(&[&state[..], &[0]].concat());
    assert_eq!(new.device.save().unwrap(), fresh);
}

#[test]
fn every_change_is_reported_while_dirty_logging_is_on_and_none_while_it_is_off() {
    let plugin = plugin();
    let log = Arc::new(Recorded::default());
    let memory = Mapping::private(16);
    let guest = Guest::with(&plugin, memory, "", RegionFlags::default(), Some(log.clone()));
    let channel = guest.connect_at(&[PAGE - 16])[0];
    guest.memory.fill(0, 16 * PAGE, 1);

    assert_eq!(guest.call(channel, INFO, 0, 0, 0).ret_errno, 0);
    assert_eq!(log.take(), []);

    guest.device.set_dirty_logging(true).unwrap();
    assert_eq!(guest.on_pages(channel, DONTNEED, 4, 3), (0, 0));
    let mut dirty = [false; 16];
    for (address, length) in log.take() {
        for page in (address - RAM) / PAGE..(address + length - RAM).div_ceil(PAGE) {
            dirty[page as usize] = true;
        }
    }
    let expected: Vec<_> = (0..16).map(|page| [0, 1, 4, 5, 6].contains(&page)).collect();
    assert_eq!(
        dirty[..],
        expected,
        "the answer's two pages and the discarded ones"
    );

    guest.device.set_dirty_logging(false).unwrap();
    assert_eq!(guest.on_pages(channel, DONTNEED, 4, 3), (0, 0));
    assert_eq!(log.take(), []);
}

#[test]
fn dirty_logging_without_a_log_is_refused() {
    let plugin = plugin();
    let device = plugin.create_device("", None).unwrap();
    assert_eq!(
        device.set_dirty_logging(true).unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
}

#[test]
fn inhibited_discards_are_busy_and_drop_nothing() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::private(16));
    let channel = guest.connect(1)[0];
    guest.memory.fill(0, 16 * PAGE, 1);
    guest.device.inhibit_discard(true).unwrap();
    for function in [DONTNEED, REMOVE, FREE] {
        assert_eq!(
            guest.on_pages(channel, function, 4, 4).0,
            libc::EBUSY,
            "function {function}"
        );
    }
    assert_eq!(present_pages(guest.memory.start, 16), 16);
    assert_eq!(
        guest.on_pages(channel, MPROTECT_R, 4, 4).0,
        0,
        "nothing else is inhibited"
    );

    guest.device.inhibit_discard(false).unwrap();
    assert_eq!(guest.on_pages(channel, DONTNEED, 8, 4).0, 0);
    assert_eq!(present_pages(guest.memory.start, 16), 12);
}

#[test]
fn inaccessible_memory_is_readable_while_it_is_kept_readable() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::private(16));
    let channel = guest.connect(1)[0];
    guest.memory.write_u64(4 * PAGE, 0x5ec2e7);
    assert_eq!(guest.on_pages(channel, MPROTECT_NONE, 4, 1), (0, 0));
    let permissions = || vma_at(guest.memory.at(4 * PAGE)).permissions;
    let state = guest.device.save().unwrap();

    guest.device.keep_readable(true).unwrap();
    assert_eq!(permissions(), "r--p");
    assert_eq!(guest.memory.read_u64(4 * PAGE), 0x5ec2e7);
    assert_eq!(
        guest.device.save().unwrap(),
        state,
        "what is saved does not change"
    );

    guest.device.keep_readable(false).unwrap();
    assert_eq!(permissions(), "---p");
}

#[test]
fn blocks_are_guest_memory_while_they_are_plugged() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::private(16));
    let channel = guest.connect(1)[0];
    let hotplug = Mapping::private(8);
    let start = RAM + 16 * PAGE;
    let region = memctl_shim::Region {
        block_size: 2 * PAGE,
        ..hotplug.region(start, RegionFlags::default())
    };
    // SAFETY: unregistered below, before the mapping is dropped; only raw accesses are made to it.
    unsafe { guest.device.register_memory(&region) }.unwrap();
    let kind = |outcome: Result<(), memctl_shim::Error>| outcome.unwrap_err().kind();
    let dont_need = |page: u64| guest.on_pages(channel, DONTNEED, 16 + page, 1).0;
    let device = &guest.device;

    assert_eq!(dont_need(2), libc::EINVAL, "absent until plugged");
    device.plug_memory(start + 2 * PAGE, 4 * PAGE).unwrap();
    assert_eq!([dont_need(2), dont_need(5)], [0, 0]);
    assert_eq!([dont_need(1), dont_need(6)], [libc::EINVAL; 2]);
    assert_eq!(
        guest.on_pages(channel, DONTNEED, 18, 4),
        (0, 0),
        "adjoining blocks"
    );

    for (address, length) in [(4, 2), (0, 4), (4, 4), (3, 2), (6, 1)] {
        let outcome = device.plug_memory(start + address * PAGE, length * PAGE);
        assert_eq!(kind(outcome), ErrorKind::InvalidArgument, "{address} {length}");
    }
    assert_eq!(dont_need(0), libc::EINVAL, "a refused call changes nothing");
    assert_eq!(kind(device.plug_memory(RAM, 2 * PAGE)), ErrorKind::NotFound);
    assert_eq!(
        kind(device.plug_memory(start + 6 * PAGE, 4 * PAGE)),
        ErrorKind::NotFound
    );
    assert_eq!(
        kind(device.unplug_memory(start, 2 * PAGE)),
        ErrorKind::InvalidArgument
    );

    assert_eq!(guest.on_pages(channel, MPROTECT_R, 18, 2), (0, 0));
    let permissions = || vma_at(hotplug.at(2 * PAGE)).permissions;
    assert_eq!(permissions(), "r--p");
    let extents = device.attributes().unwrap();
    let described = |extent: &memctl_shim::Extent| (extent.guest_address, extent.length, extent.protection);
    let expected = (start + 2 * PAGE, 2 * PAGE, libc::PROT_READ as u32);
    assert_eq!(extents.iter().map(described).collect::<Vec<_>>(), [expected]);
    let report = device.report().unwrap();
    let plugged = format!(
        r#"{{"guest_address":{},"length":{},"host_address":{}}}]"#,
        start + 2 * PAGE,
        4 * PAGE,
        hotplug.at(2 * PAGE) as usize
    );
    assert!(report.contains(&plugged), "{plugged} in {report}");
    device.unplug_memory(start + 2 * PAGE, 2 * PAGE).unwrap();
    assert_eq!(permissions(), "rw-p", "reverted");
    assert_eq!(device.attributes().unwrap(), []);
    assert_eq!([dont_need(2), dont_need(4)], [libc::EINVAL, 0]);

    device.unregister_memory(start, 8 * PAGE).unwrap();
    assert_eq!(kind(device.plug_memory(start, 2 * PAGE)), ErrorKind::NotFound);
}

#[test]
fn the_report_of_as_many_extents_as_there_may_be_is_bounded() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::private(16386));
    let channel = guest.connect(1)[0];
    // Two splits each: the budget of 16,384 is spent.
    for page in (1..16385).step_by(2) {
        assert_eq!(guest.on_pages(channel, MPROTECT_R, page, 1), (0, 0), "{page}");
    }
    let report = guest.device.report().unwrap();
    assert_eq!(report.matches(r#""protection":"r""#).count(), 8192);
    assert!(report.contains(r#""splits":16384,"#));
    assert!(report.len() < 1 << 20, "{} bytes", report.len());
}

#[test]
fn memory_is_refused_as_the_header_says() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::private(4));
    let kind = |region| {
        // SAFETY: the device refuses every one of these regions, so that it uses none of their memory.
        unsafe { guest.device.register_memory(&region) }
            .unwrap_err()
            .kind()
    };
    let good = guest.memory.region(RAM + 4 * PAGE, RegionFlags::default());
    let region = |change: fn(&mut memctl_shim::Region)| {
        let mut region = good;
        change(&mut region);
        region
    };
    assert_eq!(kind(region(|r| r.guest_address -= PAGE)), ErrorKind::Overlap);
    assert_eq!(kind(region(|r| r.guest_address += 1)), ErrorKind::InvalidArgument);
    assert_eq!(kind(region(|r| r.length = 0)), ErrorKind::InvalidArgument);
    assert_eq!(kind(region(|r| r.length -= 1)), ErrorKind::InvalidArgument);
    assert_eq!(
        kind(region(|r| r.host_address = std::ptr::null_mut())),
        ErrorKind::InvalidArgument
    );
    assert_eq!(
        kind(region(|r| r.guest_address = u64::MAX - PAGE + 1)),
        ErrorKind::InvalidArgument
    );

    let not_there = guest.device.unregister_memory(RAM, 2 * PAGE).unwrap_err();
    assert_eq!(not_there.kind(), ErrorKind::NotFound);
    guest.device.unregister_memory(RAM, 4 * PAGE).unwrap();
}
