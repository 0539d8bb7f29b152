"""The server's OpenAPI documents against the server: every operation is called with good and bad input.

Order: start, an administrator with a token and a certificate, then for each listener the document is read, the listed
exceptions are left out (excluded.txt, each with its reason) and schemathesis calls the rest: no 5xx, and only statuses
and content types that the document names. Two listeners at a time: schemathesis keeps a core busy, not the server. An
operation that nobody called is a failure, and so is an exception that is no operation any more. The process id stands in
WORK/fts.pid.
"""

import http.client
import json
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance"
CONFIG = """
[server]
public_names = ["localhost"]
[tls]
key_type = "p256"
[marti]
locate = true
[files]
max_upload = "2MB"
[log]
level = "info,fts::http=warn"
""" + "".join(
    f'[listeners.{name}]\nbind = "127.0.0.1"\nport = 0\n'
    for name in ("cot_tcp", "cot_tls", "marti_http", "marti_https", "enrollment", "rest", "admin")
)
START_WITHIN = 30


class Local(http.client.HTTPConnection):
    """Requests through the control socket."""

    def __init__(self, path):
        super().__init__("fts")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))

    def ask(self, method, path, body):
        self.request(method, path, json.dumps(body), {"content-type": "application/json"})
        answer = self.getresponse()
        text = answer.read()
        assert answer.status in (200, 201), f"{method} {path}: {answer.status} {text}"
        return json.loads(text)


def start(binary, work):
    (work / "data").mkdir()
    (work / "fts.toml").write_text(CONFIG)
    arguments = [binary, "run", "--data-dir", work / "data", "--config", work / "fts.toml"]
    with open(work / "fts.log", "wb") as log:
        server = subprocess.Popen(arguments, stdout=log, stderr=log)
    (work / "fts.pid").write_text(str(server.pid))
    listeners = work / "data/run/listeners.json"
    until = time.monotonic() + START_WITHIN
    while not listeners.exists():
        assert server.poll() is None, f"the server ended with {server.returncode}"
        assert time.monotonic() < until, "the server did not start"
        time.sleep(0.05)
    return server, {name: at["port"] for name, at in json.loads(listeners.read_text()).items()}


def administrator(binary, work):
    """A token, and the files of a certificate."""
    local = Local(work / "data/run/fts.sock")
    local.ask("POST", "/admin/users", {"name": "root", "role": "admin", "password": "a password for this run"})
    token = local.ask("POST", "/admin/users/root/tokens", {"scopes": "admin"})["token"]
    out = work / "issued"
    command = [binary, "cert", "issue", "root", "--out", out, "--data-dir", work / "data"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return token, out / "root.pem", out / "root.key"


def fetch(url, ca, cert):
    context = None
    if url.startswith("https"):
        context = ssl.create_default_context(cafile=ca)
        context.load_cert_chain(*cert)
    with urllib.request.urlopen(f"{url}/openapi.json", context=context) as answer:
        return json.load(answer)


def exceptions():
    lines = [line.split(None, 1) for line in (HERE / "excluded.txt").read_text().splitlines()]
    listed = {words[0]: words[1] for words in lines if words and not words[0].startswith("#")}
    return listed


def run(name, url, document, left_out, credentials, work, examples):
    ids = {
        operation["operationId"]: (method.upper(), path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    used = {pattern for pattern in left_out for i in ids if fnmatch(i, pattern)}
    skipped = {i for i in ids if any(fnmatch(i, pattern) for pattern in left_out)}
    schema = work / f"{name}.json"
    schema.write_text(json.dumps(document))
    report = work / f"{name}.ndjson"
    command = [HERE / ".venv/bin/schemathesis", "run", schema, "--url", url, "--checks", CHECKS, "--seed", "1"]
    command += ["--max-examples", str(examples), "--phases", "coverage,fuzzing", "--warnings", "off"]
    command += ["--continue-on-failure", "--generation-deterministic", "--no-color"]
    command += ["--report", "ndjson", "--report-ndjson-path", report, *credentials]
    for operation in skipped:
        command += ["--exclude-operation-id", operation]
    done = subprocess.run(command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    called = {i for i, (method, path) in ids.items() if f'"{method} {path}"' in report.read_text()}
    silent = set(ids) - skipped - called
    print(f"{name}: {len(ids)} operations, {len(skipped)} left out, {'good' if done.returncode == 0 else 'BAD'}")
    if done.returncode != 0 or silent:
        print(done.stdout)
    for operation in sorted(silent):
        print(f"{name}: nobody called {operation}")
    return done.returncode == 0 and not silent, used


def main(binary, work, examples):
    work = Path(work).resolve()
    server, ports = start(binary, work)
    try:
        token, cert, key = administrator(binary, work)
        ca = work / "data/certs/ca.pem"
        left_out, used, good = exceptions(), set(), True

        def check(name):
            secure = name in ("marti_https", "enrollment")
            url = f"{'https' if secure else 'http'}://127.0.0.1:{ports[name]}"
            credentials = ["--tls-verify", ca] if secure else []
            if name == "marti_https":
                credentials += ["--request-cert", cert, "--request-cert-key", key]
            elif name != "marti_http":
                credentials += ["--header", f"Authorization: Bearer {token}"]
            return run(name, url, fetch(url, ca, (cert, key)), left_out, credentials, work, examples)

        with ThreadPoolExecutor(2) as pool:
            for fine, of_these in pool.map(check, ("marti_http", "marti_https", "enrollment", "rest", "admin")):
                good, used = good and fine, used | of_these
        for pattern in sorted(set(left_out) - used):
            print(f"excluded.txt: {pattern} is no operation")
            good = False
        assert server.poll() is None, f"the server ended with {server.returncode}"
        panics = [line for line in (work / "fts.log").read_text().splitlines() if "panic" in line]
        for line in panics:
            print(line)
        return 0 if good and not panics else 1
    finally:
        server.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 20))
