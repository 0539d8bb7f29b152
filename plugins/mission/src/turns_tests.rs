//! Lists of members who wait for their turn.
use super::*;
use crate::{model::Mission, notice::Notice};

fn offer(guid: &str, hash: &str) -> Offer {
    let mission = Mission::new(guid.into(), format!("Name {guid}"), 0);
    let notice = Notice::live("t-x-m-c", &mission, "", "");
    Offer { id: 1, guid: guid.into(), name: mission.name, hash: hash.into(), author: String::new(), notice }
}

fn begin(turns: &mut Turns, guid: &str, hash: &str, waiting: &[u64], now: i64) -> bool {
    turns.begin(Round::new(&offer(guid, hash), waiting.to_vec(), 1, now))
}

/// Who is told now, of these members: (guid, hash, connections).
fn told(turns: &mut Turns, members: &[u64]) -> Vec<(String, String, Vec<u64>)> {
    let mut told = Vec::new();
    turns.pay(|round| {
        told.push((round.guid.clone(), round.hash.clone(), round.next(members)));
        true
    });
    told.retain(|(_, _, conns)| !conns.is_empty());
    told
}

fn one(guid: &str, hash: &str, conns: &[u64]) -> Vec<(String, String, Vec<u64>)> {
    vec![(guid.to_owned(), hash.to_owned(), conns.to_vec())]
}

#[test]
fn each_download_lets_the_next_be_told_by_name_or_guid_and_nobody_else() {
    let mut turns = Turns::default();
    begin(&mut turns, "g", "ab", &[1, 2, 3, 4], 0);
    let all = [1, 2, 3, 4];
    assert_eq!(told(&mut turns, &all), one("g", "ab", &[1]));
    assert_eq!(told(&mut turns, &all), []);
    for (feed, hash) in [("Name h", "ab"), ("", "ab"), ("Name g", "cd")] {
        turns.fetched(feed, hash);
        assert_eq!(told(&mut turns, &all), [], "{feed} {hash}");
    }
    turns.fetched(" name G ", "AB");
    assert_eq!(told(&mut turns, &all), one("g", "ab", &[2]));
    turns.fetched("G", "ab");
    turns.fetched("G", "ab");
    assert_eq!(told(&mut turns, &all), one("g", "ab", &[3, 4]));
    assert!(turns.is_empty(), "nobody waits any more");
}

#[test]
fn whoever_is_gone_is_skipped_and_costs_nobody_a_turn() {
    let mut turns = Turns::default();
    begin(&mut turns, "g", "ab", &[1, 2, 3, 4], 0);
    assert_eq!(told(&mut turns, &[2, 4, 9]), one("g", "ab", &[2]));
    turns.fetched("g", "ab");
    assert_eq!(told(&mut turns, &[2, 4, 9]), one("g", "ab", &[4]));
    assert!(turns.is_empty());
    begin(&mut turns, "g", "ab", &[1, 2], 0);
    assert_eq!(told(&mut turns, &[]), []);
    assert!(turns.is_empty(), "all of them are gone");
}

#[test]
fn who_could_not_be_told_is_told_first_the_next_time() {
    let mut turns = Turns::default();
    begin(&mut turns, "g", "ab", &[1, 2, 3], 0);
    turns.fetched("g", "ab");
    turns.pay(|round| {
        let next = round.next(&[1, 2, 3]);
        round.back(next);
        true
    });
    assert_eq!(told(&mut turns, &[1, 2, 3]), one("g", "ab", &[1, 2]));
}

#[test]
fn after_an_hour_the_rest_is_told_at_once() {
    let mut turns = Turns::default();
    begin(&mut turns, "g", "ab", &[1, 2, 3], 5);
    begin(&mut turns, "g", "cd", &[1, 2, 3], 6);
    assert_eq!(told(&mut turns, &[1, 2, 3]).len(), 2);
    assert_eq!((turns.expire(PATIENCE + 4), told(&mut turns, &[1, 2, 3])), (0, vec![]));
    assert_eq!((turns.expire(PATIENCE + 5), told(&mut turns, &[1, 2, 3])), (2, one("g", "ab", &[2, 3])));
    turns.open_all();
    assert_eq!(told(&mut turns, &[1, 2, 3]), one("g", "cd", &[2, 3]));
    assert!(turns.is_empty());
}

#[test]
fn a_round_ends_with_its_file_its_mission_and_the_next_of_the_same_file() {
    let mut turns = Turns::default();
    for (guid, hash) in [("g", "ab"), ("g", "cd"), ("h", "ab"), ("h", "cd")] {
        begin(&mut turns, guid, hash, &[1, 2], 0);
    }
    turns.withdraw("g", "ab");
    turns.close("h");
    begin(&mut turns, "g", "cd", &[3, 4], 1);
    assert_eq!(told(&mut turns, &[1, 2, 3, 4]), one("g", "cd", &[3]));
    turns.fetched("g", "ab");
    turns.fetched("h", "cd");
    assert_eq!(told(&mut turns, &[1, 2, 3, 4]), []);
    turns.pay(|_| panic!("nothing is owed"));
    turns.fetched("g", "cd");
    turns.pay(|_| false);
    assert!(turns.is_empty(), "its file is gone");
}

#[test]
fn over_the_limits_the_oldest_is_told_to_everybody() {
    let mut turns = Turns::default();
    for n in 0..MOST_ROUNDS {
        assert!(!begin(&mut turns, "g", &n.to_string(), &[1, 2], 0));
    }
    assert_eq!(told(&mut turns, &[1, 2]).len(), MOST_ROUNDS);
    assert!(begin(&mut turns, "g", "one more", &[1, 2], 0));
    let some = told(&mut turns, &[1, 2]);
    assert_eq!(some, [one("g", "0", &[2]), one("g", "one more", &[1])].concat());
    let mut turns = Turns::default();
    let many: Vec<u64> = (0..MOST_WAITING as u64).collect();
    assert!(!begin(&mut turns, "g", "ab", &many, 0));
    assert!(begin(&mut turns, "g", "cd", &[1], 0));
    assert_eq!(told(&mut turns, &many)[0].2.len(), MOST_WAITING);
}
