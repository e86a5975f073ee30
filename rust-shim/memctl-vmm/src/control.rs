// SPDX-License-Identifier: Apache-2.0
//! The thread that owns the VM: starts it, carries out requests of the API, and ends when the guest does.

use std::sync::mpsc::{self, Receiver};

use anyhow::{Context, Result};
use memctl_shim::Plugin;

use crate::api;
use crate::config::{Arguments, SerialConfig};
use crate::event::Event;
use crate::ports::Ending;
use crate::seccomp::Sandbox;
use crate::vm::Vm;
use crate::GUEST_FAILED;

/// Runs the VM to its end; returns the exit status. A restored VM waits for the API's `vm.resume`, as Cloud Hypervisor's does.
///
/// # Errors
/// The VM can't be made.
pub fn run(arguments: &Arguments, plugin: Option<&Plugin>) -> Result<u8> {
    // Before any thread of ours: they inherit it.
    let sandbox = Sandbox::new(arguments.seccomp)?;
    if let Some(sandbox) = &sandbox {
        sandbox.enter()?;
    }
    let (sender, events) = mpsc::channel();
    let mut vm = Vm::new(arguments, plugin, sandbox, &sender)?;
    if let Some(socket) = &arguments.api_socket {
        api::listen(socket, sender)?;
    }
    if let (SerialConfig::Tty, Some(serial)) = (&arguments.serial, vm.ports().serial()) {
        serial.read_standard_input()?;
    }
    if arguments.restore.is_none() || arguments.api_socket.is_none() {
        vm.resume();
    }
    let status = serve(&mut vm, &events);
    // So that no vCPU runs while guest RAM is unmapped.
    vm.pause()?;
    if let Some(socket) = &arguments.api_socket {
        std::fs::remove_file(socket).context("can't remove the API's socket")?;
    }
    Ok(status)
}

fn serve(vm: &mut Vm, events: &Receiver<Event>) -> u8 {
    for event in events {
        match event {
            Event::Ended(Ending::PowerOff | Ending::Reset) => return 0,
            Event::Ended(Ending::Status(status)) => return status,
            Event::Failed(sentence) => {
                eprintln!("memctl-vmm: {sentence}");
                return GUEST_FAILED;
            }
            Event::Api(request, reply) => {
                // The client may have gone; the request is carried out all the same.
                drop(reply.send(api::answer(vm, &request)));
            }
        }
    }
    0
}
