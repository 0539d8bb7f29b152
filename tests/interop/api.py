"""node-tak's HTTP API against the real server, in the order CloudTAK goes: log in, get a certificate, use it, stream.

Answers are checked against the schemas node-tak exports. What must not happen: a check that passes although node-tak
did not call the server.
"""

import asyncio
import base64
import hashlib
import io
import zipfile

import events
import missions
from clients import Pytak, Refused
from events import fresh, is_called, is_uid, text_of

PASSWORD = "correct horse battery staple"


async def checks(check, server, node, url, work):
    await server.fts("group", "add", "Blue")
    await server.fts("user", "add", "cloud", "--password", PASSWORD, "--group", "Blue")
    await server.fts("user", "add", "chief", "--password", PASSWORD, "--role", "admin", "--group", "Blue")
    door, main = server.url("enrollment"), server.url("marti_https")
    async with check("node-tak API: a wrong password is refused with words its users understand"):
        try:
            await log_in(node, "wrong", door, "cloud", "not the password")
        except Refused as refused:
            assert "incorrect Username or Password" in str(refused), refused
        else:
            raise AssertionError("it logged in")
    async with check("node-tak API: OAuth.login, and it reads the token"):
        told = await log_in(node, "cloud", door, "cloud", PASSWORD)
        assert told["sub"] == "cloud" and told["exp"] > told["iat"] > 1_700_000_000, told
        assert isinstance(told["aud"], str) and isinstance(told["nbf"], int), told
    async with check("node-tak API: with the token alone the TAK API answers on the enrollment listener"):
        await node.ask("cloud", "Contacts.list")
        await node.ask("cloud", "Group.list", schema="groups.TAKList_Group")

    async def enrol(name, password):
        """A certificate of its own for a user; from here on node-tak uses it."""
        await log_in(node, name, door, name, password)
        made = await node.ask(name, "Credentials.generate", schema="credentials.CertificateResponse")
        assert made["ca"], made
        await node.tell("certificate", name, id=f"cert-{name}", url=main, cert=made["cert"], key=made["key"])
        await node.expect(name, "certificate taken", lambda i: i.get("id") == f"cert-{name}")
        for part in ("cert", "key"):
            (work / f"{name}.{part}").write_text(made[part])

    for name in ("cloud", "chief"):
        async with check(f"node-tak API: Credentials.generate enrols {name}"):
            await enrol(name, PASSWORD)
    await log_in(node, "chief-door", door, "chief", PASSWORD)
    people = await Pytak(url).start()
    await people.send(events.sa(phone := fresh("phone"), "PHONE"))
    await streams(check, server, node, people, work)
    await lists(check, node)
    await files(check, node)
    await devices(check, node, people)
    async with check("node-tak API: Query.single of an event, and of one that is not there"):
        # Positions are written behind the stream; the answer is there a moment later.
        await node.tell("write", "cloud-stream", events=[events.bare("b-m-p-s-m", uid := fresh("stored")).decode()])
        text = await eventually(lambda: node.ask("cloud", "Query.single", uid))
        assert f'uid="{uid}"' in text, text
        try:
            await node.ask("cloud", "Query.single", fresh("nobody"))
        except Refused as refused:
            assert "CoT by that UID Not Found" in str(refused), refused
        else:
            raise AssertionError("it found something")
    await node.tell("destroy", "cloud-stream")
    await people.stop()
    chief = {"cert": str(work / "chief.cert"), "key": str(work / "chief.key"), "ca": str(server.ca)}
    chief["url"] = f"ssl://127.0.0.1:{server.ports['cot_tls']}"
    await missions.checks(check, server, node, enrol, chief, work)


async def log_in(node, name, url, user, password):
    await node.tell("password", name, id=f"login-{name}", url=url, user=user, password=password)
    answer = await node.expect(name, "login", lambda i: i.get("id") == f"login-{name}", 30)
    if answer["event"] == "refused":
        raise Refused(answer["text"])
    return answer["value"]


async def eventually(ask, within=10):
    """The answer of a call that is refused at first."""
    async with asyncio.timeout(within):
        while True:
            try:
                return await ask()
            except Refused:
                await asyncio.sleep(0.05)


async def streams(check, server, node, people, work):
    """A TLS stream with the certificate the server has just signed."""
    async with check("node-tak API: the issued certificate streams, in the groups of its user"):
        identity = {"cert": str(work / "cloud.cert"), "key": str(work / "cloud.key"), "ca": str(server.ca)}
        await node.tell("connect", "cloud-stream", url=f"ssl://127.0.0.1:{server.ports['cot_tls']}", **identity)
        await node.expect("cloud-stream", "secureConnect", lambda i: i["event"] == "secureConnect")
        chief = {"cert": str(work / "chief.cert"), "key": str(work / "chief.key"), "ca": str(server.ca)}
        await node.tell("connect", "chief-stream", url=f"ssl://127.0.0.1:{server.ports['cot_tls']}", **chief)
        await node.expect("chief-stream", "secureConnect", lambda i: i["event"] == "secureConnect")
        await node.tell("write", "cloud-stream", events=[events.sa(mine := fresh("cloud"), "CLOUD").decode()])
        await node.expect_cot("chief-stream", "SA of the same group", is_uid(mine))
        # The chief is in every group: what it says next, everybody gets, and nothing before it.
        await node.tell("write", "chief-stream", events=[events.sa(after := fresh("chief"), "CHIEF").decode()])
        await people.expect("SA of the chief", is_uid(after))
        assert mine not in {e.get("uid") for e in people.inbox.items}, "somebody outside the group got it"
    await node.tell("destroy", "chief-stream")


async def lists(check, node):
    """Who is there, as CloudTAK's pages show it."""
    async with check("node-tak API: Group.list"):
        groups = await node.ask("cloud", "Group.list", {"useCache": True}, schema="groups.TAKList_Group")
        assert {(g["name"], g["direction"]) for g in groups["data"]} == {("Blue", "IN"), ("Blue", "OUT")}, groups
    async with check("node-tak API: Contacts.list"):
        contacts = await node.ask("chief", "Contacts.list")
        assert {"PHONE", "CLOUD"} <= {c["callsign"] for c in contacts}, contacts
        strings = ("notes", "callsign", "team", "role", "takv", "uid")
        assert all(isinstance(c[name], str) for c in contacts for name in strings), contacts
        assert "PHONE" not in {c["callsign"] for c in await node.ask("cloud", "Contacts.list")}, "of another group"
    async with check("node-tak API: Client.list"):
        clients = await node.ask("chief", "Client.list", schema="client.ClientEndpointList")
        here = {c["callsign"]: c["lastStatus"] for c in clients["data"]}
        assert here.get("PHONE") == "Connected" and here.get("CLOUD") == "Connected", here
    async with check("node-tak API: Subscription.list"):
        query = {"sortBy": "CALLSIGN", "direction": "ASCENDING", "page": -1, "limit": -1}
        rows = await node.ask("chief", "Subscription.list", query, schema="subscriptions.TAKList_Subscription")
        row = next(r for r in rows["data"] if r["callsign"] == "CLOUD")
        assert (row["username"], row["protocol"], row["battery"]) == ("cloud", "tls", ""), row
        assert "PHONE" not in {r["callsign"] for r in (await node.ask("cloud", "Subscription.list", query))["data"]}
    shown = ("securityConfig SecurityConfig", "authConfig AuthConfig", "isSecure IsSecure", "verifyConfig IsValid")
    for call, schema in (pair.split() for pair in shown):
        async with check(f"node-tak API: Security.{call}, for administrators only"):
            await node.ask("chief", f"Security.{call}", schema=f"security.{schema}")
            try:
                await node.ask("cloud", f"Security.{call}")
            except Refused:
                pass
            else:
                raise AssertionError("a user may see it")


async def files(check, node):
    """A package up, found, down."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as members:
        manifest = '<MissionPackageManifest version="2"><Configuration><Parameter name="uid" value="interop"/>'
        manifest += '<Parameter name="name" value="Interop"/></Configuration><Contents/></MissionPackageManifest>'
        members.writestr("MANIFEST/manifest.xml", manifest)
    content = package.getvalue()
    digest, sent = hashlib.sha256(content).hexdigest(), {"base64": base64.b64encode(content).decode()}
    about = {"name": "interop.zip", "creatorUid": "CLOUD-1", "hash": digest, "keywords": ["interop"]}
    about["groups"] = ["Blue"]
    async with check("node-tak API: Files.uploadPackage, and Package.list finds it at once"):
        told = await node.ask("cloud", "Files.uploadPackage", about, sent)
        assert told.endswith(f"/Marti/sync/content?hash={digest}"), told
        found = await node.ask("cloud", "Package.list", {"uid": digest})
        assert found["resultCount"] >= 1 and found["results"][0]["Hash"] == digest, found
        assert digest in {r["Hash"] for r in (await node.ask("cloud", "Package.list", {"tool": "public"}))["results"]}
    async with check("node-tak API: Files.download gives what was sent"):
        got = await node.ask("cloud", "Files.download", digest)
        assert got == {"sha256": digest, "size": len(content)}, got
    async with check("node-tak API: Files.list, count and meta"):
        listed = await node.ask("cloud", "Files.list", schema="files.TAKList_Content")
        assert digest in {row["hash"] for row in listed["data"]}, listed
        assert (await node.ask("cloud", "Files.count"))["data"] >= 1
        assert digest in await node.ask("cloud", "Files.meta", digest)
    async with check("node-tak API: Files.upload"):
        text = b"just some text"
        about = {"name": "note.txt", "contentLength": len(text), "keywords": ["x", "y"], "creatorUid": "CLOUD-1"}
        body = {"base64": base64.b64encode(text).decode()}
        row = await node.ask("cloud", "Files.upload", about, body, schema="files.Content")
        assert row["Hash"] == hashlib.sha256(text).hexdigest() and row["Keywords"] == ["x", "y"], row
    async with check("node-tak API: Files.config"):
        config = await node.ask("cloud", "Files.config", schema="files.Config")
        assert config["uploadSizeLimit"] == 400, config
    async with check("node-tak API: Files.delete"):
        await node.ask("cloud", "Files.delete", digest)
        assert (await node.ask("cloud", "Package.list", {"uid": digest}))["resultCount"] == 0


async def devices(check, node, people):
    """Video, icons, injectors."""
    async with check("node-tak API: Video.create, get, list, update, delete"):
        feed = {"active": True, "alias": "North", "url": "rtsp://10.0.0.9:554/live"}
        made = {"active": True, "alias": "Gate", "feeds": [feed], "groups": ["Blue"]}
        video = await node.ask("cloud", "Video.create", made, schema="video.VideoConnection")
        assert video["feeds"][0]["url"] == feed["url"] and video["feeds"][0]["roverPort"] == "-1", video
        video["alias"] = "South gate"
        changed = await node.ask("cloud", "Video.update", video, schema="video.VideoConnection")
        assert changed["alias"] == "South gate", changed
        listed = await node.ask("cloud", "Video.list", {"protocol": "rtsp"}, schema="video.VideoConnectionList")
        assert [c["uuid"] for c in listed["videoConnections"]] == [video["uuid"]], listed
        await node.ask("cloud", "Video.delete", video["uuid"])
        assert (await node.ask("cloud", "Video.list"))["videoConnections"] == []
    async with check("node-tak API: Locate.generate makes a marker"):
        place = {"latitude": 45.5, "longitude": -75.25, "name": (name := fresh("here")), "remarks": "by <the> river"}
        await node.ask("chief", "Locate.generate", place)
        marker = await people.expect("marker", is_called(f"{name} (chief)"))
        assert marker.get("how") == "h-g-i-g-o" and text_of(marker, "detail/remarks") == "by <the> river"
        assert marker.find("point").get("lat") == "45.5"
    async with check("node-tak API: Certificate.list has what was issued, without secrets"):
        # node-tak 12.0.0 cannot ask this with a certificate: it names no method then.
        issued = await node.ask("chief-door", "Certificate.list", schema="certificate.TAKList_Certificate")
        assert "cloud (ETL)" in {c["clientUid"] for c in issued["data"]}, issued
        assert {c["token"] for c in issued["data"]} == {""}, "tokens are told"
    async with check("node-tak API: Iconsets.list"):
        assert (await node.ask("cloud", "Iconsets.list", schema="iconsets.TAKList_Iconsets"))["data"] == []
    async with check("node-tak API: Injectors.create, and what they do to an event, get, list, delete"):
        one = {"uid": fresh("drone"), "toInject": 'mark by="interop"'}
        schema = "injectors.TAKList_Injector"
        assert (await node.ask("chief", "Injectors.create", one, schema=schema))["data"] == [one]
        await people.send(events.bare("b-m-p-s-m", one["uid"]))
        other = await Pytak(people.config["COT_URL"]).start()
        await people.send(events.bare("b-m-p-s-m", one["uid"]))
        seen = await other.expect("the event", is_uid(one["uid"]))
        assert seen.find("detail/mark").get("by") == "interop"
        await other.stop()
        for call, arguments in (("get", [one["uid"]]), ("list", []), ("delete", [one])):
            assert (await node.ask("chief", f"Injectors.{call}", *arguments, schema=schema))["data"] == [one], call
        assert (await node.ask("chief", "Injectors.list"))["data"] == []
