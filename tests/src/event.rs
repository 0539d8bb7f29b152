//! [`Event`]: one event as a client received it, XML or protobuf, with the exact bytes it came in.
use std::fmt;

use crate::{
    proto::{CotEvent, TakMessage},
    tree::{Element, parse},
};

/// See the file's head.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct Event {
    /// The bytes: from `<event` to `</event>`, or the payload of the frame.
    pub raw: Vec<u8>,
    /// The tree when it came as XML.
    pub xml: Option<Element>,
    /// The message when it came as protobuf.
    pub message: Option<TakMessage>,
}

/// The text, or the message: what a failed test should show.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => message.fmt(f),
            None => f.write_str(self.text()),
        }
    }
}

impl Event {
    pub(crate) fn from_xml(raw: &[u8]) -> Self {
        let text = std::str::from_utf8(raw).expect("the server sends UTF-8");
        let xml = parse(text).unwrap_or_else(|e| panic!("the server sent XML that is not well-formed ({e}): {text}"));
        Self { raw: raw.to_vec(), xml: Some(xml), message: None }
    }

    pub(crate) fn from_payload(raw: &[u8]) -> Self {
        let message: TakMessage = prost::Message::decode(raw).expect("the server sends messages that decode");
        Self { raw: raw.to_vec(), xml: None, message: Some(message) }
    }

    /// The event's XML tree; fails for protobuf.
    pub fn tree(&self) -> &Element {
        self.xml.as_ref().expect("came as XML")
    }

    /// The protobuf event; fails for XML.
    pub fn cot(&self) -> &CotEvent {
        self.message.as_ref().and_then(|m| m.cot_event.as_ref()).expect("came as protobuf with a cotEvent")
    }

    /// Its XML text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.raw).expect("XML")
    }

    /// The uid in either form.
    pub fn uid(&self) -> &str {
        self.xml.as_ref().map_or_else(|| self.cot().uid.as_str(), |x| x.attr("uid"))
    }

    /// The type in either form.
    pub fn kind(&self) -> &str {
        self.xml.as_ref().map_or_else(|| self.cot().r#type.as_str(), |x| x.attr("type"))
    }

    /// An attribute of the XML event.
    pub fn attr(&self, name: &str) -> &str {
        self.tree().attr(name)
    }

    /// A child of detail of the XML event, or a descendant by path.
    pub fn detail(&self, path: &str) -> Option<&Element> {
        self.tree().child("detail")?.at(path)
    }
}
