"""User-mode instructions per delivery, with plugins that are not interested and without any (plugins.md 10, last line).

`python3 tests/bench/instructions.py target/release/fts [PAIRS=3]`; needs valgrind. Wall and CPU time of two runs differ by
more than what is looked for; instructions hardly do, when every event is a turn of its own. Order, for each variant: the
server runs under callgrind, clients connect and are quiet, counting begins, one of them sends chats, each when all others
have the one before, counting ends, the server is stopped. So start (hashing a plugin's file alone is four times all the
deliveries), connections and end are left out. A run that does not deliver everything gives no figure.
"""
import os, re, socket, statistics, subprocess, sys, tempfile, threading, time

CLIENTS, CHATS = 21, 2000
PLUGINS = {"none": "[]", "loaded": '["emergency", "mission", "ping"]'}
SET = ["listeners.cot_tcp.bind=\"127.0.0.1\"", "listeners.cot_tcp.port=0", "listeners.cot_tls.enabled=false",
       "listeners.marti_http.enabled=false", "listeners.marti_https.enabled=false", "listeners.enrollment.enabled=false",
       "listeners.rest.enabled=false", "listeners.admin.port=0", "tls.key_type=\"p256\"", "cot.welcome_message=\"\"",
       "compat.legacy_test_probe=false"]


def event(uid, kind, detail):
    at = time.time()
    stamp = lambda t: time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(t))
    return (f'<event version="2.0" uid="{uid}" type="{kind}" how="m-g" time="{stamp(at)}" start="{stamp(at)}" stale="{stamp(at + 300)}">'
            f'<point lat="60.1" lon="24.9" hae="10" ce="5" le="5"/><detail>{detail}</detail></event>').encode()


class Crowd:
    """Counts the marked events each client has."""

    def __init__(self):
        self.counts, self.known, self.more = [0] * CLIENTS, set(), threading.Condition()

    def read(self, sock, n):
        left = b""
        while True:
            try:
                got = sock.recv(65536)
            except OSError:
                return
            if not got:
                return
            *whole, left = (left + got).split(b"</event>")
            with self.more:
                self.counts[n] += sum(b"<remarks>counted" in one for one in whole)
                if n == 0:
                    self.known.update(int(uid) for one in whole for uid in re.findall(rb'uid="C(\d+)"', one))
                self.more.notify()

    def joined(self):
        """All are in: the first has been told of each."""
        with self.more:
            if not self.more.wait_for(lambda: len(self.known | {0}) == CLIENTS, timeout=60):
                sys.exit(f"only these are in: {self.known}")

    def reached(self, total):
        with self.more:
            if not self.more.wait_for(lambda: all(c >= total for c in self.counts[1:]), timeout=60):
                sys.exit(f"not delivered: {self.counts}")


def count(pid, what):
    subprocess.run(["callgrind_control", "-i", what, str(pid)], check=True, stdout=subprocess.DEVNULL)


def run(binary, plugins):
    with tempfile.TemporaryDirectory() as home:
        args = [binary, "run", "--data-dir", f"{home}/data"]
        for one in SET + [f"plugins.enabled={plugins}", "server.worker_threads=1"]:
            args += ["--set", one]
        server = subprocess.Popen(["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={home}/out", *args],
                                  cwd=home, stdout=subprocess.PIPE, stderr=open(f"{home}/err", "w"), text=True,
                                  env={"FTS_ADMIN_PASSWORD": "the administrator of a bench", "PATH": "/usr/bin:/bin"})
        for line in server.stdout:
            if '"server.ready"' in line:
                break
        else:
            sys.exit(open(f"{home}/err").read())
        threading.Thread(target=lambda: [None for _ in server.stdout], daemon=True).start()
        port = __import__("json").load(open(f"{home}/data/run/listeners.json"))["cot_tcp"]["port"]
        socks, crowd = [], Crowd()
        for n in range(CLIENTS):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.sendall(event(f"C{n}", "a-f-G-U-C", f'<contact callsign="C{n}" endpoint="*:-1:stcp"/><__group name="Cyan" role="Team Member"/>'))
            threading.Thread(target=crowd.read, args=(sock, n), daemon=True).start()
            socks.append(sock)
        crowd.joined()
        # All see one event before the count begins.
        socks[0].sendall(event("first", "b-t-f-x", "<remarks>counted</remarks>"))
        crowd.reached(1)
        count(server.pid, "on")
        for n in range(CHATS):
            socks[0].sendall(event(f"chat-{n}", "b-t-f-x", "<remarks>counted</remarks>"))
            crowd.reached(n + 2)
        count(server.pid, "off")
        server.terminate()
        server.wait(60)
        refs = re.search(r"Collected : (\d+)", open(f"{home}/err").read())
        return int(refs[1]) / (CHATS * (CLIENTS - 1))


def main():
    binary = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/release/fts")
    pairs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    found = {name: [] for name in PLUGINS}
    for _ in range(pairs):
        for name, plugins in PLUGINS.items():
            found[name].append(run(binary, plugins))
            print(f"{name:7} {found[name][-1]:9.1f} instructions per delivery", flush=True)
    none, loaded = (statistics.median(found[n]) for n in PLUGINS)
    print(f"medians of {pairs}: none {none:.1f}, loaded {loaded:.1f}: {100 * (loaded / none - 1):+.2f} %")


main()
