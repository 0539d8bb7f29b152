//! [`Injectors`]: elements an administrator has the server add to the details of every event of a uid (marti-http.md 10).
//! Looked at when an event is taken in, before anything else sees it. Without injectors that is one look at a flag. An
//! element that stands there already is not added again: what a plugin repeats, or another server sends back, came by
//! here before.
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use fts_plugin_api::cot::{Attr, Spans, Splices, scan, unescape};

/// See the file's head.
#[derive(Debug, Default)]
pub struct Injectors {
    any: AtomicBool,
    by_uid: ArcSwap<HashMap<String, Vec<String>>>,
}

impl Injectors {
    /// From now on these: uid and elements without their angle brackets (`tag a="1"`), each accepted by [`fits`].
    pub fn set(&self, by_uid: HashMap<String, Vec<String>>) {
        let any = !by_uid.is_empty();
        self.by_uid.store(Arc::new(by_uid));
        self.any.store(any, Relaxed);
    }

    /// The event with what belongs into it; None = nothing does.
    #[inline]
    pub(super) fn apply(&self, text: &[u8], spans: &Spans) -> Option<(Vec<u8>, Spans)> {
        if self.any.load(Relaxed) { self.added(text, spans) } else { None }
    }

    fn added(&self, text: &[u8], spans: &Spans) -> Option<(Vec<u8>, Spans)> {
        let uid = std::str::from_utf8(spans.attrs[Attr::Uid as usize].of(text)).ok()?;
        let by_uid = self.by_uid.load();
        let mut changed: Option<(Vec<u8>, Spans)> = None;
        for element in by_uid.get(&*unescape(uid))? {
            let (text, spans) = changed.as_ref().map_or((text, spans), |(text, spans)| (text.as_slice(), spans));
            let element = format!("<{element}/>");
            if spans.children.iter().any(|c| c.whole.of(text) == element.as_bytes()) {
                continue;
            }
            // One at a time: an event without a detail gets one with the first.
            let mut splices = Splices::new();
            splices.append_detail(spans, &element);
            let mut next = Vec::with_capacity(text.len() + element.len() + 32);
            splices.apply(text, spans, &mut next);
            // Found by a scan, whatever the event looked like. One that cannot take it stays as it is.
            let Ok(spans) = scan(&next) else { continue };
            changed = Some((next, spans));
        }
        changed
    }
}

/// Is this an element once it has its angle brackets, and one that decides nothing about where an event goes?
pub fn fits(element: &str) -> bool {
    let event = format!(
        "<event version=\"2.0\" uid=\"u\" type=\"a\" how=\"h\" time=\"2025-01-01T00:00:00Z\" start=\"2025-01-01T00:00:00Z\" \
         stale=\"2025-01-01T00:00:00Z\"><point lat=\"0\" lon=\"0\" hae=\"0\" ce=\"0\" le=\"0\"/><detail><{element}/></detail></event>"
    );
    let name = element.split(char::is_whitespace).next().unwrap_or_default();
    let plain = !element.contains(['<', '>']) && !matches!(name, "marti" | "_flow-tags_");
    plain
        && scan(event.as_bytes())
            .is_ok_and(|s| s.children.len() == 1 && s.children[0].name.of(event.as_bytes()) == name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn injected(uid: &str, elements: &[&str], event: &str) -> Option<String> {
        let injectors = Injectors::default();
        let elements = elements.iter().map(ToString::to_string).collect();
        injectors.set(HashMap::from([(uid.to_owned(), elements)]));
        let (text, spans) = injectors.apply(event.as_bytes(), &scan(event.as_bytes()).unwrap())?;
        assert_eq!(spans, scan(&text).unwrap());
        Some(String::from_utf8(text).unwrap())
    }

    fn event(uid: &str, detail: &str) -> String {
        format!("<event uid='{uid}' type='a'><point lat='0' lon='0'/>{detail}</event>")
    }

    #[test]
    fn m10_elements_are_added_to_the_events_of_their_uid() {
        let got = |detail| injected("u&1", &["a x=\"1\"", "b"], &event("u&amp;1", detail)).unwrap();
        for (detail, wanted) in [
            ("<detail><c/></detail>", "<detail><c/><a x=\"1\"/><b/></detail>"),
            ("<detail></detail>", "<detail><a x=\"1\"/><b/></detail>"),
            ("<detail/>", "<detail><a x=\"1\"/><b/></detail>"),
            ("", "<detail><a x=\"1\"/><b/></detail>"),
            ("<detail><a x=\"1\"/></detail>", "<detail><a x=\"1\"/><b/></detail>"),
        ] {
            assert_eq!(got(detail), event("u&amp;1", wanted));
        }
    }

    #[test]
    fn m10_other_events_stay_as_they_are() {
        assert_eq!(injected("u1", &["a"], &event("u2", "")), None);
        assert_eq!(injected("u1", &["a"], &event("u1", "<detail><a/></detail>")), None);
        let none = Injectors::default();
        let text = event("u1", "");
        assert_eq!(none.apply(text.as_bytes(), &scan(text.as_bytes()).unwrap()), None);
    }

    #[test]
    fn m10_only_elements_fit() {
        for good in ["tag", "tag a=\"1\"", "t:x a='&amp;' b=\"2\""] {
            assert!(fits(good), "{good}");
        }
        for bad in
            ["", " tag", "tag a", "tag a=\"1", "1", "a><b", "marti", "_flow-tags_ a=\"1\"", "a/", "a x=\"&\"", "!--x--"]
        {
            assert!(!fits(bad), "{bad}");
        }
    }
}
