use std::time::Duration;

use super::*;
use crate::http::space::SpoolSettings;

fn space(memory: usize, total: u64) -> (Arc<Space>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = SpoolSettings::new(dir.path().into());
    (settings.memory, settings.total, settings.slow_window) = (memory, total, Duration::from_millis(30));
    (Space::new(Arc::new(settings)), dir)
}

fn chunk(n: u8) -> Bytes {
    Bytes::from(vec![n; 10])
}

async fn rest(reader: &mut Reader) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(piece) = reader.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    all
}

#[tokio::test]
async fn memory_comes_first_then_the_file_in_order() {
    let (space, _dir) = space(25, 1_000);
    let (spool, mut reader) = Spool::new(space.clone());
    for n in 0..5 {
        assert_eq!(spool.push(chunk(n)), Pushed::Stored);
    }
    assert!(!space.has(971) && space.has(970), "three chunks are in the file");
    assert_eq!(reader.next().await.unwrap().unwrap(), chunk(0));
    // Memory has room again, but the file comes before.
    assert_eq!(spool.push(chunk(5)), Pushed::Stored);
    spool.end(Ok(()));
    let wanted: Vec<u8> = (1..6).flat_map(chunk).collect();
    assert_eq!(rest(&mut reader).await, wanted);
    assert!(space.has(1_000), "read space is free");
}

#[tokio::test]
async fn a_full_spool_waits_for_its_reader_and_starts_anew() {
    let (space, _dir) = space(0, 20);
    let (spool, mut reader) = Spool::new(space.clone());
    let maker = spool.clone();
    let made = tokio::spawn(async move {
        let mut waited = 0;
        for n in 0..50 {
            let mut next = chunk(n);
            while let Pushed::Full(back) = maker.push(next) {
                waited += 1;
                assert!(maker.room(back.len()).await);
                next = back;
            }
        }
        maker.end(Ok(()));
        waited
    });
    assert_eq!(rest(&mut reader).await, (0..50).flat_map(chunk).collect::<Vec<u8>>());
    assert!(made.await.unwrap() > 0);
}

#[tokio::test]
async fn spools_of_one_owner_share_the_space() {
    let (space, _dir) = space(0, 20);
    let (first, reader) = Spool::new(space.clone());
    let (second, _other) = Spool::new(space.clone());
    assert_eq!((first.push(chunk(1)), first.push(chunk(2))), (Pushed::Stored, Pushed::Stored));
    assert_eq!(second.push(chunk(3)), Pushed::Full(chunk(3)));
    let waiting = tokio::spawn({
        let second = second.clone();
        async move { second.room(10).await }
    });
    drop(reader);
    assert!(waiting.await.unwrap());
    assert_eq!(second.push(chunk(3)), Pushed::Stored);
    assert_eq!(first.push(chunk(3)), Pushed::Over, "nobody reads the first one");
    assert!(!first.room(10).await);
}

#[tokio::test]
async fn a_chunk_larger_than_the_whole_space_is_an_error() {
    let (space, _dir) = space(5, 9);
    let (spool, mut reader) = Spool::new(space);
    assert_eq!(spool.push(chunk(1)), Pushed::Over);
    let error = reader.next().await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "one chunk of 10 bytes is more than the spool takes");
}

#[tokio::test]
async fn a_slow_reader_loses_its_answer_while_another_waits() {
    let (space, _dir) = space(0, 20);
    let (first, mut slow) = Spool::new(space.clone());
    let (second, mut quick) = Spool::new(space.clone());
    assert_eq!((first.push(chunk(1)), first.push(chunk(2))), (Pushed::Stored, Pushed::Stored));
    first.end(Ok(()));
    assert_eq!(second.push(chunk(3)), Pushed::Full(chunk(3)));
    let before = Instant::now();
    assert!(second.room(10).await);
    assert!(before.elapsed() >= Duration::from_millis(30));
    assert_eq!(second.push(chunk(3)), Pushed::Stored);
    second.end(Ok(()));
    assert_eq!(slow.next().await.unwrap().unwrap_err().to_string(), "the client read too slowly");
    assert_eq!(rest(&mut quick).await, chunk(3));
}
