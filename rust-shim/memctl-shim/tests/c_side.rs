// SPDX-License-Identifier: Apache-2.0
//! The contract as C sees it: sizes, offsets and values agree with the Rust types, the header compiles strictly as C and as
//! C++, a VMM in C works against it, and the library exports exactly its functions. The C# side is compared with
//! the same C program by tests/Memctl.Plugin.Tests.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::process::Command;

use memctl_shim::abi::*;

const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

fn header() -> PathBuf {
    Path::new(TOP).join("native/include/memctl_plugin.h")
}

/// A program of tests/abi.
fn program(name: &str) -> PathBuf {
    let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let outcome = Command::new("cc")
        .args(["-std=c11"])
        .args(WARNINGS.iter().filter(|warning| **warning != "-Wpedantic"))
        .arg("-I")
        .arg(header().parent().unwrap())
        .arg("-o")
        .arg(&binary)
        .arg(Path::new(TOP).join("tests/abi").join(name).with_extension("c"))
        .arg("-ldl")
        .status()
        .unwrap();
    assert!(outcome.success());
    binary
}

fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Lines as layout.c prints them. The pattern names every field: one that is missing here does not compile.
macro_rules! layout {
    ($lines:ident, $name:ident { $($field:ident),* }) => {
        $lines.insert(format!("{} size {}", stringify!($name), size_of::<$name>()));
        let field_bytes = |$name { $($field),* }: &$name| [$((stringify!($field), size_of_val($field))),*];
        // SAFETY: integers, pointers, optional functions and arrays of them: all zeros are valid.
        let sizes = field_bytes(&unsafe { std::mem::zeroed() });
        let offsets = [$(offset_of!($name, $field)),*];
        for ((field, bytes), offset) in sizes.iter().zip(offsets) {
            $lines.insert(format!("{}.{field} at {offset}, {bytes} bytes", stringify!($name)));
        }
    };
}

#[test]
fn sizes_offsets_and_values_are_those_of_the_header() {
    let mut lines = BTreeSet::new();
    layout!(
        lines,
        memctl_host {
            size,
            abi_version,
            context,
            log,
            log_level,
            reserved,
            dirty,
            copy_from_guest,
            copy_to_guest
        }
    );
    layout!(
        lines,
        memctl_region {
            size,
            flags,
            guest_address,
            length,
            host_address,
            block_size
        }
    );
    layout!(
        lines,
        memctl_pci_identity {
            size,
            vendor_id,
            device_id,
            subsystem_vendor_id,
            subsystem_id,
            base_class,
            subclass,
            programming_interface,
            revision,
            bar_size
        }
    );
    layout!(lines, memctl_counter { name, value });
    layout!(
        lines,
        memctl_extent {
            guest_address,
            length,
            protection,
            flags,
            name
        }
    );
    macro_rules! constants {
        ($($name:ident),* $(,)?) => { $(lines.insert(format!("{} = {}", stringify!($name), $name));)* };
    }
    constants!(
        MEMCTL_ABI_MAGIC,
        MEMCTL_ABI_VERSION_MAJOR,
        MEMCTL_ABI_VERSION_MINOR,
        MEMCTL_ABI_VERSION,
        MEMCTL_OK,
        MEMCTL_INVALID_ARGUMENT,
        MEMCTL_INVALID_HANDLE,
        MEMCTL_INVALID_SIZE,
        MEMCTL_UNSUPPORTED_VERSION,
        MEMCTL_IGNORED_ACCESS,
        MEMCTL_OVERLAP,
        MEMCTL_NOT_FOUND,
        MEMCTL_LIMIT_REACHED,
        MEMCTL_INVALID_STATE,
        MEMCTL_HOST_CALL_FAILED,
        MEMCTL_BUFFER_TOO_SMALL,
        MEMCTL_INTERNAL_ERROR,
        MEMCTL_DENIED,
        MEMCTL_ADDRESS_UNKNOWN,
        MEMCTL_LOG_OFF,
        MEMCTL_LOG_ERROR,
        MEMCTL_LOG_WARN,
        MEMCTL_LOG_INFO,
        MEMCTL_LOG_DEBUG,
        MEMCTL_LOG_TRACE,
        MEMCTL_REGION_MERGEABLE,
        MEMCTL_REGION_DONTDUMP,
        MEMCTL_EXTENT_LOCKED,
        MEMCTL_EXTENT_DONTDUMP,
        MEMCTL_EXTENT_MERGEABLE,
        MEMCTL_EXTENT_UNMERGEABLE,
    );
    let in_c = output_of(&mut Command::new(program("layout")));
    assert_eq!(lines, in_c.lines().map(str::to_owned).collect());
}

#[test]
fn the_header_stands_alone_as_c11_and_as_cpp17() {
    for (compiler, standard, language) in [("cc", "-std=c11", "c"), ("c++", "-std=c++17", "c++")] {
        let outcome = Command::new(compiler)
            .args([standard, "-fsyntax-only", "-x", language])
            .args(WARNINGS)
            .arg(header())
            .status();
        match outcome {
            Ok(outcome) => assert!(outcome.success(), "{standard}"),
            Err(error) => panic!("{compiler}: {error}"),
        }
    }
}

#[test]
fn a_vmm_in_c_works_with_the_header_alone() {
    let library = support::plugin_path();
    assert_eq!(
        output_of(Command::new(program("host")).arg(library)),
        "host: ok\n"
    );
}

/// Names that the header declares as functions: the text before the parenthesis on a declaration's first line.
fn declared() -> BTreeSet<String> {
    let text = fs::read_to_string(header()).unwrap();
    let declarations = ["memctl_status ", "uint64_t ", "size_t ", "void "];
    text.lines()
        .filter_map(|line| declarations.iter().find_map(|start| line.strip_prefix(start)))
        .filter_map(|rest| rest.split_once('('))
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[test]
fn the_rust_side_has_every_function_of_the_header() {
    let source = include_str!("../src/abi.rs");
    let (_, fields) = source.split_once("pub struct memctl_functions {").unwrap();
    let named = fields
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':'));
    assert_eq!(
        named.map(|(name, _)| name.to_owned()).collect::<BTreeSet<_>>(),
        declared()
    );
    assert_eq!(
        declared().len() * size_of::<usize>(),
        size_of::<memctl_functions>()
    );
}

#[test]
fn the_library_exports_the_functions_of_the_header_and_no_other() {
    let library = support::plugin_path();
    let symbols = output_of(Command::new("nm").args(["-D", "--defined-only"]).arg(library));
    let mut functions = BTreeSet::new();
    let mut others = BTreeSet::new();
    for symbol in symbols.lines() {
        let fields: Vec<_> = symbol.split_whitespace().collect();
        let name = fields[2].split('@').next().unwrap().to_owned();
        match fields[1] {
            "T" => functions.insert(name),
            "A" => false, // the version's own name
            _ => others.insert(name),
        };
    }
    assert_eq!(functions, declared());
    // What .NET's debuggers look for; the compiler exports it from every library.
    assert!(
        others.iter().all(|name| name == "DotNetRuntimeDebugHeader"),
        "{others:?}"
    );
}
