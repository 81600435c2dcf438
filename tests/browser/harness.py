"""A real browser in front of real gateways, for tests of what only a browser decides.

Needs Chromium with its driver and nothing beside Python's own library: the driver is spoken to as the
W3C WebDriver specification says. `World` starts the simulated tenant, a small tool, gateways and browsers,
each at a port of the kernel's choice, and stops them; `Browser` drives one profile. Names of other hosts than
127.0.0.1 lead to this machine, so that sites are as far apart as in life. Third-party cookies are off.

A test file has functions `test_…(world, browser)` and ends in `harness.main(globals())`; each test gets
both anew, or the world alone where it takes no more. `tests/browser/run [WORD]` runs those of all files; WORD
picks tests by name, and a file that is run itself runs its own. BROWSER_JOBS says how many run at a time.
Whatever a test does, no browser may complain of a page: `Browser.expects` names what a test provokes. A test
that fails leaves screenshots, consoles and logs under target/browser.
"""

import base64
import concurrent.futures
import http.server
import importlib
import inspect
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIDEGATE = os.environ.get("SIDEGATE", str(ROOT / "target" / "debug" / "sidegate"))
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
SCREENSHOTS = ROOT / "target" / "screenshots"

# What failed tests leave.
REMAINS = ROOT / "target" / "browser"
# How long anything may take that a test waits for.
PATIENCE = 30
# The usual gateway's host.
HOST = "tool.example.test"
SECRET = "sandbox-web-secret-do-not-use"
TAB, ENTER = "\ue004", "\ue007"


class World:
    """Processes and servers of one test."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sidegate-browser-"))
        self.processes = []
        self.tools = []
        self.browsers = []

    def begin(self):
        """Starts the tenant."""
        key = subprocess.run([SIDEGATE, "keygen"], check=True, capture_output=True, text=True).stdout
        self.environment = {**os.environ, "KEY": key.strip(), "SECRET": SECRET}
        # Where the usual gateway will be: the tenant knows its redirect URI.
        self.port = free_port()
        self.callback = f"https://{HOST}:{self.port}/oauth2/callback"
        self.tenant = self.sandbox("--redirect-uri", self.callback)

    def tenant_with(self, *options):
        """Puts a tenant with these options in the usual one's place."""
        self.tenant = self.sandbox("--redirect-uri", self.callback, *options)

    def control(self, method, path, document=None):
        """Steers or asks the tenant."""
        data = json.dumps(document).encode() if document is not None else None
        request = urllib.request.Request(f"{self.tenant}/sandbox/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def fails(self, **faults):
        """What goes wrong at the tenant from now on, by place; all else works."""
        self.control("PUT", "faults", faults)

    def stats(self):
        """The tenant's counters."""
        return self.control("GET", "stats")

    def browser(self, **options):
        """Starts a browser; see `Browser`."""
        browser = Browser(**options)
        self.browsers.append(browser)
        browser.start()
        return browser

    def sandbox(self, *options):
        """Starts a simulated tenant; returns its origin."""
        port = free_port()
        self.start(f"sandbox-{port}", [SIDEGATE, "sandbox", "--listen", f"127.0.0.1:{port}", *options], port)
        return f"http://127.0.0.1:{port}"

    def tool(self, handler=None):
        """Serves a tool; returns its origin. The usual one is `Tool`."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler or Tool)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.tools.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    def gateway(
        self, host, routes, session="", top="", port=None, package="", secret=SECRET, fence=None, plain=None
    ):
        """Starts a gateway with TLS as `https://host:port`; returns that origin. `session`, `top` and `package`
        (of `marketing_cloud`) are further lines of configuration. With `plain`, an origin, it has no TLS, and
        that is its public URL."""
        port = port or (self.port if host == HOST else free_port())
        name = f"{host}-{port}"
        public = plain or f"https://{host}:{port}"
        config = self.directory / f"{name}.yaml"
        config.write_text(
            f"""
public_url: {public}
listen: 127.0.0.1:{port}
admin_listen: 127.0.0.1:0
workers: 1
{"" if plain else "tls: self_signed"}
log: {{ level: debug, format: text }}
{top}
marketing_cloud:
  subdomain: sandbox
  client_id: sandbox-web-client
  client_secret: {{ env: SECRET }}
  auth_base_url: {self.tenant}
  instance_hosts: ["{fence or self.tenant}"]
{package}
session:
  keys: [{{ env: KEY }}]
{session}
routes:
{routes}
"""
        )
        self.start(name, [SIDEGATE, "serve", "--config", str(config)], port, SECRET=secret)
        return public

    def front(self, host, origin):
        """Puts TLS and a name in front of a plain server; returns the new origin."""
        return self.gateway(host, f"  - {{ path: /, to: {origin}, access: public }}")

    def cloud(self, host="mc.s7.exacttarget.com"):
        """The shell of Marketing Cloud under a name of its own, in front of the tenant."""
        return self.front(host, self.tenant)

    def start(self, name, command, port, **environment):
        log = open(self.directory / f"{name}.log", "wb")
        environment = {**self.environment, **environment}
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        self.processes.append(process)

        def listens():
            if process.poll() is not None:
                raise AssertionError(f"{name} ended: {(self.directory / f'{name}.log').read_text()}")
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        until(listens, f"{name} to listen")

    def keep(self, name):
        """Leaves what there is to see of a test that failed; returns where."""
        place = REMAINS / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for file in self.directory.iterdir():
            shutil.copy(file, place)
        for number, browser in enumerate(self.browsers):
            browser.keep(place, f"browser-{number}")
        return place

    def logs(self):
        texts = [f"--- {log.name}\n{log.read_text(errors='replace')[-6000:]}" for log in self.directory.glob("*.log")]
        return "\n".join(texts)

    def stop(self):
        for browser in self.browsers:
            browser.stop()
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
        for tool in self.tools:
            tool.shutdown()
        shutil.rmtree(self.directory, ignore_errors=True)


class Tool(http.server.BaseHTTPRequestHandler):
    """A tool that refuses frames as web frameworks do by default, sets two cookies, and whose page asks
    its own API who is there."""

    protocol_version = "HTTP/1.1"
    PAGE = b"""<!doctype html><title>Tool</title><h1 id="tool">The tool</h1><p id="api"></p><p id="posted"></p>
<script>
fetch("/api").then(r=>r.text()).then(t=>document.getElementById("api").textContent=t);
fetch("/api",{method:"POST",body:"x"}).then(r=>document.getElementById("posted").textContent=r.status);
</script>"""

    def do_GET(self):
        if self.path == "/cookies":
            self.reply("text/plain", (self.headers["Cookie"] or "").encode())
        elif self.path == "/api":
            self.reply("text/plain", (self.headers["X-Forwarded-Email"] or "nobody").encode())
        elif self.path.split("?")[0] == "/":
            self.reply("text/html; charset=utf-8", self.PAGE)
        else:
            self.send_error(404)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.reply("text/plain", b"posted")

    def reply(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Set-Cookie", "plain=1; SameSite=None; Secure")
        self.send_header("Set-Cookie", "apart=1; SameSite=None; Secure; Partitioned")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Browser:
    """One profile of Chromium, which asks for pages in `languages`, and keeps cookies or not."""

    def __init__(self, languages="en-US,en", cookies=True):
        self.said, self.told, self.expected = [], 0, []
        self.languages, self.cookies_kept = languages, cookies
        port = free_port()
        self.driver = subprocess.Popen([DRIVER, f"--port={port}", "--log-level=SEVERE"], stdout=subprocess.DEVNULL)
        self.base = f"http://127.0.0.1:{port}"

    def start(self):
        until(lambda: self.call("GET", "/status")["ready"], "the driver")
        arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-background-networking",
            "--ignore-certificate-errors",
            "--test-third-party-cookie-phaseout",
            "--host-resolver-rules=MAP * 127.0.0.1, EXCLUDE 127.0.0.1",
        ]
        capabilities = {
            "browserName": "chrome",
            "acceptInsecureCerts": True,
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {
                "binary": CHROMIUM,
                "args": arguments,
                "prefs": {
                    "intl.accept_languages": self.languages,
                    "profile.default_content_setting_values.cookies": 1 if self.cookies_kept else 2,
                },
            },
        }
        session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self.base += f"/session/{session['sessionId']}"

    def call(self, method, path, body=None):
        data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise WebDriverError(value["error"], value["message"]) from None
        except urllib.error.URLError:
            return {"ready": False}

    def open(self, url):
        """Navigates the window; leaves all frames."""
        self.call("POST", "/url", {"url": url})

    def script(self, text, *arguments):
        """Runs a function body in the document at hand."""
        return self.call("POST", "/execute/sync", {"script": text, "args": list(arguments)})

    def find(self, css):
        """An element, once it is there and shown."""

        def shown():
            try:
                element = self.call("POST", "/element", {"using": "css selector", "value": css})
                key = next(iter(element.values()))
                return element if self.call("GET", f"/element/{key}/displayed") else None
            except WebDriverError as error:
                if error.kind in GONE:
                    return None
                raise

        return until(shown, f"{css} to be shown", self.describe)

    def click(self, css):
        element = self.find(css)
        self.call("POST", f"/element/{next(iter(element.values()))}/click")

    def cdp(self, command, **parameters):
        """Chromium's own protocol, for what WebDriver has no word for."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def press(self, *keys):
        """Presses keys, one after the other."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def back(self):
        self.call("POST", "/back")

    def cookies(self):
        """The whole jar."""
        return self.cdp("Network.getAllCookies")["cookies"]

    def wait_url(self, wanted):
        """Waits until the window shows that address, fragment included."""
        until(lambda: self.url() == wanted, f"the address {wanted}", self.describe)

    def wait_script(self, text, what):
        """Waits until a function body answers something, whatever documents come and go meanwhile."""

        def look():
            try:
                return self.script(text)
            except WebDriverError as error:
                if error.kind in ("javascript error", "stale element reference", "no such execution context"):
                    return None
                raise

        return until(look, what, self.describe)

    def messages(self):
        """What the console has said so far."""
        self.said += self.call("POST", "/se/log", {"type": "browser"})
        return self.said

    def console(self):
        """What the console has said since this was asked last."""
        seen, self.told = self.told, len(self.messages())
        return [line["message"] for line in self.said[seen:]]

    def expects(self, text):
        """The console will complain so, at least once."""
        self.expected.append(text)

    def complaints(self):
        """What pages are to blame for: violations of a policy, errors of a script, warnings of any kind. That
        an answer has an error's status is the answer's matter."""
        lines = [line for line in self.messages() if line["source"] != "network" and line["level"] != "INFO"]
        texts = [f"{line['source']}: {line['message']}" for line in lines]
        missing = [f"not said: {text}" for text in self.expected if not any(text in one for one in texts)]
        return missing + [text for text in texts if not any(one in text for one in self.expected)]

    def text(self, css):
        return self.script("return document.querySelector(arguments[0])?.textContent", css)

    def wait_text(self, css, wanted):
        """Waits until an element says so."""
        until(lambda: self.text(css) == wanted, f"{css} to say {wanted!r}", self.describe)

    def enter(self, css):
        """Goes into a frame."""
        self.call("POST", "/frame", {"id": self.find(css)})

    def leave(self):
        """Goes back to the window's own document."""
        self.call("POST", "/frame", {"id": None})

    def in_frame(self, css, look, what):
        """Enters the frame again and again until `look` answers something there; stays inside."""

        def once():
            self.leave()
            try:
                self.enter(css)
                return look()
            except WebDriverError as error:
                if error.kind in (*GONE, "no such frame", "javascript error"):
                    return None
                raise

        return until(once, what, self.describe)

    def look(self, width, scheme, motion="no-preference", height=900):
        """Shows pages so wide, in light or dark."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": motion},
        ]
        self.cdp("Emulation.setEmulatedMedia", features=features)

    def picture(self, name, directory=SCREENSHOTS):
        """Keeps what is shown as target/screenshots/name.png."""
        directory.mkdir(parents=True, exist_ok=True)
        shot = self.cdp("Page.captureScreenshot", captureBeyondViewport=True)
        data = base64.b64decode(shot["data"])
        assert data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 1_000, len(data)
        (directory / f"{name}.png").write_bytes(data)

    def windows(self):
        return self.call("GET", "/window/handles")

    def window(self):
        return self.call("GET", "/window")

    def switch(self, handle):
        self.call("POST", "/window", {"handle": handle})

    def new_window(self):
        """Opens a window of its own and goes there."""
        self.switch(self.call("POST", "/window/new", {"type": "window"})["handle"])

    def url(self):
        return self.call("GET", "/url")

    def describe(self):
        try:
            place = self.script(
                "const page=document.documentElement.cloneNode(true);"
                "page.querySelectorAll('style,script').forEach(element=>element.remove());"
                "return location.href+'\\n'+page.outerHTML"
            )
        except WebDriverError as error:
            place = str(error)
        return "\n".join([place[:3000], *(line["message"] for line in self.messages()[-20:])])

    def keep(self, place, name):
        """Leaves a picture of each window, and the console."""
        try:
            for number, handle in enumerate(self.windows()):
                self.switch(handle)
                picture = base64.b64decode(self.call("GET", "/screenshot"))
                (place / f"{name}-window-{number}.png").write_bytes(picture)
                (place / f"{name}-window-{number}.txt").write_text(self.describe())
            lines = [f"{line['level']} {line['source']} {line['message']}\n" for line in self.messages()]
            (place / f"{name}-console.txt").write_text("".join(lines))
        except (WebDriverError, OSError) as error:
            (place / f"{name}-window.txt").write_text(str(error))

    def stop(self):
        try:
            self.call("DELETE", "")
        except (WebDriverError, OSError, ValueError):
            pass
        self.driver.terminate()
        try:
            self.driver.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.driver.kill()


# What an element is that is not there yet, or whose page is just being replaced.
GONE = ("no such element", "stale element reference", "no such execution context")


class WebDriverError(Exception):
    def __init__(self, kind, message):
        super().__init__(f"{kind}: {message.splitlines()[0] if message else ''}")
        self.kind = kind


def until(look, what, describe=lambda: ""):
    """Asks until there is an answer."""
    end = time.monotonic() + PATIENCE
    while True:
        answer = look()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE} s for {what}\n{describe()}")
        time.sleep(0.05)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(test):
    """Runs one test; returns whether it passed and what is to be printed."""
    world = None
    name = f"{pathlib.Path(test.__code__.co_filename).stem}.{test.__name__}"
    start = time.monotonic()
    try:
        world = World()
        world.begin()
        wants_browser = len(inspect.signature(test).parameters) > 1
        test(world, world.browser()) if wants_browser else test(world)
        complaints = [text for browser in world.browsers for text in browser.complaints()]
        assert not complaints, "\n".join(["a browser complained:", *complaints])
        return True, f"ok      {name} ({time.monotonic() - start:.1f} s)"
    except Exception:
        text = f"FAILED  {name}\n{traceback.format_exc()}"
        if world:
            text += f"{world.logs()}\nMore is in {world.keep(name)}"
        return False, text
    finally:
        if world:
            world.stop()


def main(names):
    """Runs the tests among `names`; the exit code tells whether all of them passed."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    tests = [test for name, test in names.items() if name.startswith("test_") and word in name]
    failed = 0
    # Much of a test is waiting for a browser.
    jobs = int(os.environ.get("BROWSER_JOBS") or 2 * (os.cpu_count() or 1))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run, test) for test in tests]):
            passed, text = done.result()
            failed += not passed
            print(text, flush=True)
    print(f"{len(tests) - failed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed or (not tests and not word) else 0)


def main_of_all():
    """The same for the tests of all files."""
    names = {}
    for file in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        found = {name: test for name, test in vars(importlib.import_module(file.stem)).items() if name.startswith("test_")}
        assert not names.keys() & found.keys(), names.keys() & found.keys()
        names |= found
    main(names)
