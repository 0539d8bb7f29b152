"""pytak and node-tak as the checks use them. Both are the real libraries: pytak through its CLITool, workers and
reconnecting supervisor, node-tak in a node process (node_tak.mjs).

What a client receives goes into its Inbox in order; a check waits for an event with a deadline and never sleeps. What
must not happen: nothing here frames, parses or repairs CoT on behalf of a library.
"""

import asyncio
import configparser
import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytak

WITHIN = 10


class Inbox:
    """What arrived, in order, and a way to wait for more."""

    def __init__(self):
        self.items, self.news = [], asyncio.Condition()

    async def put(self, item):
        async with self.news:
            self.items.append(item)
            self.news.notify_all()

    async def expect(self, what, wanted, within=WITHIN):
        """The first item that `wanted` accepts, from the beginning on."""
        async with self.news:
            try:
                async with asyncio.timeout(within):
                    while not (found := [i for i in self.items if wanted(i)]):
                        await self.news.wait()
            except TimeoutError:
                raise AssertionError(f"no {what} in {within} s; got {[label(i) for i in self.items][-12:]}") from None
            return found[0]


def label(item):
    if isinstance(item, ET.Element):
        return f"{item.get('type')} {item.get('uid')}"
    return " ".join(str(item.get(k)) for k in ("name", "event", "type", "uid", "text") if item.get(k))


class Pytak:
    """One pytak client: events put into `send` leave, events that come are in `inbox` as elements."""

    def __init__(self, url, hello=False, **options):
        parser = configparser.ConfigParser()
        quiet = {} if hello else {"PYTAK_NO_HELLO": "1"}
        parser["pytak"] = {"COT_URL": url, "PYTAK_RECONNECT_INITIAL": "0.1", **quiet, **options}
        self.config, self.inbox = parser["pytak"], Inbox()
        self.connected, self.tool, self.task = asyncio.Event(), None, None

    async def start(self):
        self.task = asyncio.create_task(pytak.supervise_with_reconnect(self.config, self.once))
        waiting = asyncio.create_task(self.connected.wait())
        done, _ = await asyncio.wait({self.task, waiting}, timeout=WITHIN, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            raise AssertionError("pytak did not connect")
        if self.task in done:
            waiting.cancel()
            self.task.result()
        if "+wo" not in self.config["COT_URL"]:
            # A connected socket is not yet a client; the announcement is the first thing one gets.
            await self.expect("t-x-takp-v", lambda e: e.get("type") == "t-x-takp-v")
        return self

    async def once(self):
        """One life of a pytak application: fresh CLITool and workers, as its documentation demands."""
        self.tool = pytak.CLITool(self.config)
        await self.tool.create_workers(self.config)
        self.tool.add_task(Receiver(self.tool.rx_queue, self.config, self.inbox))
        self.connected.set()
        await self.tool.run()

    async def send(self, event):
        await self.tool.tx_queue.put(event if isinstance(event, bytes) else event.encode())

    async def expect(self, what, wanted, within=WITHIN):
        return await self.inbox.expect(what, wanted, within)

    async def stop(self):
        """What the end of a pytak process does to its connection."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        for task in list(self.tool.running_tasks):
            worker = getattr(task, "_pytak_worker", None)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if isinstance(worker, pytak.TXWorker):
                worker.writer.close()


class Receiver(pytak.QueueWorker):
    """The consumer every pytak application writes: takes events from the receive queue."""

    def __init__(self, queue, config, inbox):
        super().__init__(queue, config)
        self.inbox = inbox

    async def handle_data(self, data):
        await self.inbox.put(ET.fromstring(data))


class Refused(Exception):
    """node-tak's API threw, with this HTTP status where it came from the server."""

    def __init__(self, text, status=None):
        super().__init__(text)
        self.status = status


class NodeTak:
    """One node process with any number of node-tak connections, and node-tak's HTTP API for any number of users."""

    def __init__(self, here: Path, log, ca: Path):
        self.here, self.log, self.ca, self.inbox, self.process, self.calls = here, log, ca, Inbox(), None, 0

    async def start(self):
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            "node",
            str(self.here / "node_tak.mjs"),
            **{"stdin": pipe, "stdout": pipe, "stderr": self.log, "limit": 1 << 24},
            # Of its two ways to log in node-tak checks the server's certificate with the one that has no own. Where CI
            # is set, pem, with which it makes certificates, prints what it does, private keys and all.
            env={**os.environ, "NODE_EXTRA_CA_CERTS": str(self.ca), "CI": ""},
        )
        self.reading = asyncio.create_task(self.read())
        await self.inbox.expect("start of node", lambda i: i["event"] == "started", 30)
        return self

    async def read(self):
        while line := await self.process.stdout.readline():
            item = json.loads(line)
            if item["event"] == "cot":
                item["element"] = ET.fromstring(item["xml"])
            await self.inbox.put(item)

    async def tell(self, do, name, **more):
        self.process.stdin.write(json.dumps({"do": do, "name": name, **more}).encode() + b"\n")
        await self.process.stdin.drain()

    async def ask(self, name, call, *arguments, schema=None, whole=False):
        """Calls a function of node-tak's API, like `Group.list`, and gives what it returned; checked against the schema
        node-tak exports, where one is named (`groups.TAKList_Group`). Of a file the digest, and all of it when asked for."""
        self.calls += 1
        about = {"call": call, "arguments": arguments, "schema": schema, "whole": whole}
        await self.tell("call", name, id=(number := self.calls), **about)
        answer = await self.expect(name, f"answer of {call}", lambda i: i.get("id") == number, 30)
        if answer["event"] == "refused":
            raise Refused(answer["text"], answer.get("status"))
        assert not answer["wrong"], f"{call}: {answer['wrong']} in {str(answer['value'])[:400]}"
        return answer["value"]

    async def expect(self, name, what, wanted, within=WITHIN):
        return await self.inbox.expect(f"{what} at {name}", lambda i: i["name"] == name and wanted(i), within)

    async def expect_cot(self, name, what, wanted, within=WITHIN):
        item = await self.expect(name, what, lambda i: i["event"] == "cot" and wanted(i["element"]), within)
        return item["element"]

    def cots(self, name):
        return [i["element"] for i in self.inbox.items if i["name"] == name and i["event"] == "cot"]

    async def stop(self):
        self.process.stdin.close()
        try:
            async with asyncio.timeout(WITHIN):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
