//! What the fuzz targets share: core's wire layer, compiled from its path, and the two ways to feed it.
//!
//! A target's input begins with a few bytes that choose limits and cuts; the rest is the stream. The same stream must
//! give the same frames however it is cut, and no call may leave more bytes unused than the reader's memory allows.
#[allow(dead_code)]
#[path = "../../../core/src/wire/mod.rs"]
pub mod wire;

pub mod canonical;
pub mod feed;
