// SPDX-License-Identifier: Apache-2.0
//! The serial port at I/O port 0x3f8, interrupt 4.

use std::fs::File;
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, RawFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use anyhow::{anyhow, Context, Result};
use vm_superio::serial::NoEvents;
use vm_superio::{Serial, SerialState, Trigger};
use vmm_sys_util::eventfd::EventFd;
use vmm_sys_util::terminal::Terminal;

use crate::config::SerialConfig;

/// First of the eight ports.
pub const BASE: u16 = 0x3f8;
/// Last of the eight ports.
pub const LAST: u16 = BASE + 7;
/// The interrupt line, as the kernel expects of a first serial port.
pub const INTERRUPT: u32 = 4;

struct InterruptLine(EventFd);

impl Trigger for InterruptLine {
    type E = io::Error;

    fn trigger(&self) -> io::Result<()> {
        self.0.write(1)
    }
}

type Uart = Serial<InterruptLine, NoEvents, Box<dyn Write + Send>>;

struct Line {
    uart: Uart,
    /// Whether the input thread waits for room. If not, a read notifies nobody, which saves its system call.
    input_waits: bool,
}

/// A 16550 with its output and its input. Shared by the vCPUs and the thread that reads standard input.
pub struct SerialPort {
    line: Mutex<Line>,
    /// Notified when the guest has read a byte, so that the input thread can enqueue more.
    room: Condvar,
}

impl SerialPort {
    /// The port that `config` asks for, or none; as after a reset, or as `saved`. `interrupt` is connected to
    /// [`INTERRUPT`].
    ///
    /// # Errors
    /// The output file can't be made, or the saved state is none of a 16550.
    pub fn new(
        config: &SerialConfig,
        interrupt: EventFd,
        saved: Option<&SavedSerial>,
    ) -> Result<Option<Arc<Self>>> {
        let out: Box<dyn Write + Send> = match config {
            SerialConfig::Off => return Ok(None),
            SerialConfig::Null => Box::new(io::sink()),
            // Not Stdout, whose buffer and lock other threads share.
            SerialConfig::Tty => Box::new(StandardOutput::new()),
            SerialConfig::File(path) => {
                Box::new(File::create(path).with_context(|| format!("can't write {}", path.display()))?)
            }
        };
        let state = saved.map_or_else(SerialState::default, SavedSerial::uart);
        let uart = Serial::from_state(&state, InterruptLine(interrupt), NoEvents, out)
            .map_err(|error| anyhow!("the state of the serial port: {error:?}"))?;
        let line = Line {
            uart,
            input_waits: false,
        };
        Ok(Some(Arc::new(Self {
            line: Mutex::new(line),
            room: Condvar::new(),
        })))
    }

    /// A read of one register.
    pub fn read(&self, offset: u8) -> u8 {
        let mut line = self.line();
        let value = line.uart.read(offset);
        if line.input_waits {
            line.input_waits = false;
            self.room.notify_one();
        }
        value
    }

    /// A write of one register.
    pub fn write(&self, offset: u8, value: u8) {
        if let Err(error) = self.line().uart.write(offset, value) {
            // The guest is not at fault and can do nothing about it.
            log::debug!("serial output: {error:?}");
        }
    }

    /// The state for a snapshot: the registers in the order of the 16550's offsets, and input that the guest has not read.
    pub fn state(&self) -> SavedSerial {
        let state = self.line().uart.state();
        SavedSerial {
            registers: [
                state.baud_divisor_low,
                state.baud_divisor_high,
                state.interrupt_enable,
                state.interrupt_identification,
                state.line_control,
                state.line_status,
                state.modem_control,
                state.modem_status,
                state.scratch,
            ],
            input: state.in_buffer,
        }
    }

    /// Passes standard input to the guest until it ends.
    ///
    /// # Errors
    /// The thread can't be started.
    pub fn read_standard_input(self: &Arc<Self>) -> Result<()> {
        let port = Arc::clone(self);
        thread::Builder::new()
            .name("serial-input".to_owned())
            .spawn(move || {
                let mut buffer = [0; 64];
                loop {
                    match StandardInput.read_raw(&mut buffer) {
                        Ok(0) => return,
                        Ok(length) => port.enqueue(&buffer[..length]),
                        Err(error) if error.errno() == libc::EINTR => {}
                        Err(error) => {
                            log::warn!("serial input: {error}");
                            return;
                        }
                    }
                }
            })
            .context("can't start the thread for serial input")?;
        Ok(())
    }

    fn enqueue(&self, mut input: &[u8]) {
        let mut line = self.line();
        while !input.is_empty() {
            match line.uart.enqueue_raw_bytes(input) {
                // In loopback the line is disconnected: the byte is lost, as on a real one.
                Ok(0) => return,
                Ok(taken) => input = &input[taken..],
                Err(vm_superio::serial::Error::FullFifo) => {
                    line.input_waits = true;
                    line = self
                        .room
                        .wait(line)
                        .unwrap_or_else(|poisoned| poisoned.into_inner());
                }
                Err(error) => {
                    log::warn!("serial input: {error:?}");
                    return;
                }
            }
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // A panic aborts the process, so that no lock is ever poisoned.
        self.line.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The saved form of a [`SerialPort`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct SavedSerial {
    registers: [u8; 9],
    input: Vec<u8>,
}

impl SavedSerial {
    fn uart(&self) -> SerialState {
        let [baud_divisor_low, baud_divisor_high, interrupt_enable, interrupt_identification, line_control, line_status, modem_control, modem_status, scratch] =
            self.registers;
        SerialState {
            baud_divisor_low,
            baud_divisor_high,
            interrupt_enable,
            interrupt_identification,
            line_control,
            line_status,
            modem_control,
            modem_status,
            scratch,
            in_buffer: self.input.clone(),
        }
    }
}

struct StandardOutput(ManuallyDrop<File>);

impl StandardOutput {
    fn new() -> Self {
        // SAFETY: descriptor 1 is open for the whole life of the process (Rust's runtime opens it), and ManuallyDrop
        // keeps it open.
        Self(ManuallyDrop::new(unsafe {
            File::from_raw_fd(libc::STDOUT_FILENO)
        }))
    }
}

impl Write for StandardOutput {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Descriptor 0 without the lock of [`io::Stdin`], which a thread that waits for input would hold until somebody types.
struct StandardInput;

// SAFETY: descriptor 0 is open for the whole life of the process (Rust's runtime opens it).
unsafe impl Terminal for StandardInput {
    fn tty_fd(&self) -> RawFd {
        libc::STDIN_FILENO
    }
}

/// Standard input as a terminal in raw mode, restored on drop.
pub struct RawTerminal;

impl RawTerminal {
    /// Switches the terminal, if standard input is one and the serial port uses it.
    pub fn new(config: &SerialConfig) -> Option<Self> {
        if *config != SerialConfig::Tty || !io::IsTerminal::is_terminal(&io::stdin()) {
            return None;
        }
        match StandardInput.set_raw_mode() {
            Ok(()) => Some(Self),
            Err(error) => {
                log::warn!("the terminal stays in line mode: {error}");
                None
            }
        }
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        if let Err(error) = StandardInput.set_canon_mode() {
            log::warn!("the terminal stays in raw mode: {error}");
        }
    }
}
