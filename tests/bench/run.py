"""CPU time per authenticated request, beside nginx doing the same header work.

Both proxies take the same requests (a session cookie of our own), drop the Cookie header, add a bearer
token and forward to the same upstream: nginx a fixed token, Sidegate the one it opens from the cookie.
Each runs alone on core 0; upstream and load generator run on the others. Rounds alternate, and what
counts is the ratio within a round: the machine's speed drifts.

    tests/bench/run.py [--rounds N] [--seconds N] [--connections N,N] [--size BYTES,BYTES] [BINARY]
"""

import argparse
import contextlib
import http.client
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def rss_mb(pids):
    pages = sum(int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def children(pid):
    found = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def until_listening(port):
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        subprocess.run(["sleep", "0.02"], check=True)
    sys.exit(f"nothing listens on port {port}")


class Peers:
    def __init__(self, folder, cores):
        self.folder, self.cores, self.started = pathlib.Path(folder), cores, []

    def start(self, command, core, **more):
        process = subprocess.Popen(["taskset", "-c", core, *command], **more)
        self.started.append(process)
        return process

    def nginx(self, name, core, server):
        (self.folder / name).mkdir()
        config = self.folder / name / "nginx.conf"
        config.write_text(
            f"worker_processes 1; daemon off; pid {self.folder}/{name}/pid; error_log {self.folder}/{name}/error.log;\n"
            "events { worker_connections 4096; }\n"
            "http { access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s; sendfile on; tcp_nopush on;\n"
            f"client_body_temp_path {self.folder}/{name}/b; proxy_temp_path {self.folder}/{name}/p;\n"
            f"fastcgi_temp_path {self.folder}/{name}/f; uwsgi_temp_path {self.folder}/{name}/u; scgi_temp_path {self.folder}/{name}/s;\n"
            + server + "}\n"
        )
        return self.start(["nginx", "-p", str(self.folder / name), "-c", str(config)], core)

    def stop(self):
        for process in reversed(self.started):
            process.terminate()
        for process in self.started:
            process.wait(timeout=20)


def sign_in(port):
    """The session cookies, as one Cookie value, after a sign-in at a provider that asks nothing."""
    def ask(path, cookie=""):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", path, headers={"Accept": "text/html", "Cookie": cookie})
        answer = connection.getresponse()
        answer.read()
        set_cookies = [value.split(";")[0] for name, value in answer.getheaders() if name.lower() == "set-cookie"]
        return answer, [pair for pair in set_cookies if not pair.endswith("=")]
    answer, login = ask("/")
    state = urllib.parse.parse_qs(urllib.parse.urlparse(answer.getheader("location")).query)["state"][0]
    answer, session = ask(f"/oauth2/callback?code=c&state={state}", "; ".join(login))
    if answer.status != 303:
        sys.exit(f"sign-in failed with {answer.status}")
    return "; ".join(session)


def load(url, cookie, connections, seconds, core):
    command = ["taskset", "-c", core, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-H", f"Cookie: {cookie}", url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(text)
    done = int(re.search(r"(\d+) requests in", text)[1])
    return done, re.search(r"99%\s+(\S+)", text)[1]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=int, default=4)
    arguments.add_argument("--connections", default="64")
    arguments.add_argument("--size", default="1024")
    arguments.add_argument("--token", type=int, default=700)
    arguments.add_argument("binary", nargs="?", default="target/release/sidegate")
    options = arguments.parse_args()
    for tool in ("nginx", "wrk", "taskset"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: apt-get install nginx-light wrk util-linux")
    other = "1" if (os.cpu_count() or 1) == 2 else f"1-{(os.cpu_count() or 2) - 1}"
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        peers = Peers(folder, other)
        try:
            measure(peers, options, other)
        finally:
            peers.stop()


def measure(peers, options, other):
    folder = peers.folder
    (folder / "files").mkdir()
    sizes = [int(size) for size in options.size.split(",")]
    for size in sizes:
        (folder / "files" / str(size)).write_bytes(b"x" * size)
    upstream, inject, listen = free_port(), free_port(), free_port()
    peers.nginx("upstream", other, f"open_file_cache max=100; server {{ listen 127.0.0.1:{upstream} backlog=4096; root {folder}/files; }}")
    token = "t" * options.token
    nginx = peers.nginx("inject", "0", f"""
        upstream api {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000; }}
        large_client_header_buffers 4 16k;
        server {{ listen 127.0.0.1:{inject} backlog=4096; location / {{
            proxy_pass http://api/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Cookie "";
            proxy_set_header Authorization "Bearer {token}"; proxy_buffers 16 16k; proxy_buffer_size 16k; }} }}""")
    provider = peers.start([sys.executable, str(HERE / "provider.py"), f"http://127.0.0.1:{upstream}", str(options.token)], other, stdout=subprocess.PIPE, text=True)
    provider_port = int(provider.stdout.readline())
    key = subprocess.run([options.binary, "keygen"], check=True, capture_output=True, text=True).stdout
    (folder / "key").write_text(key)
    (folder / "key").chmod(0o600)
    (folder / "sidegate.yaml").write_text(f"""
public_url: http://127.0.0.1:{listen}
listen: 127.0.0.1:{listen}
admin_listen: 127.0.0.1:0
workers: 1
marketing_cloud:
  subdomain: bench
  client_id: bench
  client_type: public
  auth_base_url: http://127.0.0.1:{provider_port}
  instance_hosts: ["127.0.0.1:{upstream}"]
session:
  keys: [{{ file: key }}]
limits: {{ per_user: 10000, per_tenant: 10000 }}
routes:
  - {{ path: /, to: rest }}
""")
    with open(folder / "log", "wb") as log:
        sidegate = peers.start([options.binary, "serve", "--config", str(folder / "sidegate.yaml")], "0", stderr=log)
    until_listening(listen)
    until_listening(inject)
    idle = rss_mb([sidegate.pid])
    cookie = sign_in(listen)
    workers = {"nginx-inject": (inject, children(nginx.pid)), "sidegate": (listen, [sidegate.pid])}
    print(f"{'connections':>11} {'bytes':>7} {'nginx µs':>9} {'sidegate µs':>12} {'ratio':>6}  (min-max)      p99 nginx / sidegate   RSS MB idle, now")
    for size in sizes:
        for connections in (int(count) for count in options.connections.split(",")):
            costs, tails = {name: [] for name in workers}, {}
            for _ in range(options.rounds):
                for name, (port, pids) in workers.items():
                    load(f"http://127.0.0.1:{port}/{size}", cookie, connections, 1, other)
                    before = cpu_seconds(pids)
                    done, tails[name] = load(f"http://127.0.0.1:{port}/{size}", cookie, connections, options.seconds, other)
                    costs[name].append((cpu_seconds(pids) - before) / done * 1e6)
            ratios = [ours / theirs for ours, theirs in zip(costs["sidegate"], costs["nginx-inject"])]
            print(
                f"{connections:>11} {size:>7} {statistics.median(costs['nginx-inject']):>9.1f} {statistics.median(costs['sidegate']):>12.1f}"
                f" {statistics.median(ratios):>6.2f}  ({min(ratios):.2f}-{max(ratios):.2f})  "
                f"{tails['nginx-inject']:>12} / {tails['sidegate']:<12} {idle:.1f}, {rss_mb([sidegate.pid]):.1f}", flush=True)


main()
