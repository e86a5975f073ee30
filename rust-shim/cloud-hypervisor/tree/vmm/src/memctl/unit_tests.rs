// SPDX-License-Identifier: Apache-2.0
//! What needs the plugin takes it from the file that MEMCTL_PLUGIN names, and says so where there is none.

use std::path::PathBuf;
use std::sync::Arc;
use std::{env, fs};

use memctl_shim::sandbox::{REQUIRED_SYSCALLS, Syscall};
use pci::{PciDevice, PciDeviceError};
use seccompiler::SeccompCmpOp::Eq;
use seccompiler::{SeccompCmpArgLen, SeccompCondition, SeccompRule};
#[cfg(target_arch = "x86_64")]
use vm_allocator::GsiApic;
use vm_allocator::{AddressAllocator, SystemAllocator};
use vm_device::{BusDeviceSync, PciBarType, Resource};
use vm_memory::{GuestAddress, GuestMemoryAtomic, MmapRegion};
use vm_migration::{Pausable, Snapshot, Snapshottable};

use super::sandbox::allow;
use super::*;
use crate::config::{Error, ValidationError};
use crate::vm_config::{PciDeviceCommonConfig, VmConfig};
use crate::{GuestMemoryMmap, GuestRegionMmap};

const RAM_START: u64 = 0x10_0000;
const RAM_SIZE: usize = 0x10_0000;
const PAGE: u64 = 0x1000;
const REGISTERS: u64 = 16;

fn vm_config() -> VmConfig {
    serde_json::from_str(r#"{"payload": {"kernel": "/path/to/kernel"}}"#).unwrap()
}

#[test]
fn every_key_of_the_option_is_one_of_the_api() {
    let option = "plugin=/a/libmemctl.so,dialect=pvmemcontrol,channels=8,max_locked=2M,max_splits=9,\
    max_log_lines=3,allow=[discard,lock],deny=[PAGEOUT],id=mem,pci_segment=1,pci_device_id=7";
    let json = r#"{"plugin": "/a/libmemctl.so", "dialect": "pvmemcontrol", "channels": 8, "max_locked": 2097152,
        "max_splits": 9, "max_log_lines": 3, "allow": ["discard", "lock"], "deny": ["PAGEOUT"], "id": "mem",
        "pci_segment": 1, "pci_device_id": 7}"#;
    let config = MemctlConfig::parse(option).unwrap();
    assert_eq!(config, serde_json::from_str(json).unwrap());
    assert_eq!(
        config.plugin_options(),
        "dialect=pvmemcontrol,channels=8,max_locked=2097152,max_splits=9,max_log_lines=3,\
        allow=[discard,lock],deny=[PAGEOUT]"
    );
}

#[test]
fn what_is_not_given_is_left_to_the_plugin() {
    let config = MemctlConfig::parse("plugin=/a/libmemctl.so").unwrap();
    assert_eq!(
        config,
        MemctlConfig {
            plugin: Some(PathBuf::from("/a/libmemctl.so")),
            ..Default::default()
        }
    );
    assert_eq!(config.plugin_options(), "dialect=memctl");
    assert_eq!(MemctlConfig::default(), serde_json::from_str("{}").unwrap());
}

#[test]
fn wrong_options_are_refused() {
    assert!(matches!(
        MemctlConfig::parse("channels=8").unwrap_err(),
        Error::ParseMemctl(MemctlParseError::PluginMissing)
    ));
    for option in [
        "plugin=/a,speed=9",
        "plugin=/a,dialect=other",
        "plugin=/a,channels=many",
        "plugin=/a,max_locked=-1",
    ] {
        assert!(
            matches!(
                MemctlConfig::parse(option).unwrap_err(),
                Error::ParseMemctl(MemctlParseError::Options(_))
            ),
            "{option}"
        );
    }
}

#[test]
fn a_saved_configuration_does_not_name_the_plugin() {
    let config = MemctlConfig::parse("plugin=/a/libmemctl.so,channels=8").unwrap();
    let saved = serde_json::to_string(&config).unwrap();
    assert!(!saved.contains("libmemctl"), "{saved}");
    let restored: MemctlConfig = serde_json::from_str(&saved).unwrap();
    assert_eq!(restored.plugin, None);
    assert_eq!(restored.channels, Some(8));
}

#[test]
fn a_vm_without_a_loaded_plugin_is_refused() {
    if env::var_os("MEMCTL_PLUGIN").is_some() {
        return;
    }
    assert_eq!(
        MemctlConfig::default().validate(&vm_config()),
        Err(ValidationError::Memctl(MemctlConfigError::NotLoaded))
    );
}

#[test]
fn a_device_behind_an_iommu_is_refused() {
    let config = MemctlConfig {
        pci_common: PciDeviceCommonConfig {
            iommu: true,
            ..Default::default()
        },
        ..Default::default()
    };
    assert_eq!(
        config.validate(&vm_config()),
        Err(ValidationError::IommuNotSupported)
    );
}

fn first_argument(value: u64) -> SeccompRule {
    SeccompRule::new(vec![
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, Eq, value).unwrap(),
    ])
    .unwrap()
}

fn syscall(number: i64, first_argument: Option<u64>) -> Syscall {
    Syscall {
        name: "test",
        number,
        first_argument,
        why: "test",
    }
}

#[test]
fn a_filter_gains_what_it_lacks_and_loses_nothing() {
    let mut rules = vec![
        (1, vec![]),
        (2, vec![first_argument(20)]),
        (3, vec![first_argument(30)]),
    ];
    let wanted = [
        syscall(1, Some(10)),
        syscall(2, Some(21)),
        syscall(3, None),
        syscall(4, None),
        syscall(5, Some(50)),
    ];
    allow(&mut rules, &wanted).unwrap();
    assert_eq!(
        rules,
        [
            (1, vec![]),
            (2, vec![first_argument(20), first_argument(21)]),
            (3, vec![]),
            (4, vec![]),
            (5, vec![first_argument(50)]),
        ]
    );
}

#[test]
fn prctl_is_published_for_naming_mappings_only() {
    const PR_SET_VMA: u64 = 0x5356_4d41;
    let mut rules = vec![];
    allow(&mut rules, REQUIRED_SYSCALLS).unwrap();
    assert_eq!(rules.len(), REQUIRED_SYSCALLS.len());
    let prctl = rules.iter().find(|(number, _)| *number == libc::SYS_prctl);
    assert_eq!(prctl.unwrap().1, [first_argument(PR_SET_VMA)]);
}

struct Allocators {
    system: SystemAllocator,
    mmio32: AddressAllocator,
    mmio64: AddressAllocator,
}

fn allocators() -> Allocators {
    Allocators {
        system: SystemAllocator::new(
            GuestAddress(0),
            0x1_0000,
            GuestAddress(0xf000_0000),
            0x10_0000,
            #[cfg(target_arch = "x86_64")]
            &[GsiApic::new(5, 19)],
        )
        .unwrap(),
        mmio32: AddressAllocator::new(GuestAddress(0xc000_0000), 0x100_0000).unwrap(),
        mmio64: AddressAllocator::new(GuestAddress(0x10_0000_0000), 0x100_0000).unwrap(),
    }
}

fn allocate(
    device: &mut MemctlPciDevice,
    allocators: &mut Allocators,
    resources: Option<Vec<Resource>>,
) -> Result<u64, PciDeviceError> {
    let Allocators {
        system,
        mmio32,
        mmio64,
    } = allocators;
    let bars = device.allocate_bars(system, mmio32, mmio64, resources)?;
    assert_eq!(bars.len(), 1);
    assert_eq!((bars[0].idx(), bars[0].size()), (0, PAGE));
    Ok(bars[0].addr())
}

pub(crate) fn backend() -> Option<Arc<Backend>> {
    let Some(plugin) = env::var_os("MEMCTL_PLUGIN") else {
        eprintln!("skipped: MEMCTL_PLUGIN names no plugin");
        return None;
    };
    let option = format!("plugin={}", plugin.display());
    preload(&option).unwrap();
    let config = MemctlConfig::parse(&option).unwrap();
    config.validate(&vm_config()).unwrap();

    let mapping = MmapRegion::new(RAM_SIZE).unwrap();
    let region = Arc::new(GuestRegionMmap::new(mapping, GuestAddress(RAM_START)).unwrap());
    let memory = GuestMemoryMmap::from_arc_regions(vec![Arc::clone(&region)]).unwrap();
    let backend = Backend::new(&config, GuestMemoryAtomic::new(memory)).unwrap();
    backend.add_mapping(&region, false).unwrap();
    Some(Arc::new(backend))
}

fn device(
    backend: &Arc<Backend>,
    snapshot: Option<&Snapshot>,
) -> Result<MemctlPciDevice, MemctlError> {
    MemctlPciDevice::new("mem".to_owned(), Arc::clone(backend), snapshot)
}

#[test]
fn the_function_is_the_one_that_drivers_look_for() {
    let Some(backend) = backend() else { return };
    let mut device = device(&backend, None).unwrap();
    assert_eq!(device.read_config_register(0), 0x0087_1ae0);
    assert_eq!(device.read_config_register(2), 0x0880_0001);
    assert_eq!(device.read_config_register(11), 0x011f_1ae0);
    assert_eq!(
        allocate(&mut device, &mut allocators(), None).unwrap() % PAGE,
        0
    );
}

#[test]
fn a_restored_bar_is_where_it_was_and_one_without_an_address_is_refused() {
    let Some(backend) = backend() else { return };
    let mut allocators = allocators();
    let bar = |base| Resource::PciBar {
        index: 0,
        base,
        size: PAGE,
        type_: PciBarType::Mmio32,
        prefetchable: false,
    };
    let mut restored = device(&backend, None).unwrap();
    let address = allocate(&mut restored, &mut allocators, Some(vec![bar(0xc012_3000)])).unwrap();
    assert_eq!(address, 0xc012_3000);
    assert!(matches!(
        allocate(
            &mut device(&backend, None).unwrap(),
            &mut allocators,
            Some(vec![])
        ),
        Err(PciDeviceError::MissingResource)
    ));

    restored.move_bar(0xc012_3000, 0xc045_6000).unwrap();
    allocators
        .mmio32
        .allocate(Some(GuestAddress(0xc045_6000)), PAGE, None)
        .unwrap();
    let Allocators {
        system,
        mmio32,
        mmio64,
    } = &mut allocators;
    restored.free_bars(system, mmio32, mmio64).unwrap();
    assert!(
        mmio32
            .allocate(Some(GuestAddress(0xc045_6000)), PAGE, None)
            .is_some()
    );
}

#[test]
fn a_snapshot_comes_back_and_a_damaged_one_does_not() {
    let Some(first) = backend() else { return };
    let mut saved = device(&first, None).unwrap();
    saved.pause().unwrap();
    let snapshot = saved.snapshot().unwrap();
    saved.resume().unwrap();

    let second = backend().unwrap();
    let mut restored = device(&second, Some(&snapshot)).unwrap();
    restored.resume().unwrap();

    let state: serde_json::Value = snapshot.to_state().unwrap();
    let mut damaged = state.clone();
    damaged["plugin"][20] = 0xa5.into();
    damaged["plugin"][21] = 0x5a.into();
    let mut later = state;
    later["version"] = 2.into();
    for (state, is_version) in [(damaged, false), (later, true)] {
        let foreign = Snapshot::new_from_state(&state).unwrap();
        let error = device(&backend().unwrap(), Some(&foreign)).err().unwrap();
        match error {
            MemctlError::StateVersion { found: 2, known: 1 } => assert!(is_version),
            MemctlError::Plugin(_) => assert!(!is_version),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn accesses_reach_the_plugin_and_are_counted() {
    const COMMAND: u64 = 8;
    const RESET: u32 = 0x060f_e6d2;
    const ACK: u32 = 0x03cf_5196;
    let Some(backend) = backend() else { return };
    let bus_device = MemctlBusDevice(Arc::clone(&backend));
    assert!(bus_device.write(0, COMMAND, &RESET.to_le_bytes()).is_none());
    let mut answer = [0; 4];
    bus_device.read(0, COMMAND, &mut answer);
    assert_eq!(u32::from_le_bytes(answer), ACK);

    let mut beyond = [0xff; 8];
    bus_device.read(0, REGISTERS, &mut beyond);
    assert_eq!(beyond, [0; 8]);
    let before = backend.counters().unwrap()["ignored_accesses"];
    bus_device.write(0, COMMAND, &[1, 2]);
    assert_eq!(
        (backend.counters().unwrap()["ignored_accesses"] - before).0,
        1
    );
}

#[test]
fn ram_outside_a_mapping_is_refused_and_removed_ram_is_given_back() {
    let Some(backend) = backend() else { return };
    let mapping = MmapRegion::new(RAM_SIZE).unwrap();
    let block = Arc::new(GuestRegionMmap::new(mapping, GuestAddress(0x1000_0000)).unwrap());
    for address in [0xfff_f000, 0x1010_0000] {
        assert!(matches!(
            backend.add_range(&block, address, PAGE, false),
            Err(MemctlError::NotMapped { .. })
        ));
    }
    backend.add_range(&block, 0x1000_0000, PAGE, false).unwrap();
    backend.add_range(&block, 0x1000_1000, PAGE, false).unwrap();
    let held = Arc::strong_count(&block);
    backend.remove_ranges(0x1000_0000, 4 * PAGE).unwrap();
    assert_eq!(Arc::strong_count(&block), held - 2);
    // Removing what is not there is no error, and it can come back.
    backend.remove_ranges(0x1000_0000, 4 * PAGE).unwrap();
    backend.add_range(&block, 0x1000_0000, PAGE, false).unwrap();
}

#[test]
fn the_plugin_is_refused_under_another_name() {
    if backend().is_none() {
        return;
    }
    let config = MemctlConfig {
        plugin: Some(fs::canonicalize("/proc/self/exe").unwrap()),
        ..Default::default()
    };
    assert!(matches!(
        config.validate(&vm_config()),
        Err(ValidationError::Memctl(
            MemctlConfigError::OtherPlugin { .. }
        ))
    ));
    let config = MemctlConfig {
        allow: Some(vec!["everything".to_owned()]),
        ..Default::default()
    };
    assert!(matches!(
        config.validate(&vm_config()),
        Err(ValidationError::Memctl(MemctlConfigError::Refused(_)))
    ));
}
