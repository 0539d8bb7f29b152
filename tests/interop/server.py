"""The real server under test: target/release/fts in a directory of its own, on free ports.

Order: write the configuration, start, wait for run/listeners.json, issue certificates; a restart keeps the ports. The
process id stands in WORK/fts.pid, so that run.sh ends the server whatever becomes of this process.
"""

import asyncio
import json
from pathlib import Path

# protobuf from the first byte is what pytak's TAK_PROTO=1 speaks on a stream (RULE-30).
CONFIG = """
[server]
public_names = ["localhost"]
[listeners.cot_tcp]
bind = "127.0.0.1"
port = {cot_tcp}
[listeners.cot_tls]
bind = "127.0.0.1"
port = {cot_tls}
[listeners.marti_http]
bind = "127.0.0.1"
port = {marti_http}
[listeners.marti_https]
bind = "127.0.0.1"
port = {marti_https}
[listeners.enrollment]
bind = "127.0.0.1"
port = {enrollment}
[listeners.rest]
bind = "127.0.0.1"
port = {rest}
[listeners.admin]
port = {admin}
[marti]
locate = true
[[listeners.extra]]
name = "proto"
kind = "cot_tcp"
bind = "127.0.0.1"
port = {proto}
protobuf = "only"
"""

LISTENERS = ("cot_tcp", "cot_tls", "marti_http", "marti_https", "enrollment", "rest", "admin", "proto")
START_WITHIN = 30
STOP_WITHIN = 25


class Server:
    def __init__(self, binary: Path, work: Path):
        self.binary, self.work = binary, work
        self.data, self.issued = work / "data", work / "issued"
        self.ports = dict.fromkeys(LISTENERS, 0)
        self.process = None

    def arguments(self, *more):
        return [str(self.binary), *more, "--data-dir", str(self.data), "--config", str(self.work / "fts.toml")]

    async def start(self):
        self.data.mkdir(exist_ok=True)
        (self.work / "fts.toml").write_text(CONFIG.format(**self.ports))
        listeners = self.data / "run" / "listeners.json"
        listeners.unlink(missing_ok=True)
        with open(self.work / "fts.log", "ab") as log:
            self.process = await asyncio.create_subprocess_exec(*self.arguments("run"), stdout=log, stderr=log)
        (self.work / "fts.pid").write_text(str(self.process.pid))
        async with asyncio.timeout(START_WITHIN):
            # The file appears in one piece when everything listens; nothing else tells.
            while not listeners.exists():
                if self.process.returncode is not None:
                    raise RuntimeError(f"the server ended with {self.process.returncode}, see {self.work}/fts.log")
                await asyncio.sleep(0.02)
        self.ports = {name: at["port"] for name, at in json.loads(listeners.read_text()).items()}

    async def stop(self):
        self.process.terminate()
        async with asyncio.timeout(STOP_WITHIN):
            code = await self.process.wait()
        (self.work / "fts.pid").unlink()
        return code

    async def issue(self, name):
        """`fts cert issue`: NAME.pem, NAME.key, NAME.p12 and ca-trust.p12 in self.issued."""
        await run(*self.arguments("cert", "issue", name, "--out", str(self.issued)))

    async def fts(self, *arguments):
        """Any other command; what it printed."""
        return await run(*self.arguments(*arguments))

    def url(self, listener):
        scheme = "http" if listener == "marti_http" else "https"
        return f"{scheme}://127.0.0.1:{self.ports[listener]}"

    async def version(self):
        return (await run(str(self.binary), "version")).strip()

    @property
    def ca(self):
        return self.data / "certs" / "ca.pem"

    def identity(self, name):
        return {"cert": str(self.issued / f"{name}.pem"), "key": str(self.issued / f"{name}.key"), "ca": str(self.ca)}


async def run(*command):
    """Runs a command to its end and returns what it printed."""
    pipe, both = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=both)
    async with asyncio.timeout(60):
        out = (await process.communicate())[0].decode(errors="replace")
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:3])}: exit code {process.returncode}: {out[-500:]}")
    return out
