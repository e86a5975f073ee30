// SPDX-License-Identifier: Apache-2.0
//! Starts the subject under valgrind and counts.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use super::ledger::Counts;
use super::symbols::Symbols;
use super::trace::{self, Event};
use super::{Subject, REQUESTS};
use crate::bus::PAGE;

/// Bytes of a cache line.
pub const LINE: u64 = 64;

/// A counted subject.
pub struct Measured {
    /// What each of [`REQUESTS`] did, on the first vCPU and then on the second.
    pub events: Vec<Vec<Event>>,
    pub symbols: Symbols,
}

/// Runs a subject under valgrind.
///
/// # Errors
/// valgrind is missing or failed, or its trace is not what this reads.
pub fn measure(subject: Subject, plugin: &Path) -> Result<Measured, Box<dyn Error>> {
    let (trace, log) = pipe()?;
    let subject = match subject {
        Subject::Memctl => "memctl",
        Subject::StandIn => "stand-in",
        Subject::Empty => "empty",
    };
    let log_number = log.as_raw_fd();
    let mut command = Command::new("valgrind");
    command
        .args([
            "--tool=lackey",
            "--basic-counts=no",
            "--trace-mem=yes",
            "--trace-syscalls=yes",
        ])
        .arg(format!("--log-fd={log_number}"))
        .arg(std::env::current_exe()?)
        .args(["subject", subject])
        .arg(plugin)
        // The environment lies on the stack: what it holds would move what is counted.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    // SAFETY: both calls may be made between fork and exec. The second takes away close-on-exec, so that valgrind has the
    // file; the first has the kernel put everything where it put it the last time.
    unsafe {
        command.pre_exec(move || {
            libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
            libc::fcntl(log_number, libc::F_SETFD, 0);
            Ok(())
        })
    };
    let mut child = command
        .spawn()
        .map_err(|error| format!("valgrind (Debian package valgrind) can't be started: {error}"))?;
    drop(log);
    let mut stdout = child.stdout.take().ok_or("no standard output")?;
    let printed = thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    let events = trace::read(BufReader::with_capacity(1 << 20, trace), 2 * REQUESTS.len());
    let status = child.wait()?;
    let printed = printed
        .join()
        .map_err(|_| "the reader of standard output panicked")??;
    if !status.success() {
        return Err(format!("the subject under valgrind: {status}").into());
    }
    Ok(Measured {
        events: events?,
        symbols: Symbols::read(&printed).ok_or("the subject did not print its maps")?,
    })
}

fn pipe() -> Result<(File, OwnedFd), Box<dyn Error>> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    // SAFETY: both are this function's own.
    Ok(unsafe { (File::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Blocks of `size` bytes that an access touches; none for a system call, as the kernel's accesses are not traced.
pub fn blocks(event: Event, size: u64) -> std::ops::Range<u64> {
    match event {
        Event::Instruction { address, size: bytes }
        | Event::Data {
            address, size: bytes, ..
        } => address / size..(address + bytes.max(1) - 1) / size + 1,
        Event::SystemCall(_) => 0..0,
    }
}

impl Measured {
    /// The counts of one of [`REQUESTS`]; what it allocates is not in a trace.
    pub fn counts(&self, request: usize) -> Counts {
        let events = &self.events[request];
        let distinct = |size| {
            let touched: BTreeSet<_> = events.iter().flat_map(|&event| blocks(event, size)).collect();
            touched.len() as u64
        };
        let count = |wanted: fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count() as u64;
        Counts {
            instructions: count(|event| matches!(event, Event::Instruction { .. })),
            cache_lines: distinct(LINE),
            pages: distinct(PAGE),
            host_calls: count(|event| matches!(event, Event::SystemCall(_))),
            shared_lines: self.shared_lines(request),
            allocated_bytes: 0,
        }
    }

    /// Cache lines that the request writes on both vCPUs: each costs both of them a transfer where they run at once.
    fn shared_lines(&self, request: usize) -> u64 {
        let written = |index: usize| -> BTreeSet<u64> {
            let events = self.events[index].iter();
            events
                .filter(|event| matches!(event, Event::Data { writes: true, .. }))
                .flat_map(|&event| blocks(event, LINE))
                .collect()
        };
        written(request)
            .intersection(&written(REQUESTS.len() + request))
            .count() as u64
    }
}
