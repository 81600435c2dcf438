"""The tool in a frame of Marketing Cloud, as Chromium sees it with third-party cookies off."""

import re
from urllib.parse import quote

import harness

EMAIL = "ada.nwosu@aurora.example"


def embedded(world):
    """The shell and a gateway that it may frame; returns the shell's address and the gateway's origin."""
    cloud = world.cloud()
    port = cloud.rsplit(":", 1)[1]
    session = f'  embedded: {{ frame_ancestors: ["https://*.exacttarget.com:{port}"] }}'
    gate = world.gateway(harness.HOST, f"  - {{ path: /, to: {world.tool()} }}", session)
    return f"{cloud}/cloud/?app={quote(gate + '/', safe='')}", gate


def in_app(browser, css):
    """Waits for an element that is shown in the app's frame; stays there."""
    shown = "const e=document.querySelector(arguments[0]);return !!e&&e.checkVisibility()"
    browser.in_frame("#app", lambda: browser.script(shown, css), f"{css} in the app's frame")


def sign_in_to_cloud(browser, shell, person="ada"):
    browser.open(shell)
    browser.click(f"button[value={person}]")
    browser.find("#sign-out")


def sign_out_of_cloud(browser):
    browser.leave()
    browser.click("#sign-out")
    browser.find("button[value=ada]")


def test_chromium_keeps_third_party_cookies_from_the_frame(world, browser):
    cloud = world.cloud()
    port = cloud.rsplit(":", 1)[1]
    session = f'  embedded: {{ frame_ancestors: ["https://*.exacttarget.com:{port}"] }}'
    gate = world.gateway(harness.HOST, f"  - {{ path: /, to: {world.tool()}, access: public }}", session)
    seen = "return Promise.all([document.cookie,fetch('/cookies').then(answer=>answer.text())])"
    both = ["apart=1", "plain=1"]
    # In a window of its own, page and server see both cookies.
    browser.open(gate + "/")
    browser.wait_text("#posted", "200")
    assert [sorted(one.split("; ")) for one in browser.script(seen)] == [both, both], browser.script(seen)
    # In the frame neither sees the one without a partition, although it is in the jar and comes anew with
    # every answer.
    browser.open(f"{cloud}/cloud/?app={quote(gate + '/', safe='')}")
    in_app(browser, "#tool")
    browser.wait_text("#posted", "200")
    assert browser.script(seen) == ["apart=1", "apart=1"], browser.script(seen)
    jar = [(cookie["name"], "partitionKey" in cookie) for cookie in browser.cookies()]
    assert ("plain", False) in jar and jar.count(("apart", True)) == 2, jar


def test_a_signed_in_person_sees_the_tool_at_once(world, browser):
    shell, _ = embedded(world)
    sign_in_to_cloud(browser, shell)
    in_app(browser, "#tool")
    # Reads and writes by the framed page's script go on in the same session.
    harness.until(lambda: "@" in (browser.text("#api") or ""), "the API", browser.describe)
    browser.wait_text("#posted", "200")
    # What makes it work is the partition: a cookie without it does not even reach its own page.
    assert browser.script("return document.cookie") == "apart=1", browser.script("return document.cookie")
    # Of our own cookies no script sees anything.
    assert "sidegate" not in browser.script("return document.cookie")


def test_a_session_in_the_frame_is_none_in_a_window(world, browser):
    shell, gate = embedded(world)
    sign_in_to_cloud(browser, shell)
    in_app(browser, "#tool")
    sign_out_of_cloud(browser)
    browser.new_window()
    browser.open(gate + "/")
    assert browser.url().startswith(world.tenant), browser.url()


def test_signing_out_of_the_cloud_ends_the_session(world, browser):
    shell, _ = embedded(world)
    sign_in_to_cloud(browser, shell)
    in_app(browser, "#tool")
    sign_out_of_cloud(browser)
    in_app(browser, "#ask")
    logs = world.logs()
    assert "sign_out" in logs, logs


def test_whoever_is_signed_out_signs_in_by_a_window(world, browser):
    shell, gate = embedded(world)
    browser.open(shell)
    cloud = browser.window()
    in_app(browser, "#window")
    browser.click("#window")
    harness.until(lambda: len(browser.windows()) == 2, "the window")
    window = next(handle for handle in browser.windows() if handle != cloud)
    browser.switch(window)
    browser.click("button[value=ada]")
    harness.until(lambda: browser.windows() == [cloud], "the window to close itself")
    browser.switch(cloud)
    in_app(browser, "#tool")
    harness.until(lambda: "@" in (browser.text("#api") or ""), "the API", browser.describe)
    assert "sign_in.handed_over" in world.logs(), world.logs()
    # The frame has the session, and the window's own jar has none.
    browser.new_window()
    browser.open(gate + "/")
    assert browser.url().startswith(world.tenant), browser.url()


def test_another_site_frames_neither_tool_nor_page(world, browser):
    shell, gate = embedded(world)
    evil = world.front("evil.example", world.tenant)
    browser.expects("violates the following Content Security Policy directive: \"frame-ancestors 'self' https://*.exacttarget.com")
    for path in ["/", "/oauth2/", "/oauth2/sign_out"]:
        browser.open(f"{evil}/cloud/?app={quote(gate + path, safe='')}")
        refused = lambda: browser.script("return location.href") == "chrome-error://chromewebdata/"
        browser.in_frame("#app", refused, f"{path} to be refused")
    # The same shell at the right address shows it, so that the refusal is about the site.
    browser.open(shell)
    in_app(browser, "#ask")


def test_without_the_setting_nobody_frames_the_pages(world, browser):
    cloud = world.cloud()
    gate = world.gateway(harness.HOST, f"  - {{ path: /, to: {world.tool()} }}")
    browser.expects("violates the following Content Security Policy directive: \"frame-ancestors 'none'\"")
    browser.open(f"{cloud}/cloud/?app={quote(gate + '/oauth2/sign_out', safe='')}")
    refused = lambda: browser.script("return location.href") == "chrome-error://chromewebdata/"
    browser.in_frame("#app", refused, "the frame to be refused")


def test_a_callback_that_fails_is_shown_in_the_frame(world, browser):
    shell, _ = embedded(world)
    sign_in_to_cloud(browser, shell, "nora")

    def code():
        browser.enter("#silent")
        return re.search(r"SG-\d{4}", browser.script("return document.body.textContent"))

    found = browser.in_frame("#app", code, "the failure's page")
    assert found.group() == "SG-2005", found


def test_the_demonstration_runs_inside_the_cloud(world, browser):
    port = harness.free_port()
    world.start("demo", [harness.SIDEGATE, "demo", "--port", str(port)], port)
    told = lambda: re.search(r"Inside Marketing Cloud: (\S+)", (world.directory / "demo.log").read_text())
    shell = harness.until(told, "the address").group(1)
    sign_in_to_cloud(browser, shell)
    browser.in_frame("#app", lambda: "Campaign Desk" in browser.script("return document.title"), "the desk")


if __name__ == "__main__":
    harness.main(globals())
