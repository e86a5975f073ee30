// SPDX-License-Identifier: Apache-2.0
//! The VMM under test as a process, with the guest's lines and the API.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client;
use crate::terminal::Terminal;
use crate::Build;

/// Longer than anything here takes on a machine whose KVM interprets the guest.
const PATIENCE: Duration = Duration::from_secs(120);

/// The device, unless the arguments describe one.
fn memctl(build: &Build, arguments: &[&str]) -> Vec<String> {
    match arguments.contains(&"--memctl") {
        true => Vec::new(),
        false => vec![
            "--memctl".to_owned(),
            format!("plugin={},channels=16", build.plugin.display()),
        ],
    }
}

/// A running VMM; killed when dropped.
pub struct Vmm {
    child: Child,
    /// None where the VMM reads from a terminal.
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    socket: PathBuf,
}

impl Vmm {
    /// Starts the VMM with an API socket in `scratch`; everything else comes from `arguments`.
    pub fn start(build: &Build, scratch: &Path, name: &str, arguments: &[&str]) -> Self {
        Self::start_with(build, scratch, name, arguments, Stdio::piped())
    }

    fn start_with(build: &Build, scratch: &Path, name: &str, arguments: &[&str], stdin: Stdio) -> Self {
        std::fs::create_dir_all(scratch).unwrap();
        let socket = scratch.join(name);
        let mut child = Command::new(env!("CARGO_BIN_EXE_memctl-vmm"))
            .args(["--serial", "tty", "--console", "off"])
            .args(memctl(build, arguments))
            .arg("--api-socket")
            .arg(format!("path={}", socket.display()))
            .args(arguments)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(File::create(scratch.join(format!("{name}.stderr"))).unwrap())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        let vmm = Self {
            child,
            input,
            lines,
            socket,
        };
        until("the API answers", || vmm.socket.exists());
        vmm
    }

    /// Starts the VMM with the bare-metal guest, whose command line is `words`.
    pub fn boot(build: &Build, scratch: &Path, words: &str, arguments: &[&str]) -> Self {
        Self::boot_with(build, scratch, words, arguments, Stdio::piped())
    }

    /// As [`Vmm::boot`], with a terminal for standard input.
    pub fn boot_on(build: &Build, scratch: &Path, words: &str, terminal: &Terminal) -> Self {
        Self::boot_with(build, scratch, words, &[], terminal.stdin())
    }

    fn boot_with(build: &Build, scratch: &Path, words: &str, arguments: &[&str], stdin: Stdio) -> Self {
        let guest = build.guest.to_str().unwrap();
        let words = format!("cpus=2 channels=16 {words}");
        let mut all = vec!["--kernel", guest, "--cmdline", &words, "--cpus", "boot=2"];
        all.extend(arguments);
        Self::start_with(build, scratch, "booted.sock", &all, stdin)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line of the guest that starts with `start`, and returns it. A failed check of the guest ends the test.
    pub fn line(&self, start: &str) -> String {
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|error| panic!("no line \"{start}\": {error}"));
            assert!(!line.starts_with("not ok"), "the guest: {line}");
            if line.starts_with(start) {
                return line;
            }
        }
    }

    /// Waits for a line, whatever the guest thinks of it.
    pub fn any_line(&self, start: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap();
            if line.contains(start) {
                return line;
            }
        }
    }

    /// Sends the guest the byte that it waits for.
    pub fn go_on(&mut self) {
        self.input.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// A request that must succeed.
    pub fn put(&self, name: &str, body: &str) {
        let (status, value) = client::ask(&self.socket, "PUT", name, body);
        assert_eq!(status, 204, "PUT {name} {body}: {value}");
    }

    /// A request that must fail; returns why.
    pub fn refused(&self, method: &str, name: &str, body: &str) -> String {
        let (status, value) = client::ask(&self.socket, method, name, body);
        assert_eq!(status, 500, "{method} {name} {body}: {value}");
        value[0].as_str().unwrap().to_owned()
    }

    /// A question that must be answered.
    pub fn get(&self, name: &str) -> Value {
        let (status, value) = client::ask(&self.socket, "GET", name, "");
        assert_eq!(status, 200, "GET {name}: {value}");
        value
    }

    /// A counter of the device.
    pub fn counter(&self, name: &str) -> u64 {
        self.get("vm.counters")["memctl"][name]
            .as_u64()
            .unwrap_or_else(|| panic!("no counter {name}"))
    }

    /// Waits until the device has answered `more` requests of a kind.
    pub fn until_counted(&self, name: &str, more: u64) {
        let goal = self.counter(name) + more;
        until(&format!("{name} reaches {goal}"), || self.counter(name) >= goal);
    }

    /// Lets the guest's load end, and returns its counts.
    pub fn end_load(&mut self) -> Vec<Count> {
        self.go_on();
        (0..2)
            .map(|_| Count::parse(&self.any_line("load cpu=")))
            .collect()
    }

    /// Lets the guest power off behind its last line; the VMM must end with status 0.
    pub fn end(mut self) {
        self.go_on();
        self.ends();
    }

    /// Waits for the guest's last line, behind which it powers off; the VMM must end with status 0.
    pub fn ends(mut self) {
        self.any_line("1..");
        let mut status = None;
        until("the VMM ends behind its guest", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(0));
    }

    /// Waits for the VMM to end by itself; returns its status and its standard error.
    pub fn fails(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap().code();
        let text = std::fs::read_to_string(self.socket.with_extension("sock.stderr")).unwrap();
        (status, text)
    }

    /// Ends the VM through the API.
    pub fn shut_down(mut self) {
        self.put("vm.shutdown", "");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        assert!(!self.socket.exists());
    }
}

impl Drop for Vmm {
    fn drop(&mut self) {
        // Both fail where the process has been waited for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits for a condition.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "it never came: {what}");
        thread::yield_now();
    }
}

/// What a vCPU of the guest counted.
#[derive(Debug)]
pub struct Count {
    /// Requests made.
    pub requests: u64,
    /// Requests answered as they should be.
    pub right: u64,
    /// Requests refused as there is no RAM.
    pub absent: u64,
}

impl Count {
    fn parse(line: &str) -> Self {
        let number = |key: &str| {
            line.split(' ')
                .find_map(|word| word.strip_prefix(key))
                .map_or(0, |value| value.parse().unwrap())
        };
        Self {
            requests: number("requests="),
            right: number("right="),
            absent: number("absent="),
        }
    }
}
