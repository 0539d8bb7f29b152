//! [`Part`]: an array inside an answer, made page by page: a mission of ten thousand items, a history of a hundred thousand
//! lines.
//!
//! A short one is text in its place. A long one leaves a mark there, an array of one word that nobody can know, and is a
//! [`Filling`] that takes the mark's place while the answer is sent ([`crate::answer::filled`]). What must not happen: a
//! mark goes out; what has been sent is still held.
use fts_plugin_api::sdk::Result;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Pieces of text.
pub type Pieces = Box<dyn Iterator<Item = std::result::Result<Vec<u8>, String>> + Send>;
/// A longer one is not copied into the text.
const SHORT: usize = 64 * 1024;
/// A piece of what is held.
const HELD: usize = 256 * 1024;

/// See the file's head.
#[derive(Debug, Default)]
pub struct Part(State);

#[derive(Debug, Default)]
enum State {
    #[default]
    Empty,
    Text(Box<RawValue>),
    Mark(String),
}

/// What is put in the place of a mark: the elements, with commas between them.
pub struct Filling {
    mark: String,
    pieces: Pieces,
}

impl Part {
    /// With these elements: JSON, with commas between them.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn text(pages: &[Vec<u8>]) -> Result<Self> {
        let mut text = Vec::with_capacity(pages.iter().map(Vec::len).sum::<usize>() + 2);
        text.push(b'[');
        pages.iter().for_each(|page| text.extend_from_slice(page));
        text.push(b']');
        let text = String::from_utf8(text).map_err(|e| e.to_string())?;
        Ok(Self(State::Text(RawValue::from_string(text)?)))
    }

    /// The same, but left out of the text when it is long. `mark` = a word that is in no answer.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn of(pages: Vec<Vec<u8>>, mark: String) -> Result<(Self, Option<Filling>)> {
        if pages.iter().map(Vec::len).sum::<usize>() <= SHORT {
            return Ok((Self::text(&pages)?, None));
        }
        let (part, filling) = Self::later(mark, Box::new(pages.into_iter().map(Ok)));
        Ok((part, Some(filling)))
    }

    /// Elements that are made while the answer is sent.
    pub fn later(mark: String, pieces: Pieces) -> (Self, Filling) {
        (Self(State::Mark(mark.clone())), Filling { mark, pieces })
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match &self.0 {
            State::Empty => serializer.collect_seq::<[(); 0]>([]),
            State::Text(text) => text.serialize(serializer),
            State::Mark(mark) => serializer.collect_seq([mark]),
        }
    }
}

/// A text with marks, and everything that takes their places, in the order of the text.
pub fn fill(text: &str, fillings: Vec<Filling>) -> Pieces {
    let placed = fillings.into_iter().filter_map(|f| Some((text.find(&format!("[\"{}\"]", f.mark))?, f)));
    let mut placed: Vec<_> = placed.collect();
    placed.sort_by_key(|(at, _)| *at);
    let mut all: Vec<Pieces> = Vec::with_capacity(placed.len() * 2 + 1);
    let mut from = 0;
    for (at, filling) in placed {
        all.push(Box::new(std::iter::once(Ok(format!("{}[", &text[from..at]).into_bytes()))));
        all.push(filling.pieces);
        from = at + filling.mark.len() + "[\"\"".len();
    }
    all.push(Box::new(std::iter::once(Ok(text.as_bytes()[from..].to_vec()))));
    Box::new(all.into_iter().flatten())
}

/// Pages of things as pieces of text with commas between the things.
pub fn joined<T: Serialize>(
    pages: impl Iterator<Item = std::result::Result<Vec<T>, String>>,
) -> impl Iterator<Item = std::result::Result<Vec<u8>, String>> {
    let mut first = true;
    pages.map(move |page| {
        let mut text = Vec::new();
        for one in page? {
            if !std::mem::take(&mut first) {
                text.push(b',');
            }
            serde_json::to_writer(&mut text, &one).map_err(|e| e.to_string())?;
        }
        // Fifty pages wait at a time.
        text.shrink_to_fit();
        Ok(text)
    })
}

/// The same in few pieces: what is held until it was sent. The allocator takes pieces this long from the system and gives them
/// back; short ones it would keep, for each thread that ever answered.
///
/// # Errors
/// The first of theirs.
pub fn gathered(
    pieces: impl Iterator<Item = std::result::Result<Vec<u8>, String>>,
) -> std::result::Result<Vec<Vec<u8>>, String> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for piece in pieces {
        let piece = piece?;
        match all.last_mut().filter(|last| last.len() + piece.len() <= HELD) {
            Some(last) => last.extend_from_slice(&piece),
            None => {
                // The first may be all there is.
                let mut next = Vec::with_capacity(if all.is_empty() { piece.len() } else { HELD.max(piece.len()) });
                next.extend_from_slice(&piece);
                all.push(next);
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[derive(Serialize)]
    struct Shown {
        a: Part,
        b: Part,
        c: Part,
    }

    fn pages(n: usize) -> Vec<Vec<u8>> {
        let all = (0..n).collect::<Vec<_>>();
        joined(all.chunks(100).map(|c| Ok(c.to_vec()))).map(std::result::Result::unwrap).collect()
    }

    fn whole(shown: &Shown, fillings: Vec<Filling>) -> Value {
        let text = serde_json::to_string(shown).unwrap();
        let all: Vec<u8> = fill(&text, fillings).flat_map(std::result::Result::unwrap).collect();
        serde_json::from_slice(&all).unwrap()
    }

    #[test]
    fn long_and_late_parts_take_the_places_of_their_marks() {
        let (a, none) = Part::of(pages(3), "m".into()).unwrap();
        assert!(none.is_none(), "a short one is text");
        let (b, long) = Part::of(pages(20_000), "one".into()).unwrap();
        let (c, late) = Part::later("two".into(), Box::new(std::iter::once(Ok(b"\"x\"".to_vec()))));
        let shown = Shown { a, b, c };
        let said = whole(&shown, vec![late, long.unwrap()]);
        assert_eq!(said["a"], json!([0, 1, 2]));
        assert_eq!(said["b"].as_array().unwrap().len(), 20_000);
        assert_eq!((&said["b"][19_999], &said["c"]), (&json!(19_999), &json!(["x"])));
    }

    #[test]
    fn gathered_pieces_are_few_and_say_the_same() {
        let pieces = pages(200_000);
        let all = gathered(pieces.clone().into_iter().map(Ok)).unwrap();
        assert_eq!(all.concat(), pieces.concat());
        let long: usize = all.iter().map(Vec::len).sum();
        assert!(all.len() <= long / (HELD / 2) + 1 && all.iter().all(|piece| piece.len() <= HELD), "{}", all.len());
        assert_eq!(gathered(std::iter::empty()).unwrap(), Vec::<Vec<u8>>::new());
        assert_eq!(gathered([Ok(vec![0; HELD + 1]), Ok(vec![1])].into_iter()).unwrap().len(), 2);
        assert_eq!(gathered([Ok(vec![0]), Err("no".to_owned())].into_iter()), Err("no".to_owned()));
    }

    #[test]
    fn nothing_is_an_empty_array() {
        let (c, late) = Part::later("two".into(), Box::new(std::iter::empty()));
        let shown = Shown { a: Part::default(), b: Part::text(&[]).unwrap(), c };
        assert_eq!(whole(&shown, vec![late]), json!({"a": [], "b": [], "c": []}));
    }
}
