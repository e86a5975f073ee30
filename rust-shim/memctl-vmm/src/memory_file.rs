// SPDX-License-Identifier: Apache-2.0
//! Guest RAM as a file: the regions one after the other, with holes where RAM is zero.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use vm_memory::{Bytes, GuestMemoryError, GuestMemoryRegion, MemoryRegionAddress};

use crate::memory::RamRegion;

const CHUNK: u64 = 64 << 10;

/// Writes all regions. The vCPUs must be paused and the memory readable.
///
/// # Errors
/// The file can't be written.
pub fn write(file: &File, regions: &[RamRegion]) -> io::Result<()> {
    let mut base = 0;
    let mut buffer = vec![0; CHUNK as usize];
    for region in regions {
        let length = region.range().length;
        for extent in extents_of_ram(region)? {
            for start in extent.clone().step_by(CHUNK as usize) {
                let part = &mut buffer[..(extent.end - start).min(CHUNK) as usize];
                region
                    .mapping()
                    .read_slice(part, MemoryRegionAddress(start))
                    .map_err(other)?;
                if part.iter().any(|byte| *byte != 0) {
                    file.write_all_at(part, base + start)?;
                }
            }
        }
        base += length;
    }
    file.set_len(base)
}

/// Fills all regions, which must be new and so zero where the file has holes.
///
/// # Errors
/// The file has another length, or can't be read.
pub fn read(file: &File, regions: &[RamRegion]) -> io::Result<()> {
    let length: u64 = regions.iter().map(|region| region.range().length).sum();
    if file.metadata()?.len() != length {
        return Err(io::Error::other("the file's length is not that of guest RAM"));
    }
    let mut base = 0;
    let mut buffer = vec![0; CHUNK as usize];
    for region in regions {
        let end = base + region.range().length;
        for extent in extents(file, base..end)? {
            for start in extent.clone().step_by(CHUNK as usize) {
                let part = &mut buffer[..(extent.end - start).min(CHUNK) as usize];
                file.read_exact_at(part, start)?;
                region
                    .mapping()
                    .write_slice(part, MemoryRegionAddress(start - base))
                    .map_err(other)?;
            }
        }
        base = end;
    }
    Ok(())
}

/// The extents of a region that contain data. Reading a hole of a shared mapping would allocate pages that the guest
/// discarded.
fn extents_of_ram(region: &RamRegion) -> io::Result<Vec<Range<u64>>> {
    let all = 0..region.mapping().len();
    match region.shared_file() {
        Some(file) => extents(file, all),
        None => Ok(vec![all]),
    }
}

/// The parts of `range` that are not holes of the file.
fn extents(file: &File, range: Range<u64>) -> io::Result<Vec<Range<u64>>> {
    let mut extents = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let start = match seek(file, at, libc::SEEK_DATA) {
            Ok(start) => start,
            // Nothing but a hole up to the end of the file.
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => break,
            Err(error) => return Err(error),
        };
        if start >= range.end {
            break;
        }
        at = seek(file, start, libc::SEEK_HOLE)?.min(range.end);
        extents.push(start..at);
    }
    Ok(extents)
}

fn seek(file: &File, offset: u64, whence: libc::c_int) -> io::Result<u64> {
    // SAFETY: plain integers; only the file's position changes, which nobody uses.
    let place = unsafe { libc::lseek(file.as_raw_fd(), offset as libc::off_t, whence) };
    u64::try_from(place).map_err(|_| io::Error::last_os_error())
}

fn other(error: GuestMemoryError) -> io::Error {
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_left_out() {
        // SAFETY: the name is a terminated string, and no memory is handed over.
        let descriptor = unsafe { libc::memfd_create(c"holes".as_ptr(), libc::MFD_CLOEXEC) };
        assert!(descriptor >= 0);
        // SAFETY: the descriptor is new, and nothing else owns it.
        let file = unsafe { <File as std::os::fd::FromRawFd>::from_raw_fd(descriptor) };
        file.set_len(1 << 20).unwrap();
        assert_eq!(extents(&file, 0..1 << 20).unwrap(), []);
        file.write_all_at(&[1], 0x5000).unwrap();
        file.write_all_at(&[1], 0x8_0000).unwrap();
        assert_eq!(
            extents(&file, 0..1 << 20).unwrap(),
            [0x5000..0x6000, 0x8_0000..0x8_1000]
        );
        assert_eq!(extents(&file, 0x6000..0x8_0000).unwrap(), []);
        assert_eq!(
            extents(&file, 0..0x5800).unwrap().first(),
            Some(&(0x5000..0x5800))
        );
    }
}
