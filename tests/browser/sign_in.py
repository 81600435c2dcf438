"""Signing in as a person does it: by a deep link, in two tabs, with the back button, without cookies."""

from urllib.parse import parse_qs, urlsplit

import harness
from tool import Tool

# A path, a query and a fragment in which each may lose something.
DEEP = "/reports/7?view=week&x=%C3%A9#row-12/a=b"


def gate(world, top=""):
    """A gateway before a tool; returns its origin."""
    return world.gateway(harness.HOST, f"  - {{ path: /, to: {world.tool(Tool().handler())} }}", top=top)


def choose(browser, person="ada"):
    """Signs in at the provider's page."""
    browser.click(f"button[value={person}]")


def session_cookies(browser):
    """The names of our cookies in the jar."""
    return sorted(cookie["name"] for cookie in browser.cookies() if "sidegate" in cookie["name"])


def signed_in_at(browser):
    """Which session a window's pages have."""
    read = "return fetch('/oauth2/userinfo').then(answer=>answer.json())"
    return browser.script(read)["session"]


def test_a_deep_link_comes_back_with_its_fragment(world, browser):
    gateway = gate(world, top="keep_fragment: true")
    browser.open(gateway + DEEP)
    browser.find("button[value=ada]")
    assert browser.url().startswith(world.tenant), browser.url()
    choose(browser)
    browser.wait_url(gateway + DEEP)
    browser.wait_text("#hash", "#row-12/a=b")
    browser.wait_text("#who", "ada.martin@example.com")


def test_without_the_setting_a_deep_link_comes_back_without_its_fragment(world, browser):
    gateway = gate(world)
    browser.open(gateway + DEEP)
    choose(browser)
    browser.wait_url(gateway + DEEP.partition("#")[0])
    browser.wait_text("#path", DEEP.partition("#")[0])
    browser.wait_text("#who", "ada.martin@example.com")


def test_a_silent_sign_in_carries_the_fragment_along_by_itself(world, browser):
    world.tenant_with("--auto-sign-in", "ada")
    gateway = gate(world)
    browser.open(gateway + DEEP)
    browser.wait_url(gateway + DEEP)
    browser.wait_text("#hash", "#row-12/a=b")
    assert world.stats()["code_grants"] == 1, world.stats()


def two_tabs(world, browser, last_first):
    gateway = gate(world)
    tabs = {}
    for path in ("/one?a=1", "/two?b=2"):
        if tabs:
            browser.new_window()
        tabs[path] = browser.window()
        browser.open(gateway + path)
        browser.find("button[value=ada]")
    assert len(session_cookies(browser)) == 2, session_cookies(browser)
    for path, tab in sorted(tabs.items(), reverse=last_first):
        browser.switch(tab)
        choose(browser)
        browser.wait_url(gateway + path)
        browser.wait_text("#path", path)
    # One session in both, and nothing is left of the attempts.
    sessions = []
    for path, tab in tabs.items():
        browser.switch(tab)
        browser.wait_url(gateway + path)
        sessions.append(signed_in_at(browser))
    assert sessions[0] == sessions[1], sessions
    assert all("login" not in name for name in session_cookies(browser)), session_cookies(browser)
    assert session_cookies(browser)[0].startswith("__Host-Http-sidegate"), session_cookies(browser)
    assert world.stats()["code_grants"] == 2, world.stats()


def test_two_tabs_sign_in_at_once(world, browser):
    two_tabs(world, browser, last_first=False)


def test_two_tabs_sign_in_at_once_and_the_last_one_ends_first(world, browser):
    two_tabs(world, browser, last_first=True)


def back_from_a_silent_sign_in(world, browser, top):
    world.tenant_with("--auto-sign-in", "ada")
    gateway = gate(world, top)
    before = world.front("before.example.test", world.tool(Tool().handler()))
    browser.open(before + "/")
    browser.script(f"location.href='{gateway}/first#part'")
    browser.wait_url(gateway + "/first#part")
    browser.wait_text("#who", "ada.martin@example.com")
    # No page of the sign-in's is in between, to start another.
    browser.back()
    browser.wait_url(before + "/")
    browser.call("POST", "/forward")
    browser.wait_url(gateway + "/first#part")
    assert world.stats()["authorize_calls"] == 1, world.stats()


def test_back_from_a_silent_sign_in_leads_to_the_page_before_it(world, browser):
    back_from_a_silent_sign_in(world, browser, "")


def test_back_from_a_silent_sign_in_that_kept_the_fragment_does_so_too(world, browser):
    back_from_a_silent_sign_in(world, browser, "keep_fragment: true")


def test_more_tabs_than_attempts_are_remembered(world, browser):
    # As when a browser comes back with all of its windows.
    gateway = gate(world)
    tabs = []
    for number in range(7):
        if tabs:
            browser.new_window()
        tabs.append(browser.window())
        browser.open(f"{gateway}/tab/{number}")
        browser.find("button[value=ada]")
    assert len(session_cookies(browser)) == 5, session_cookies(browser)
    choose(browser)
    browser.wait_url(f"{gateway}/tab/6")
    # An attempt that is remembered leads to its page, one that is forgotten to the tool: both go on.
    for number, path in ((5, "/tab/5"), (0, "/")):
        browser.switch(tabs[number])
        choose(browser)
        browser.wait_url(gateway + path)
        browser.wait_text("#who", "ada.martin@example.com")
    browser.open(f"{gateway}/tab/0")
    browser.wait_text("#path", "/tab/0")


def test_back_after_a_refusal_is_no_dead_end(world, browser):
    gateway = gate(world)
    browser.open(gateway + "/first")
    browser.click("button[name=deny]")
    browser.wait_text("h1", "Access was denied")
    browser.back()
    browser.find("button[value=ada]")
    # The page as it was is of no use to the provider either.
    browser.open(browser.url())
    choose(browser)
    # That attempt is over, whatever the provider says now; the button starts another.
    browser.wait_script("return document.querySelector('.quote')?.textContent.includes('SG-2002')", "the page")
    browser.click("main a.button")
    choose(browser)
    browser.wait_text("#who", "ada.martin@example.com")


def test_back_to_the_providers_page_and_through_the_same_sign_in_again(world, browser):
    gateway = gate(world)
    browser.open(gateway + "/first")
    choose(browser)
    browser.wait_url(gateway + "/first")
    browser.click("#other")
    browser.wait_url(gateway + "/other")
    browser.back()
    browser.wait_text("#path", "/first")
    # The provider's page asks again, and its answer has the state of the attempt that is over.
    browser.back()
    browser.find("button[value=ada]")
    before = session_cookies(browser), world.stats()["token_calls"]
    browser.open(browser.url())
    choose(browser)
    browser.wait_text("#who", "ada.martin@example.com")
    assert browser.url() == gateway + "/", browser.url()
    assert (session_cookies(browser), world.stats()["token_calls"]) == before
    assert "code" not in browser.url()


def callback_of(world):
    """A callback with the state of the last sign-in, and a code that is of no use any more."""
    found = [line for line in world.control("GET", "requests") if line["target"].startswith("/v2/authorize?")]
    state = parse_qs(urlsplit(found[-1]["target"]).query)["state"][0]
    return f"/oauth2/callback?code=used&state={state}"


def test_an_old_callback_leads_whoever_is_signed_in_to_the_tool(world, browser):
    gateway = gate(world)
    browser.open(gateway + "/first")
    choose(browser)
    browser.wait_url(gateway + "/first")
    browser.open(gateway + callback_of(world))
    browser.wait_text("#who", "ada.martin@example.com")
    assert browser.url() == gateway + "/", browser.url()
    # It is the session that helps: to another browser the same address is an error.
    stranger = world.browser()
    stranger.open(gateway + callback_of(world))
    assert "SG-2002" in stranger.text("main"), stranger.describe()


def test_without_cookies_a_page_explains_and_nothing_goes_round(world):
    # Silent, so that nothing but the gateway could stop a loop.
    world.tenant_with("--auto-sign-in", "ada")
    gateway = gate(world)
    browser = world.browser(cookies=False)
    browser.open(gateway + "/first")
    assert browser.url().startswith(gateway + "/oauth2/callback?"), browser.url()
    assert "SG-2002" in browser.text("main"), browser.describe()
    assert "cookies must be allowed" in browser.text(".do"), browser.text(".do")
    assert browser.cookies() == [], browser.cookies()
    stats = world.stats()
    assert (stats["authorize_calls"], stats["token_calls"]) == (1, 0), stats
    # The button tries once more, and stops as well.
    browser.click("main a.button")
    harness.until(lambda: world.stats()["authorize_calls"] == 2, "another try")
    harness.until(lambda: "SG-2002" in (browser.text("main") or ""), "the page again", browser.describe)
    # The same way with cookies.
    other = world.browser()
    other.open(gateway + "/first")
    other.wait_url(gateway + "/first")


if __name__ == "__main__":
    harness.main(globals())
