// SPDX-License-Identifier: Apache-2.0
//! A client of the VMM's API.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use crate::process::until;

/// Asks once, as soon as the VMM listens; returns the HTTP status and the body.
pub fn ask(socket: &Path, method: &str, name: &str, body: &str) -> (u16, Value) {
    // The socket's file is there before the VMM listens on it.
    let mut connected = None;
    until("the VMM listens", || {
        connected = UnixStream::connect(socket).ok();
        connected.is_some()
    });
    let mut stream = connected.unwrap();
    let length = body.len();
    let request =
        format!("{method} /api/v1/{name} HTTP/1.1\r\nHost: vmm\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let status = line(&mut reader).split(' ').nth(1).unwrap().parse().unwrap();
    let mut length = 0;
    loop {
        let header = line(&mut reader);
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("Content-Length: ") {
            length = value.parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let value = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).unwrap()
    };
    (status, value)
}

fn line(reader: &mut BufReader<UnixStream>) -> String {
    let mut text = String::new();
    reader.read_line(&mut text).unwrap();
    text.trim_end().to_owned()
}
