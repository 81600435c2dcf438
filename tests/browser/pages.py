"""Every page of ours, as axe-core judges it (WCAG 2.2 AA and its best practices), in light and dark, at 320
and 1600 px, in both languages; and the script that minds the session.

Each page is got as a person gets it. A test shows the pages that `PAGES` lists for it, no more and no fewer, and
every template of src/ has to be among them. Pictures go to target/screenshots."""

import http.client
import http.server
import os
import re
import struct
import threading
import zlib
from urllib.parse import quote

import embedded
import harness

AXE = os.environ.get("AXE")
# Where pictures for the documentation go, with `run --screenshots`.
KEEP = os.environ.get("KEEP_SCREENSHOTS") and harness.ROOT / "deploy" / "docs" / "screenshots"
LOOKS = [(width, scheme) for width in (320, 1600) for scheme in ("light", "dark")]
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

# Every template, with one page for each form that a failure takes, by the test that shows it.
PAGES = {
    "a gateway": {"sign-out", "signed-out", "account", "failure", "failure-sign-in", "failure-operator", "failure-note",
                  "failure-switch", "failure-denied", "form-not-sent"},
    "a loop": {"loop"},
    "frames": {"framed-wait", "framed-ask", "framed-done", "handover", "keep-fragment"},
    "a brand": {"brand-account", "brand-failure"},
    "others": {"status", "sandbox-help", "sandbox-sign-in", "sandbox-problem", "sandbox-shell", "sandbox-shell-signed-in", "tool"},
    "the script": {"helper-expiring"},
}
# Which of them a template of src/ is for. A template that is not here is not judged, and that is a failure.
TEMPLATES = {
    "src/http/pages/account.html": "account", "src/http/pages/failure.html": "failure", "src/http/pages/framed.html": "framed-ask",
    "src/http/pages/framed_done.html": "framed-done", "src/http/pages/handover.html": "handover",
    "src/http/pages/keep_fragment.html": "keep-fragment", "src/http/pages/sign_out.html": "sign-out",
    "src/http/pages/signed_out.html": "signed-out", "src/admin/page/status.html": "status", "src/sandbox/pages/cloud.html": "sandbox-shell",
    "src/sandbox/pages/help.html": "sandbox-help", "src/sandbox/pages/problem.html": "sandbox-problem",
    "src/sandbox/pages/sign_in.html": "sandbox-sign-in", "src/sandbox/tool/page.rs": "tool",
}


class Judge:
    """Holds axe-core against pages."""

    def __init__(self, browser):
        self.browser = browser
        self.axe = open(AXE).read()
        self.seen, self.found = set(), []

    def violations(self):
        self.browser.script(self.axe + ";window.axe=axe")
        return self.browser.script(
            "return axe.run(document,{iframes:false,runOnly:arguments[0]}).then(r=>"
            "({passes:r.passes.length,violations:r.violations.map(v=>v.id+': '+v.nodes.map(n=>n.target+' '+n.failureSummary).join(' | '))}))",
            LEVELS,
        )

    def page(self, name, language="en", picture=True):
        """Judges what is shown, at every width and in both schemes."""
        browser, before = self.browser, len(self.found)
        for width, scheme in LOOKS:
            browser.look(width, scheme, "reduce")
            answer = self.violations()
            assert answer["passes"] > 5, (name, answer)
            self.found += [f"{name} {language} {scheme} {width}: {one}" for one in answer["violations"]]
            over = browser.script("return document.documentElement.scrollWidth-document.documentElement.clientWidth")
            if over > 0:
                self.found.append(f"{name} {scheme} {width}: {over} px too wide")
            if picture:
                browser.picture(f"{name}-{language}-{scheme}-{width}")
        lang = browser.script("return document.documentElement.lang")
        assert lang == language, (name, lang)
        self.seen.add(name)
        looks = len(LOOKS)
        print(f"        {name} ({language}): {looks} looks, {len(self.found) - before} violations", flush=True)

    def keep(self, name, width, scheme):
        """Keeps a small picture for the documentation, where that is asked for."""
        if KEEP:
            self.browser.look(width, scheme, "reduce", height=100)
            # Without its shadow a page has few colours.
            self.browser.script("document.documentElement.style.setProperty('--raise','none')")
            height = self.browser.script("return document.documentElement.scrollHeight")
            self.browser.look(width, scheme, "reduce", height=height)
            self.browser.picture(name, KEEP)
            file = KEEP / f"{name}.png"
            file.write_bytes(small(file.read_bytes()))
            assert file.stat().st_size < 60_000, file

    def close(self, wanted):
        assert self.seen == wanted, self.seen ^ wanted
        assert not self.found, "\n".join(self.found)


def small(png):
    """The same picture with a palette of 256 colours; Chromium writes large ones."""
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    chunks, at = {}, 8
    while at < len(png):
        size, name = struct.unpack(">I4s", png[at:at + 8])
        chunks[name] = chunks.get(name, b"") + png[at + 8:at + 8 + size]
        at += size + 12
    step = {2: 3, 6: 4}[kind]
    assert depth == 8 and png[28] == 0, "a picture of another kind"
    data, row, lines = zlib.decompress(chunks[b"IDAT"]), bytes(width * step), []
    for line in range(height):
        start = line * (width * step + 1)
        row = unfilter(data[start], data[start + 1:start + 1 + width * step], row, step)
        lines.append([row[i:i + 3] for i in range(0, len(row), step)])
    for coarse in range(1, 32):
        shades = bytes(min(255, (shade + coarse // 2) // coarse * coarse) for shade in range(256))
        palette = {colour: colour.translate(shades) for line in lines for colour in line}
        colours = sorted(set(palette.values()))
        if len(colours) <= 256:
            break
    index = {colour: colours.index(shade) for colour, shade in palette.items()}
    packed = zlib.compress(b"".join(b"\0" + bytes(index[colour] for colour in line) for line in lines), 9)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)), (b"PLTE", b"".join(colours)), (b"IDAT", packed), (b"IEND", b"")]
    return png[:8] + b"".join(struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts)


def unfilter(kind, row, above, step):
    """A row of pixels as it was before its filter (PNG, clause 9)."""
    row = bytearray(row)
    for i, byte in enumerate(row):
        left = row[i - step] if i >= step else 0
        up, corner = above[i], above[i - step] if i >= step else 0
        near = left + up - corner
        paeth = min((abs(near - left), 0, left), (abs(near - up), 1, up), (abs(near - corner), 2, corner))[2]
        row[i] = byte + (0, left, up, (left + up) // 2, paeth)[kind] & 255
    return bytes(row)


def language(browser, tag):
    browser.cdp("Network.enable")
    browser.cdp("Network.setUserAgentOverride", userAgent=browser.script("return navigator.userAgent"), acceptLanguage=tag)


def sign_in(browser, person="ada"):
    browser.click(f"button[value={person}]")


def without_script(browser, url):
    browser.cdp("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(url)
    browser.cdp("Emulation.setScriptExecutionDisabled", value=False)


def post(browser, action, **fields):
    """Sends a form; the page that answers is shown."""
    browser.script(
        "const f=document.createElement('form');f.method='post';f.action=arguments[0];"
        "for(const [k,v] of Object.entries(arguments[1])){const i=document.createElement('input');i.name=k;i.value=v;f.append(i)}"
        "document.body.append(f);f.submit()", action, fields)


def left_out():
    if AXE:
        return False
    print("LEFT OUT: there is no axe-core; tests/browser/run gets it by npm", flush=True)
    return True


def usual(world, top="", more=""):
    tool = world.tool(Minded)
    dead = f"http://127.0.0.1:{harness.free_port()}"
    routes = f"""  - {{ path: /dead/, to: '{dead}', access: public }}
  - {{ path: /unit/, to: '{tool}', business_unit: 7281699 }}
  - {{ path: /, to: '{tool}' }}"""
    scope = "  scope: [offline, email_read, email_send, data_extensions_read, journeys_read]"
    return world.gateway(harness.HOST, routes, top=top, session=more, package=scope)


class Minded(harness.Tool):
    """A tool with a policy of its own that includes the session's script."""

    PAGE = b"""<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Tool</title>
<main><h1 id="tool">The tool</h1><form method="post" action="/save"><button id="save">Save</button></form></main>
<script src="/oauth2/session.js" data-warn="57"></script></html>"""

    def reply(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'; form-action 'self'")
        self.end_headers()
        self.wfile.write(body)


class Forgetful(http.server.BaseHTTPRequestHandler):
    """A proxy in front that loses the session's cookie."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream)
        upstream.request("GET", self.path, headers=dict(self.headers))
        answer = upstream.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection") and not re.match(r"sidegate(\.\d+)?=", value):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_):
        pass


def forgetful(world):
    """A gateway behind a proxy that keeps no session; returns the proxy's origin."""
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forgetful)
    proxy.upstream = harness.free_port()
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    world.tools.append(proxy)
    origin = f"http://127.0.0.1:{proxy.server_port}"
    tenant = world.sandbox("--redirect-uri", f"{origin}/oauth2/callback")
    config = world.directory / "forgetful.yaml"
    config.write_text(f"""
public_url: {origin}
listen: 127.0.0.1:{proxy.upstream}
admin_listen: 127.0.0.1:0
workers: 1
marketing_cloud:
  subdomain: sandbox
  client_id: sandbox-web-client
  client_secret: {{ env: SECRET }}
  auth_base_url: {tenant}
  instance_hosts: ["{tenant}"]
session:
  keys: [{{ env: KEY }}]
routes:
  - {{ path: /, to: "{world.tool()}" }}
""")
    world.start("forgetful", [harness.SIDEGATE, "serve", "--config", str(config)], proxy.upstream)
    return origin, tenant


def test_no_page_is_forgotten(world, browser):
    """Every template of ours is among those that are judged, and so is every other file that holds a whole page."""
    source = harness.ROOT / "src"
    files = {path for path in source.rglob("*.html") if path.name != "layout.html"}
    files |= {path for path in source.rglob("*.rs") if "<body" in path.read_text() and "#[template(" in path.read_text()}
    found = {str(path.relative_to(harness.ROOT)) for path in files}
    assert found == set(TEMPLATES), found ^ set(TEMPLATES)
    judged = set().union(*PAGES.values())
    assert set(TEMPLATES.values()) <= judged, set(TEMPLATES.values()) - judged


def test_a_page_with_a_known_violation_is_reported(world, browser):
    """The control: what the other tests find nothing with does find something."""
    if left_out():
        return
    bad = b"<!doctype html><html><title>x</title><main><h1>x</h1><img src='data:,'><p style='color:#999;background:#fff'>pale</p><div style='width:700px'>wide</div></main></html>"
    handler = type("Bad", (harness.Tool,), {"PAGE": bad})
    gate = world.gateway(harness.HOST, f"  - {{ path: /, to: {world.tool(handler)}, access: public }}")
    browser.open(gate + "/")
    judge = Judge(browser)
    found = " ".join(judge.violations()["violations"])
    for rule in ("html-has-lang", "image-alt", "color-contrast"):
        assert rule in found, found
    browser.look(320, "light")
    assert browser.script("return document.documentElement.scrollWidth") > 320


def test_every_page_is_accessible_in_both_schemes_and_widths(world, browser):
    if left_out():
        return
    judge = Judge(browser)
    gate = usual(world)
    for tag in ("en", "de"):
        language(browser, tag)
        browser.open(gate + "/oauth2/none")
        judge.page("failure", tag)
        browser.open(gate + "/dead/x")
        judge.page("failure-operator", tag)
        browser.open(gate + "/oauth2/callback?error=access_denied")
        browser.open(f"https://other.example.test:{world.port}/")
        judge.page("failure-note", tag)
        browser.open(gate + "/oauth2/sign_out")
        judge.page("sign-out", tag)
        browser.console()
        browser.open(gate + "/oauth2/")
        sign_in(browser)
        browser.find("#mid")
        harness.until(lambda: "(" in browser.text("time"), "the living times", browser.describe)
        judge.page("account", tag)
        if tag == "en":
            judge.keep("account", 640, "light")
        assert browser.console() == []
        browser.open(gate + "/unit/x")
        judge.page("failure-switch", tag)
        if tag == "de":
            judge.keep("failure", 720, "dark")
        browser.open(gate + "/oauth2/")
        post(browser, gate + "/oauth2/business_unit", account_id="7")
        harness.until(lambda: "SG-2030" in browser.script("return document.body.textContent"), "the refusal", browser.describe)
        judge.page("failure-denied", tag)
        # A form whose session went away meanwhile.
        browser.open(gate + "/")
        browser.find("#save")
        browser.cdp("Network.clearBrowserCookies")
        browser.click("#save")
        harness.until(lambda: "SG-2022" in browser.script("return document.body.textContent"), "the form's page", browser.describe)
        judge.page("form-not-sent", tag)
        browser.open(gate + "/oauth2/auth")
        judge.page("failure-sign-in", tag)
        browser.open(gate + "/oauth2/sign_out")
        browser.click("button")
        browser.find("a.button")
        judge.page("signed-out", tag)
        if tag == "en":
            judge.keep("signed-out", 360, "light")
        browser.cdp("Network.clearBrowserCookies")
    judge.close(PAGES["a gateway"])


def test_the_page_that_ends_a_loop(world, browser):
    if left_out():
        return
    judge = Judge(browser)
    origin, tenant = forgetful(world)
    browser.open(tenant + "/cloud/")
    sign_in(browser)
    browser.find("#sign-out")
    # Somebody who is signed in to the cloud is sent round without being asked.
    for tag in ("en", "de"):
        language(browser, tag)
        browser.open(origin + "/")
        harness.until(lambda: "SG-2017" in browser.script("return document.body.textContent"), "the end of the loop", browser.describe)
        judge.page("loop", tag)
    judge.close(PAGES["a loop"])


def test_the_pages_of_frames_and_fragments(world, browser):
    if left_out():
        return
    judge = Judge(browser)
    shell, gate = embedded.embedded(world)
    for tag in ("en", "de"):
        language(browser, tag)
        browser.open(shell)
        embedded.in_app(browser, "#ask")
        judge.page("framed-ask", tag)
        browser.script("document.getElementById('wait').hidden=false;document.getElementById('ask').hidden=true")
        judge.page("framed-wait", tag)
        browser.leave()
        browser.open(f"{gate}/oauth2/start?rd=" + quote("/oauth2/handover?c=" + "A" * 43, safe=""))
        if browser.url().startswith(world.tenant):
            sign_in(browser)
        browser.find("#handover")
        judge.page("handover", tag)
        browser.open(gate + "/oauth2/")
        if browser.url().startswith(world.tenant):
            sign_in(browser)
        browser.find("#mid")
        browser.open(gate + "/oauth2/framed")
        browser.find("#signed-in")
        judge.page("framed-done", tag)
        browser.cdp("Network.clearBrowserCookies")
    other = world.gateway("fragment.example.test", f"  - {{ path: /, to: {world.tool()} }}", top="keep_fragment: true")
    for tag in ("en", "de"):
        language(browser, tag)
        without_script(browser, other + "/a")
        judge.page("keep-fragment", tag)
    judge.close(PAGES["frames"])


def test_the_owners_brand_stays_readable(world, browser):
    if left_out():
        return
    judge = Judge(browser)
    logo = world.directory / "logo.svg"
    logo.write_text("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 40 40'><rect width='40' height='40' rx='10' fill='#ffd400'/>"
                    "<path d='M10 26 20 10l10 16z' fill='#2b2b2b'/></svg>")
    brand = f"pages: {{ name: Aurora Campaigns, accent: '#ffd400', logo: '{logo}', support_url: 'https://help.example.com/' }}"
    gate = usual(world, top=brand)
    browser.console()
    browser.open(gate + "/oauth2/")
    sign_in(browser)
    browser.find("#mid")
    assert browser.script("return document.querySelector('.brand img').naturalWidth") > 0
    assert browser.console() == []
    judge.page("brand-account")
    browser.open(gate + "/unit/x")
    judge.page("brand-failure")
    judge.keep("brand", 720, "light")
    judge.close(PAGES["a brand"])


def test_the_status_page_the_sandbox_and_the_tool(world, browser):
    if left_out():
        return
    judge = Judge(browser)
    gate = usual(world)
    admin = harness.until(lambda: re.search(r"admin=\"?(127\.0\.0\.1:\d+)", world.logs()), "the gateway", world.logs)
    browser.open(f"http://{admin[1]}/")
    harness.until(lambda: browser.script("return document.querySelectorAll('.charts svg').length") > 0, "the charts", browser.describe)
    judge.page("status")
    browser.open(world.tenant + "/")
    judge.page("sandbox-help")
    browser.open(world.tenant + "/v2/authorize?client_id=none")
    if "cannot start" not in browser.script("return document.title"):
        browser.open(world.tenant + "/v2/authorize?response_type=code&client_id=sandbox-web-client&redirect_uri=https://evil.example/&state=s")
    assert "cannot start" in browser.script("return document.title"), browser.describe()
    judge.page("sandbox-problem")
    browser.open(gate + "/")
    browser.find("button[value=ada]")
    judge.page("sandbox-sign-in")
    browser.open(world.tenant + "/cloud/")
    judge.page("sandbox-shell")
    sign_in(browser)
    browser.find("#sign-out")
    judge.page("sandbox-shell-signed-in")
    port = harness.free_port()
    world.start("demo", [harness.SIDEGATE, "demo", "--port", str(port)], port)
    browser.open(f"http://127.0.0.1:{port}/")
    sign_in(browser)
    harness.until(lambda: browser.script("return document.querySelectorAll('#emails .row').length") > 3, "the e-mails", browser.describe)
    judge.page("tool")
    judge.close(PAGES["others"])


BAR = "return [...document.body.children].map(e=>e.shadowRoot).find(s=>s)"


def test_the_script_warns_and_renews_in_place_under_a_tools_policy(world, browser):
    gate = usual(world, more="  idle_timeout: 1m")
    browser.open(gate + "/")
    sign_in(browser)
    browser.find("#save")
    browser.script("window.told=[];addEventListener('sidegate:session',e=>told.push(e.detail.state))")
    browser.console()
    harness.until(lambda: browser.script(BAR + " !== undefined"), "the warning", browser.describe)
    assert browser.script("return told") == ["expiring"]
    said = browser.script(BAR + ".textContent")
    assert said == "Your session ends soon.Stay signed in", said
    assert browser.script(BAR + ".querySelector('[role=status]') !== null")
    assert browser.script("return getComputedStyle(" + BAR.removeprefix("return ") + ".querySelector('p')).display") == "flex"
    if not left_out():
        judge = Judge(browser)
        judge.page("helper-expiring")
        judge.close(PAGES["the script"])
    # The idle limit moves by a twelfth at least; then the button renews without leaving the page.
    look = "return fetch('/oauth2/userinfo?look=1').then(r=>r.json()).then(j=>j.expires_in)"
    harness.until(lambda: browser.script(look) < 54, "some seconds to pass", browser.describe)
    browser.script("window.stays=1")
    browser.script(BAR + ".querySelector('button').click()")
    harness.until(lambda: browser.script("return told").count("renewed") == 1, "the renewal", browser.describe)
    assert browser.script("return window.stays") == 1
    assert browser.script(look) > 54
    # What the tool decides itself: no bar, where it says so.
    browser.script("addEventListener('sidegate:session',e=>e.preventDefault())")
    harness.until(lambda: browser.script("return told").count("expiring") == 2, "the next warning", browser.describe)
    assert browser.script(BAR + " === undefined")
    assert browser.console() == []


def test_the_script_says_that_a_session_is_over(world, browser):
    gate = usual(world, more="  idle_timeout: 1m")
    browser.open(gate + "/")
    sign_in(browser)
    browser.find("#save")
    browser.script("document.documentElement.lang='de';window.told=[];addEventListener('sidegate:session',e=>told.push(e.detail.state))")
    harness.until(lambda: "expiring" in browser.script("return told"), "the warning", browser.describe)
    browser.cdp("Network.clearBrowserCookies")
    browser.script("document.dispatchEvent(new Event('visibilitychange'))")
    harness.until(lambda: "ended" in browser.script("return told"), "the end", browser.describe)
    assert browser.script(BAR + ".textContent") == "Ihre Sitzung ist beendet.Anmelden"
    browser.script(BAR + ".querySelector('button').click()")
    harness.until(lambda: browser.url().startswith(world.tenant), "the sign-in", browser.describe)


if __name__ == "__main__":
    harness.main(globals())
