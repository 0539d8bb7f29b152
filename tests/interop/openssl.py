"""What OpenSSL, the TLS library most TAK clients are built on, says of our certificates, P12 files and listener.

The handshake checks send a ping through `openssl s_client` and wait for the pong: with TLS 1.3 a client learns only
after its own handshake that it was refused, so that a finished handshake proves nothing.
"""

import asyncio
import base64
import json
import ssl
import xml.etree.ElementTree as ET
from http.client import HTTPConnection, HTTPSConnection

import events
from server import run

REFUSED = 1


async def checks(check, server, work):
    """Runs all of them; `check` prints and counts."""
    ca, alice = str(server.ca), str(server.issued / "alice.pem")
    async with check("openssl: the server certificate's chain verifies for a TLS server"):
        certificate = str(server.data / "certs" / "server.pem")
        await run("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", ca, certificate)
    async with check("openssl: a client certificate verifies for a TLS client"):
        await run("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", ca, alice)
    for name in ("alice", "ca-trust"):
        async with check(f"openssl: {name}.p12 opens with its password, 3DES with SHA-1 MAC"):
            said = await pkcs12(server.issued / f"{name}.p12", "atakatak")
            assert "MAC: sha1" in said, said
            assert "pbeWithSHA1And3-KeyTripleDES-CBC" in said and "PBES2" not in said and "RC2" not in said, said
        async with check(f"openssl: {name}.p12 does not open with another password"):
            try:
                await pkcs12(server.issued / f"{name}.p12", "wrong")
            except RuntimeError as refused:
                assert "invalid password" in str(refused), refused
            else:
                raise AssertionError("it opened")
    for flag, version in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
        async with check(f"openssl: {version} with a client certificate, ping and pong"):
            code, said = await s_client(server, flag, "-cert", alice, "-key", alice.replace(".pem", ".key"))
            assert code is None and "t-x-c-t-r" in said, said[-600:]
            assert f"Protocol version: {version}" in said and "Verification: OK" in said, said[-600:]
        async with check(f"openssl: {version} without a client certificate is refused"):
            code, said = await s_client(server, flag)
            assert code == REFUSED and "alert" in said and "<event" not in said, said[-600:]
    async with check("openssl: the revocation list is signed by the CA, and names who is revoked, over HTTP, too"):
        await server.issue("mallory")
        revoked = str(server.issued / "mallory.pem")
        await server.fts("cert", "revoke", "--cn", "mallory")
        crl = str(server.data / "certs" / "crl.pem")
        assert "verify OK" in await run("openssl", "crl", "-in", crl, "-CAfile", ca, "-noout")
        listed = ("openssl", "verify", "-crl_check", "-CRLfile", crl, "-CAfile", ca)
        await run(*listed, alice)
        try:
            await run(*listed, revoked)
        except RuntimeError as refused:
            assert "revoked" in str(refused), refused
        else:
            raise AssertionError("it verifies")
        (work / "http.crl").write_bytes(asked := (await http(server, "marti_http", "GET", "/Marti/api/tls/crl"))[1])
        crl = ("openssl", "crl", "-inform", "DER", "-in", str(work / "http.crl"))
        said = await run(*crl, "-CAfile", ca, "-noout", "-text")
        serial = (await run("openssl", "x509", "-in", revoked, "-noout", "-serial")).strip().split("=")[1]
        assert asked and "verify OK" in said and serial.lstrip("0") in said.upper(), said[-600:]
    async with check("openssl: TLS with a revoked certificate is refused"):
        code, said = await s_client(server, "-tls1_3", "-cert", revoked, "-key", revoked.replace(".pem", ".key"))
        assert code == REFUSED and "<event" not in said, said[-600:]
    for digest in ("sha1", "sha256"):
        async with check(f"openssl: a request signed with {digest} is signed by signClient, the certificate connects"):
            await enrolled(server, work, digest)
    async with check("openssl: a certificate of another CA is refused"):
        cert, key = str(work / "stranger.pem"), str(work / "stranger.key")
        made = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=alice".split()
        await run(*made, "-keyout", key, "-out", cert)
        code, said = await s_client(server, "-tls1_3", "-cert", cert, "-key", key)
        assert code == REFUSED and "alert" in said and "<event" not in said, said[-600:]
    async with check("openssl: TLS 1.1 is refused"):
        code, said = await s_client(server, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        assert code == REFUSED and "alert" in said and "<event" not in said, said[-600:]


PASSWORD = "correct horse battery staple"


async def enrolled(server, work, digest):
    """A request as ATAK makes it, with the name the server asks for, sent with a password, and what comes of it."""
    user, key, request = f"enrolled-{digest}", str(work / f"{digest}.key"), work / f"{digest}.csr"
    await server.fts("user", "add", user, "--password", PASSWORD)
    status, told = await http(server, "enrollment", "GET", "/Marti/api/tls/config", user)
    assert status == 200, told
    entries = ET.fromstring(told).iter("{http://bbn.com/marti/xml/config}nameEntry")
    subject = f"/CN={user}" + "".join(f"/{e.get('name')}={e.get('value')}" for e in entries)
    made = f"openssl req -new -newkey rsa:2048 -nodes -{digest} -keyout {key} -out {request}".split()
    await run(*made, "-subj", subject)
    path = "/Marti/api/tls/signClient/v2?clientUid=OPENSSL-1&version=3"
    status, told = await http(server, "enrollment", "POST", path, user, request.read_bytes())
    assert status == 200, told
    signed = work / f"{digest}.pem"
    body = json.loads(told)["signedCert"].strip()
    signed.write_text(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    await run("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", str(server.ca), str(signed))
    code, said = await s_client(server, "-tls1_3", "-cert", str(signed), "-key", key)
    assert code is None and "t-x-c-t-r" in said, said[-600:]


async def http(server, listener, method, path, user="", body=None):
    """Status and body of one request; TLS is checked against the server's CA."""

    def ask():
        at = ("127.0.0.1", server.ports[listener])
        if listener == "marti_http":
            connection = HTTPConnection(*at, timeout=20)
        else:
            trust = ssl.create_default_context(cafile=str(server.ca))
            connection = HTTPSConnection(*at, timeout=20, context=trust)
        secret = base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()
        connection.request(method, path, body, {"Authorization": f"Basic {secret}", "Accept": "*/*"} if user else {})
        answer = connection.getresponse()
        return answer.status, answer.read()

    return await asyncio.to_thread(ask)


async def pkcs12(file, password):
    command = ["openssl", "pkcs12", "-info", "-noout", "-in", str(file), "-passin", f"pass:{password}"]
    return await run(*command[:2], "-legacy", *command[2:])


async def s_client(server, *options):
    """Connects, sends a ping, waits for a pong or for the end. Exit code (None = it got its pong) and output."""
    at = f"127.0.0.1:{server.ports['cot_tls']}"
    pipe, both = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-connect", at, "-brief", "-CAfile", str(server.ca)),
        *("-verify_return_error", "-verify_hostname", "localhost", *options),
        **{"stdin": pipe, "stdout": pipe, "stderr": both},
    )
    said = b""
    try:
        async with asyncio.timeout(10):
            process.stdin.write(events.ping("openssl"))
            while (piece := await process.stdout.read(4096)) and b"t-x-c-t-r" not in said:
                said += piece
                if b"t-x-c-t-r" in said:
                    return None, said.decode(errors="replace")
            return await process.wait(), said.decode(errors="replace")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
