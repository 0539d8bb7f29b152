//! Listeners as an operator sets them up: one way in, behind a proxy, with limits, without groups, on a port that is
//! taken, out of file descriptors. Who is refused is told so by a closed socket and the operator by one log line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
};

use fts_tests::{Client, Server, chat, fence, join_all, marker, marker_to, ping, sa, takp_q};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// True when the server closes a new connection to this listener without a word.
fn refused(server: &Server, listener: &str) -> bool {
    Client::to(server.address(listener), "refused").bytes_until_close().is_empty()
}

fn peers(server: &Server) -> Vec<String> {
    let list = server.cli_json(&["clients", "list"]);
    list.as_array().unwrap().iter().map(|c| c["peer"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn rule_59_all_listeners_share_one_table() {
    let server = Server::build().listener("second", "cot_tcp", "").start();
    let mut alice = Client::join(&server, "A", "ALICE");
    let mut bob = Client::join_to(&server, "second", "B", "BOB");
    bob.expect("A");
    alice.expect("B");
    alice.send(&marker_to("direct", r#"<dest callsign="BOB"/>"#));
    bob.expect("direct");
    fence(&mut bob, &mut [&mut alice]);
}

#[test]
fn a_one_way_listener_never_sends_anything() {
    let server = Server::build()
        .set("cot.welcome_message", "\"hello\"")
        .set("compat.legacy_test_probe", "true")
        .listener("submit", "cot_submit", "")
        .start();
    let mut bob = Client::connect(&server).identify("B", "BOB");
    bob.until(|e| e.kind() == "b-t-f");
    let mut sensor = Client::to(server.address("submit"), "sensor");
    for text in [
        sa("S", "SENSOR"),
        ping("S"),
        takp_q("S", "1"),
        takp_q("S", "7"),
        chat(("S", "SENSOR"), "NOBODY", "NOBODY", "RootContactGroup", "m1", r#"<dest callsign="NOBODY"/>"#),
        marker("end"),
    ] {
        sensor.send(&text);
    }
    bob.expect("S");
    bob.expect("end");
    // Broadcast, addressed, from the console, by another one-way client: nothing of it goes there.
    bob.send(&marker("for-all"));
    bob.send(&marker_to("for-sensor", r#"<dest uid="S"/><dest callsign="SENSOR"/>"#));
    bob.sync();
    server.cli(&["clients", "send", "SENSOR", "are you there"]);
    let mut other = Client::to(server.address("submit"), "other");
    other.send(&marker("from-other"));
    bob.expect("from-other");
    for client in [&mut sensor, &mut other] {
        client.finish();
        assert_eq!(String::from_utf8_lossy(&client.bytes_until_close()), "");
    }
    let mut probe = Client::to(server.address("submit"), "probe");
    probe.send_bytes(b"TEST");
    probe.finish();
    assert_eq!(String::from_utf8_lossy(&probe.bytes_until_close()), "");
}

#[test]
fn proxy_headers_name_the_client() {
    let server = Server::build().listener("proxied", "cot_tcp", "proxy_protocol = true").start();
    let mut bob = Client::join(&server, "B", "BOB");
    let v2 = |command: u8, family: u8, addresses: &[u8]| {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        header.extend([0x20 | command, family, 0, addresses.len() as u8]);
        header.extend(addresses);
        header
    };
    let v6 =
        [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7], &[0x20, 1, 0xd, 0xb8], &[0; 11], &[8], &[0x12, 0x67, 0x1F, 0x97]];
    let (here, cases) = (
        "127.0.0.1",
        [
            ("1", b"PROXY TCP4 192.0.2.7 192.0.2.8 4711 8087\r\n".to_vec(), "192.0.2.7:4711"),
            ("2", b"PROXY TCP6 2001:db8::7 2001:db8::8 4711 8087\r\n".to_vec(), "[2001:db8::7]:4711"),
            ("3", b"PROXY UNKNOWN\r\n".to_vec(), ""),
            ("4", v2(1, 0x11, &[192, 0, 2, 9, 192, 0, 2, 8, 0x12, 0x67, 0x1F, 0x97]), "192.0.2.9:4711"),
            ("5", v2(1, 0x21, &v6.concat()), "[2001:db8::7]:4711"),
            ("6", v2(0, 0, &[]), ""),
        ],
    );
    let mut all = Vec::new();
    for (uid, header, peer) in cases {
        let mut client = Client::to(server.address("proxied"), "proxied");
        // The header in two pieces, the first event right behind it.
        client.send_bytes(&header[..5]);
        bob.sync();
        client.send_bytes(&[&header[5..], sa(uid, "PROXIED").as_bytes()].concat());
        bob.expect(uid);
        let own = SocketAddr::new(here.parse().unwrap(), client.port()).to_string();
        let wanted = if peer.is_empty() { own } else { peer.to_owned() };
        assert!(peers(&server).contains(&wanted), "{wanted} in {:?}", peers(&server));
        all.push(client);
    }
    let mut bare = Client::to(server.address("proxied"), "bare");
    bare.send(&marker("no-header"));
    assert!(bare.bytes_until_close().is_empty());
    server.wait_log(|l| l["event"] == "net.refused" && l["listener"] == "proxied");
    fence(&mut Client::connect(&server), &mut [&mut bob]);
}

#[test]
fn connections_over_the_limits_are_closed() {
    for (key, most) in [("server.max_connections", 2), ("server.max_connections_per_ip", 2)] {
        let server = Server::build().set(key, &most.to_string()).listener("second", "cot_tcp", "").start();
        // Counted over all listeners together.
        let alice = Client::join(&server, "A", "ALICE");
        let mut bob = Client::join_to(&server, "second", "B", "BOB");
        assert!(refused(&server, "cot_tcp") && refused(&server, "second"), "{key}");
        let line = server.wait_log(|l| l["event"] == "net.refused");
        assert_eq!(line["limit"], key);
        bob.expect("A");
        drop(alice);
        bob.until(|e| e.kind() == "t-x-d-d");
        server.eventually("a place is free again", || {
            let mut client = Client::to(server.address("cot_tcp"), "next");
            client.next_within(fts_tests::DEADLINE).is_ok()
        });
        bob.sync();
    }
}

#[test]
fn without_groups_nobody_is_let_in() {
    let server = Server::build().listener("nobody", "cot_tcp", "default_groups = []").start();
    let mut bob = Client::join(&server, "B", "BOB");
    let mut client = Client::to(server.address("nobody"), "nobody");
    let _ = client.try_send(marker("unheard").as_bytes());
    assert!(client.bytes_until_close().is_empty());
    let line = server.wait_log(|l| l["event"] == "net.refused" && l["listener"] == "nobody");
    assert!(line["error"].as_str().unwrap().contains("default_groups"), "{line}");
    fence(&mut Client::connect(&server), &mut [&mut bob]);
}

#[test]
fn a_port_in_use_ends_the_start_and_names_who_has_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = tempfile::tempdir().unwrap();
    for (key, name) in [("listeners.cot_tcp.port", "cot_tcp"), ("listeners.admin.port", "admin")] {
        let out = Server::build().set(key, &port).command(dir.path()).output().unwrap();
        let said = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(1), "{said}");
        let own = format!("process {}", std::process::id());
        assert!([name, &port, &own].iter().all(|part| said.contains(part)), "{said}");
    }
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = udp.local_addr().unwrap().port();
    let more = format!("[[listeners.extra]]\nname = \"u\"\nkind = \"cot_udp\"\nbind = \"127.0.0.1\"\nport = {port}");
    let out = Server::build().toml(&more).command(dir.path()).output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.code() == Some(1) && said.contains(&port.to_string()), "{said}");
}

#[test]
fn out_of_file_descriptors_it_serves_who_is_there_and_accepts_again() {
    let server = Server::start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    let open = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count() as u64;
    let pid = Pid::from_raw(server.pid() as i32);
    let limit = |n: u64| Rlimit {
        current: Some(n),
        maximum: prlimit(pid, Resource::Nofile, Rlimit { current: Some(n), maximum: Some(20_000) }).unwrap().maximum,
    };
    limit(open + 3);
    let crowd: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(server.address("cot_tcp")).unwrap()).collect();
    server.wait_log(|l| l["event"] == "net.no_files" && l["listener"] == "cot_tcp");
    alice.send(&marker("still-served"));
    bob.expect("still-served");
    drop(crowd);
    let mut carol = Client::join(&server, "C", "CAROL");
    alice.expect("C");
    bob.expect("C");
    carol.expect("A");
    carol.expect("B");
    fence(&mut carol, &mut [&mut alice, &mut bob]);
}

#[test]
fn half_a_proxy_header_does_not_delay_others() {
    let server = Server::build().listener("proxied", "cot_tcp", "proxy_protocol = true").start();
    let mut silent: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(server.address("proxied")).unwrap()).collect();
    silent.iter_mut().for_each(|s| s.write_all(b"PROXY TCP4 192.0").unwrap());
    let mut client = Client::to(server.address("proxied"), "whole");
    client.send_bytes(b"PROXY UNKNOWN\r\n");
    let began = std::time::Instant::now();
    client.sync();
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
}
