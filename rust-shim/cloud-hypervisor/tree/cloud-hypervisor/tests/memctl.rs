// SPDX-License-Identifier: Apache-2.0
//
// The memctl device with a Linux guest. Beside what the other integration
// tests need, MEMCTL_PLUGIN is the path of libmemctl.so and MEMCTL_GUEST a
// folder with the guest's side for the test image's kernel: memctl.ko and the
// statically linked command memctl.
#![cfg(all(feature = "memctl", not(feature = "mshv"), any(devcli_testenv, clippy)))]
#![expect(clippy::undocumented_unsafe_blocks)]
#![allow(dead_code)]
mod common;

mod memctl {
    use std::collections::HashMap;
    use std::path::Path;
    use std::process::Child;
    use std::time::Duration;
    use std::{env, fs, panic, thread};

    use test_infra::*;

    use super::common::utils::*;

    // Guest RAM that the guest's kernel leaves alone.
    const RESERVED: u64 = 0x2000_0000;
    const PAGES: u64 = 0x1_0000;
    const KIB: u64 = 1 << 10;

    fn plugin_option() -> String {
        let plugin = env::var("MEMCTL_PLUGIN").expect("MEMCTL_PLUGIN is the path of libmemctl.so");
        format!("plugin={plugin}")
    }

    fn guest() -> Guest {
        Guest::new(Box::new(UbuntuDiskConfig::new(
            JAMMY_IMAGE_NAME.to_string(),
        )))
    }

    fn spawn(guest: &Guest, api_socket: &str, memory: &str) -> Child {
        let kernel = direct_kernel_boot_path();
        // RAM that the guest's kernel is told to keep away from.
        let cmdline = format!("{DIRECT_KERNEL_BOOT_CMDLINE} memmap=64M${RESERVED:#x}");
        GuestCommand::new(guest)
            .args(["--api-socket", api_socket])
            .args(["--cpus", "boot=2"])
            .args(["--memory", memory])
            .args(["--kernel", kernel.to_str().unwrap()])
            .args(["--cmdline", &cmdline])
            .default_disks()
            .default_net()
            .args(["--memctl", &plugin_option()])
            .capture_output()
            .spawn()
            .unwrap()
    }

    fn spawn_empty(guest: &Guest, api_socket: &str, restore: Option<&str>) -> Child {
        let mut command = GuestCommand::new(guest);
        command
            .args(["--api-socket", api_socket])
            .args(["--memctl", &plugin_option()]);
        if let Some(source) = restore {
            command.args(["--restore", source]);
        }
        command.capture_output().spawn().unwrap()
    }

    fn load_driver(guest: &Guest) {
        let folder = env::var("MEMCTL_GUEST").expect("MEMCTL_GUEST holds memctl.ko and memctl");
        for file in ["memctl.ko", "memctl"] {
            let remote = format!("/tmp/{file}");
            scp_to_guest(
                &Path::new(&folder).join(file),
                Path::new(&remote),
                &guest.network.guest_ip0,
                DEFAULT_SSH_RETRIES,
                DEFAULT_SSH_TIMEOUT,
            )
            .unwrap();
        }
        guest.ssh_command("sudo insmod /tmp/memctl.ko").unwrap();
        guest.ssh_command("chmod +x /tmp/memctl").unwrap();
    }

    fn range(page: u64) -> String {
        format!("-r {:#x}+{PAGES:#x}", RESERVED + page * PAGES)
    }

    fn memctl(guest: &Guest, command: &str) -> bool {
        guest
            .ssh_command(&format!("sudo /tmp/memctl {command}"))
            .is_ok()
    }

    fn counters(api_socket: &str) -> HashMap<String, u64> {
        let (ok, output, _) = remote_command_w_output(api_socket, "counters", None);
        assert!(ok);
        let mut all: HashMap<String, HashMap<String, u64>> =
            serde_json::from_slice(&output).unwrap();
        all.remove("__memctl").unwrap()
    }

    /// What /proc/PID/smaps shows of all mappings: a protection's KiB, and locked KiB.
    fn host_kib(vmm: u32, protection: &str) -> (u64, u64) {
        let smaps = fs::read_to_string(format!("/proc/{vmm}/smaps")).unwrap();
        let (mut protected, mut locked, mut counts) = (0, 0, false);
        for line in smaps.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [_, found, _, "00:00", ..] => counts = found == protection,
                ["Size:", kib, _] if counts => protected += kib.parse::<u64>().unwrap(),
                ["Locked:", kib, _] => locked += kib.parse::<u64>().unwrap(),
                _ => {}
            }
        }
        (protected, locked)
    }

    fn change_protection_and_locks(guest: &Guest) {
        assert!(memctl(guest, &format!("protect r {}", range(1))));
        assert!(memctl(guest, &format!("lock {}", range(2))));
    }

    fn assert_protection_and_locks(vmm: u32) {
        let (read_only, locked) = host_kib(vmm, "r--p");
        assert!(read_only >= PAGES / KIB, "{read_only} KiB");
        assert!(locked >= PAGES / KIB, "{locked} KiB");
    }

    fn finish(result: thread::Result<()>, mut child: Child) {
        kill_child(&mut child);
        let output = child.wait_with_output().unwrap();
        handle_child_output(result, &output);
    }

    /// Every function, under the default seccomp filter: a call that the filter lacks ends the VM.
    #[test]
    fn test_memctl_functions() {
        let guest = guest();
        let api_socket = temp_api_path(&guest.tmp_dir);
        let child = spawn(&guest, &api_socket, "size=1G");
        let vmm = child.id();

        let result = panic::catch_unwind(|| {
            guest.wait_vm_boot().unwrap();
            load_driver(&guest);
            assert!(memctl(&guest, "info"));
            let before = counters(&api_socket);
            for command in [
                "free",
                "lazyfree",
                "pageout",
                "unmergeable",
                "nodump",
                "lock",
                "unlock",
                "protect none",
                "protect r",
                "protect w",
                "protect rw",
            ] {
                assert!(
                    memctl(&guest, &format!("{command} {}", range(0))),
                    "{command}"
                );
            }
            // EINVAL on private memory, and where the host's kernel can't name mappings: an answer all the same.
            memctl(&guest, &format!("remove {}", range(0)));
            memctl(&guest, &format!("name 7 {}", range(0)));
            change_protection_and_locks(&guest);
            assert_protection_and_locks(vmm);

            let after = counters(&api_socket);
            for function in ["DONTNEED", "REMOVE", "MLOCK", "SET_VMA_ANON_NAME"] {
                let name = format!("requests_{function}");
                assert!(after[&name] > before[&name], "{name}");
            }
            assert_eq!(after["bytes_DONTNEED"] - before["bytes_DONTNEED"], PAGES);
        });
        finish(result, child);
    }

    #[test]
    fn test_memctl_hotplug() {
        let guest = guest();
        let api_socket = temp_api_path(&guest.tmp_dir);
        let child = spawn(&guest, &api_socket, "size=1G,hotplug_size=1G");

        let result = panic::catch_unwind(|| {
            guest.wait_vm_boot().unwrap();
            load_driver(&guest);
            // The first plugged DIMM starts at 4 GiB.
            let plugged = "nodump -r 0x100000000+0x10000";
            assert!(!memctl(&guest, plugged));
            assert!(resize_command(
                &api_socket,
                None,
                Some(1280 << 20),
                None,
                None
            ));
            assert!(wait_until(Duration::from_secs(30), || memctl(
                &guest, plugged
            )));
        });
        finish(result, child);
    }

    #[test]
    fn test_memctl_snapshot_restore() {
        let guest = guest();
        let api_socket = format!("{}.1", temp_api_path(&guest.tmp_dir));
        let child = spawn(&guest, &api_socket, "size=1G");
        let snapshot = temp_snapshot_dir_path(&guest.tmp_dir);
        let source = format!("file://{snapshot}");

        let result = panic::catch_unwind(|| {
            guest.wait_vm_boot().unwrap();
            load_driver(&guest);
            change_protection_and_locks(&guest);
            assert!(memctl(&guest, &format!("protect none {}", range(3))));
            assert!(remote_command(&api_socket, "pause", None));
            assert!(remote_command(&api_socket, "snapshot", Some(&source)));
        });
        finish(result, child);

        let api_socket = format!("{}.2", temp_api_path(&guest.tmp_dir));
        let child = spawn_empty(&guest, &api_socket, Some(&format!("source_url={source}")));
        let vmm = child.id();
        let result = panic::catch_unwind(|| {
            assert!(wait_until(Duration::from_secs(30), || remote_command(
                &api_socket,
                "resume",
                None
            )));
            assert_protection_and_locks(vmm);
            assert!(host_kib(vmm, "---p").0 >= PAGES / KIB);
            // The driver goes on with the channels that it had.
            assert!(memctl(&guest, &format!("protect rw {}", range(3))));
            assert!(memctl(&guest, &format!("free {}", range(0))));
        });
        finish(result, child);
    }

    #[test]
    fn test_memctl_live_migration() {
        let guest = guest();
        let source_socket = temp_api_path(&guest.tmp_dir);
        let destination_socket = format!("{source_socket}.dest");
        let mut source = spawn(&guest, &source_socket, "size=1G");
        let destination = spawn_empty(&guest, &destination_socket, None);
        let vmm = destination.id();
        let migration_socket = guest.tmp_dir.as_path().join("migration.sock");

        let result = panic::catch_unwind(|| {
            guest.wait_vm_boot().unwrap();
            load_driver(&guest);
            change_protection_and_locks(&guest);
            assert!(start_live_migration(
                migration_socket.to_str().unwrap(),
                &source_socket,
                &destination_socket,
                false,
                false
            ));
        });
        if result.is_err() {
            print_and_panic(
                source,
                destination,
                None,
                "Error occurred during live-migration",
            );
        }
        assert!(wait_until(Duration::from_secs(30), || matches!(
            source.try_wait(),
            Ok(Some(status)) if status.success()
        )));

        let result = panic::catch_unwind(|| {
            assert_protection_and_locks(vmm);
            assert!(memctl(&guest, &format!("free {}", range(0))));
            assert!(memctl(&guest, "info"));
        });
        finish(result, destination);
    }
}
