"""What the tests of deploy/ share: processes on loopback, a tool that remembers, a browser without a window.

A test file has functions `test_…()` and ends in `harness.main(globals())`. What a test needs and does not
find makes it raise `Missing`: it is then named as left out, and with SIDEGATE_TEST_ALL=1 it fails. tests/run
installs everything.
"""

import http.client
import http.server
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SIDEGATE = os.environ.get("SIDEGATE", str(ROOT / "target" / "debug" / "sidegate"))
HOST = "tool.example.com"
# How long anything may take that a test waits for.
PATIENCE = 30


class Missing(Exception):
    """Something that is not on this machine."""


class LeftOut(Exception):
    """Something that even tests/run does not bring here."""


def program(name):
    """The path of a program: from the tests' Python, which has some in wheels, or PATH."""
    beside = pathlib.Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise Missing(f"there is no {name}")
    return found


def module(name):
    """A module of the tests' Python."""
    try:
        return __import__(name)
    except ImportError:
        raise Missing(f"Python has no {name}") from None


def run(*command, **more):
    """Runs a command that has to succeed; returns what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **more)
    assert done.returncode == 0, f"{command} answered {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def swap(text, *pairs):
    """Puts addresses in place of those of an example; each has to be there."""
    for old, new in pairs:
        assert old in text, f"the example does not say {old!r} any more"
        text = text.replace(old, new)
    return text


class World:
    """A simulated tenant, a tool, and what a test starts beside them."""

    def __init__(self, token_lifetime="1079s", padding=0):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sidegate-deploy-"))
        self.processes = {}
        self.servers = []
        self.seen = []
        self.public = free_port()
        self.gateway = free_port()
        self.admin = free_port()
        self.tool = self.serve(tool(self.seen))
        key = run(SIDEGATE, "keygen")
        secrets = self.directory / "secrets"
        secrets.mkdir()
        (secrets / "session-key").write_text(key)
        (secrets / "client-secret").write_text("sandbox-web-secret-do-not-use")
        for secret in secrets.iterdir():
            secret.chmod(0o600)
        sandbox = free_port()
        back = f"https://{HOST}:{self.public}/oauth2/callback"
        self.sandbox = sandbox
        self.start(
            "sandbox", sandbox,
            SIDEGATE, "sandbox", "--listen", f"127.0.0.1:{sandbox}", "--redirect-uri", back,
            "--access-token-lifetime", token_lifetime,
        )
        self.tenant = self.serve(padded(sandbox, padding)) if padding else sandbox

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind and kind is not Missing:
            for log in self.directory.glob("*.log"):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}", flush=True)
        for name in list(self.processes):
            self.stop(name)
        for server in self.servers:
            server.shutdown()
        shutil.rmtree(self.directory, ignore_errors=True)

    def serve(self, handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.servers.append(server)
        return server.server_port

    def start(self, name, port, *command):
        log = self.directory / f"{name}.log"
        environment = {**os.environ, "HOME": str(self.directory)}
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=open(log, "wb"), stderr=subprocess.STDOUT,
            env=environment, cwd=self.directory,
        )
        self.processes[name] = process

        def listens():
            assert process.poll() is None, f"{name} ended: {log.read_text(errors='replace')[-3000:]}"
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        until(listens, f"{name} to listen")

    def stop(self, name):
        process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE)

    def start_gateway(self, example):
        """Starts the gateway as `example` says, but for addresses, with the simulated tenant."""
        tenant = f"http://127.0.0.1:{self.tenant}"
        text = swap(
            example,
            (f"https://{HOST}", f"https://{HOST}:{self.public}"),
            ("127.0.0.1:8080", f"127.0.0.1:{self.gateway}"),
            ("127.0.0.1:9901", f"127.0.0.1:{self.admin}"),
            ("127.0.0.1:3000", f"127.0.0.1:{self.tool}"),
            ("client_id: vqwyswrlzzfk024ivr682esb", "client_id: sandbox-web-client"),
            (
                "  subdomain: mc563885gzs27c5t9-63k636ttgm",
                "  subdomain: sandbox\n"
                f"  auth_base_url: {tenant}\n"
                f'  instance_hosts: ["127.0.0.1:{self.sandbox}", "127.0.0.1:{self.tenant}"]',
            ),
        )
        file = self.directory / "sidegate.yaml"
        file.write_text(text)
        self.start("gateway", self.gateway, SIDEGATE, "serve", "--config", str(file))

    def certificate(self):
        """A certificate for the site, and its key."""
        crt, key = self.directory / "tls.crt", self.directory / "tls.key"
        run(
            program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}",
            "-keyout", str(key), "-out", str(crt),
        )
        return str(crt), str(key)

    def stats(self):
        return json.loads(get(self.sandbox, "/sandbox/stats"))


def tool(seen):
    """A tool that remembers each request: method, path, fields and body."""

    class Tool(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            fields = {}
            for name, value in self.headers.items():
                name = name.lower()
                fields[name] = f"{fields[name]}, {value}" if name in fields else value
            seen.append((self.command, self.path, fields, body))
            self.send_response(200)
            self.send_header("Content-Length", "4")
            self.send_header("Set-Cookie", "of_the_tool=1; Path=/")
            self.end_headers()
            self.wfile.write(b"tool")

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *_):
            pass

    return Tool


def padded(sandbox, length):
    """The tenant with longer tokens, as some tenants have them."""
    tail = "~" * length

    class Longer(http.server.BaseHTTPRequestHandler):
        def answer(self):
            body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
            body = body.replace(tail, "").replace("%7E" * length, "")
            fields = {name.lower(): value.replace(tail, "") for name, value in self.headers.items()}
            fields.update({"host": f"127.0.0.1:{sandbox}", "content-length": str(len(body))})
            line = http.client.HTTPConnection("127.0.0.1", sandbox, timeout=PATIENCE)
            line.request(self.command, self.path, body, fields)
            answer = line.getresponse()
            reply = answer.read()
            if self.path.startswith("/v2/token") and answer.status == 200:
                document = json.loads(reply)
                for name in ("access_token", "refresh_token"):
                    document[name] += tail
                reply = json.dumps(document).encode()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection", "date"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        do_GET = do_POST = answer

        def log_message(self, *_):
            pass

    return Longer


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.fields = response.getheaders()
        self.body = response.read()

    def all(self, name):
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def one(self, name):
        values = self.all(name)
        assert len(values) == 1, f"{name}: {values} in {self}"
        return values[0]

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.fields} {self.body[:600]}"


class Browser:
    """Keeps cookies, and says what browsers say about a request."""

    def __init__(self, port, jar=None):
        self.port = port
        self.jar = dict(jar or {})

    def ask(self, method, path, fields=None, body=None):
        line = http.client.HTTPSConnection(HOST, self.port, timeout=PATIENCE)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        line.sock = context.wrap_socket(plain, server_hostname=HOST)
        fields = dict(fields or {})
        if self.jar:
            fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        line.request(method, path, body, fields)
        answer = Answer(line.getresponse())
        line.close()
        for text in answer.all("set-cookie"):
            pair, *attributes = [part.strip() for part in text.split(";")]
            name, value = pair.split("=", 1)
            if any(attribute.lower() == "max-age=0" for attribute in attributes):
                self.jar.pop(name, None)
            else:
                self.jar[name] = value
        return answer

    def navigate(self, path):
        return self.ask("GET", path, {
            "Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document",
            "Sec-Fetch-Site": "none",
        })

    def fetch(self, path, method="GET", body=None, site="same-origin", **fields):
        return self.ask(method, path, {
            "Accept": "application/json", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty",
            "Sec-Fetch-Site": site, **{name.replace("_", "-"): value for name, value in fields.items()},
        }, body)

    def sign_in(self, path, person):
        """The whole way from a page to the same page."""
        answer = self.navigate(path)
        assert answer.status in (302, 303), answer
        place = urllib.parse.urlsplit(answer.one("location"))
        assert place.path == "/v2/authorize", answer
        line = http.client.HTTPConnection("127.0.0.1", place.port, timeout=PATIENCE)
        line.request("GET", f"{place.path}?{place.query}&login_hint={person}")
        back = Answer(line.getresponse())
        assert back.status == 302, back
        place = urllib.parse.urlsplit(back.one("location"))
        assert place.netloc == f"{HOST}:{self.port}", back
        return self.navigate(f"{place.path}?{place.query}")


def get(port, path):
    """A plain question to a loopback port."""
    status, body = ask_port(port, path)
    assert status == 200, f"{path}: {status}"
    return body.decode()


def answers(port, path):
    """Whether a loopback port says 200 yet."""
    return ask_port(port, path)[0] == 200


def ask_port(port, path):
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    line.request("GET", path)
    answer = line.getresponse()
    return answer.status, answer.read()


def until(look, what):
    """Asks until there is an answer."""
    end = time.monotonic() + PATIENCE
    while True:
        answer = look()
        if answer:
            return answer
        assert time.monotonic() < end, f"waited {PATIENCE} s for {what}"
        time.sleep(0.05)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main(names):
    """Runs the tests among `names`; the exit code tells whether all of them passed."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    tests = [test for name, test in names.items() if name.startswith("test_") and word in name]
    passed = failed = 0
    for test in tests:
        try:
            test()
            passed += 1
            print(f"ok      {test.__name__}", flush=True)
        except LeftOut as why:
            print(f"LEFT OUT: {test.__name__}: {why}", flush=True)
        except Missing as missing:
            print(f"LEFT OUT: {test.__name__}: {missing}; tests/run installs it", flush=True)
            failed += os.environ.get("SIDEGATE_TEST_ALL") == "1"
        except Exception:
            failed += 1
            print(f"FAILED  {test.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed else 0)
