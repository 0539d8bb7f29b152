//! When the last byte of a file counts as taken.
use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header},
};
use http_body_util::BodyExt;

use crate::http::{
    answer::Stored,
    outgoing,
    run::{Head, Sent},
    taken::{Due, Ends, Taken},
    told::Entry,
};

const BYTES: usize = 300_000;

struct Bed {
    file: tempfile::NamedTempFile,
    called: Arc<AtomicUsize>,
}

impl Bed {
    fn new(bytes: usize) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![7; bytes]).unwrap();
        Self { file, called: Arc::default() }
    }

    fn stored(&self) -> Stored {
        let called = self.called.clone();
        let taken = Taken::new(move || {
            called.fetch_add(1, Relaxed);
        });
        Stored::open(self.file.path(), Some("ab")).unwrap().then(taken)
    }

    fn answer(&self, method: &Method, asked: &[(header::HeaderName, &str)]) -> Response<Body> {
        let asked: HeaderMap = asked.iter().map(|(n, v)| (n.clone(), HeaderValue::from_str(v).unwrap())).collect();
        let head = Head { status: StatusCode::OK, headers: HeaderMap::new(), content: Sent::File(self.stored()) };
        outgoing::response(method, &asked, head)
    }
}

fn ends(response: &Response<Body>) -> Option<u64> {
    response.extensions().get::<Ends>().map(|ends| ends.bytes)
}

#[tokio::test]
async fn what_reaches_the_end_of_the_file_counts_and_nothing_else_does() {
    let bed = Bed::new(BYTES);
    let range = |range: &'static str| [(header::RANGE, range)];
    assert_eq!(ends(&bed.answer(&Method::GET, &[])), Some(BYTES as u64));
    assert_eq!(ends(&bed.answer(&Method::GET, &range("bytes=200000-"))), Some(100_000));
    assert_eq!(ends(&bed.answer(&Method::GET, &range("bytes=-1"))), Some(1));
    assert_eq!(ends(&bed.answer(&Method::GET, &range("bytes=0-199999"))), None);
    assert_eq!(ends(&bed.answer(&Method::GET, &range("bytes=400000-"))), None);
    assert_eq!(ends(&bed.answer(&Method::GET, &[(header::IF_NONE_MATCH, "\"ab\"")])), None);
    assert_eq!(ends(&bed.answer(&Method::HEAD, &[])), None);
    let empty = Bed::new(0);
    assert_eq!(ends(&empty.answer(&Method::GET, &[])), Some(0));
    assert_eq!(ends(&empty.answer(&Method::HEAD, &[])), None);
    assert_eq!(ends(&empty.answer(&Method::GET, &range("bytes=0-"))), None);
}

#[tokio::test]
async fn it_is_due_with_the_last_byte_and_done_when_everything_is_written() {
    let bed = Bed::new(BYTES);
    let told = |due: &Arc<Due>| {
        Entry::begin("t".into(), &Method::GET, None, None).answered(bed.answer(&Method::GET, &[]), due, ())
    };
    let due = Arc::<Due>::default();
    let mut body = told(&due).into_body();
    let mut sent = 0;
    while let Some(frame) = body.frame().await {
        sent += frame.unwrap().into_data().unwrap().len();
        assert_eq!(bed.called.load(Relaxed), 0, "the piece in hand is not written");
        due.written();
        assert_eq!(bed.called.load(Relaxed), usize::from(sent == BYTES), "{sent}");
    }
    // One that breaks off.
    let due = Arc::<Due>::default();
    let mut body = told(&due).into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    due.written();
    assert_eq!(bed.called.load(Relaxed), 1);
    let empty = Bed::new(0);
    let response =
        Entry::begin("t".into(), &Method::GET, None, None).answered(empty.answer(&Method::GET, &[]), &due, ());
    assert_eq!(empty.called.load(Relaxed), 0);
    due.written();
    assert_eq!(empty.called.load(Relaxed), 1);
    drop(response);
}
