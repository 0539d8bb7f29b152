//! UDP and multicast input (cot.md RULE-16): one event per datagram, XML or mesh protobuf, no connection and no answer,
//! destinations honoured, positions kept for those who come later. Multicast stays on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use fts_tests::{Client, Server, event, event_to_message, fence, join_all, marker, marker_to, parse, ping, sa};
use prost::Message;

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 77, 1);

/// A server with a unicast and a multicast input.
fn server() -> Server {
    Server::build()
        .set("cot.flow_tags", "false")
        .listener("udp", "cot_udp", "")
        .listener("mesh", "cot_multicast", &format!("group = \"{GROUP}\""))
        .start()
}

/// Something that sends datagrams to one input.
struct Sensor {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Sensor {
    fn unicast(server: &Server) -> Self {
        Self { socket: UdpSocket::bind("127.0.0.1:0").unwrap(), to: server.address("udp") }
    }

    fn multicast(server: &Server) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
        socket.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        Self { socket: socket.into(), to: (GROUP, server.address("mesh").port()).into() }
    }

    fn send(&self, bytes: impl AsRef<[u8]>) {
        self.socket.send_to(bytes.as_ref(), self.to).unwrap();
    }
}

fn mesh(xml: &str) -> Vec<u8> {
    [&[0xBF, 0x01, 0xBF][..], &event_to_message(xml).encode_to_vec()].concat()
}

fn rejected(server: &Server, reason: &str) -> f64 {
    server.metric("fts_cot_rejected_total", &[&format!("reason=\"{reason}\"")])
}

#[test]
fn rule_16_xml_and_mesh_datagrams_reach_everybody() {
    let server = server();
    let [mut xml, mut proto] = join_all(&server, [("X", "XML"), ("P", "PROTO")]);
    proto = proto.negotiate();
    for (name, sensor) in [("u", Sensor::unicast(&server)), ("m", Sensor::multicast(&server))] {
        let text = marker(&format!("{name}-xml"));
        for around in ["", "<?xml version='1.0'?>\n", "<!-- note -->"] {
            sensor.send(format!("{around}{text} \r\n"));
            assert_eq!(xml.next().text(), text);
            assert_eq!(proto.next().uid(), format!("{name}-xml"));
        }
        let text = marker(&format!("{name}-mesh"));
        sensor.send(mesh(&text));
        assert_eq!(*xml.next().tree(), parse(&text).unwrap());
        // What nothing changes is sent on as it came (RULE-31), here with the contact as XML.
        assert_eq!(proto.next().raw, event_to_message(&text).encode_to_vec());
        // No answer, not even to a ping (which is nobody's business either).
        sensor.send(ping("sensor"));
        sensor.send(event("ask", "t-x-takp-q", "<TakControl><TakRequest version='1'/></TakControl>"));
        sensor.send(marker("behind-control"));
        xml.expect("behind-control");
        proto.expect("behind-control");
        sensor.socket.set_nonblocking(true).unwrap();
        assert!(sensor.socket.recv(&mut [0; 1]).is_err(), "nothing is sent back");
    }
    assert_eq!(server.metric("fts_cot_rejected_total", &[]), 0.0);
}

#[test]
fn rule_16_one_event_per_datagram_and_everything_else_is_counted() {
    let server = server();
    let [mut alice] = join_all(&server, [("A", "ALICE")]);
    let sensor = Sensor::unicast(&server);
    let half = marker("half");
    let invalid = marker("invalid").replace("lat=\"45.5\"", "lat=\"95\"");
    let cases: [(&str, Vec<u8>, &str); 13] = [
        ("text", b"hello".to_vec(), "garbage"),
        ("empty", Vec::new(), "garbage"),
        ("a blank in front", format!(" {half}").into_bytes(), "garbage"),
        ("two events", (marker("one") + &marker("two")).into_bytes(), "xml"),
        ("an event and text", format!("{half}x").into_bytes(), "xml"),
        ("half an event", half[..half.len() - 1].into(), "xml"),
        ("a declaration only", b"<?xml version='1.0'?>".to_vec(), "xml"),
        ("another element", b"<events/>".to_vec(), "garbage"),
        ("not well-formed", half.replace("<contact", "<1").into_bytes(), "xml"),
        ("invalid", invalid.into_bytes(), "schema"),
        ("no message", vec![0xBF, 1, 0xBF, 0xFF], "proto"),
        ("no mesh header", vec![0xBF], "proto"),
        ("invalid as mesh", mesh(&marker("m")).iter().map(|b| if *b == b'm' { 1 } else { *b }).collect(), "proto"),
    ];
    for (what, bytes, reason) in cases {
        let before = rejected(&server, reason);
        sensor.send(bytes);
        server.eventually(what, || rejected(&server, reason) == before + 1.0);
    }
    fence(&mut Client::connect(&server), &mut [&mut alice]);
}

#[test]
fn rule_16_destinations_and_notices() {
    let server = server();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    let sensor = Sensor::unicast(&server);
    sensor.send(marker_to("for-bob", r#"<dest callsign="BOB"/>"#));
    bob.expect("for-bob");
    sensor.send(marker_to("for-nobody", r#"<dest callsign="NOBODY"/>"#));
    sensor.send(event("notice", "t-x-m-c", "<mission/>"));
    sensor.send(marker("for-all"));
    alice.expect("for-all");
    bob.expect("for-all");
    // Counted before what came later was delivered.
    assert_eq!(rejected(&server, "notice"), 1.0);
    assert_eq!(server.metric("fts_cot_dropped_total", &[r#"reason="no_receiver""#]), 1.0);
}

/// A marker waits until it is on the disk, a position does not; nor does one end what was not yet shown.
#[test]
fn rule_16_datagrams_are_delivered_in_the_order_they_came() {
    let server = server();
    let [mut alice] = join_all(&server, [("A", "ALICE")]);
    let sensor = Sensor::unicast(&server);
    for n in 0..100 {
        sensor.send(marker(&format!("m-{n}")));
        sensor.send(event(&format!("p-{n}"), "a-f-A", ""));
        alice.expect(&format!("m-{n}"));
        alice.expect(&format!("p-{n}"));
    }
    for n in 0..100 {
        sensor.send(marker(&format!("n-{n}")));
    }
    (0..100).for_each(|n| drop(alice.expect(&format!("n-{n}"))));
}

#[test]
fn rule_16_positions_are_shown_to_who_comes_later_and_identify_nobody() {
    let server = server();
    let [mut alice] = join_all(&server, [("A", "ALICE")]);
    let sensor = Sensor::multicast(&server);
    let position = sa("RADIO-1", "RADIO");
    sensor.send(&position);
    assert_eq!(alice.next().text(), position);
    // Without an endpoint it is no position of a contact: relayed, not kept.
    sensor.send(event("TRACK-1", "a-f-A", r#"<contact callsign="TRACK"/>"#));
    alice.expect("TRACK-1");
    let mut late = Client::connect(&server);
    let mut shown = [late.next(), late.next()];
    shown.sort_by_key(|e| e.uid() == "RADIO-1");
    assert_eq!(shown[0].uid(), "A");
    assert_eq!(shown[1].text(), position);
    fence(&mut alice, &mut [&mut late]);
    let list = server.cli_json(&["clients", "list"]);
    assert!(list.as_array().unwrap().iter().all(|c| c["uid"] != "RADIO-1"), "{list}");
    // It is nobody's connection: what is addressed to it finds nobody.
    late.send(&marker_to("to-radio", r#"<dest uid="RADIO-1"/>"#));
    late.sync();
    assert_eq!(server.metric("fts_cot_dropped_total", &[r#"reason="no_receiver""#]), 1.0);
}

#[test]
fn rule_16_the_groups_of_the_input_decide_who_gets_it() {
    let server = Server::build()
        .listener("red_udp", "cot_udp", r#"default_groups = ["red"]"#)
        .listener("red_tcp", "cot_tcp", r#"default_groups = ["red"]"#)
        .start();
    let [mut blue] = join_all(&server, [("B", "BLUE")]);
    let mut red = Client::join_to(&server, "red_tcp", "R", "RED");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(marker("red-only").as_bytes(), server.address("red_udp")).unwrap();
    red.expect("red-only");
    socket.send_to(marker_to("named", r#"<dest callsign="BLUE"/>"#).as_bytes(), server.address("red_udp")).unwrap();
    server.eventually("out of reach", || server.metric("fts_cot_dropped_total", &[r#"reason="no_reach""#]) == 1.0);
    fence(&mut Client::connect(&server), &mut [&mut blue]);
}

#[test]
fn over_the_rate_of_the_input_datagrams_are_dropped_and_counted() {
    let server = Server::build().set("stream.limits.read_events_per_s", "10").listener("udp", "cot_udp", "").start();
    let sensor = Sensor::unicast(&server);
    let received = || server.metric("fts_cot_received_total", &[]);
    // One after the other, so that the socket's own buffer loses none; the burst is four times the rate.
    for n in 1..=100 {
        sensor.send(marker(&format!("{n}")));
        server.eventually("it is dealt with", || received() + rejected(&server, "rate") >= f64::from(n));
    }
    assert!(rejected(&server, "rate") >= 1.0 && received() >= 40.0, "{} of 100 dropped", rejected(&server, "rate"));
    // What was dropped leaves no debt: far more than the rate, and still it takes some in again at once.
    for n in 1..=400 {
        sensor.send(marker(&format!("{n}")));
        server.eventually("it is dealt with", || received() + rejected(&server, "rate") >= f64::from(100 + n));
    }
    let before = received();
    server.eventually("it takes in again", || {
        sensor.send(marker("again"));
        received() > before
    });
}

#[test]
fn rule_17_multicast_output_sends_what_everybody_may_see_and_no_echo() {
    let server = Server::build()
        .listener("mesh", "cot_multicast", &format!("group = \"{GROUP}\"\noutput = true"))
        .listener("blue", "cot_tcp", "default_groups = [\"blue\"]")
        .start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    let mut blue = Client::join_to(&server, "blue", "BLUE", "BLUE");
    // A node of the mesh: it hears the group.
    let node = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    node.set_reuse_address(true).unwrap();
    node.bind(&SocketAddr::from((GROUP, server.address("mesh").port())).into()).unwrap();
    node.join_multicast_v4(&GROUP, &Ipv4Addr::LOCALHOST).unwrap();
    node.set_read_timeout(Some(fts_tests::DEADLINE)).unwrap();
    let node: UdpSocket = node.into();
    let hear = || {
        let mut datagram = [0; 65_536];
        let n = node.recv(&mut datagram).unwrap();
        String::from_utf8(datagram[..n].to_vec()).unwrap()
    };
    // Directed events, other groups and control types stay inside.
    alice.send(&marker_to("directed", r#"<dest callsign="BOB"/>"#));
    bob.expect("directed");
    blue.send(&marker("of-blue"));
    blue.sync();
    alice.send(&ping("A"));
    alice.send(&marker("open"));
    let got = bob.expect("open");
    assert_eq!(hear(), got.text(), "the same bytes as everybody");
    // What comes in through the mesh goes to clients and not back out.
    let heard = marker("from-the-mesh");
    Sensor::multicast(&server).send(&heard);
    bob.expect("from-the-mesh");
    assert_eq!(hear(), heard, "the node hears its neighbour itself");
    alice.send(&marker("fence"));
    assert!(hear().contains(r#"uid="fence""#), "nothing came between: no echo");
    let listed = server.cli_json(&["clients", "list"]);
    let mesh = listed.as_array().unwrap().iter().find(|c| c["listener"] == "mesh").expect("the output is listed");
    assert_eq!(mesh["tx_events"], 4, "two positions and two markers: {mesh}");
}
