// SPDX-License-Identifier: Apache-2.0
//! The one error type of this program: a sentence for the operator.

use std::fmt;

/// What went wrong, as one sentence that names the thing it went wrong with.
#[derive(Debug)]
pub struct Failure(String);

/// The result of whatever can end the VMM.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure told by `sentence`.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// The failure that `errno` tells of, for what was being done.
    pub fn last_os_error(doing: &str) -> Self {
        Self(format!("{doing}: {}", std::io::Error::last_os_error()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// Says what was being done when a call failed.
pub trait Doing<T> {
    /// Turns the error into `"{doing}: {error}"`.
    fn doing(self, doing: &str) -> Result<T>;
}

impl<T, E: fmt::Display> Doing<T> for std::result::Result<T, E> {
    fn doing(self, doing: &str) -> Result<T> {
        self.map_err(|error| Failure(format!("{doing}: {error}")))
    }
}
