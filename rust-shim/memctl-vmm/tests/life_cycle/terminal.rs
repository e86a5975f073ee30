// SPDX-License-Identifier: Apache-2.0
//! A terminal with the test at its keyboard.

use std::fs::File;
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd};
use std::process::Stdio;
use std::ptr;

/// A pseudoterminal: [`Terminal::stdin`] is for a program, the other side is kept here.
pub struct Terminal {
    keyboard: File,
    device: File,
}

impl Terminal {
    /// A new one, in line mode as every terminal starts.
    pub fn new() -> Self {
        let (mut keyboard, mut device) = (-1, -1);
        // SAFETY: both places are for a descriptor; the others may be null.
        let status = unsafe {
            libc::openpty(
                &mut keyboard,
                &mut device,
                ptr::null_mut(),
                ptr::null(),
                ptr::null(),
            )
        };
        assert_eq!(status, 0, "openpty: {}", std::io::Error::last_os_error());
        // SAFETY: openpty has just opened both, and nobody else knows of them.
        let [keyboard, device] =
            [keyboard, device].map(|descriptor| unsafe { File::from_raw_fd(descriptor) });
        Self { keyboard, device }
    }

    /// The standard input of a program that is started on this terminal.
    pub fn stdin(&self) -> Stdio {
        self.device.try_clone().unwrap().into()
    }

    /// Presses the return key.
    pub fn press_return(&mut self) {
        self.keyboard.write_all(b"\n").unwrap();
    }

    /// Whether lines are edited and echoed here, as a shell's user expects it.
    pub fn is_in_line_mode(&self) -> bool {
        let mut settings = MaybeUninit::<libc::termios>::uninit();
        // SAFETY: the descriptor is open and the place is for its settings.
        let status = unsafe { libc::tcgetattr(self.device.as_raw_fd(), settings.as_mut_ptr()) };
        assert_eq!(status, 0, "tcgetattr: {}", std::io::Error::last_os_error());
        // SAFETY: tcgetattr has filled it.
        let flags = unsafe { settings.assume_init() }.c_lflag;
        flags & (libc::ICANON | libc::ECHO) == libc::ICANON | libc::ECHO
    }
}
