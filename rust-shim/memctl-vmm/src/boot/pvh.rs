// SPDX-License-Identifier: Apache-2.0
//! PVH boot: an ELF file whose Xen note names a 32-bit entry point. Structures: Xen's
//! public/arch-x86/hvm/start_info.h.

use vm_memory::GuestMemoryMmap;

use super::{field, put, put_initramfs, usable, Entry, Payload, COMMAND_LINE, PVH_INFO};
use crate::failure::{Failure, Result};
use crate::layout;

/// How an ELF file starts.
pub const MAGIC: &[u8] = b"\x7fELF";

const CLASS_64_LITTLE_ENDIAN: [u8; 2] = [2, 1];
const MACHINE_X86_64: u16 = 62;
const PROGRAM_HEADER_LENGTH: usize = 56;
const SEGMENT_LOAD: u32 = 1;
const SEGMENT_NOTE: u32 = 4;
const NOTE_OWNER: &[u8] = b"Xen\0";
/// XEN_ELFNOTE_PHYS32_ENTRY
const NOTE_ENTRY: u32 = 18;

const START_INFO_MAGIC: u32 = 0x336e_c578;
const START_INFO_LENGTH: u64 = 56;
const MODULE_LIST: u64 = PVH_INFO + 64;
const MEMORY_MAP: u64 = PVH_INFO + 128;
const MEMORY_MAP_RAM: u32 = 1;

struct Segment {
    kind: u32,
    file_offset: usize,
    file_length: usize,
    address: u64,
    memory_length: u64,
}

pub fn load(
    memory: &GuestMemoryMmap,
    kernel: &[u8],
    initramfs: Option<&[u8]>,
    payload: &Payload<'_>,
) -> Result<Entry> {
    let mut entry = None;
    let mut end = layout::HIGH_RAM_START;
    for segment in segments(kernel)? {
        let bytes = kernel
            .get(segment.file_offset..)
            .and_then(|rest| rest.get(..segment.file_length))
            .ok_or_else(|| Failure::new("a segment is cut off"))?;
        match segment.kind {
            SEGMENT_LOAD => {
                put(memory, bytes, segment.address)?;
                end = end.max(segment.address.saturating_add(segment.memory_length));
            }
            SEGMENT_NOTE => entry = entry.or(entry_note(bytes)?),
            _ => {}
        }
    }
    let address =
        entry.ok_or_else(|| Failure::new("the ELF file has no PVH entry point (no Xen note of type 18)"))?;
    let initramfs = match initramfs {
        Some(data) => Some((
            put_initramfs(memory, data, payload.ram, u64::from(u32::MAX), end)?,
            data.len() as u64,
        )),
        None => None,
    };
    put_start_info(memory, payload, initramfs)?;
    Ok(Entry::Pvh { address })
}

fn segments(file: &[u8]) -> Result<Vec<Segment>> {
    if field::<2>(file, 4)? != CLASS_64_LITTLE_ENDIAN
        || u16::from_le_bytes(field(file, 18)?) != MACHINE_X86_64
    {
        return Err(Failure::new("the ELF file is not for x86-64"));
    }
    if usize::from(u16::from_le_bytes(field(file, 54)?)) != PROGRAM_HEADER_LENGTH {
        return Err(Failure::new(
            "the ELF file's program headers have an unknown length",
        ));
    }
    let first = u64::from_le_bytes(field(file, 32)?) as usize;
    let count = usize::from(u16::from_le_bytes(field(file, 56)?));
    (0..count)
        .map(|index| {
            let header = first
                .checked_add(index * PROGRAM_HEADER_LENGTH)
                .and_then(|start| file.get(start..))
                .ok_or_else(|| Failure::new("the program headers are cut off"))?;
            Ok(Segment {
                kind: u32::from_le_bytes(field(header, 0)?),
                file_offset: u64::from_le_bytes(field(header, 8)?) as usize,
                address: u64::from_le_bytes(field(header, 24)?),
                file_length: u64::from_le_bytes(field(header, 32)?) as usize,
                memory_length: u64::from_le_bytes(field(header, 40)?),
            })
        })
        .collect()
}

/// The entry point, if one of the segment's notes holds it.
fn entry_note(mut notes: &[u8]) -> Result<Option<u64>> {
    while notes.len() >= 12 {
        let name_length = u32::from_le_bytes(field(notes, 0)?) as usize;
        let length = u32::from_le_bytes(field(notes, 4)?) as usize;
        let kind = u32::from_le_bytes(field(notes, 8)?);
        let cut = || Failure::new("a note is cut off");
        let name = notes
            .get(12..)
            .and_then(|rest| rest.get(..name_length))
            .ok_or_else(cut)?;
        let content = notes
            .get(12 + name_length.next_multiple_of(4)..)
            .ok_or_else(cut)?;
        let value = content.get(..length).ok_or_else(cut)?;
        if name == NOTE_OWNER && kind == NOTE_ENTRY {
            return match length {
                4 => Ok(Some(u64::from(u32::from_le_bytes(field(value, 0)?)))),
                8 => Ok(Some(u64::from_le_bytes(field(value, 0)?))),
                _ => Err(Failure::new("the PVH entry point is neither 4 nor 8 bytes long")),
            };
        }
        notes = content.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(None)
}

fn put_start_info(
    memory: &GuestMemoryMmap,
    payload: &Payload<'_>,
    initramfs: Option<(u64, u64)>,
) -> Result<()> {
    let map = usable(payload);
    let mut info = Vec::new();
    for word in [START_INFO_MAGIC, 1, 0, u32::from(initramfs.is_some())] {
        info.extend(word.to_le_bytes());
    }
    for word in [MODULE_LIST, COMMAND_LINE, layout::RSDP, MEMORY_MAP] {
        info.extend(word.to_le_bytes());
    }
    for word in [map.len() as u32, 0] {
        info.extend(word.to_le_bytes());
    }
    debug_assert_eq!(info.len() as u64, START_INFO_LENGTH);
    put(memory, &info, PVH_INFO)?;

    if let Some((address, length)) = initramfs {
        let module: Vec<u8> = [address, length, 0, 0]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        put(memory, &module, MODULE_LIST)?;
    }
    let mut entries = Vec::new();
    for range in map {
        entries.extend(range.start.to_le_bytes());
        entries.extend(range.length.to_le_bytes());
        entries.extend(MEMORY_MAP_RAM.to_le_bytes());
        entries.extend(0_u32.to_le_bytes());
    }
    put(memory, &entries, MEMORY_MAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &[u8], kind: u32, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [name.len() as u32, value.len() as u32, kind] {
            bytes.extend(word.to_le_bytes());
        }
        for part in [name, value] {
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn the_entry_is_found_behind_other_notes() {
        let mut notes = note(b"GNU\0", 3, &[1; 20]);
        notes.extend(note(b"Xen\0", 5, &[1, 2, 3]));
        notes.extend(note(b"Xen\0", 18, &0x10_0040_u32.to_le_bytes()));
        assert_eq!(entry_note(&notes).unwrap(), Some(0x10_0040));
        assert_eq!(
            entry_note(&note(b"Xen\0", 18, &0x10_0040_u64.to_le_bytes())).unwrap(),
            Some(0x10_0040)
        );
    }

    #[test]
    fn damaged_notes_are_refused() {
        let mut notes = note(b"Xen\0", 18, &0x10_0040_u32.to_le_bytes());
        notes.truncate(notes.len() - 1);
        assert!(entry_note(&notes).is_err());
        assert!(entry_note(&note(b"Xen\0", 18, &[1; 3])).is_err());
        assert_eq!(entry_note(&note(b"Xen\0", 17, &[1; 4])).unwrap(), None);
        assert_eq!(entry_note(&[]).unwrap(), None);
    }

    #[test]
    fn a_file_that_is_cut_off_is_refused() {
        assert!(segments(MAGIC).is_err());
        let mut file = vec![0; 64];
        file[..4].copy_from_slice(MAGIC);
        file[4..6].copy_from_slice(&CLASS_64_LITTLE_ENDIAN);
        file[18] = MACHINE_X86_64 as u8;
        file[54] = PROGRAM_HEADER_LENGTH as u8;
        file[56] = 1;
        file[32] = 64;
        assert!(segments(&file).is_err());
        file[32..40].fill(0xff);
        assert!(segments(&file).is_err());
    }
}
