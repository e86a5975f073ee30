// SPDX-License-Identifier: Apache-2.0
//! The C ABI as a careless caller uses it: null, short, misaligned, stale. Each is a status and a message, no crash.

mod support;

use std::ffi::c_char;
use std::ptr::{null, null_mut};

use memctl_shim::abi::*;
use memctl_shim::Plugin;

fn host() -> memctl_host {
    memctl_host {
        size: size_of::<memctl_host>() as u32,
        abi_version: MEMCTL_ABI_VERSION,
        context: null_mut(),
        log: None,
        log_level: MEMCTL_LOG_OFF,
        reserved: 0,
        dirty: None,
        copy_from_guest: None,
        copy_to_guest: None,
    }
}

fn create(plugin: &Plugin, host: *const memctl_host, options: &[u8]) -> (memctl_status, *mut memctl_device) {
    let mut device = null_mut();
    // SAFETY: the host is null, or lives in the calling test; the rest lives through the call.
    let status = unsafe {
        (plugin.functions().device_create)(host, options.as_ptr().cast(), options.len(), &mut device)
    };
    (status, device)
}

fn last_error(plugin: &Plugin) -> String {
    let mut buffer = [0u8; 512];
    // SAFETY: the buffer is writable for its length.
    let length = unsafe { (plugin.functions().last_error)(buffer.as_mut_ptr().cast(), buffer.len()) };
    assert!(length < buffer.len() && buffer[length] == 0, "terminated");
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

#[test]
fn a_host_structure_is_checked_before_use() {
    let plugin = support::plugin();
    unsafe extern "C" fn copy(
        _: *mut std::ffi::c_void,
        _: *mut std::ffi::c_void,
        _: *const std::ffi::c_void,
        _: usize,
    ) -> i32 {
        0
    }
    let changed = |change: &dyn Fn(&mut memctl_host)| {
        let mut host = host();
        change(&mut host);
        let (status, device) = create(&plugin, &host, b"");
        assert!(device.is_null(), "written on success only");
        assert!(!last_error(&plugin).is_empty());
        status
    };
    assert_eq!(create(&plugin, null(), b"").0, MEMCTL_INVALID_ARGUMENT);
    assert_eq!(changed(&|host| host.size -= 1), MEMCTL_INVALID_SIZE);
    assert_eq!(changed(&|host| host.size = 0), MEMCTL_INVALID_SIZE);
    assert_eq!(
        changed(&|host| host.abi_version = 2 << 16),
        MEMCTL_UNSUPPORTED_VERSION
    );
    assert_eq!(changed(&|host| host.abi_version = 0), MEMCTL_UNSUPPORTED_VERSION);
    assert!(last_error(&plugin).contains("0.0"), "{}", last_error(&plugin));
    assert_eq!(
        changed(&|host| host.copy_from_guest = Some(copy)),
        MEMCTL_INVALID_ARGUMENT
    );
    assert_eq!(
        changed(&|host| host.copy_to_guest = Some(copy)),
        MEMCTL_INVALID_ARGUMENT
    );
}

#[test]
fn a_longer_host_structure_of_a_later_caller_is_accepted() {
    let plugin = support::plugin();
    #[repr(C)]
    struct Later {
        host: memctl_host,
        added: u64,
    }
    let mut later = Later {
        host: host(),
        added: u64::MAX,
    };
    later.host.size = size_of::<Later>() as u32;
    let (status, device) = create(&plugin, &later.host, b"");
    assert_eq!(status, MEMCTL_OK);
    // SAFETY: a device just made, used by nothing.
    assert_eq!(unsafe { (plugin.functions().device_destroy)(device) }, MEMCTL_OK);
}

#[test]
fn options_that_are_null_or_no_text_are_refused() {
    let plugin = support::plugin();
    assert_eq!(create(&plugin, &host(), b"\xff\xfe").0, MEMCTL_INVALID_ARGUMENT);
    assert_eq!(
        create(&plugin, &host(), &[b'a'; 100_000]).0,
        MEMCTL_INVALID_ARGUMENT
    );
    let mut device = null_mut();
    // SAFETY: the library refuses null options of a length, and a null place for the handle, unread and unwritten.
    unsafe {
        let device_create = plugin.functions().device_create;
        assert_eq!(
            device_create(&host(), null(), 4, &mut device),
            MEMCTL_INVALID_ARGUMENT
        );
        assert_eq!(
            device_create(&host(), null(), 0, null_mut()),
            MEMCTL_INVALID_ARGUMENT
        );
    }
    assert!(device.is_null());
}

#[test]
fn every_function_knows_a_handle_that_is_null_stale_or_invented() {
    let plugin = support::plugin();
    let f = plugin.functions();
    let (status, stale) = create(&plugin, &host(), b"");
    assert_eq!(status, MEMCTL_OK);
    // SAFETY: a device just made, used by nothing.
    assert_eq!(unsafe { (f.device_destroy)(stale) }, MEMCTL_OK);
    // It takes the place of the one that is gone; the handle of that one must not name it.
    let (status, next) = create(&plugin, &host(), b"");
    assert_eq!(status, MEMCTL_OK);

    let invented = [
        0usize,
        1,
        0xffff_ffff,
        usize::MAX,
        next as usize + 0x100,
        &raw const stale as usize,
    ];
    for handle in invented
        .map(|value| value as *mut memctl_device)
        .into_iter()
        .chain([stale])
    {
        let region = memctl_region {
            size: size_of::<memctl_region>() as u32,
            flags: 0,
            guest_address: 0,
            length: support::PAGE,
            host_address: 0x1000 as *mut _,
            block_size: 0,
        };
        let (mut data, mut length, state) = ([0xaau8; 8], 0usize, [0u8; 64]);
        // SAFETY: every pointer but the handle is valid for its length; the handle is what the library must not follow.
        let statuses = unsafe {
            [
                (f.device_destroy)(handle),
                (f.device_reset)(handle),
                (f.register_memory)(handle, &region),
                (f.unregister_memory)(handle, 0, support::PAGE),
                (f.plug_memory)(handle, 0, support::PAGE),
                (f.unplug_memory)(handle, 0, support::PAGE),
                (f.mmio_read)(handle, 0, data.as_mut_ptr(), 8),
                (f.mmio_write)(handle, 8, data.as_ptr(), 4),
                (f.set_dirty_logging)(handle, 1),
                (f.inhibit_discard)(handle, 1),
                (f.keep_readable)(handle, 1),
                (f.keep_accessible)(handle, 1),
                (f.resolve_fault)(handle, 0),
                (f.device_save)(handle, null_mut(), 0, &mut length),
                (f.device_restore)(handle, state.as_ptr(), state.len()),
                (f.device_statistics)(handle, null_mut(), 0, &mut length),
                (f.device_attributes)(handle, null_mut(), 0, &mut length),
                (f.device_report)(handle, null_mut(), 0, &mut length),
            ]
        };
        assert_eq!(statuses, [MEMCTL_INVALID_HANDLE; 18], "handle {handle:?}");
        assert_eq!(data, [0; 8], "a failed mmio_read() fills with zeros");
        assert!(last_error(&plugin).contains("handle"), "{}", last_error(&plugin));
    }
    // SAFETY: used by nothing but this test.
    assert_eq!(unsafe { (f.device_destroy)(next) }, MEMCTL_OK);
}

#[test]
fn null_buffers_and_bad_lengths_are_refused() {
    let plugin = support::plugin();
    let f = plugin.functions();
    let (_, device) = create(&plugin, &host(), b"");
    let mut data = [0xaau8; 16];
    let mut count = 0usize;
    // SAFETY: buffers are valid for their lengths, or null, which the library refuses.
    unsafe {
        for length in [0, 9, 16, usize::MAX] {
            assert_eq!(
                (f.mmio_read)(device, 0, data.as_mut_ptr(), length),
                MEMCTL_INVALID_ARGUMENT
            );
            assert_eq!(
                (f.mmio_write)(device, 0, data.as_ptr(), length),
                MEMCTL_INVALID_ARGUMENT
            );
        }
        assert_eq!(
            data, [0xaa; 16],
            "nothing is written for a length that is no access"
        );
        assert_eq!((f.mmio_read)(device, 0, null_mut(), 4), MEMCTL_INVALID_ARGUMENT);
        assert_eq!((f.mmio_write)(device, 0, null(), 4), MEMCTL_INVALID_ARGUMENT);
        assert_eq!((f.mmio_write)(device, 8, data.as_ptr(), 2), MEMCTL_IGNORED_ACCESS);
        assert_eq!((f.mmio_read)(device, u64::MAX, data.as_mut_ptr(), 8), MEMCTL_OK);
        assert_eq!(data[..8], [0; 8]);
        assert_eq!((f.register_memory)(device, null()), MEMCTL_INVALID_ARGUMENT);
        assert_eq!(
            (f.device_save)(device, null_mut(), 8, &mut count),
            MEMCTL_INVALID_ARGUMENT
        );
        assert_eq!(
            (f.device_save)(device, null_mut(), 0, null_mut()),
            MEMCTL_INVALID_ARGUMENT
        );
        assert_eq!(
            (f.device_save)(device, null_mut(), 0, &mut count),
            MEMCTL_BUFFER_TOO_SMALL
        );
        assert!(count > 0);
        assert_eq!((f.device_restore)(device, null(), 8), MEMCTL_INVALID_ARGUMENT);
        assert_eq!(
            (f.device_statistics)(device, null_mut(), 0, null_mut()),
            MEMCTL_INVALID_ARGUMENT
        );
        assert_eq!(
            (f.device_statistics)(device, null_mut(), 1, &mut count),
            MEMCTL_INVALID_ARGUMENT
        );
        assert_eq!(
            (f.device_statistics)(device, null_mut(), 0, &mut count),
            MEMCTL_BUFFER_TOO_SMALL
        );
        assert!(count > 0);
        assert_eq!(
            (f.device_attributes)(device, null_mut(), 0, null_mut()),
            MEMCTL_INVALID_ARGUMENT
        );
        assert_eq!(
            (f.device_attributes)(device, null_mut(), 1, &mut count),
            MEMCTL_INVALID_ARGUMENT
        );
        assert_eq!(
            (f.device_attributes)(device, null_mut(), 0, &mut count),
            MEMCTL_OK
        );
        assert_eq!(count, 0, "the guest has set nothing");
        assert_eq!(
            (f.device_report)(device, null_mut(), 0, null_mut()),
            MEMCTL_INVALID_ARGUMENT
        );
        assert_eq!(
            (f.device_report)(device, null_mut(), 1, &mut count),
            MEMCTL_INVALID_ARGUMENT
        );
        let mut start = [c_char::MAX; 4];
        assert_eq!(
            (f.device_report)(device, start.as_mut_ptr(), 2, &mut count),
            MEMCTL_BUFFER_TOO_SMALL
        );
        assert!(count > 2);
        assert_eq!(
            start.map(|byte| byte as u8),
            *b"{\"\x7f\x7f",
            "no byte past the capacity"
        );
        assert_eq!((f.set_dirty_logging)(device, 2), MEMCTL_INVALID_ARGUMENT);
        assert_eq!((f.device_destroy)(device), MEMCTL_OK);
    }
}

#[test]
fn the_identity_is_stored_up_to_the_callers_size() {
    let plugin = support::plugin();
    let pci_identity = plugin.functions().pci_identity;
    #[repr(C)]
    struct Later {
        identity: memctl_pci_identity,
        added: u64,
    }
    // SAFETY: integers, for which all zeros are valid.
    let mut later: Later = unsafe { std::mem::zeroed() };
    later.added = 0xaaaa;
    let short = size_of::<memctl_pci_identity>() as u32 - 1;
    // SAFETY: the structure is writable for its size; the library refuses the null, short and misaligned ones.
    unsafe {
        assert_eq!(pci_identity(null_mut()), MEMCTL_INVALID_ARGUMENT);
        let misaligned = (&raw mut later.identity).wrapping_byte_add(4);
        assert_eq!(pci_identity(misaligned), MEMCTL_INVALID_ARGUMENT);
        assert_eq!(pci_identity(&mut later.identity), MEMCTL_INVALID_SIZE);
        later.identity.size = short;
        assert_eq!(pci_identity(&mut later.identity), MEMCTL_INVALID_SIZE);
        assert_eq!(later.identity.vendor_id, 0);
        later.identity.size = size_of::<Later>() as u32;
        assert_eq!(pci_identity(&mut later.identity), MEMCTL_OK);
    }
    assert_eq!(later.identity.size, size_of::<Later>() as u32);
    assert_eq!(later.added, 0xaaaa);
    assert_eq!(
        (later.identity.vendor_id, later.identity.device_id),
        (0x1ae0, 0x0087)
    );
    assert!(later.identity.bar_size.is_power_of_two());
}

#[test]
fn check_options_answers_as_device_create_does() {
    let plugin = support::plugin();
    let check = plugin.functions().check_options;
    for options in [
        &b""[..],
        b"channels=64",
        b"channels=many",
        b"chanels=4",
        b"\xff\xfe",
        &[b'a'; 100_000],
    ] {
        // SAFETY: the options are readable for their length.
        let checked = unsafe { check(options.as_ptr().cast(), options.len()) };
        let message = last_error(&plugin);
        let (created, device) = create(&plugin, &host(), options);
        assert_eq!(checked, created);
        if created == MEMCTL_OK {
            // SAFETY: a device just made, used by nothing.
            unsafe { (plugin.functions().device_destroy)(device) };
        } else {
            assert_eq!(message, last_error(&plugin));
        }
    }
    // SAFETY: the library refuses null options of a length.
    assert_eq!(unsafe { check(null(), 4) }, MEMCTL_INVALID_ARGUMENT);
}

#[test]
fn a_region_structure_is_checked_before_use() {
    let plugin = support::plugin();
    let f = plugin.functions();
    let (_, device) = create(&plugin, &host(), b"");
    let memory = support::Mapping::private(4);
    let changed = |change: fn(&mut memctl_region)| {
        let mut region = memctl_region {
            size: size_of::<memctl_region>() as u32,
            flags: 0,
            guest_address: 0,
            length: memory.length,
            host_address: memory.start.cast(),
            block_size: 0,
        };
        change(&mut region);
        // SAFETY: the structure is valid; each change is one that the library refuses.
        unsafe { (f.register_memory)(device, &region) }
    };
    assert_eq!(changed(|region| region.size -= 1), MEMCTL_INVALID_SIZE);
    assert_eq!(changed(|region| region.flags = 4), MEMCTL_INVALID_ARGUMENT);
    assert_eq!(
        changed(|region| region.guest_address = 1),
        MEMCTL_INVALID_ARGUMENT
    );
    assert_eq!(
        changed(|region| region.host_address = null_mut()),
        MEMCTL_INVALID_ARGUMENT
    );
    let misaligned =
        |region: &mut memctl_region| region.host_address = region.host_address.wrapping_byte_add(1);
    assert_eq!(changed(misaligned), MEMCTL_INVALID_ARGUMENT);
    // SAFETY: no pointers.
    unsafe { assert_eq!((f.device_destroy)(device), MEMCTL_OK) };
}

#[test]
fn the_last_error_is_the_threads_own_and_is_cut_at_the_capacity() {
    let plugin = support::plugin();
    let last_error_of = plugin.functions().last_error;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: null with capacity 0 asks for the length alone.
            let length = unsafe { last_error_of(null_mut(), 0) };
            assert_eq!(length, 0, "no call of this thread has failed");
        });
    });

    assert_eq!(create(&plugin, null(), b"").0, MEMCTL_INVALID_ARGUMENT);
    let whole = last_error(&plugin);
    assert!(whole.len() > 8);
    let mut buffer = [0x7fu8 as c_char; 16];
    // SAFETY: the buffer is writable for the 8 bytes that are offered.
    let length = unsafe { last_error_of(buffer.as_mut_ptr(), 8) };
    assert_eq!(length, whole.len());
    assert_eq!(buffer[7], 0);
    assert_eq!(buffer[8], 0x7f);
    let cut = buffer[..7].iter().map(|byte| *byte as u8).collect::<Vec<_>>();
    assert_eq!(cut, whole.as_bytes()[..7]);
}
