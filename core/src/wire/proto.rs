//! TAK Protocol version 1: XML to protobuf and back (cot.md 3.4, 3.5), stream and mesh frames.

use bytes::Bytes;
use fts_plugin_api::cot::{Cot, Millis};

/// Why a message could not be converted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ProtoFault(pub &'static str);

/// Largest frame payload a stream client takes (RULE-12).
pub const MAX_PAYLOAD: usize = 65_536;

/// One stream frame `0xBF` + varint length + TakMessage for an event. Fails when the payload is over [`MAX_PAYLOAD`].
///
/// # Errors
/// [`ProtoFault`].
pub fn encode_stream(cot: &Cot) -> Result<Bytes, ProtoFault> {
    let _ = cot;
    Err(ProtoFault("not written"))
}

/// A decoded payload as XML text of one event (no declaration), ready for `scan`. `Ok(None)`: only a takControl.
///
/// # Errors
/// [`ProtoFault`] when it is no TakMessage, has no event, or its xmlDetail does not parse.
pub fn decode_to_xml(payload: &[u8], now: Millis) -> Result<Option<Vec<u8>>, ProtoFault> {
    let _ = (payload, now);
    Err(ProtoFault("not written"))
}

/// The payload of a mesh datagram `BF 01 BF …`; None when it is not one of version 1 (RULE-16).
pub fn mesh_payload(datagram: &[u8]) -> Option<&[u8]> {
    datagram.strip_prefix(&[0xBF, 0x01, 0xBF])
}

/// Frames a payload that is forwarded as received (RULE-31).
pub fn frame_payload(payload: &[u8]) -> Bytes {
    Bytes::copy_from_slice(payload)
}
