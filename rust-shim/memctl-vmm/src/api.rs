// SPDX-License-Identifier: Apache-2.0
//! The HTTP API on a Unix socket: Cloud Hypervisor's names where it has one, `vm.memctl` as the patched one has it, and two
//! more (`vm.memctl-inhibit-discard`, for what a VFIO device does there, and `vm.dirty-log`, for what a migration does).

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::Arc;
use std::thread;

use anyhow::{anyhow, Context, Result};
use memctl_shim::Device;
use serde::Deserialize;
use serde_json::{json, Value};
use tiny_http::{Header, Method, Server, StatusCode};

use crate::event::Event;
use crate::option_list;
use crate::ports::Ending;
use crate::vm::Vm;

const PREFIX: &str = "/api/v1/";
/// Maximum length of a request's body; a longer one is not read.
const MAX_BODY: u64 = 64 << 10;

/// A response of the HTTP server.
type HttpResponse = tiny_http::Response<std::io::Cursor<Vec<u8>>>;

/// A request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// GET vmm.ping
    Ping,
    /// GET vm.info
    Info,
    /// GET vm.counters
    Counters,
    /// GET vm.memctl: each device's own report
    Reports,
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

/// The outcome: a body in JSON or none, or an error.
pub type Response = Result<Option<String>>;

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
                json!({ "version": env!("CARGO_PKG_VERSION"), "pid": std::process::id() }).to_string(),
            ))
        }
        Request::Info => return Ok(Some(info(vm).to_string())),
        Request::Counters => return counters(vm).map(|counters| Some(counters.to_string())),
        Request::Reports => return reports(vm).map(Some),
        Request::TakeDirtyLog => {
            let (guest, device) = vm.take_dirty_pages()?;
            return Ok(Some(json!({ "guest": guest, "device": device }).to_string()));
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
                .context("can't switch the inhibition of discards")
        }),
        Request::SetDirtyLog(enabled) => vm.set_dirty_logging(*enabled),
    };
    done.map(|()| None)
}

/// Cloud Hypervisor's fields, and the place of each region, for a look at /proc/PID/smaps.
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
        let counters = device.counters().context("can't read the device's counters")?;
        let counters: BTreeMap<_, _> = counters
            .iter()
            .map(|counter| (counter.name.to_owned(), counter.value))
            .collect();
        Ok((name(index), json!(counters)))
    };
    let devices = vm.devices()?.iter().enumerate().map(of_device);
    devices.collect::<Result<_>>().map(Value::Object)
}

fn name(index: usize) -> String {
    match index {
        0 => "memctl".to_owned(),
        _ => format!("memctl{index}"),
    }
}

/// What each device reports, as it is: only the plugin knows what is in it.
fn reports(vm: &Vm) -> Result<String> {
    let of_device = |(index, device): (usize, &Arc<Device>)| {
        let report = device.report().context("can't read the device's report")?;
        Ok(format!(r#"{{"id":"{}","report":{report}}}"#, name(index)))
    };
    let devices = vm.devices()?.iter().enumerate().map(of_device);
    devices
        .collect::<Result<Vec<_>>>()
        .map(|devices| format!("[{}]", devices.join(",")))
}

/// Serves the socket with threads of the HTTP server, and hands one request after the other to the owner of the VM.
///
/// # Errors
/// The socket can't be made: most often, because it exists.
pub fn listen(path: &Path, events: Sender<Event>) -> Result<()> {
    let listener = UnixListener::bind(path).with_context(|| format!("can't listen at {}", path.display()))?;
    serve(listener, events)
}

fn serve(listener: UnixListener, events: Sender<Event>) -> Result<()> {
    let server = Server::from_listener(listener, None).map_err(|error| anyhow!(error))?;
    thread::Builder::new()
        .name("http-server".to_owned())
        .spawn(move || {
            for request in server.incoming_requests() {
                handle(request, &events);
            }
        })
        .context("can't start the thread of the API")?;
    Ok(())
}

fn handle(mut request: tiny_http::Request, events: &Sender<Event>) {
    let mut body = Vec::new();
    let read = request.as_reader().take(MAX_BODY + 1).read_to_end(&mut body);
    let parsed = match read {
        Ok(length) if length as u64 <= MAX_BODY => parse(request.method(), request.url(), &body),
        Ok(_) => Err(anyhow!("the body is longer than {MAX_BODY} bytes")),
        Err(error) => Err(error.into()),
    };
    let ends = matches!(parsed, Ok(Some(Request::Shutdown)));
    let response = respond(parsed, events);
    send_response(events, ends, || request.respond(response));
}

/// The VM ends after the response: the end of the process would cut it off.
fn send_response(events: &Sender<Event>, ends: bool, respond: impl FnOnce() -> io::Result<()>) {
    let answered = respond();
    if ends {
        // Fails if the VM is ending already.
        drop(events.send(Event::Ended(Ending::PowerOff)));
    }
    if let Err(error) = answered {
        log::warn!("a client of the API: {error}");
    }
}

fn respond(request: Result<Option<Request>>, events: &Sender<Event>) -> HttpResponse {
    let request = match request {
        Ok(Some(request)) => request,
        Ok(None) => return json_response(404, &json!(["no such request"]).to_string()),
        Err(error) => return error_response(400, &error),
    };
    let ending = || json_response(500, &json!(["the VM is ending"]).to_string());
    let (reply, response) = mpsc::channel();
    // Both fail only while the VMM ends.
    if events.send(Event::Api(request, reply)).is_err() {
        return ending();
    }
    match response.recv() {
        Ok(Ok(Some(body))) => json_response(200, &body),
        Ok(Ok(None)) => HttpResponse::from_data(Vec::new()).with_status_code(StatusCode(204)),
        Ok(Err(error)) => error_response(500, &error),
        Err(_) => ending(),
    }
}

fn error_response(status: u16, error: &anyhow::Error) -> HttpResponse {
    json_response(status, &json!([format!("{error:#}")]).to_string())
}

fn json_response(status: u16, body: &str) -> HttpResponse {
    let response = HttpResponse::from_string(body).with_status_code(StatusCode(status));
    match Header::from_bytes("Content-Type", "application/json") {
        Ok(header) => response.with_header(header),
        // Only a name or value that is not ASCII is refused.
        Err(()) => response,
    }
}

/// None if there is no such request.
fn parse(method: &Method, url: &str, body: &[u8]) -> Result<Option<Request>> {
    let Some(name) = url.strip_prefix(PREFIX) else {
        return Ok(None);
    };
    Ok(Some(match (method.as_str(), name) {
        ("GET", "vmm.ping") => Request::Ping,
        ("GET", "vm.info") => Request::Info,
        ("GET", "vm.counters") => Request::Counters,
        ("GET", "vm.memctl") => Request::Reports,
        ("GET", "vm.dirty-log") => Request::TakeDirtyLog,
        ("PUT", "vm.pause") => Request::Pause,
        ("PUT", "vm.resume") => Request::Resume,
        ("PUT", "vm.reboot") => Request::Reboot,
        ("PUT", "vm.shutdown" | "vmm.shutdown") => Request::Shutdown,
        ("PUT", "vm.snapshot") => {
            let url = parse_body::<SnapshotBody>(body)?.destination_url;
            Request::Snapshot(option_list::file_url(&url).map_err(|error| anyhow!(error))?)
        }
        ("PUT", "vm.resize") => Request::Resize(parse_body::<ResizeBody>(body)?.desired_ram),
        ("PUT", "vm.memctl-inhibit-discard") => {
            Request::InhibitDiscard(parse_body::<SwitchBody>(body)?.enabled)
        }
        ("PUT", "vm.dirty-log") => Request::SetDirtyLog(parse_body::<SwitchBody>(body)?.enabled),
        _ => return Ok(None),
    }))
}

fn parse_body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    serde_json::from_slice(body).context("the body")
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn parsed(method: Method, url: &str, body: &str) -> Result<Option<Request>> {
        parse(&method, url, body.as_bytes())
    }

    #[test]
    fn requests_have_cloud_hypervisors_names() {
        for (method, name, body, expected) in [
            (
                Method::Put,
                "vm.snapshot",
                r#"{"destination_url":"file:///tmp/s"}"#,
                Request::Snapshot(PathBuf::from("/tmp/s")),
            ),
            (
                Method::Put,
                "vm.resize",
                r#"{"desired_ram":1024}"#,
                Request::Resize(1024),
            ),
            (Method::Get, "vm.counters", "", Request::Counters),
            (Method::Get, "vm.memctl", "", Request::Reports),
        ] {
            let request = parsed(method, &format!("/api/v1/{name}"), body).unwrap();
            assert_eq!(request, Some(expected));
        }
    }

    #[test]
    fn unknown_requests_are_not_found_and_wrong_bodies_refused() {
        for (method, url) in [(Method::Get, "/api/v1/vm.pause"), (Method::Put, "/vm.pause")] {
            assert_eq!(parsed(method, url, "").unwrap(), None);
        }
        for (name, body) in [
            ("vm.resize", ""),
            ("vm.resize", r#"{"desired_vcpus":1}"#),
            ("vm.snapshot", r#"{"destination_url":"/tmp"}"#),
        ] {
            assert!(parsed(Method::Put, &format!("/api/v1/{name}"), body).is_err());
        }
    }

    /// Asks a server of this module; returns the response's text, all of which the client must have when `answer` returns.
    fn exchange(name: &str, request: &str, answer: impl FnOnce(&mpsc::Receiver<Event>)) -> String {
        let path = std::env::temp_dir().join(format!("memctl-vmm-{}-{name}", std::process::id()));
        let (sender, events) = mpsc::channel();
        listen(&path, sender).unwrap();
        let mut client = UnixStream::connect(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        client.write_all(request.as_bytes()).unwrap();
        answer(&events);
        client.set_nonblocking(true).unwrap();
        let mut text = Vec::new();
        let error = client.read_to_end(&mut text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "the connection stays open");
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_shutdown_is_answered() {
        let text = exchange(
            "shutdown",
            "PUT /api/v1/vm.shutdown HTTP/1.1\r\nHost: vmm\r\n\r\n",
            |events| {
                match events.recv().unwrap() {
                    Event::Api(Request::Shutdown, reply) => reply.send(Ok(None)).unwrap(),
                    _ => panic!("another event"),
                }
                assert!(matches!(events.recv(), Ok(Event::Ended(Ending::PowerOff))));
            },
        );
        assert!(text.starts_with("HTTP/1.1 204 "), "{text}");
    }

    #[test]
    fn the_vm_ends_after_the_response_to_a_shutdown() {
        let (sender, events) = mpsc::channel();
        send_response(&sender, true, || {
            assert!(events.try_recv().is_err(), "nothing ends before the response");
            Ok(())
        });
        assert!(matches!(events.try_recv(), Ok(Event::Ended(Ending::PowerOff))));
    }

    #[test]
    fn the_vm_ends_although_the_client_has_gone() {
        let (sender, events) = mpsc::channel();
        send_response(&sender, true, || Err(ErrorKind::BrokenPipe.into()));
        assert!(matches!(events.try_recv(), Ok(Event::Ended(Ending::PowerOff))));
    }
}
