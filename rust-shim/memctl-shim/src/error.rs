// SPDX-License-Identifier: Apache-2.0
//! The errors of this crate.

use std::fmt;

use crate::abi::*;

/// An error: one sentence fit for an operator, and its [`kind`](Self::kind).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
        }
    }

    /// The kind of error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// The errors of loading a plugin, then those of its functions (`memctl_status` of the C ABI).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such file.
    FileMissing,
    /// This program was built so that it can load no plugin.
    StaticProgram,
    /// The file is no memctl plugin, or cannot be loaded as a library.
    NotAPlugin,
    /// The file is a memctl plugin of a version that this shim cannot use.
    OtherVersion,
    /// A signal's disposition or mask could not be read or set.
    Signals,
    /// MEMCTL_INVALID_ARGUMENT
    InvalidArgument,
    /// MEMCTL_INVALID_HANDLE
    InvalidHandle,
    /// MEMCTL_INVALID_SIZE
    InvalidSize,
    /// MEMCTL_UNSUPPORTED_VERSION
    UnsupportedVersion,
    /// MEMCTL_IGNORED_ACCESS
    IgnoredAccess,
    /// MEMCTL_OVERLAP
    Overlap,
    /// MEMCTL_NOT_FOUND
    NotFound,
    /// MEMCTL_LIMIT_REACHED
    LimitReached,
    /// MEMCTL_INVALID_STATE
    InvalidState,
    /// MEMCTL_HOST_CALL_FAILED
    HostCallFailed,
    /// MEMCTL_BUFFER_TOO_SMALL
    BufferTooSmall,
    /// MEMCTL_INTERNAL_ERROR
    InternalError,
    /// MEMCTL_DENIED
    Denied,
    /// A status that a later minor version added.
    Unknown(memctl_status),
}

impl ErrorKind {
    /// `None` for [`MEMCTL_OK`].
    pub(crate) fn from_status(status: memctl_status) -> Option<Self> {
        Some(match status {
            MEMCTL_OK => return None,
            MEMCTL_INVALID_ARGUMENT => Self::InvalidArgument,
            MEMCTL_INVALID_HANDLE => Self::InvalidHandle,
            MEMCTL_INVALID_SIZE => Self::InvalidSize,
            MEMCTL_UNSUPPORTED_VERSION => Self::UnsupportedVersion,
            MEMCTL_IGNORED_ACCESS => Self::IgnoredAccess,
            MEMCTL_OVERLAP => Self::Overlap,
            MEMCTL_NOT_FOUND => Self::NotFound,
            MEMCTL_LIMIT_REACHED => Self::LimitReached,
            MEMCTL_INVALID_STATE => Self::InvalidState,
            MEMCTL_HOST_CALL_FAILED => Self::HostCallFailed,
            MEMCTL_BUFFER_TOO_SMALL => Self::BufferTooSmall,
            MEMCTL_INTERNAL_ERROR => Self::InternalError,
            MEMCTL_DENIED => Self::Denied,
            other => Self::Unknown(other),
        })
    }
}

/// The version of a C ABI. Versions of one major number agree on everything that both have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbiVersion {
    /// A change breaks callers.
    pub major: u16,
    /// A change adds something.
    pub minor: u16,
}

impl AbiVersion {
    /// The version that this shim is written for.
    pub const SHIM: AbiVersion = AbiVersion {
        major: MEMCTL_ABI_VERSION_MAJOR as u16,
        minor: MEMCTL_ABI_VERSION_MINOR as u16,
    };

    /// Whether a library of this version has everything that a caller of version `needed` uses.
    pub fn serves(self, needed: AbiVersion) -> bool {
        self.major == needed.major && self.minor >= needed.minor
    }
}

impl fmt::Display for AbiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_serves_callers_of_its_major_version_and_no_later_minor() {
        let version = |major, minor| AbiVersion { major, minor };
        for (library, caller, serves) in [
            (version(1, 0), version(1, 0), true),
            (version(1, 3), version(1, 2), true),
            (version(1, 2), version(1, 3), false),
            (version(2, 0), version(1, 0), false),
            (version(0, 9), version(1, 0), false),
        ] {
            assert_eq!(library.serves(caller), serves, "{library} for {caller}");
        }
    }

    #[test]
    fn every_status_of_the_header_has_its_own_kind() {
        let kinds: Vec<_> = (MEMCTL_OK..=MEMCTL_DENIED).map(ErrorKind::from_status).collect();
        assert_eq!(kinds[0], None);
        for (status, kind) in kinds.iter().enumerate().skip(1) {
            assert!(
                !matches!(kind, None | Some(ErrorKind::Unknown(_))),
                "status {status}"
            );
            assert_eq!(
                kinds.iter().filter(|other| *other == kind).count(),
                1,
                "status {status}"
            );
        }
        assert_eq!(ErrorKind::from_status(14), Some(ErrorKind::Unknown(14)));
    }
}
