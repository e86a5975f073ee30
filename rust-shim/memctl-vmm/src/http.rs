// SPDX-License-Identifier: Apache-2.0
//! As much HTTP/1.1 as the API's clients speak: curl and ch-remote.

use std::io::{self, BufRead, BufReader, Read, Write};

const MAX_BODY: usize = 64 << 10;
const MAX_LINE: u64 = 8 << 10;

/// A request with its body.
#[derive(Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// GET, PUT, ...
    pub method: String,
    /// The target, without the scheme and the host.
    pub path: String,
    /// As long as `Content-Length` says.
    pub body: Vec<u8>,
}

/// Reads one request; None at the end of the stream.
///
/// # Errors
/// The client went away, or it does not speak HTTP.
pub fn read_request(reader: &mut BufReader<impl Read>) -> io::Result<Option<HttpRequest>> {
    let first = read_line(reader)?;
    if first.is_empty() {
        return Ok(None);
    }
    let mut words = first.split_whitespace();
    let (Some(method), Some(path), Some(version)) = (words.next(), words.next(), words.next()) else {
        return Err(malformed("no request line"));
    };
    if !version.starts_with("HTTP/1.") {
        return Err(malformed("not HTTP/1"));
    }
    let mut length = 0;
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| malformed("a header without a colon"))?;
        if name.eq_ignore_ascii_case("content-length") {
            length = value
                .trim()
                .parse()
                .map_err(|_| malformed("a bad Content-Length"))?;
        }
    }
    if length > MAX_BODY {
        return Err(malformed("the body is too long"));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(HttpRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        body,
    }))
}

/// Writes one response: 204 if it has no body.
///
/// # Errors
/// The client went away.
pub fn write_response(writer: &mut impl Write, status: u16, body: &[u8]) -> io::Result<()> {
    let reason = match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        404 => "Not Found",
        _ => "Internal Server Error",
    };
    let mut response = format!("HTTP/1.1 {status} {reason}\r\nServer: memctl-vmm\r\n").into_bytes();
    if status != 204 {
        let length = body.len();
        response
            .extend(format!("Content-Type: application/json\r\nContent-Length: {length}\r\n").into_bytes());
    }
    response.extend(b"\r\n");
    response.extend(body);
    writer.write_all(&response)
}

/// A line without its end; empty at the end of the stream.
fn read_line(reader: &mut BufReader<impl Read>) -> io::Result<String> {
    let mut line = Vec::new();
    reader.take(MAX_LINE).read_until(b'\n', &mut line)?;
    let text = String::from_utf8(line).map_err(|_| malformed("a line is not UTF-8"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> io::Result<Option<HttpRequest>> {
        read_request(&mut BufReader::new(text.as_bytes()))
    }

    #[test]
    fn a_request_is_taken_apart() {
        let request =
            parse("PUT /api/v1/vm.resize HTTP/1.1\r\nHost: x\r\ncontent-length: 4\r\n\r\n{ab}").unwrap();
        let request = request.unwrap();
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("PUT", "/api/v1/vm.resize")
        );
        assert_eq!(request.body, b"{ab}");
        assert_eq!(parse("").unwrap(), None);
    }

    #[test]
    fn other_talk_is_refused() {
        for wrong in [
            "hello\r\n\r\n",
            "GET / SPDY/1\r\n\r\n",
            "GET / HTTP/1.1\r\nnocolon\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_response_without_a_body_has_no_length() {
        let mut out = Vec::new();
        write_response(&mut out, 204, b"").unwrap();
        assert_eq!(out, b"HTTP/1.1 204 No Content\r\nServer: memctl-vmm\r\n\r\n");
    }
}
