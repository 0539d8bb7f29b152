//! XML as a tree, to compare what was sent with what came: names, attributes in any order, text, children in order.
use std::{collections::BTreeMap, fmt};

use quick_xml::{Reader, events::Event};

/// One element.
#[derive(Clone, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Element {
    pub name: String,
    pub attrs: BTreeMap<String, String>,
    pub nodes: Vec<Node>,
}

/// What an element holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Node {
    Element(Element),
    Text(String),
}

/// Parses one document; comments and instructions are left out, CDATA counts as text.
///
/// # Errors
/// What is not well-formed.
pub fn parse(xml: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(xml);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let text = |open: &mut Vec<Element>, more: &str| {
        let Some(parent) = open.last_mut() else { return };
        match parent.nodes.last_mut() {
            Some(Node::Text(there)) => there.push_str(more),
            _ if more.is_empty() => {}
            _ => parent.nodes.push(Node::Text(more.to_owned())),
        }
    };
    let mut close = |open: &mut Vec<Element>, element: Element| match open.last_mut() {
        Some(parent) => parent.nodes.push(Node::Element(element)),
        None => root = Some(element),
    };
    loop {
        match reader.read_event().map_err(|e| e.to_string())? {
            Event::Start(tag) => open.push(start(&tag)?),
            Event::Empty(tag) => {
                let element = start(&tag)?;
                close(&mut open, element);
            }
            Event::End(_) => {
                let element = open.pop().ok_or("an end tag too many")?;
                close(&mut open, element);
            }
            Event::Text(t) => text(&mut open, &t),
            Event::CData(t) => text(&mut open, &t),
            Event::GeneralRef(r) => {
                let name: &str = &r;
                let resolved =
                    quick_xml::escape::unescape(&format!("&{name};")).map_err(|e| e.to_string())?.into_owned();
                text(&mut open, &resolved);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    root.ok_or_else(|| "no element".into())
}

fn start(tag: &quick_xml::events::BytesStart<'_>) -> Result<Element, String> {
    let name = tag.name().as_ref().to_owned();
    let mut attrs = BTreeMap::new();
    for attr in tag.attributes() {
        let attr = attr.map_err(|e| e.to_string())?;
        let value = quick_xml::escape::unescape(&attr.value).map_err(|e| e.to_string())?.into_owned();
        attrs.insert(attr.key.as_ref().to_owned(), value);
    }
    Ok(Element { name, attrs, nodes: Vec::new() })
}

impl Element {
    /// An attribute; "" when absent.
    pub fn attr(&self, name: &str) -> &str {
        self.attrs.get(name).map_or("", String::as_str)
    }

    /// Child elements.
    pub fn children(&self) -> impl Iterator<Item = &Element> {
        self.nodes.iter().filter_map(|n| match n {
            Node::Element(e) => Some(e),
            Node::Text(_) => None,
        })
    }

    /// The first child of this name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children().find(|e| e.name == name)
    }

    /// A descendant by names separated with `/`.
    pub fn at(&self, path: &str) -> Option<&Element> {
        path.split('/').try_fold(self, |e, name| e.child(name))
    }

    /// All text directly in it.
    pub fn text(&self) -> String {
        let texts = self.nodes.iter().filter_map(|n| match n {
            Node::Text(t) => Some(t.as_str()),
            Node::Element(_) => None,
        });
        texts.collect()
    }

    /// Without these children of `detail`.
    pub fn without(mut self, names: &[&str]) -> Self {
        for node in &mut self.nodes {
            if let Node::Element(detail) = node
                && detail.name == "detail"
            {
                detail.nodes.retain(|n| !matches!(n, Node::Element(e) if names.contains(&e.name.as_str())));
            }
        }
        self
    }

    /// Without text that is only white space, anywhere, and without empty text around elements.
    pub fn tidy(mut self) -> Self {
        self.nodes.retain(|n| !matches!(n, Node::Text(t) if t.trim().is_empty()));
        for node in &mut self.nodes {
            if let Node::Element(e) = node {
                *e = std::mem::take(e).tidy();
            }
        }
        self
    }
}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}", self.name)?;
        self.attrs.iter().try_for_each(|(n, v)| write!(f, " {n}={v:?}"))?;
        f.write_str(">")?;
        for node in &self.nodes {
            match node {
                Node::Element(e) => write!(f, "{e:?}")?,
                Node::Text(t) => write!(f, "{t:?}")?,
            }
        }
        write!(f, "</{}>", self.name)
    }
}
