// SPDX-License-Identifier: Apache-2.0
//! The notation of options: lists of keys with values, sizes, switches, URLs.

use std::path::PathBuf;

/// `key=value,key=value`, each key at most once.
pub fn pairs(text: &str) -> Result<Vec<(&str, &str)>, String> {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for item in text.split(',') {
        let (key, value) = item
            .split_once('=')
            .ok_or_else(|| format!("\"{item}\" is not of the form key=value"))?;
        if seen.iter().any(|(other, _)| *other == key) {
            return Err(format!("\"{key}\" is given twice"));
        }
        seen.push((key, value));
    }
    Ok(seen)
}

/// A count of bytes with an optional suffix K, M, G or T.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.trim_end_matches(['K', 'M', 'G', 'T']) {
        digits if digits.len() == text.len() => (digits, 0),
        digits if digits.len() + 1 == text.len() => match text.as_bytes()[digits.len()] {
            b'K' => (digits, 10),
            b'M' => (digits, 20),
            b'G' => (digits, 30),
            _ => (digits, 40),
        },
        _ => return Err(format!("\"{text}\" is not a size")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("\"{text}\" is not a size"))?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("\"{text}\" is more than this machine can address"))
}

/// on or true, off or false.
pub fn parse_toggle(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err(format!("{key}=\"{value}\" is neither on nor off")),
    }
}

/// The folder that `file://FOLDER` names.
pub fn file_url(url: &str) -> Result<PathBuf, String> {
    match url.strip_prefix("file://") {
        Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
        _ => Err(format!("\"{url}\" is not of the form file://DIRECTORY")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_a_suffix() {
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("3K"), Ok(3 << 10));
        assert_eq!(parse_size("512M"), Ok(512 << 20));
        assert_eq!(parse_size("2G"), Ok(2 << 30));
        assert_eq!(parse_size("1T"), Ok(1 << 40));
        for wrong in ["", "M", "1MM", "1MK", "-1", "1.5G", "20000000T", "0x10"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
