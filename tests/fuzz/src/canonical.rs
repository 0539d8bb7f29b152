//! What an event says, apart from how it is written: for comparing XML before and after a conversion.
//!
//! Names, attributes sorted and with entities resolved, text, order of elements. Read with roxmltree, a parser that has
//! nothing in common with ours. Prefixes have no meaning here (RULE-9); roxmltree, which gives them one, never sees any.
use roxmltree::{Document, Node, NodeType};

/// The same text, as long, without what namespaces give a meaning: every `:` as `_`, `xmlns` as `xmlnz`. XML 1.0 takes
/// either in the same places. None when not UTF-8.
pub fn without_namespaces(text: &[u8]) -> Option<String> {
    Some(std::str::from_utf8(text).ok()?.replace(':', "_").replace("xmlns", "xmlnz"))
}

/// A parser that knows XML 1.0 and nothing of us.
pub fn strict(text: &str) -> Result<Document<'_>, roxmltree::Error> {
    Document::parse(text)
}

/// How deep elements are nested, the root being 1, and how many attributes the richest has.
pub fn extent(document: &Document<'_>) -> (usize, usize) {
    let elements = || document.descendants().filter(Node::is_element);
    let depth = elements().map(|e| e.ancestors().filter(Node::is_element).count()).max().unwrap_or(0);
    (depth, elements().map(|e| e.attributes().len()).max().unwrap_or(0))
}

/// Text without white space: attribute values and line ends are normalised by XML, not by us.
pub fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n')).collect()
}

/// The same for what references stood for: [`without_namespaces`] sees only what is written out.
fn said(text: &str) -> String {
    squeezed(text).replace(':', "_").replace("xmlns", "xmlnz")
}

/// One element and everything below it, in one form.
pub fn form(node: &Node<'_, '_>) -> String {
    match node.node_type() {
        NodeType::Text => said(node.text().unwrap_or("")),
        NodeType::Element => {
            let mut attributes: Vec<_> =
                node.attributes().map(|a| format!("{}={:?}", a.name(), said(a.value()))).collect();
            attributes.sort();
            let inside: String = node.children().map(|c| form(&c)).collect();
            format!("<{} {}>{inside}</>", node.tag_name().name(), attributes.join(" "))
        }
        _ => String::new(),
    }
}
