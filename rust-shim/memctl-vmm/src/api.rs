// SPDX-License-Identifier: Apache-2.0
//! The HTTP API on a Unix socket: Cloud Hypervisor's names where it has one for the thing, and two of our own
//! (`vm.memctl-inhibit-discard`, which a VFIO device does there, and `vm.dirty-log`, which a migration does there).

use std::collections::BTreeMap;
use std::io::BufReader;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::Arc;
use std::thread;

use memctl_shim::Device;
use serde::Deserialize;
use serde_json::{json, Value};

use crate::event::Event;
use crate::failure::{Doing, Result};
use crate::http::{self, HttpRequest};
use crate::option_list;
use crate::ports::Ending;
use crate::vm::Vm;

const PREFIX: &str = "/api/v1/";

/// What a client can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// GET vmm.ping
    Ping,
    /// GET vm.info
    Info,
    /// GET vm.counters
    Counters,
    /// PUT vm.pause
    Pause,
    /// PUT vm.resume
    Resume,
    /// PUT vm.reboot
    Reboot,
    /// PUT vm.snapshot {"destination_url": "file://DIRECTORY"}
    Snapshot(PathBuf),
    /// PUT vm.resize {"desired_ram": BYTES}
    Resize(u64),
    /// PUT vm.shutdown, PUT vmm.shutdown
    Shutdown,
    /// PUT vm.memctl-inhibit-discard {"enabled": true}
    InhibitDiscard(bool),
    /// PUT vm.dirty-log {"enabled": true}
    SetDirtyLog(bool),
    /// GET vm.dirty-log: the pages changed since the last call, by the guest and by the device
    TakeDirtyLog,
}

/// The outcome: a body or none, or a sentence.
pub type Response = Result<Option<Value>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SnapshotBody {
    destination_url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResizeBody {
    desired_ram: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SwitchBody {
    enabled: bool,
}

/// Carries out a request, on the thread that owns the VM.
///
/// # Errors
/// As the VM's own functions.
pub fn answer(vm: &mut Vm, request: &Request) -> Response {
    let done = match request {
        Request::Ping => {
            return Ok(Some(
                json!({ "version": env!("CARGO_PKG_VERSION"), "pid": std::process::id() }),
            ))
        }
        Request::Info => return Ok(Some(info(vm))),
        Request::Counters => return counters(vm).map(Some),
        Request::TakeDirtyLog => {
            let (guest, device) = vm.take_dirty_pages()?;
            return Ok(Some(json!({ "guest": guest, "device": device })));
        }
        Request::Pause => vm.pause(),
        Request::Resume => {
            vm.resume();
            Ok(())
        }
        Request::Reboot => vm.reboot(),
        Request::Snapshot(directory) => vm.snapshot(directory),
        Request::Resize(size) => vm.resize_memory(*size),
        // Carried out when the client has its answer: see serve().
        Request::Shutdown => Ok(()),
        Request::InhibitDiscard(enabled) => vm.devices()?.iter().try_for_each(|device| {
            device
                .inhibit_discard(*enabled)
                .doing("can't switch the inhibition of discards")
        }),
        Request::SetDirtyLog(enabled) => vm.set_dirty_logging(*enabled),
    };
    done.map(|()| None)
}

/// Beside what Cloud Hypervisor tells: where each region is, so that a person can look at it in /proc/PID/smaps.
fn info(vm: &Vm) -> Value {
    let state = if vm.is_running() { "Running" } else { "Paused" };
    let regions = vm.ram().regions().iter().map(|region| {
        let range = region.range();
        let host_address = region.host_address() as u64;
        json!({ "guest_address": range.start, "length": range.length, "host_address": host_address })
    });
    let regions: Vec<Value> = regions.collect();
    json!({ "state": state, "memory_actual_size": vm.ram().size(), "memory_regions": regions })
}

/// The first device is `memctl`, the others `memctl1` and so on.
fn counters(vm: &Vm) -> Result<Value> {
    let of_device = |(index, device): (usize, &Arc<Device>)| {
        let counters = device.counters().doing("can't read the device's counters")?;
        let counters: BTreeMap<_, _> = counters
            .iter()
            .map(|counter| (counter.name.to_owned(), counter.value))
            .collect();
        let name = match index {
            0 => "memctl".to_owned(),
            _ => format!("memctl{index}"),
        };
        Ok((name, json!(counters)))
    };
    let devices = vm.devices()?.iter().enumerate().map(of_device);
    devices.collect::<Result<_>>().map(Value::Object)
}

/// Serves the socket with a thread of its own, one client after the other.
///
/// # Errors
/// The socket can't be made: most often, because it exists.
pub fn listen(path: &Path, events: Sender<Event>) -> Result<()> {
    let listener = UnixListener::bind(path).doing(&format!("can't listen at {}", path.display()))?;
    thread::Builder::new()
        .name("http-server".to_owned())
        .spawn(move || {
            for stream in listener.incoming() {
                if let Err(error) = stream.and_then(|stream| serve(stream, &events)) {
                    log::warn!("a client of the API: {error}");
                }
            }
        })
        .doing("can't start the thread of the API")?;
    Ok(())
}

fn serve(mut stream: UnixStream, events: &Sender<Event>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = http::read_request(&mut reader)? {
        let request = parse(&request);
        let ends = request == Ok(Some(Request::Shutdown));
        let (status, body) = respond(request, events);
        let written = http::write_response(&mut stream, status, &body);
        if ends {
            // Not before: with the process, the answer would be lost. It fails if the VM is ending already.
            drop(events.send(Event::Ended(Ending::PowerOff)));
        }
        written?;
    }
    Ok(())
}

fn respond(request: std::result::Result<Option<Request>, String>, events: &Sender<Event>) -> (u16, Vec<u8>) {
    let request = match request {
        Ok(Some(request)) => request,
        Ok(None) => return (404, error_body("no such request")),
        Err(sentence) => return (400, error_body(&sentence)),
    };
    let (reply, response) = mpsc::channel();
    // Both fail only while the VMM ends.
    if events.send(Event::Api(request, reply)).is_err() {
        return (500, error_body("the VM is ending"));
    }
    match response.recv() {
        Ok(Ok(Some(body))) => (200, body.to_string().into_bytes()),
        Ok(Ok(None)) => (204, Vec::new()),
        Ok(Err(error)) => (500, error_body(&error.to_string())),
        Err(_) => (500, error_body("the VM is ending")),
    }
}

fn error_body(sentence: &str) -> Vec<u8> {
    json!([sentence]).to_string().into_bytes()
}

/// None if there is no such request.
fn parse(request: &HttpRequest) -> std::result::Result<Option<Request>, String> {
    let Some(name) = request.path.strip_prefix(PREFIX) else {
        return Ok(None);
    };
    Ok(Some(match (request.method.as_str(), name) {
        ("GET", "vmm.ping") => Request::Ping,
        ("GET", "vm.info") => Request::Info,
        ("GET", "vm.counters") => Request::Counters,
        ("GET", "vm.dirty-log") => Request::TakeDirtyLog,
        ("PUT", "vm.pause") => Request::Pause,
        ("PUT", "vm.resume") => Request::Resume,
        ("PUT", "vm.reboot") => Request::Reboot,
        ("PUT", "vm.shutdown" | "vmm.shutdown") => Request::Shutdown,
        ("PUT", "vm.snapshot") => Request::Snapshot(option_list::file_url(
            &body::<SnapshotBody>(request)?.destination_url,
        )?),
        ("PUT", "vm.resize") => Request::Resize(body::<ResizeBody>(request)?.desired_ram),
        ("PUT", "vm.memctl-inhibit-discard") => Request::InhibitDiscard(body::<SwitchBody>(request)?.enabled),
        ("PUT", "vm.dirty-log") => Request::SetDirtyLog(body::<SwitchBody>(request)?.enabled),
        _ => return Ok(None),
    }))
}

fn body<'a, T: Deserialize<'a>>(request: &'a HttpRequest) -> std::result::Result<T, String> {
    serde_json::from_slice(&request.body).map_err(|error| format!("the body: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::Shutdown;
    use std::time::Duration;

    use super::*;

    fn parsed(method: &str, path: &str, body: &str) -> std::result::Result<Option<Request>, String> {
        parse(&HttpRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            body: body.into(),
        })
    }

    #[test]
    fn requests_have_cloud_hypervisors_names() {
        let snapshot = parsed(
            "PUT",
            "/api/v1/vm.snapshot",
            r#"{"destination_url":"file:///tmp/s"}"#,
        );
        assert_eq!(snapshot, Ok(Some(Request::Snapshot(PathBuf::from("/tmp/s")))));
        let resize = parsed("PUT", "/api/v1/vm.resize", r#"{"desired_ram":1024}"#);
        assert_eq!(resize, Ok(Some(Request::Resize(1024))));
        assert_eq!(
            parsed("GET", "/api/v1/vm.counters", ""),
            Ok(Some(Request::Counters))
        );
    }

    #[test]
    fn what_is_unknown_is_not_found_and_what_is_wrong_is_refused() {
        assert_eq!(parsed("GET", "/api/v1/vm.pause", ""), Ok(None));
        assert_eq!(parsed("PUT", "/vm.pause", ""), Ok(None));
        assert!(parsed("PUT", "/api/v1/vm.resize", "").is_err());
        assert!(parsed("PUT", "/api/v1/vm.resize", r#"{"desired_vcpus":1}"#).is_err());
        assert!(parsed("PUT", "/api/v1/vm.snapshot", r#"{"destination_url":"/tmp"}"#).is_err());
    }

    #[test]
    fn a_shutdown_is_answered_before_the_vm_ends() {
        let (mut client, server) = UnixStream::pair().unwrap();
        fill(&server);
        let (sender, events) = mpsc::channel();
        client
            .write_all(b"PUT /api/v1/vm.shutdown HTTP/1.1\r\n\r\n")
            .unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let serving = thread::spawn(move || serve(server, &sender).unwrap());
        match events.recv().unwrap() {
            Event::Api(Request::Shutdown, reply) => reply.send(Ok(None)).unwrap(),
            _ => panic!("another event"),
        }
        // The answer has no room yet.
        assert!(events.recv_timeout(Duration::from_millis(100)).is_err());
        let mut all = Vec::new();
        client.read_to_end(&mut all).unwrap();
        assert!(all.ends_with(b"204 No Content\r\nServer: memctl-vmm\r\n\r\n"));
        assert!(matches!(events.recv(), Ok(Event::Ended(Ending::PowerOff))));
        serving.join().unwrap();
    }

    /// Leaves no room for what is written next.
    fn fill(mut stream: &UnixStream) {
        stream.set_nonblocking(true).unwrap();
        while stream.write(&[b' '; 4096]).is_ok() {}
        stream.set_nonblocking(false).unwrap();
    }
}
