// SPDX-License-Identifier: Apache-2.0
//! Loads the memctl device plugin into a VMM and offers it as a safe API.
