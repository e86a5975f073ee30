// SPDX-License-Identifier: Apache-2.0
//! The few AML terms (ACPI specification, chapter 20) that describe this machine.

/// `Scope (name) { terms }`
pub fn scope(name: &str, terms: &[Vec<u8>]) -> Vec<u8> {
    packaged(&[0x10], [name_string(name), terms.concat()].concat())
}

/// `Device (name) { terms }`
pub fn device(name: &str, terms: &[Vec<u8>]) -> Vec<u8> {
    packaged(&[0x5b, 0x82], [name_string(name), terms.concat()].concat())
}

/// `Name (name, value)`
pub fn name(name: &str, value: Vec<u8>) -> Vec<u8> {
    [vec![0x08], name_string(name), value].concat()
}

/// `Package { values }`
pub fn package(values: &[Vec<u8>]) -> Vec<u8> {
    packaged(&[0x12], [vec![values.len() as u8], values.concat()].concat())
}

/// `ResourceTemplate { descriptors }`
pub fn resources(descriptors: &[Vec<u8>]) -> Vec<u8> {
    const END_TAG_WITHOUT_CHECKSUM: [u8; 2] = [0x79, 0];
    let content = [descriptors.concat(), END_TAG_WITHOUT_CHECKSUM.to_vec()].concat();
    packaged(&[0x11], [integer(content.len() as u32), content].concat())
}

/// An integer constant.
pub fn integer(value: u32) -> Vec<u8> {
    match value {
        0 => vec![0x00],
        1 => vec![0x01],
        2..=0xff => vec![0x0a, value as u8],
        0x100..=0xffff => [&[0x0b][..], &(value as u16).to_le_bytes()].concat(),
        _ => [&[0x0c][..], &value.to_le_bytes()].concat(),
    }
}

/// `EisaId (id)`: three letters, then four hexadecimal digits.
pub fn eisa_id(id: &str) -> Vec<u8> {
    let bytes = id.as_bytes();
    let letters = bytes[..3]
        .iter()
        .fold(0_u32, |word, letter| word << 5 | u32::from(letter - 0x40));
    let digits = bytes[3..].iter().fold(0_u32, |word, digit| {
        word << 4 | (*digit as char).to_digit(16).unwrap_or_default()
    });
    [&[0x0c][..], &(letters << 16 | digits).to_be_bytes()].concat()
}

/// `IO (Decode16, first, first, 1, length)`
pub fn io_ports(first: u16, length: u8) -> Vec<u8> {
    let [low, high] = first.to_le_bytes();
    vec![0x47, 1, low, high, low, high, 1, length]
}

/// `Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { line }`
pub fn interrupt(line: u32) -> Vec<u8> {
    [&[0x89, 6, 0, 0b0011, 1][..], &line.to_le_bytes()].concat()
}

/// `WordBusNumber` of a bridge, from bus `first` to bus `last`.
pub fn bus_numbers(first: u16, last: u16) -> Vec<u8> {
    const KIND: u8 = 2;
    let words = [0, first, last, 0, last - first + 1];
    let mut bytes = vec![0x88, 13, 0, KIND, FIXED_RANGE, 0];
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes
}

/// `DWordMemory` of a bridge: not cacheable, readable and writable.
pub fn memory_window(first: u32, length: u32) -> Vec<u8> {
    const KIND: u8 = 0;
    const READ_WRITE: u8 = 1;
    let words = [0, first, first + (length - 1), 0, length];
    let mut bytes = vec![0x87, 23, 0, KIND, FIXED_RANGE, READ_WRITE];
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes
}

/// Minimum and maximum address are fixed.
const FIXED_RANGE: u8 = 0b1100;

/// A path of names, each filled up to four characters.
fn name_string(path: &str) -> Vec<u8> {
    let (root, path) = match path.strip_prefix('\\') {
        Some(rest) => (&b"\\"[..], rest),
        None => (&b""[..], path),
    };
    [root, format!("{path:_<4}").as_bytes()].concat()
}

/// An opcode, the length of all that follows it (itself included), the content.
fn packaged(opcode: &[u8], content: Vec<u8>) -> Vec<u8> {
    let length = content.len();
    let field = match length {
        0..=0x3e => vec![length as u8 + 1],
        0x3f..=0xffd => {
            let length = length + 2;
            vec![0x40 | (length & 0xf) as u8, (length >> 4) as u8]
        }
        _ => {
            let length = length + 3;
            vec![
                0x80 | (length & 0xf) as u8,
                (length >> 4) as u8,
                (length >> 12) as u8,
            ]
        }
    };
    [opcode, &field, &content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_packed_as_the_specification_shows() {
        assert_eq!(eisa_id("PNP0501"), [0x0c, 0x41, 0xd0, 0x05, 0x01]);
        assert_eq!(eisa_id("PNP0A03"), [0x0c, 0x41, 0xd0, 0x0a, 0x03]);
    }

    #[test]
    fn lengths_count_themselves() {
        assert_eq!(packaged(&[0x10], vec![0; 0x3e])[1], 0x3f);
        let two = packaged(&[0x10], vec![0; 0x3f]);
        assert_eq!((two[1], two[2], two.len()), (0x41, 0x04, 1 + 0x41));
        let three = packaged(&[0x10], vec![0; 0xffe]);
        assert_eq!(
            (three[1], three[2], three[3], three.len()),
            (0x81, 0x00, 0x01, 1 + 0x1001)
        );
    }

    #[test]
    fn names_are_filled_up() {
        assert_eq!(name_string("\\_SB"), b"\\_SB_");
        assert_eq!(name_string("COM1"), b"COM1");
    }
}
