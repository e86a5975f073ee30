// SPDX-License-Identifier: Apache-2.0
//! Messages to the thread that controls the VM.

use std::sync::mpsc::Sender;

use crate::api::{Request, Response};
use crate::ports::Ending;

/// A message to the controlling thread.
pub enum Event {
    /// The guest has ended itself, or the API has ended it, after its response.
    Ended(Ending),
    /// The guest can't go on: why, as one sentence.
    Failed(String),
    /// The API asks for something, and waits for the response.
    Api(Request, Sender<Response>),
}
