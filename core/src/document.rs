//! [`Element`]: a small XML document somebody sent, as a tree (video feeds, filters, icon sets). No DTD and no entities but
//! the five of XML itself; depth, number and text are bounded, so neither the stack nor the memory can be filled.
//! Comments and processing instructions are left out: what is written again holds elements, attributes and text only.
use quick_xml::{
    Reader, XmlVersion,
    escape::{partial_escape, resolve_predefined_entity},
    events::{BytesStart, Event},
};

/// How deep elements may stand in each other, and how many there may be.
const DEPTH: usize = 32;
const ELEMENTS: usize = 100_000;

/// One element. Names are as written, with their prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Names and values in their order.
    pub attributes: Vec<(String, String)>,
    /// Text directly in it, white space around it left out.
    pub text: String,
    /// Elements in it, in their order.
    pub children: Vec<Element>,
}

/// Why a text is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is no XML, or two documents.
    #[error("not well-formed XML: {0}")]
    Broken(String),
    /// Nobody needs one here.
    #[error("a document type is not taken")]
    DocType,
    /// None is declared.
    #[error("the entity &{0}; is not taken")]
    Entity(String),
    /// Too deep or too many.
    #[error("the document has too many elements")]
    TooMuch,
}

impl Element {
    /// Reads a document.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let mut reader = Reader::from_str(text);
        let (mut open, mut root): (Vec<Self>, Option<Self>) = (Vec::new(), None);
        let mut count = 0;
        loop {
            let broken = |e: quick_xml::Error| DocumentError::Broken(e.to_string());
            match reader.read_event().map_err(broken)? {
                Event::Start(start) => {
                    if root.is_some() {
                        return Err(DocumentError::Broken("something stands behind its end".into()));
                    }
                    count += 1;
                    if count > ELEMENTS || open.len() >= DEPTH {
                        return Err(DocumentError::TooMuch);
                    }
                    open.push(Self::start(&start)?);
                }
                Event::Empty(start) => {
                    count += 1;
                    if count > ELEMENTS {
                        return Err(DocumentError::TooMuch);
                    }
                    close(Self::start(&start)?, &mut open, &mut root)?;
                }
                Event::End(_) => {
                    if let Some(done) = open.pop() {
                        close(done, &mut open, &mut root)?;
                    }
                }
                Event::Text(text) => say(&mut open, &text.xml10_content())?,
                Event::CData(text) => say(&mut open, &text.xml10_content())?,
                Event::GeneralRef(entity) => match entity.resolve_char_ref().map_err(broken)? {
                    Some(letter) => say(&mut open, letter.encode_utf8(&mut [0; 4]))?,
                    None => {
                        let name: &str = &entity;
                        let known = resolve_predefined_entity(name);
                        say(&mut open, known.ok_or_else(|| DocumentError::Entity(name.to_owned()))?)?;
                    }
                },
                Event::DocType(_) => return Err(DocumentError::DocType),
                Event::Eof if !open.is_empty() => return Err(DocumentError::Broken("it breaks off".into())),
                Event::Eof => return root.ok_or_else(|| DocumentError::Broken("there is no element".into())),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    fn start(start: &BytesStart<'_>) -> Result<Self, DocumentError> {
        let mut element = Self { name: start.name().as_ref().to_owned(), ..Self::default() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| DocumentError::Broken(e.to_string()))?;
            let value = attribute.normalized_value(XmlVersion::Explicit1_0);
            let value = value.map_err(|e| DocumentError::Broken(e.to_string()))?;
            element.attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
        }
        Ok(element)
    }

    /// The first child of this name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|c| c.name == name)
    }

    /// Text of the first child of this name; "" = there is none.
    pub fn text_of(&self, name: &str) -> &str {
        self.child(name).map_or("", |c| c.text.as_str())
    }

    /// An attribute.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Gives the first child of this name another text; makes the child where there is none.
    pub fn set_text(&mut self, name: &str, text: &str) {
        match self.children.iter_mut().find(|c| c.name == name) {
            Some(child) => (child.text, child.children) = (text.to_owned(), Vec::new()),
            None => self.children.push(Self { name: name.to_owned(), text: text.to_owned(), ..Self::default() }),
        }
    }

    /// As XML again, without a declaration. An element with nothing in it is `<x/>`.
    pub fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        for (name, value) in &self.attributes {
            let value = partial_escape(value.as_str()).replace('"', "&quot;");
            // Otherwise they would be read as spaces.
            let value = value.replace('\n', "&#10;").replace('\t', "&#9;").replace('\r', "&#13;");
            *out += &format!(" {name}=\"{value}\"");
        }
        if self.text.is_empty() && self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        out.push_str(&partial_escape(self.text.as_str()));
        self.children.iter().for_each(|child| child.write(out));
        *out += &format!("</{}>", self.name);
    }
}

fn close(mut done: Element, open: &mut [Element], root: &mut Option<Element>) -> Result<(), DocumentError> {
    done.text = done.text.trim().to_owned();
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None if root.is_none() => *root = Some(done),
        None => return Err(DocumentError::Broken("something stands behind its end".into())),
    }
    Ok(())
}

fn say(open: &mut [Element], text: &str) -> Result<(), DocumentError> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        // The byte order mark and white space around the document.
        None if text.trim_start_matches('\u{feff}').trim().is_empty() => {}
        None => return Err(DocumentError::Broken("text stands outside of it".into())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str) -> bool {
        matches!(Element::parse(text), Err(DocumentError::Broken(_)))
    }

    #[test]
    fn a_document_is_a_tree_and_is_written_again() {
        let text = "\u{feff}<?xml version=\"1.0\"?>\n<!-- c --><a x='1 &amp; &quot;2&quot;'>t&lt;<b/> <c><![CDATA[<d>]]></c>&#65;<?p i?></a>\n";
        let a = Element::parse(text).unwrap();
        assert_eq!((a.name.as_str(), a.attr("x"), a.text.as_str()), ("a", Some("1 & \"2\""), "t< A"));
        assert_eq!((a.text_of("c"), a.text_of("b"), a.text_of("none")), ("<d>", "", ""));
        let mut again = String::new();
        a.write(&mut again);
        assert_eq!(again, "<a x=\"1 &amp; &quot;2&quot;\">t&lt; A<b/><c>&lt;d&gt;</c></a>");
        assert_eq!(Element::parse(&again).unwrap(), a);
    }

    #[test]
    fn texts_change() {
        let mut a = Element::parse("<a><b>1</b></a>").unwrap();
        a.set_text("b", "2");
        a.set_text("c", "<3>");
        let mut again = String::new();
        a.write(&mut again);
        assert_eq!(again, "<a><b>2</b><c>&lt;3&gt;</c></a>");
    }

    #[test]
    fn document_types_and_entities_are_refused() {
        let dtd = "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>";
        assert_eq!(Element::parse(dtd), Err(DocumentError::DocType));
        assert_eq!(Element::parse("<a>&e;</a>"), Err(DocumentError::Entity("e".into())));
        assert!(broken("<a x='&e;'/>"));
    }

    #[test]
    fn broken_documents_are_refused() {
        for text in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a/><b></b>",
            "<a/>text",
            "<a x=1/>",
            "<a x='1' x='2'/>",
            "<a>&#0;</a>",
        ] {
            assert!(broken(text), "{text}");
        }
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let deep = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
        assert!(Element::parse(&deep(DEPTH)).is_ok());
        assert_eq!(Element::parse(&deep(DEPTH + 1)), Err(DocumentError::TooMuch));
        assert_eq!(Element::parse(&format!("<a>{}</a>", "<b/>".repeat(ELEMENTS))), Err(DocumentError::TooMuch));
    }
}
