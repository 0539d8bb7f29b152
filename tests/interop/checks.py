"""Real clients against the real server; every check prints one line, `ok` or `FAIL`.

Order: start the server, certificates, OpenSSL, pytak over TCP and TLS, client packages, TAK protocol, node-tak, both
together, node-tak's HTTP API, restart.
"Nobody else gets it" is proven by a later event of the same sender: events of one sender arrive in order (RULE-50).
What must not happen: a sleep that stands for "it will have arrived by now".

usage: checks.py SERVER_BINARY WORK_DIRECTORY
"""

import asyncio
import contextlib
import sys
import traceback
from pathlib import Path

import pytak
import takproto

import api
import events
import openssl
import packages
from clients import NodeTak, Pytak
from events import bare, fresh, has_left, is_type, is_uid, text_of
from server import Server

HERE = Path(__file__).parent
TEXT = "ž 漢 <&> \"quoted\" 'it'"
counts = {"ok": 0, "FAIL": 0}


@contextlib.asynccontextmanager
async def check(name):
    try:
        yield
    except Exception as error:  # Whatever went wrong is this check's failure, not the end of all checks.
        counts["FAIL"] += 1
        print(f"FAIL {name}: {type(error).__name__}: {error}", flush=True)
        if not isinstance(error, AssertionError):
            traceback.print_exc(file=sys.stdout)
    else:
        counts["ok"] += 1
        print(f"ok   {name}", flush=True)


def tls(server, name, **more):
    identity = server.identity(name)
    return {
        "PYTAK_TLS_CLIENT_CERT": identity["cert"],
        "PYTAK_TLS_CLIENT_KEY": identity["key"],
        "PYTAK_TLS_CLIENT_CAFILE": identity["ca"],
        "PYTAK_TLS_SERVER_EXPECTED_HOSTNAME": "localhost",
        **more,
    }


async def pytak_tcp(server, url):
    ann, bob = await Pytak(url).start(), await Pytak(url, hello=True, COT_HOST_ID=(hello := fresh("hello"))).start()
    async with check("pytak TCP: the hello of one client reaches another"):
        await ann.expect("hello", lambda e: e.get("uid") == hello and e.get("type") == "t-x-d-d")
    async with check("pytak TCP: the server announces TAK protocol version 1"):
        offer = await ann.expect("t-x-takp-v", is_type("t-x-takp-v"))
        assert offer.find("detail/TakControl/TakProtocolSupport").get("version") == "1"
    async with check("pytak TCP: a ping is answered with a pong, and nobody else hears of it"):
        await ann.send(events.ping(asker := fresh("ann")))
        pong = await ann.expect("pong", is_type("t-x-c-t-r"))
        assert pong.get("uid") == "takPong" and pong.find("point") is not None
        await ann.send(events.sa(after := fresh("after"), "AFTER"))
        await bob.expect("the event after the ping", is_uid(after))
        assert not [e for e in bob.inbox.items if e.get("type").startswith("t-x-c-t")], "the ping or pong was relayed"
    async with check("pytak TCP: the SA of one client reaches another, whole"):
        await ann.send(events.sa(uid := fresh("ann"), "ANN", TEXT))
        seen = await bob.expect("SA", is_uid(uid))
        assert seen.find("detail/contact").get("callsign") == "ANN" and text_of(seen, "detail/remarks") == TEXT
        assert seen.find("point").get("lat") == "45.5" and seen.find("detail/status").get("battery") == "87"
        assert not [e for e in ann.inbox.items if e.get("uid") == uid], "the sender got its own event"
    async with check("pytak TCP: a client that comes later gets the positions of those who are there"):
        late = await Pytak(url).start()
        await late.expect("replayed SA", is_uid(after))
        await late.stop()
    async with check("pytak TCP: when a client leaves, others get its t-x-d-d"):
        await ann.stop()
        await bob.expect("t-x-d-d", has_left(after))
    await bob.stop()


async def pytak_tls(server, url, tls_url):
    plain = await Pytak(url).start()
    async with check("pytak TLS: certificate and host name verified, both directions, TLS to TCP and back"):
        ann = await Pytak(tls_url, **tls(server, "alice")).start()
        await ann.send(events.sa(uid := fresh("ann"), "ANN-TLS", TEXT))
        assert text_of(await plain.expect("SA", is_uid(uid)), "detail/remarks") == TEXT
        await plain.send(events.sa(uid := fresh("plain"), "PLAIN"))
        await ann.expect("SA", is_uid(uid))
    async with check("pytak TLS: with the P12 file as it is handed to devices"):
        p12 = {"PYTAK_TLS_CLIENT_CERT": str(server.issued / "bob.p12"), "PYTAK_TLS_CLIENT_PASSWORD": "atakatak"}
        bob = await Pytak(tls_url, **{**tls(server, "bob"), **p12}).start()
        await bob.send(events.sa(uid := fresh("bob"), "BOB-P12"))
        await ann.expect("SA", is_uid(uid))
        await bob.stop()
    await ann.stop()
    await plain.stop()


async def protobuf(server, url):
    """pytak's TAK_PROTO=1 writes stream frames from the first byte; it cannot read them from a stream, takproto can."""
    proto_url = f"tcp+wo://127.0.0.1:{server.ports['proto']}"
    plain = await Pytak(url).start()
    async with check("pytak TAK protocol: its frames arrive as XML"):
        sender = await Pytak(proto_url, TAK_PROTO="1").start()
        await sender.send(events.sa(uid := fresh("proto"), "PROTO", TEXT))
        seen = await plain.expect("SA", is_uid(uid))
        assert seen.find("detail/contact").get("callsign") == "PROTO" and text_of(seen, "detail/remarks") == TEXT
        assert float(seen.find("detail/track").get("speed")) == 1.5 and float(seen.find("point").get("lon")) == -75.25
        await sender.stop()
    async with check("takproto: reads our frames"):
        reader, writer = await pytak.protocol_factory({"COT_URL": proto_url})
        await plain.send(events.sa(uid := fresh("xml"), "XML", TEXT))
        while (message := await frame(reader)).cotEvent.uid != uid:
            pass
        cot = message.cotEvent
        assert (cot.type, cot.lat, cot.detail.contact.callsign) == ("a-f-G-U-C", 45.5, "XML"), cot
        assert (cot.detail.group.name, cot.detail.takv.version, cot.detail.track.course) == ("Cyan", "1", 90.0), cot
        assert cot.staleTime > cot.startTime > 1_700_000_000_000 and "<remarks>" in cot.detail.xmlDetail, cot
        writer.close()
    await plain.stop()


async def frame(reader):
    """One stream frame, as takproto reads it; its length is the only thing that is read here."""
    async with asyncio.timeout(10):
        head, length, shift = await reader.readexactly(1), 0, 0
        assert head == b"\xbf", head
        while True:
            head += (byte := await reader.readexactly(1))
            length |= (byte[0] & 0x7F) << shift
            shift += 7
            if byte[0] < 0x80:
                return takproto.parse_proto(head + await reader.readexactly(length))


async def node_tak(server, node, url, tls_url):
    identity, me = server.identity("carol"), fresh("carol")
    url_of_node = tls_url.replace("tls:", "ssl:")
    ann = await Pytak(url).start()
    await ann.send(events.sa(ann_uid := fresh("ann"), "ANN"))
    async with check("node-tak TLS: connects with certificate, key and CA"):
        await node.tell("connect", "carol", url=url_of_node, **identity)
        await node.expect("carol", "secureConnect", lambda i: i["event"] == "secureConnect")
    async with check("node-tak TLS: its ping is answered, and it reads the server's version"):
        pinged = await node.expect("carol", "pong and version", lambda i: i["event"] == "ping" and i["version"])
        assert pinged["version"] in await server.version(), pinged
    async with check("node-tak TLS: gets the positions of those who are there"):
        await node.expect_cot("carol", "replayed SA", is_uid(ann_uid))
    async with check("node-tak TLS: what it writes reaches pytak, whole"):
        await node.tell("write", "carol", events=[events.sa(me, "CAROL", TEXT).decode()])
        seen = await ann.expect("SA of node-tak", is_uid(me))
        assert text_of(seen, "detail/remarks") == TEXT and seen.find("detail/takv").get("device") == "interop"
    async with check("node-tak TLS: the welcome chat greets it"):
        welcome = await node.expect_cot("carol", "welcome", is_type("b-t-f"))
        assert "Welcome" in text_of(welcome, "detail/remarks")
    async with check("node-tak TLS: what pytak sends arrives, whole"):
        await ann.send(events.sa(uid := fresh("ann"), "ANN", TEXT))
        assert text_of(await node.expect_cot("carol", "SA of pytak", is_uid(uid)), "detail/remarks") == TEXT
    async with check("node-tak TLS: 200 events in one write arrive, all and in order"):
        many = [fresh("many") for _ in range(200)]
        await node.tell("write", "carol", events=[bare("a-f-G", uid).decode() for uid in many])
        await ann.expect("the last of 200", is_uid(many[-1]))
        assert [u for e in ann.inbox.items if (u := e.get("uid")) in set(many)] == many
    await node.tell("connect", "dave", url=url_of_node, **server.identity("dave"))
    await node.tell("write", "dave", events=[events.sa(dave := fresh("dave"), "DAVE").decode()])
    await ann.expect("SA of dave", is_uid(dave))
    async with check("node-tak TLS: an event for a callsign reaches that one alone"):
        marker = bare("b-m-p-s-p-i", uid := fresh("for")).decode()
        await node.tell("to_callsign", "carol", event=marker, callsign="DAVE")
        await node.tell("write", "carol", events=[events.sa(me, "CAROL", last := fresh("last")).decode()])
        await node.expect_cot("dave", "directed event", is_uid(uid))
        await ann.expect("the event after it", lambda e: text_of(e, "detail/remarks") == last)
        assert uid not in {e.get("uid") for e in ann.inbox.items}, "somebody else got it"
        assert uid not in {e.get("uid") for e in node.cots("carol")}, "the sender got it"
    async with check("pytak to node-tak: an event for a callsign reaches that one alone"):
        await ann.send(events.sa(uid := fresh("for"), "ANN-2", dest=[{"callsign": "CAROL"}]))
        await ann.send(events.sa(after := fresh("after"), "ANN-3"))
        await node.expect_cot("carol", "directed event", is_uid(uid))
        await node.expect_cot("dave", "the event after it", is_uid(after))
        assert uid not in {e.get("uid") for e in node.cots("dave")}, "somebody else got it"
    async with check("chat: pytak to node-tak"):
        await ann.send(events.chat(ann_uid, "ANN", me, "CAROL", words := f"{TEXT} {fresh('chat')}"))
        await node.expect_cot("carol", "chat", lambda e: text_of(e, "detail/remarks") == words)
    async with check("chat: node-tak (its DirectChat) to pytak, and to nobody else"):
        people = {"from": {"uid": me, "callsign": "CAROL"}, "to": {"uid": ann_uid, "callsign": "ANN"}}
        await node.tell("chat", "carol", message=(words := fresh("chat")), **people)
        await node.tell("write", "carol", events=[events.sa(me, "CAROL", last := fresh("last")).decode()])
        await ann.expect("chat", lambda e: e.get("type") == "b-t-f" and text_of(e, "detail/remarks") == words)
        await node.expect_cot("dave", "the event after it", lambda e: text_of(e, "detail/remarks") == last)
        assert words not in {text_of(e, "detail/remarks") for e in node.cots("dave")}, "somebody else got it"
    async with check("node-tak TLS: when it goes, others get its t-x-d-d"):
        await node.tell("destroy", "dave")
        await ann.expect("t-x-d-d", has_left(dave))
    await ann.stop()


async def restart(server, node, tls_url):
    ann = await Pytak(tls_url, **tls(server, "alice")).start()
    await node.tell("connect", "erin", url=tls_url.replace("tls:", "ssl:"), **server.identity("carol"))
    await node.expect("erin", "secureConnect", lambda i: i["event"] == "secureConnect")
    # A client of TLS 1.3 is connected before its server knows: whose handshake the stop breaks off may hear a reset.
    await node.expect("erin", "pong", lambda i: i["event"] == "ping")
    async with check("restart: the server stops in order, node-tak hears the end"):
        code = await server.stop()
        assert code == 0, f"exit code {code}"
        await node.expect("erin", "end", lambda i: i["event"] == "end")
    await server.start()
    node.inbox.items.clear()
    async with check("restart: node-tak's reconnect() works, CA and certificates are the same"):
        await node.tell("reconnect", "erin")
        await node.expect("erin", "secureConnect", lambda i: i["event"] == "secureConnect")
        await node.expect("erin", "pong", lambda i: i["event"] == "ping")
    async with check("restart: pytak's supervisor reconnects, and both hear each other again"):
        # pytak notices a dead connection only when it writes; every application of it writes again and again.
        arrived = asyncio.create_task(node.expect_cot("erin", "SA of pytak", is_uid(uid := fresh("ann")), 20))
        while not arrived.done():
            await ann.send(events.sa(uid, "ANN"))
            await asyncio.wait({arrived}, timeout=0.1)
        await arrived
        await node.tell("write", "erin", events=[events.sa(mine := fresh("erin"), "ERIN").decode()])
        await ann.expect("SA of node-tak", is_uid(mine))
    await ann.stop()


async def main(binary, work):
    server = Server(binary, work)
    await server.start()
    for name in ("alice", "bob", "carol", "dave"):
        await server.issue(name)
    at = "127.0.0.1"
    url, tls_url = f"tcp://{at}:{server.ports['cot_tcp']}", f"tls://{at}:{server.ports['cot_tls']}"
    with open(work / "node.log", "wb") as log:
        node = await NodeTak(HERE, log, server.ca).start()
        groups = [
            ("openssl", openssl.checks(check, server, work)),
            ("pytak tcp", pytak_tcp(server, url)),
            ("pytak tls", pytak_tls(server, url, tls_url)),
            ("packages", packages.checks(check, server, work)),
            ("TAK protocol", protobuf(server, url)),
            ("node-tak", node_tak(server, node, url, tls_url)),
            ("node-tak API", api.checks(check, server, node, url, work)),
            ("restart", restart(server, node, tls_url)),
        ]
        for name, group in groups:
            # A group that cannot even set its clients up is a failure like any other.
            try:
                await group
            except Exception as error:
                counts["FAIL"] += 1
                print(f"FAIL {name}: {type(error).__name__}: {error}", flush=True)
                traceback.print_exc(file=sys.stdout)
        await node.stop()
    async with check("the server stops in order"):
        assert await server.stop() == 0
    print(f"{counts['ok']} ok, {counts['FAIL']} failed")
    return counts["FAIL"] > 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())))
