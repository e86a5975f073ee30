// SPDX-License-Identifier: Apache-2.0
//! Passes log records of the plugin to the [`log`] crate.

use std::ffi::{c_char, c_void};
use std::panic::catch_unwind;

use log::{Level, LevelFilter, Record};

use crate::abi::*;

/// Maximum lengths of target and message, in bytes. The plugin's are far shorter; the limit keeps a defect there from
/// becoming an endless line here.
const MAX_TARGET: usize = 128;
const MAX_MESSAGE: usize = 2048;

/// The ABI's value for the maximum level of the process's logger.
pub(crate) fn wanted_level() -> u32 {
    match log::max_level() {
        LevelFilter::Off => MEMCTL_LOG_OFF,
        LevelFilter::Error => MEMCTL_LOG_ERROR,
        LevelFilter::Warn => MEMCTL_LOG_WARN,
        LevelFilter::Info => MEMCTL_LOG_INFO,
        LevelFilter::Debug => MEMCTL_LOG_DEBUG,
        LevelFilter::Trace => MEMCTL_LOG_TRACE,
    }
}

fn level_of(level: u32) -> Level {
    match level {
        0..=MEMCTL_LOG_ERROR => Level::Error,
        MEMCTL_LOG_WARN => Level::Warn,
        MEMCTL_LOG_INFO => Level::Info,
        MEMCTL_LOG_DEBUG => Level::Debug,
        _ => Level::Trace,
    }
}

/// The ABI's `log`. A logger that panics loses the record, not the virtual machine: unwinding into C# is impossible.
///
/// # Safety
/// Target and message are valid for their lengths while the call lasts.
pub(crate) unsafe extern "C" fn log_record(
    _context: *mut c_void,
    level: u32,
    target: *const c_char,
    target_length: usize,
    message: *const c_char,
    message_length: usize,
) {
    // SAFETY: promised by the caller; text() reads no more than the given lengths.
    let (target, message) = unsafe {
        (
            text(target, target_length.min(MAX_TARGET)),
            text(message, message_length.min(MAX_MESSAGE)),
        )
    };
    // The panic hook has reported it already.
    let _ = catch_unwind(|| {
        let level = level_of(level);
        if level <= log::max_level() {
            let logger = log::logger();
            logger.log(
                &Record::builder()
                    .level(level)
                    .target(&String::from_utf8_lossy(target))
                    .args(format_args!("{}", String::from_utf8_lossy(message)))
                    .build(),
            );
        }
    });
}

/// # Safety
/// `start` is null or valid for `length` bytes during `'a`.
unsafe fn text<'a>(start: *const c_char, length: usize) -> &'a [u8] {
    if start.is_null() {
        return &[];
    }
    // SAFETY: promised by the caller.
    unsafe { std::slice::from_raw_parts(start.cast(), length) }
}

#[cfg(test)]
mod tests {
    use std::ptr;
    use std::sync::Mutex;

    use super::*;

    static RECORDS: Mutex<Vec<(Level, String, String)>> = Mutex::new(Vec::new());

    struct Recorder;

    impl log::Log for Recorder {
        fn enabled(&self, _: &log::Metadata) -> bool {
            true
        }
        fn log(&self, record: &Record) {
            let message = record.args().to_string();
            assert!(message != "panic", "asked to");
            let entry = (record.level(), record.target().to_owned(), message);
            RECORDS.lock().unwrap().push(entry);
        }
        fn flush(&self) {}
    }

    fn deliver(level: u32, target: &[u8], message: &[u8]) {
        // SAFETY: both slices live through the call.
        unsafe {
            log_record(
                ptr::null_mut(),
                level,
                target.as_ptr().cast(),
                target.len(),
                message.as_ptr().cast(),
                message.len(),
            )
        }
    }

    #[test]
    fn records_arrive_bounded_and_a_panicking_logger_loses_only_its_record() {
        log::set_logger(&Recorder).unwrap();
        log::set_max_level(LevelFilter::Info);
        assert_eq!(wanted_level(), MEMCTL_LOG_INFO);

        deliver(MEMCTL_LOG_WARN, b"memctl.Device", b"first");
        deliver(MEMCTL_LOG_DEBUG, b"memctl.Device", b"not wanted");
        std::panic::set_hook(Box::new(|_| {}));
        deliver(MEMCTL_LOG_ERROR, b"memctl.Device", b"panic");
        drop(std::panic::take_hook());
        deliver(MEMCTL_LOG_ERROR, &[b't'; 1000], &[b'm'; 100_000]);
        deliver(MEMCTL_LOG_INFO, b"", b"caf\xc3");
        // SAFETY: null stands for no text, whatever the length.
        unsafe { log_record(ptr::null_mut(), MEMCTL_LOG_ERROR, ptr::null(), 9, ptr::null(), 9) };

        let expected = [
            (Level::Warn, "memctl.Device".to_owned(), "first".to_owned()),
            (Level::Error, "t".repeat(MAX_TARGET), "m".repeat(MAX_MESSAGE)),
            (Level::Info, String::new(), "caf\u{fffd}".to_owned()),
            (Level::Error, String::new(), String::new()),
        ];
        assert_eq!(*RECORDS.lock().unwrap(), expected);
    }
}
