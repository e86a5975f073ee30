// SPDX-License-Identifier: Apache-2.0
//! The errors of loading files that are no plugin, or another's. The libraries are small ones in C, compiled here.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use memctl_shim::{AbiVersion, Error, ErrorKind, Plugin};

/// A shared library made of C source, in the test's own folder.
fn library(name: &str, source: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (code, library) = (
        folder.join(format!("{name}.c")),
        folder.join(format!("{name}.so")),
    );
    std::fs::write(&code, source).unwrap();
    let outcome = Command::new("cc")
        .args(["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o"])
        .args([&library, &code])
        .status()
        .unwrap();
    assert!(outcome.success());
    library
}

fn load_error(path: &Path) -> Error {
    match Plugin::load(path) {
        Ok(_) => panic!("{} was loaded", path.display()),
        Err(error) => {
            let message = error.to_string();
            assert!(
                message.contains(&path.display().to_string()),
                "names the file: {message}"
            );
            error
        }
    }
}

fn version(magic: u32, major: u16, minor: u16) -> String {
    let answer = u64::from(magic) << 32 | u64::from(major) << 16 | u64::from(minor);
    format!("unsigned long abi_version(void); unsigned long abi_version(void) {{ return {answer:#x}; }}\n")
}

const MAGIC: u32 = 0x4d45_4d43;

#[test]
fn a_missing_file_is_reported_as_missing() {
    let error = load_error(Path::new("/nonexistent/libmemctl.so"));
    assert_eq!(error.kind(), ErrorKind::FileMissing);
    assert_eq!(
        error.to_string(),
        "there is no memctl plugin at /nonexistent/libmemctl.so"
    );
}

#[test]
fn a_bare_name_is_a_file_of_this_folder_and_not_one_that_the_loader_would_find() {
    // libc.so.6 is in the loader's search path, and in no test's folder.
    let error = Plugin::load(Path::new("libc.so.6")).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::FileMissing);
}

#[test]
fn a_file_that_is_no_library_is_no_plugin() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("text.so");
    std::fs::write(&path, "no library").unwrap();
    let error = load_error(&path);
    assert_eq!(error.kind(), ErrorKind::NotAPlugin);
    assert!(
        error.to_string().contains("file too short"),
        "says what the loader said: {error}"
    );
    assert_eq!(load_error(Path::new("/")).kind(), ErrorKind::NotAPlugin);
}

#[test]
fn a_library_without_abi_version_is_no_plugin() {
    let error = load_error(&library(
        "no_symbol",
        "int nothing_here(void); int nothing_here(void) { return 0; }",
    ));
    assert_eq!(error.kind(), ErrorKind::NotAPlugin);
    assert!(
        error.to_string().ends_with("it has no function abi_version"),
        "{error}"
    );
}

#[test]
fn a_library_of_another_magic_is_no_plugin() {
    let error = load_error(&library("wrong_magic", &version(0x4d45_4d44, 1, 0)));
    assert_eq!(error.kind(), ErrorKind::NotAPlugin);
    assert!(error.to_string().contains("0x4d454d4400010000"), "{error}");
}

#[test]
fn a_library_of_another_major_version_is_refused_with_both_versions() {
    for (major, minor) in [(2, 0), (0, 7), (3, 1)] {
        let error = load_error(&library(
            &format!("version_{major}"),
            &version(MAGIC, major, minor),
        ));
        assert_eq!(error.kind(), ErrorKind::OtherVersion);
        let both = format!(
            "has ABI version {major}.{minor}, and this program needs {}",
            AbiVersion::SHIM
        );
        assert!(error.to_string().ends_with(&both), "{error}");
    }
}

#[test]
fn a_library_that_lacks_a_function_is_no_plugin_and_says_which() {
    let mut source = version(MAGIC, 1, 5);
    for name in [
        "attach_thread",
        "last_error",
        "pci_identity",
        "check_options",
        "device_create",
        "device_destroy",
        "device_reset",
        "register_memory",
    ] {
        source += &format!("void {name}(void); void {name}(void) {{}}\n");
    }
    let error = load_error(&library("lacking", &source));
    assert_eq!(error.kind(), ErrorKind::NotAPlugin);
    assert!(
        error
            .to_string()
            .ends_with("it has no function unregister_memory"),
        "{error}"
    );
}

#[test]
fn the_real_library_loads_again_and_from_several_threads() {
    let plugin = support::plugin();
    assert_eq!(plugin.abi_version(), AbiVersion::SHIM);
    assert!(plugin.path().is_absolute());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| support::plugin().create_device("", None).unwrap());
        }
    });
}

#[test]
fn bad_options_come_back_with_the_plugins_message() {
    let plugin = support::plugin();
    let error = plugin.create_device("channels=many", None).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("channels"), "{error}");
}
