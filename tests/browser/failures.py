"""Every page that says why something does not work, as the person sees it, in English and in German: its code,
its request id, one next action, and buttons that do what is written on them."""

import http.client
import http.server
import re

import harness
from tool import Tool

HOST = harness.HOST
# Code -> status, title: what the documentation says.
DOCUMENTED = {
    code: (int(status), title)
    for code, title, status in re.findall(
        r"^## (SG-\d{4}): (.*)\n\nStatus (\d+)\.", (harness.ROOT / "deploy/docs/errors.md").read_text(), re.M
    )
}
BROWSERS = {"en": "en-GB,en", "de": "de-AT,de,en"}
BUTTONS = {
    "en": {"sign_in": "Sign in", "sign_out": "Sign out", "account": "Your account", "switch": "Switch to"},
    "de": {"sign_in": "Anmelden", "sign_out": "Abmelden", "account": "Ihr Konto", "switch": "wechseln"},
}
SHOWN = {"en": ("Code ", ", request "), "de": ("Code ", ", Anfrage ")}


def failure(world, browser, language, code):
    """Checks the page of a failure; returns the texts of its buttons."""
    browser.wait_script(f"return document.querySelector('.quote')?.textContent.includes('{code}')", f"the page of {code}")
    for css in ("h1", ".do", ".quote"):
        browser.find(css)
    page = browser.script("""
        const texts=css=>Array.from(document.querySelectorAll(css)).map(element=>element.textContent);
        return {lang:document.documentElement.lang,title:document.title,headings:texts("h1"),actions:texts(".do"),
        quote:texts(".quote")[0],codes:texts(".quote code"),buttons:texts("a.button,main button"),
        first:texts("a.button:not(.quiet),main button:not(.quiet)"),
        status:performance.getEntriesByType("navigation")[0].responseStatus,
        over:document.documentElement.scrollWidth-document.documentElement.clientWidth}""")
    told = f"{code}: {page}"
    status, title = DOCUMENTED[code]
    assert page["lang"] == language, told
    assert page["status"] == status, told
    assert (page["headings"] == [title]) == (language == "en") and len(page["headings"]) == 1, told
    assert page["title"] == f"{page['headings'][0]} · Sidegate", told
    assert page["codes"][0] == code and len(page["codes"]) == 2, told
    before, between = SHOWN[language]
    request = page["codes"][1]
    assert page["quote"] == f"{before}{code}{between}{request}", told
    # One thing to do, in words, and at most one button that stands out.
    assert len(page["actions"]) == 1 and page["actions"][0].strip().endswith("."), told
    assert len(page["first"]) <= 1, told
    assert page["over"] == 0, told
    # Who is told the request id finds the request by it.
    logs = list(world.directory.glob(f"{HOST}-*.log"))
    lines = lambda: (line for log in logs for line in log.read_text(errors="replace").splitlines())
    found = lambda: any(f'request_id="{request}"' in line and code in line for line in lines())
    assert len(request) >= 16, told
    harness.until(found, f"{request} in the gateway's log", world.logs)
    return page["buttons"]


def press(browser, text):
    """Clicks the button that says so."""
    mark = """
        const all=Array.from(document.querySelectorAll("a.button,main button"));
        const button=all.find(one=>one.textContent.includes(arguments[0]));
        button.id="pressed";return true"""
    assert browser.script(mark, text), text
    browser.click("#pressed")


def goes_on(browser, gateway, language, person="ada", path="/"):
    """The button that signs in does."""
    press(browser, BUTTONS[language]["sign_in"])
    browser.click(f"button[value={person}]")
    browser.wait_url(gateway + path)
    browser.find("#tool")


def forget(browser):
    """Signs out without a word."""
    browser.cdp("Network.clearBrowserCookies")


def at_provider(choice):
    """A sign-in that ends in this choice."""

    def walk(world, browser, gateway):
        browser.open(gateway + "/page")
        browser.click(choice)

    return walk


def with_fault(place, **fault):
    """A sign-in while something is broken at the provider."""

    def walk(world, browser, gateway):
        world.fails(**{place: fault})
        browser.open(gateway + "/page")
        if place != "authorize":
            browser.click("button[value=ada]")
        browser.find(".quote")
        world.fails()

    return walk


def late(world, browser, gateway):
    """The browser has forgotten the attempt by the time its answer comes, as it does after ten minutes."""
    browser.open(gateway + "/page")
    browser.find("button[value=ada]")
    assert any("login" in cookie["name"] for cookie in browser.cookies()), browser.cookies()
    forget(browser)
    browser.click("button[value=ada]")


def opened(path):
    def walk(world, browser, gateway):
        browser.open(gateway + path)

    return walk


# What fails while somebody signs in. Each page has a button that signs in, which then works; in English it
# is followed to the end.
SIGN_IN = [
    ("SG-2002", opened("/oauth2/callback?code=x&state=" + "A" * 43)),
    ("SG-2002", late),
    ("SG-2003", opened("/oauth2/callback")),
    ("SG-2004", at_provider("button[name=deny]")),
    ("SG-2005", at_provider("button[value=nora]")),
    ("SG-2006", with_fault("authorize", fault="oauth", status=400, code="unauthorized_client")),
    ("SG-2007", with_fault("authorize", fault="oauth", status=400, code="invalid_scope")),
    ("SG-2008", with_fault("authorize", fault="oauth", status=400, code="invalid_request")),
    ("SG-2009", with_fault("authorize", fault="oauth", status=400, code="server_error")),
    ("SG-2010", with_fault("token", fault="invalid_grant")),
    ("SG-2012", with_fault("token", fault="garbage")),
    ("SG-2012", with_fault("token", fault="html")),
    ("SG-2014", with_fault("token", fault="500")),
    ("SG-2014", with_fault("token", fault="reset")),
    ("SG-2015", at_provider("button[value=otto]")),
    ("SG-3011", with_fault("token", fault="596")),
    ("SG-3013", with_fault("authorize", fault="oauth", status=400, code="redirect_uri_mismatch")),
    ("SG-3014", with_fault("token", fault="rest", status=400, errorcode=10007)),
]


def failing_sign_ins(world, language):
    world.tenant_with("--partner-tenant", "elsewhere=otto")
    gateway = world.gateway(HOST, f"  - {{ path: /, to: {world.tool(Tool().handler())} }}")
    browser = world.browser(languages=BROWSERS[language])
    for code, walk in SIGN_IN:
        forget(browser)
        walk(world, browser, gateway)
        buttons = failure(world, browser, language, code)
        assert buttons == [BUTTONS[language]["sign_in"]], f"{code}: {buttons}"
        if language == "en":
            goes_on(browser, gateway, language)
        else:
            press(browser, BUTTONS[language]["sign_in"])
            browser.find("button[value=ada]")


def test_sign_ins_that_fail_in_english(world):
    failing_sign_ins(world, "en")


def test_sign_ins_that_fail_in_german(world):
    failing_sign_ins(world, "de")


def test_settings_that_are_wrong_are_the_operators(world):
    port, other, third = (harness.free_port() for _ in range(3))
    uris = [f"https://{HOST}:{one}/oauth2/callback" for one in (port, other, third)]
    world.tenant_with(*(word for uri in uris for word in ("--redirect-uri", uri)))
    routes = f"  - {{ path: /, to: {world.tool(Tool().handler())} }}"
    secret = world.gateway(HOST, routes, port=port, secret="another-secret")
    fence = world.gateway(HOST, routes, port=other, fence="*.rest.marketingcloudapis.com")
    limit = world.gateway(HOST, routes, port=third, top="rate_limits: { sign_in: 1/10m }")
    for language in ("en", "de"):
        browser = world.browser(languages=BROWSERS[language])
        for code, gateway in (("SG-2011", secret), ("SG-2013", fence)):
            browser.open(gateway + "/")
            browser.click("button[value=ada]")
            buttons = failure(world, browser, language, code)
            # Trying again is of no use, but may be done.
            assert browser.script("return !!document.querySelector('.aside')"), browser.describe()
            press(browser, BUTTONS[language]["sign_in"])
            browser.find("button[value=ada]")
        forget(browser)
        browser.open(limit + "/")
        if language == "en":
            browser.find("button[value=ada]")
            browser.open(limit + "/")
        assert "SG-1021" in browser.text(".quote"), browser.describe()
        failure(world, browser, language, "SG-1021")


def save(world, browser, gateway):
    """A form that is sent after the session has ended."""
    browser.open(gateway + "/form")
    browser.find("#tool")
    forget(browser)
    browser.click("#save")


def failing_pages(world, language):
    words = BUTTONS[language]
    tool = Tool()
    to = world.tool(tool.handler())
    dead = harness.free_port()
    rule = lambda path, rule: f"  - {{ path: {path}, to: {to}, {rule} }}\n"
    gateway = world.gateway(
        HOST,
        rule("/pacific/", "business_unit: 7281699")
        + rule("/ours/", "require: { enterprise: [1] }")
        + rule("/mail/", "require: { email_domain: [other.example] }")
        + rule("/may/", "require: { permission: [User.Administer] }")
        + rule("/small/", "body_size: 3 B")
        + f"  - {{ path: /down/, to: 'http://127.0.0.1:{dead}' }}\n"
        + f"  - {{ path: /, to: {to} }}",
        top="timeouts: { upstream_response: 1s }\nlimits: { target_length: 1 KiB }",
    )
    browser = world.browser(languages=BROWSERS[language])

    def sign_in(person):
        forget(browser)
        browser.open(gateway + "/")
        browser.click(f"button[value={person}]")
        browser.wait_url(gateway + "/")
        browser.find("#tool")

    sign_in("mei")
    # Of the request, and of what stands behind: nothing to press, since only words help.
    for code, path in (
        ("SG-1002", "/a//b"),
        ("SG-1004", "/oauth2/none"),
        ("SG-1011", "/" + "x" * 1100),
        ("SG-4001", "/down/x"),
        ("SG-4002", "/hang"),
        ("SG-4003", "/break"),
    ):
        browser.open(gateway + path)
        assert failure(world, browser, language, code) == [], code
    browser.open(gateway + "/small/form")
    browser.find("#tool")
    browser.script("document.querySelector('form').action='/small/save'")
    browser.click("#save")
    assert failure(world, browser, language, "SG-1007") == []
    # Of access: to the account, or out.
    for code, path in (("SG-2034", "/ours/"), ("SG-2035", "/mail/"), ("SG-2036", "/may/")):
        browser.open(gateway + path)
        buttons = failure(world, browser, language, code)
        assert buttons == [words["account"], words["sign_out"]], f"{code}: {buttons}"
        press(browser, words["account"])
        browser.wait_text("h1", "Mei Tanaka")
        assert browser.url() == gateway + "/oauth2/", browser.url()
    browser.back()
    failure(world, browser, language, "SG-2036")
    press(browser, words["sign_out"])
    browser.wait_script("return location.pathname==='/oauth2/sign_out'&&!!document.querySelector('h1')", "the sign-out")
    assert not any("sidegate" in cookie["name"] for cookie in browser.cookies()), browser.cookies()
    # Of business units.
    sign_in("ada")
    browser.open(gateway + "/oauth2/")
    browser.click("#mid")
    browser.press(*"7281700", harness.ENTER)
    buttons = failure(world, browser, language, "SG-2030")
    assert buttons == [words["account"], words["sign_out"]], buttons
    browser.open(gateway + "/pacific/list?x=1")
    buttons = failure(world, browser, language, "SG-2031")
    assert len(buttons) == 3 and words["switch"] in buttons[0], buttons
    press(browser, words["switch"])
    browser.wait_url(gateway + "/pacific/list?x=1")
    browser.wait_text("#unit", "7281699")
    # Of a form that comes too late: it is not sent, and the sign-in leads back to where it stands.
    save(world, browser, gateway)
    assert failure(world, browser, language, "SG-2022") == [words["sign_in"]]
    goes_on(browser, gateway, language, path="/form")
    browser.click("#save")
    browser.wait_text("#saved", "note=hello")
    assert tool.forms == ["note=hello"], tool.forms
    # Of another name for the same machine.
    browser.open(f"https://other.example.test:{world.port}/")
    failure(world, browser, language, "SG-1003")
    assert all(host in browser.text("main") for host in ("other.example.test", HOST)), browser.describe()


def test_pages_that_fail_in_english(world):
    failing_pages(world, "en")


def test_pages_that_fail_in_german(world):
    failing_pages(world, "de")


def test_while_the_provider_is_down_people_stay_signed_in(world, browser):
    world.tenant_with("--access-token-lifetime", "3s")
    gateway = world.gateway(HOST, f"  - {{ path: /, to: {world.tool(Tool().handler())} }}")
    browser.open(gateway + "/page")
    browser.click("button[value=ada]")
    browser.wait_url(gateway + "/page")
    world.fails(token={"fault": "503"})

    def refused():
        browser.open(gateway + "/page")
        return browser.script("return performance.getEntriesByType('navigation')[0].responseStatus") == 503

    harness.until(refused, "the token to expire", browser.describe)
    code = re.search(r"SG-\d{4}", browser.text(".quote")).group()
    assert code in ("SG-3001", "SG-2014"), code
    assert failure(world, browser, "en", code) == []
    authorized = world.stats()["authorize_calls"]
    world.fails()

    def served():
        browser.open(gateway + "/page")
        return browser.text("#who") == "ada.martin@example.com"

    harness.until(served, "the tool again", browser.describe)
    assert world.stats()["authorize_calls"] == authorized, "nobody had to sign in"


class Front(http.server.BaseHTTPRequestHandler):
    """A proxy in front that does something to the session's cookies."""

    protocol_version = "HTTP/1.1"
    to = None
    does = None

    def do_GET(self):
        connection = http.client.HTTPConnection(self.to, timeout=harness.PATIENCE)
        connection.request("GET", self.path, headers=dict(self.headers))
        answer = connection.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                value = type(self).does(value)
            if value is not None and name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        connection.close()

    def log_message(self, *_):
        pass


def drops(line):
    return None if line.startswith("sidegate=") or line.startswith("sidegate.") else line


def garbles(line):
    return re.sub(r"^(sidegate=.{20})...", r"\1AAA", line)


def test_loops_end_in_a_page_that_names_the_cause(world):
    # Silent, so that each round is over at once. Plain on loopback, as the front wants to read.
    world.tenant = world.sandbox("--auto-sign-in", "ada")
    handler = type("Handler", (Front,), {})
    port = harness.free_port()
    handler.to = f"127.0.0.1:{port}"
    front = world.tool(handler)
    world.gateway(HOST, f"  - {{ path: /, to: {world.tool(Tool().handler())} }}", port=port, plain=front)
    for language in ("en", "de"):
        browser = world.browser(languages=BROWSERS[language])
        for code, does in (("SG-2017", drops), ("SG-2018", garbles)):
            handler.does = staticmethod(does)
            before = world.stats()["authorize_calls"]
            browser.open(front + "/page")
            assert failure(world, browser, language, code) == [BUTTONS[language]["sign_in"]]
            rounds = world.stats()["authorize_calls"] - before
            assert rounds == 3, rounds
            # Once the cause is gone, the button leads to the page that was asked for.
            handler.does = staticmethod(lambda line: line)
            press(browser, BUTTONS[language]["sign_in"])
            browser.wait_url(front + "/page")
            browser.wait_text("#who", "ada.martin@example.com")
            forget(browser)


if __name__ == "__main__":
    harness.main(globals())
