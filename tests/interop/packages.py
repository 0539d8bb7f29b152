"""What an operator hands to a device: the package of `fts client add`, imported by pytak's own package reader and by
OpenSSL, and used to connect.
"""

import zipfile
from pathlib import Path

import pytak

import events
from clients import Pytak
from events import fresh, is_uid
from server import run


async def checks(check, server, work):
    out = work / "packages"
    await server.fts("client", "add", "zoe", "--host", "127.0.0.1", "--client", "all", "--out", str(out))
    plain = await Pytak(f"tcp://127.0.0.1:{server.ports['cot_tcp']}").start()
    async with check("package: pytak reads it, connects with what is in it, both directions"):
        read = pytak.read_pref_package(str(out / "zoe-atak.zip"))
        address = read.pop("COT_URL")
        assert address == f"ssl://127.0.0.1:{server.ports['cot_tls']}", address
        assert all(read.values()), read
        # pytak takes no CA from a P12 without one; the truststore is the next check's.
        options = {**read, "PYTAK_TLS_CLIENT_CAFILE": str(server.ca), "PYTAK_TLS_SERVER_EXPECTED_HOSTNAME": "localhost"}
        zoe = await Pytak(address, **options).start()
        await zoe.send(events.sa(uid := fresh("zoe"), "ZOE"))
        await plain.expect("SA", is_uid(uid))
        await plain.send(events.sa(uid := fresh("plain"), "PLAIN"))
        await zoe.expect("SA", is_uid(uid))
        await zoe.stop()
    async with check("package: unzipped, made PEM by openssl, pytak connects and trusts its truststore alone"):
        pem = await unpacked(out / "zoe-atak.zip", work / "unpacked")
        options = {
            "PYTAK_TLS_CLIENT_CERT": str(pem["cert"]),
            "PYTAK_TLS_CLIENT_KEY": str(pem["key"]),
            "PYTAK_TLS_CLIENT_CAFILE": str(pem["ca"]),
            "PYTAK_TLS_SERVER_EXPECTED_HOSTNAME": "localhost",
        }
        zoe = await Pytak(f"tls://127.0.0.1:{server.ports['cot_tls']}", **options).start()
        await zoe.send(events.sa(uid := fresh("zoe"), "ZOE"))
        await plain.expect("SA", is_uid(uid))
        await zoe.stop()
    for name in ("atak", "wintak", "itak"):
        async with check(f"package: fts doctor finds nothing wrong with the one for {name}"):
            await server.fts("doctor", str(out / f"zoe-{name}.zip"))
    await plain.stop()


async def unpacked(package: Path, into: Path):
    """Certificate, key and CA of a package as PEM files."""
    with zipfile.ZipFile(package) as files:
        files.extractall(into)
    client, trust = into / "certs" / "zoe.p12", into / "certs" / "truststore.p12"
    pem = {"cert": into / "cert.pem", "key": into / "key.pem", "ca": into / "ca.pem"}
    open_ = ("openssl", "pkcs12", "-legacy", "-passin", "pass:atakatak")
    await run(*open_, "-in", str(client), "-clcerts", "-nokeys", "-out", str(pem["cert"]))
    await run(*open_, "-in", str(client), "-nocerts", "-nodes", "-out", str(pem["key"]))
    await run(*open_, "-in", str(trust), "-nokeys", "-out", str(pem["ca"]))
    return pem
