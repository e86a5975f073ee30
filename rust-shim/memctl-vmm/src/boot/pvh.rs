// SPDX-License-Identifier: Apache-2.0
//! PVH boot: an ELF file whose Xen note names a 32-bit entry point. Structures: Xen's
//! public/arch-x86/hvm/start_info.h. They and the search for the note are written out here, as Debian 13 lacks the crate
//! linux-loader.

use anyhow::{anyhow, bail, Context, Result};
use object::elf::{FileHeader64, EM_X86_64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use object::LittleEndian;
use vm_memory::GuestMemoryMmap;

use super::{put, put_initramfs, usable, Entry, Payload, COMMAND_LINE, PVH_INFO};
use crate::layout;

/// The first bytes of an ELF file.
pub const MAGIC: &[u8] = &object::elf::ELFMAG;

type Elf = FileHeader64<LittleEndian>;

const NOTE_OWNER: &[u8] = b"Xen";
/// XEN_ELFNOTE_PHYS32_ENTRY
const NOTE_ENTRY: u32 = 18;

const START_INFO_MAGIC: u32 = 0x336e_c578;
const START_INFO_LENGTH: u64 = 56;
const MODULE_LIST: u64 = PVH_INFO + 64;
const MEMORY_MAP: u64 = PVH_INFO + 128;
const MEMORY_MAP_RAM: u32 = 1;

pub fn load(
    memory: &GuestMemoryMmap,
    kernel: &[u8],
    initramfs: Option<&[u8]>,
    payload: &Payload<'_>,
) -> Result<Entry> {
    let elf = Elf::parse(kernel)?;
    if elf.e_machine.get(LittleEndian) != EM_X86_64 {
        bail!("the ELF file is not for x86-64");
    }
    let mut end = layout::HIGH_RAM_START;
    for segment in elf.program_headers(LittleEndian, kernel)? {
        if segment.p_type(LittleEndian) == PT_LOAD {
            let data = segment.data(LittleEndian, kernel);
            let address = segment.p_paddr(LittleEndian);
            put(
                memory,
                data.map_err(|()| anyhow!("a segment is cut off"))?,
                address,
            )?;
            end = end.max(address.saturating_add(segment.p_memsz(LittleEndian)));
        }
    }
    let address = entry(kernel)?.context("the ELF file has no PVH entry point (no Xen note of type 18)")?;
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

/// The PVH entry point, if a note contains it.
fn entry(kernel: &[u8]) -> Result<Option<u64>> {
    for segment in Elf::parse(kernel)?.program_headers(LittleEndian, kernel)? {
        let Some(mut notes) = segment.notes(LittleEndian, kernel)? else {
            continue;
        };
        while let Some(note) = notes.next()? {
            if note.name() == NOTE_OWNER && note.n_type(LittleEndian) == NOTE_ENTRY {
                return match *note.desc() {
                    [a, b, c, d] => Ok(Some(u32::from_le_bytes([a, b, c, d]).into())),
                    [a, b, c, d, e, f, g, h] => Ok(Some(u64::from_le_bytes([a, b, c, d, e, f, g, h]))),
                    _ => Err(anyhow!("the PVH entry point is neither 4 nor 8 bytes long")),
                };
            }
        }
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

    /// An ELF file with one segment, of notes.
    fn file(notes: &[u8]) -> Vec<u8> {
        const HEADER: usize = 64;
        const SEGMENT: usize = 56;
        let mut file = vec![0; HEADER + SEGMENT];
        let mut set = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        set(0, MAGIC);
        set(4, &[2, 1, 1]); // 64 bits, little-endian, version 1
        set(18, &EM_X86_64.to_le_bytes());
        set(32, &(HEADER as u64).to_le_bytes());
        set(54, &(SEGMENT as u16).to_le_bytes());
        set(56, &1_u16.to_le_bytes());
        set(HEADER, &object::elf::PT_NOTE.to_le_bytes());
        set(HEADER + 8, &((HEADER + SEGMENT) as u64).to_le_bytes());
        set(HEADER + 32, &(notes.len() as u64).to_le_bytes());
        set(HEADER + 48, &4_u64.to_le_bytes());
        [&file, notes].concat()
    }

    #[test]
    fn the_entry_is_found_behind_other_notes() {
        let mut notes = note(b"GNU\0", 3, &[1; 20]);
        notes.extend(note(b"Xen\0", 5, &[1, 2, 3]));
        notes.extend(note(b"Xen\0", 18, &0x10_0040_u32.to_le_bytes()));
        assert_eq!(entry(&file(&notes)).unwrap(), Some(0x10_0040));
        let wide = note(b"Xen\0", 18, &0x10_0040_u64.to_le_bytes());
        assert_eq!(entry(&file(&wide)).unwrap(), Some(0x10_0040));
        for others in [
            note(b"Xen\0", 17, &[1; 4]),
            note(b"GNU\0", 18, &[1; 4]),
            Vec::new(),
        ] {
            assert_eq!(entry(&file(&others)).unwrap(), None);
        }
    }

    #[test]
    fn damaged_files_are_refused() {
        assert!(entry(&file(&note(b"Xen\0", 18, &[1; 3]))).is_err());
        let whole = file(&note(b"Xen\0", 18, &0x10_0040_u32.to_le_bytes()));
        for length in [4, 63, 100, whole.len() - 1] {
            assert!(entry(&whole[..length]).is_err(), "{length}");
        }
        let mut far = whole;
        far[32..40].fill(0xff);
        assert!(entry(&far).is_err(), "program headers past the end");
    }
}
