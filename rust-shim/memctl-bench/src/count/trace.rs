// SPDX-License-Identifier: Apache-2.0
//! Reads lackey's trace.

use std::io::BufRead;

use super::subject::MARKER;
use crate::bus::PAGE;

/// One line of the trace, inside a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An instruction.
    Instruction { address: u64, size: u64 },
    /// A load, a store, or both at once.
    Data { address: u64, size: u64, writes: bool },
    /// A system call, by its number.
    SystemCall(u32),
}

/// The events between the two stores of each of `requests` requests.
///
/// # Errors
/// A request whose two stores are not both there.
pub fn read(trace: impl BufRead, requests: usize) -> Result<Vec<Vec<Event>>, Box<dyn std::error::Error>> {
    let mut events = vec![Vec::new(); requests];
    let mut ended = 0;
    let mut open = None;
    for line in trace.split(b'\n') {
        let line = line?;
        match parse(&line) {
            Some(Event::Data { address, .. }) if (MARKER..MARKER + PAGE).contains(&address) => {
                let slot = (address - MARKER) as usize / 8;
                open = (slot % 2 == 0).then_some(slot / 2);
                if open.is_none() {
                    ended += 1;
                }
            }
            Some(event) => {
                if let Some(request) = open {
                    let events: &mut Vec<_> = events.get_mut(request).ok_or("a marker of no request")?;
                    events.push(event);
                }
            }
            None => {}
        }
    }
    if ended != requests {
        return Err(format!("valgrind's trace has the end of {ended} requests, not of {requests}").into());
    }
    Ok(events)
}

/// `I  04016b80,3`, ` S 1ffefff3d8,8` (also L and M), `SYSCALL[17,1](28) sys_madvise ( ...`; anything else is none.
fn parse(line: &[u8]) -> Option<Event> {
    if line.starts_with(b"SYSCALL[") {
        // A call that may block has a second line, for its end, without the name.
        let line = std::str::from_utf8(line).ok()?;
        let (number, rest) = line.split_once("](")?.1.split_once(')')?;
        let number = number.trim().parse().ok()?;
        return (!rest.trim_start().starts_with("...")).then_some(Event::SystemCall(number));
    }
    let (kind, rest) = line.split_at_checked(3)?;
    let (address, size) = std::str::from_utf8(rest).ok()?.split_once(',')?;
    let address = u64::from_str_radix(address, 16).ok()?;
    let size = size.parse().ok()?;
    match kind {
        b"I  " => Some(Event::Instruction { address, size }),
        b" L " | b" S " | b" M " => Some(Event::Data {
            address,
            size,
            writes: kind != b" L ",
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_two_markers_is_the_requests() {
        let trace = b"==17== lackey\nI  04016b80,3\n S 700000010,8\nI  04016b83,5\n L 1ffefff3d8,8\n\
            SYSCALL[17,1](28) sys_madvise ( 0x483c000, 4096, 4 ) --> [async] ... \n\
            SYSCALL[17,1](28) ... [async] --> Success(0x0) \n M 04,4\n S 700000018,8\nI  04016b88,1\n\
            S 700000000,8\n S 700000000,8\n S 700000008,8\n";
        let events = read(&trace[..], 2).unwrap();
        let expected = [
            Event::Instruction {
                address: 0x0401_6b83,
                size: 5,
            },
            Event::Data {
                address: 0x1f_feff_f3d8,
                size: 8,
                writes: false,
            },
            Event::SystemCall(28),
            Event::Data {
                address: 4,
                size: 4,
                writes: true,
            },
        ];
        assert_eq!(events, [Vec::new(), expected.to_vec()]);
    }

    #[test]
    fn a_request_without_its_end_is_an_error() {
        assert!(read(&b" S 700000000,8\nI  04,1\n"[..], 1).is_err());
    }
}
