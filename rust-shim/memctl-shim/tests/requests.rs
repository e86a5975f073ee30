// SPDX-License-Identifier: Apache-2.0
//! Requests through the shim and the real library on real mappings. The kernel is the judge of each effect.

mod support;

use memctl_shim::RegionFlags;
use support::proc_files::{present_pages, vma_at};
use support::*;

#[test]
fn the_drivers_order_of_access_connects_and_disconnects() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::private(4));
    assert_eq!(guest.read_u32(8), ERROR, "before anything");
    assert_eq!(guest.command(READY), ERROR, "READY while Disconnected");

    let channels = guest.connect(3);
    assert_ne!(channels[0].command, channels[1].command);
    let info = guest.call(channels[2], INFO, 0, 0, 0);
    let versions = 1 | 1 << 32;
    assert_eq!(
        info,
        Answer {
            ret_errno: 0,
            ret_code: 0,
            rest: [0, versions, PAGE]
        }
    );
    assert_eq!(
        guest.read_u32(8),
        ACK,
        "a channel's command changes nothing there"
    );

    assert_eq!(guest.command(DISCONNECT), ERROR);
    guest.put_request(channels[0], [77, 1, 2, 3]);
    guest.device.write(0, 8, &channels[0].command.to_le_bytes());
    assert_eq!(
        guest.memory.read_u64(0),
        77,
        "no request is answered while Disconnected"
    );
}

#[test]
fn the_register_block_has_no_more_than_its_twelve_bytes() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::private(1));
    for offset in [12, 16, 64, 4088, u64::MAX] {
        let mut bytes = [0xaa; 8];
        guest.device.read(0, offset, &mut bytes);
        assert_eq!(bytes, [0; 8], "offset {offset:#x}");
        guest.device.write(0, offset, &[0xff; 8]);
    }
    assert_eq!(guest.read_u32(8), ERROR);
    assert_eq!(guest.counter("ignored_accesses"), 5);
}

#[test]
fn discards_of_private_memory_show_in_the_kernels_count() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::private(64));
    let channel = guest.connect(1)[0];
    let memory = &guest.memory;
    memory.fill(PAGE, 63 * PAGE, 0x5a);

    assert_eq!(present_pages(memory.at(PAGE), 63), 63);
    assert_eq!(guest.on_pages(channel, DONTNEED, 8, 16), (0, 0));
    assert_eq!(present_pages(memory.at(8 * PAGE), 16), 0);
    assert_eq!(present_pages(memory.at(PAGE), 63), 47, "and no other page");
    assert_eq!(memory.read_u64(8 * PAGE), 0);
    assert_eq!(memory.read_u64(7 * PAGE), 0x5a5a_5a5a_5a5a_5a5a);

    assert_eq!(
        guest.on_pages(channel, REMOVE, 40, 8),
        (libc::EINVAL, 0),
        "the kernel's answer"
    );
    assert_eq!(memory.read_u64(40 * PAGE), 0x5a5a_5a5a_5a5a_5a5a);

    // Without swap the kernel has nowhere to put an anonymous page; the request is right all the same.
    assert_eq!(guest.on_pages(channel, PAGEOUT, 48, 8), (0, 0));
    assert_eq!(memory.read_u64(48 * PAGE), 0x5a5a_5a5a_5a5a_5a5a);
}

#[test]
fn free_marks_pages_for_the_kernel_to_take() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::private(1024));
    let channel = guest.connect(1)[0];
    guest.memory.advise(libc::MADV_NOHUGEPAGE);
    guest.memory.fill(0, 1024 * PAGE, 0x5a);
    let lazily_free = || vma_at(guest.memory.at(512 * PAGE)).kib("LazyFree");

    assert_eq!(lazily_free(), 0);
    assert_eq!(guest.on_pages(channel, FREE, 512, 512), (0, 0));
    // The kernel marks in batches for each processor, so that the last few pages may not be counted yet.
    assert!((1024..=2048).contains(&lazily_free()), "{} KiB", lazily_free());
}

#[test]
fn remove_frees_a_shared_file_and_dontneed_does_not() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::shared(64));
    let channel = guest.connect(1)[0];
    let memory = &guest.memory;
    memory.fill(0, 64 * PAGE, 0x5a);
    assert_eq!(memory.file_bytes(), 64 * PAGE);

    assert_eq!(guest.on_pages(channel, DONTNEED, 8, 8), (0, 0));
    assert_eq!(present_pages(memory.at(8 * PAGE), 8), 0);
    assert_eq!(memory.file_bytes(), 64 * PAGE);
    assert_eq!(
        memory.read_u64(8 * PAGE),
        0x5a5a_5a5a_5a5a_5a5a,
        "the bytes come back"
    );

    assert_eq!(guest.on_pages(channel, REMOVE, 8, 8), (0, 0));
    assert_eq!(memory.file_bytes(), 56 * PAGE);
    assert_eq!(memory.read_u64(8 * PAGE), 0);

    assert_eq!(guest.on_pages(channel, FREE, 16, 8), (libc::EINVAL, 0));
}

#[test]
fn protections_show_in_maps_and_lift() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::private(16));
    let channel = guest.connect(1)[0];
    for (function, permissions) in [
        (MPROTECT_NONE, "---p"),
        (MPROTECT_R, "r--p"),
        (MPROTECT_W, "-w-p"),
        (MPROTECT_RW, "rw-p"),
    ] {
        assert_eq!(guest.on_pages(channel, function, 4, 4), (0, 0));
        let vma = vma_at(guest.memory.at(4 * PAGE));
        assert_eq!(vma.permissions, permissions, "function {function}");
        assert_eq!(vma_at(guest.memory.at(8 * PAGE)).permissions, "rw-p", "beside it");
    }

    assert_eq!(guest.on_pages(channel, MPROTECT_NONE, 4, 4), (0, 0));
    guest.device.reset().unwrap();
    assert_eq!(
        vma_at(guest.memory.at(4 * PAGE)).permissions,
        "rw-p",
        "after a reset"
    );
}

#[test]
fn locks_show_as_locked_pages_and_lift() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::private(16));
    let channel = guest.connect(1)[0];
    assert_eq!(present_pages(guest.memory.at(4 * PAGE), 4), 0);

    assert_eq!(guest.on_pages(channel, MLOCK, 4, 4), (0, 0));
    let vma = vma_at(guest.memory.at(4 * PAGE));
    assert!(vma.has_flag("lo"));
    assert_eq!(vma.kib("Locked"), 16);
    assert_eq!(
        present_pages(guest.memory.at(4 * PAGE), 4),
        4,
        "locking brings pages in"
    );
    assert_eq!(guest.counter("locked_bytes"), 4 * PAGE);

    assert_eq!(guest.on_pages(channel, MUNLOCK, 4, 4), (0, 0));
    assert!(!vma_at(guest.memory.at(4 * PAGE)).has_flag("lo"));
    assert_eq!(guest.counter("locked_bytes"), 0);
}

#[test]
fn no_dump_and_no_merging_show_as_flags_and_lift_to_what_the_vmm_had_set() {
    let plugin = plugin();
    let memory = Mapping::private(16);
    memory.advise(libc::MADV_MERGEABLE);
    let flags = RegionFlags {
        mergeable: true,
        dont_dump: false,
    };
    let guest = Guest::with(&plugin, memory, "", flags, None);
    let channel = guest.connect(1)[0];
    let here = guest.memory.at(4 * PAGE);
    assert!(vma_at(here).has_flag("mg"));

    assert_eq!(guest.on_pages(channel, UNMERGEABLE, 4, 4), (0, 0));
    assert!(!vma_at(here).has_flag("mg"));
    assert_eq!(guest.on_pages(channel, DONTDUMP, 4, 4), (0, 0));
    assert!(vma_at(here).has_flag("dd"));
    assert!(!vma_at(guest.memory.at(8 * PAGE)).has_flag("dd"), "beside it");

    guest.device.reset().unwrap();
    let vma = vma_at(here);
    assert!(vma.has_flag("mg") && !vma.has_flag("dd"), "{vma:?}");
}

#[test]
fn a_name_is_set_or_refused_as_the_kernel_does_it() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::private(16));
    let channel = guest.connect(1)[0];
    let answer = guest.call(channel, SET_VMA_ANON_NAME, RAM + 4 * PAGE, 4 * PAGE, 42);

    let other = Mapping::private(1);
    const PR_SET_VMA: i32 = 0x5356_4d41;
    // SAFETY: names a mapping of the test's own.
    let outcome = unsafe { libc::prctl(PR_SET_VMA, 0, other.start, PAGE, c"memctl-test".as_ptr()) };
    if outcome == 0 {
        assert_eq!(answer.ret_errno, 0);
        assert_eq!(vma_at(guest.memory.at(4 * PAGE)).name, "[anon:memctl-42]");
    } else {
        let errno = std::io::Error::last_os_error().raw_os_error();
        assert_eq!(Some(answer.ret_errno as i32), errno, "this kernel has no names");
    }
    assert_eq!(answer.ret_code, 0);
}

#[test]
fn what_the_guest_gets_wrong_is_answered_and_touches_nothing() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::private(16));
    let channel = guest.connect(1)[0];
    guest.memory.fill(PAGE, 15 * PAGE, 0x5a);
    let end = RAM + 16 * PAGE;
    for (address, length, errno) in [
        (RAM + PAGE, 100, libc::EINVAL),
        (RAM + PAGE + 8, PAGE, libc::EINVAL),
        (end, PAGE, libc::EINVAL),
        (end - PAGE, 2 * PAGE, libc::EINVAL),
        (RAM - PAGE, 2 * PAGE, libc::EINVAL),
        (0, PAGE, libc::EINVAL),
        (u64::MAX - PAGE + 1, 2 * PAGE, libc::EINVAL),
        (RAM + PAGE, u64::MAX - PAGE + 1, libc::EINVAL),
        (RAM + PAGE, 0, 0),
    ] {
        let answer = guest.call(channel, DONTNEED, address, length, 0);
        assert_eq!(answer.ret_errno as i32, errno, "{address:#x} + {length:#x}");
        assert_eq!(
            answer.ret_code != 0,
            errno != 0,
            "the device's own errors have a code"
        );
        assert_eq!(present_pages(guest.memory.at(PAGE), 15), 15);
    }
    for function in [14, 255, 1 << 32, u64::MAX] {
        let answer = guest.call(channel, function, RAM + PAGE, PAGE, 0);
        assert_eq!(
            answer.ret_errno as i32,
            libc::EOPNOTSUPP,
            "function {function:#x}"
        );
    }
}

#[test]
fn a_range_across_two_adjoining_regions_is_carried_out_on_both() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::private(8));
    let above = Mapping::private(8);
    // SAFETY: unregistered below, before it is dropped.
    unsafe {
        guest
            .device
            .register_memory(&above.region(RAM + 8 * PAGE, RegionFlags::default()))
    }
    .unwrap();
    let channel = guest.connect(1)[0];
    guest.memory.fill(PAGE, 7 * PAGE, 1);
    above.fill(0, 8 * PAGE, 1);

    assert_eq!(guest.on_pages(channel, DONTNEED, 4, 8), (0, 0));
    assert_eq!(present_pages(guest.memory.at(PAGE), 7), 3);
    assert_eq!(present_pages(above.start, 8), 4);
    guest.device.unregister_memory(RAM + 8 * PAGE, 8 * PAGE).unwrap();
}

#[test]
fn after_unregister_the_memory_is_open_and_no_request_reaches_it() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::private(8));
    let other = Mapping::private(8);
    let address = RAM + 0x1000_0000;
    // SAFETY: unregistered below, before it is dropped.
    unsafe {
        guest
            .device
            .register_memory(&other.region(address, RegionFlags::default()))
    }
    .unwrap();
    let channel = guest.connect(1)[0];
    assert_eq!(guest.call(channel, MPROTECT_NONE, address, PAGE, 0).ret_errno, 0);
    assert_eq!(guest.call(channel, MLOCK, address + PAGE, PAGE, 0).ret_errno, 0);

    guest.device.unregister_memory(address, 8 * PAGE).unwrap();
    let vma = vma_at(other.start);
    assert_eq!(
        (vma.permissions.as_str(), vma.end - vma.start),
        ("rw-p", 8 * PAGE)
    );
    assert!(!vma.has_flag("lo"));

    // SAFETY: replaces the test's own mapping; nothing points into it any more.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        let length = other.length as usize;
        assert_ne!(
            libc::mmap(other.start.cast(), length, libc::PROT_NONE, flags, -1, 0),
            libc::MAP_FAILED
        );
    }
    let answer = guest.call(channel, MPROTECT_RW, address, PAGE, 0);
    assert_eq!(answer.ret_errno as i32, libc::EINVAL);
    assert_eq!(vma_at(other.start).permissions, "---p");
}

#[test]
fn a_request_buffer_that_is_gone_from_its_file_costs_the_request_and_not_the_process() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::shared(8));
    let channels = guest.connect_at(&[0, 4 * PAGE]);
    assert_eq!(guest.call(channels[1], INFO, 0, 0, 0).ret_errno, 0);

    guest.memory.truncate(2 * PAGE);
    guest.device.write(0, 8, &channels[1].command.to_le_bytes());
    assert_eq!(guest.counter("unanswered_requests"), 1);
    assert_eq!(
        guest.call(channels[0], INFO, 0, 0, 0).ret_errno,
        0,
        "the other channel goes on"
    );
}

#[test]
fn an_inaccessible_request_buffer_costs_the_request_and_not_the_process() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::private(8));
    let channels = guest.connect_at(&[0, 4 * PAGE]);
    let page = guest.memory.at(4 * PAGE).cast();
    // SAFETY: the test's own memory, behind no reference.
    assert_eq!(unsafe { libc::mprotect(page, PAGE as usize, libc::PROT_NONE) }, 0);
    guest.device.write(0, 8, &channels[1].command.to_le_bytes());
    assert_eq!(guest.counter("unanswered_requests"), 1);
    assert_eq!(
        guest.call(channels[0], INFO, 0, 0, 0).ret_errno,
        0,
        "the other channel goes on"
    );
}

#[test]
fn two_devices_of_one_process_are_independent() {
    let plugin = plugin();
    let (one, two) = (
        Guest::new(&plugin, Mapping::private(8)),
        Guest::with(
            &plugin,
            Mapping::private(8),
            "deny=[MLOCK]",
            RegionFlags::default(),
            None,
        ),
    );
    let (first, second) = (one.connect(1)[0], two.connect(1)[0]);
    assert_eq!(one.on_pages(first, MLOCK, 4, 1), (0, 0));
    let (errno, code) = two.on_pages(second, MLOCK, 4, 1);
    assert!(errno != 0 && code != 0, "denied by the policy: {errno}, {code}");
    assert!(!vma_at(two.memory.at(4 * PAGE)).has_flag("lo"));

    assert_eq!(two.command(DISCONNECT), ERROR);
    assert_eq!(one.call(first, INFO, 0, 0, 0).ret_errno, 0);
    drop(two);
    assert_eq!(one.call(first, INFO, 0, 0, 0).ret_errno, 0);
    assert_eq!(one.counter("requests_INFO"), 2);
}

#[test]
fn a_dropped_device_frees_its_place_for_another() {
    let plugin = plugin();
    for _ in 0..64 {
        let device = plugin.create_device("", None).unwrap();
        let mut bytes = [0xaa; 4];
        device.read(0, 8, &mut bytes);
        assert_eq!(u32::from_le_bytes(bytes), ERROR);
    }
}
