"""A session's life in a browser: its renewal under a page that asks much, its streams, its business units, its
end in every window."""

import json
import urllib.error
import urllib.request

import harness
from tool import Tool

ADA = "ada.martin@example.com"
EUROPE, PACIFIC, AMERICAS = "7281698", "7281699", "7281700"


def signed_in(world, browser, tool=None, routes="", path="/", session=""):
    """A tool and the tenant's API behind a gateway, and a person who is signed in; returns the origin."""
    tool = tool or Tool()
    api = "  - { path: /mc/rest/, to: rest }\n"
    page = f"  - {{ path: /, to: {world.tool(tool.handler())}, token: bearer }}"
    gateway = world.gateway(harness.HOST, f"{routes}{api}{page}", session)
    browser.open(gateway + path)
    browser.click("button[value=ada]")
    browser.wait_url(gateway + path)
    browser.wait_text("#who", ADA)
    return gateway


def expire(world, tool):
    """Waits until the provider itself says that the token which the tool saw last is over."""

    def over():
        token = {"Authorization": f"Bearer {tool.tokens[-1]}"}
        try:
            with urllib.request.urlopen(urllib.request.Request(f"{world.tenant}/v2/userinfo", headers=token)):
                return False
        except urllib.error.HTTPError as error:
            return error.code == 401

    assert not over(), "the token was dead from the beginning"
    harness.until(over, "the token to expire")


def answers(browser, paths):
    """What a page's script is told that fetches all of `paths` at once."""
    browser.script("window.told=null;burst(arguments[0]).then(all=>told=all,error=>told=String(error))", paths)
    return harness.until(lambda: browser.script("return told"), "all answers", browser.describe)


def test_thirty_calls_at_once_over_an_expired_token_are_one_refresh(world, browser):
    world.tenant_with("--access-token-lifetime", "8s")
    tool = Tool()
    gateway = signed_in(world, browser, tool)
    paths = [f"/api/{number}" for number in range(20)] + [f"/mc/rest/asset/v1/content/assets?x={n}" for n in range(10)]
    first = answers(browser, paths)
    assert [answer[0] for answer in first] == [200] * 30, first
    expire(world, tool)
    before = world.stats()
    # Slow enough that all thirty wait for it together.
    world.fails(token={"fault": "slow", "ms": 1000, "times": 1})
    browser.script("performance.clearResourceTimings()")
    second = answers(browser, paths)
    after = world.stats()
    sent, answered, calls = browser.script("""
        const all=performance.getEntriesByType("resource");
        return [Math.max(...all.map(one=>one.requestStart)),Math.min(...all.map(one=>one.responseStart)),all.length]""")
    assert calls == 30 and sent < answered, f"{calls} calls, the last sent at {sent}, the first answered at {answered}"
    assert [answer[:2] for answer in second] == [[200, False]] * 30, second
    assert all("json" in answer[2] for answer in second), second
    told = {name: after[name] - before[name] for name in ("token_calls", "refreshes", "authorize_calls", "reuses", "dead_tokens")}
    assert told == {"token_calls": 1, "refreshes": 1, "authorize_calls": 0, "reuses": 0, "dead_tokens": 0}, told
    # The browser has what came of it: a reload needs no more.
    browser.open(gateway + "/again")
    browser.wait_text("#who", ADA)
    assert world.stats()["token_calls"] == after["token_calls"]
    assert world.stats()["authorize_calls"] == after["authorize_calls"]


def test_signing_out_leaves_no_cookie_and_no_page(world, browser):
    gateway = signed_in(world, browser, path="/first")
    one = browser.window()
    browser.new_window()
    other = browser.window()
    browser.open(gateway + "/second")
    browser.wait_text("#who", ADA)
    browser.switch(one)
    browser.click("#other")
    browser.wait_text("#path", "/other")
    assert browser.cookies(), "there is a session to be forgotten"
    browser.click("#sign-out")
    browser.wait_script("return document.querySelector('h1').textContent==='You are signed out'", "the sign-out")
    assert browser.cookies() == [], browser.cookies()
    # Neither the browser's cache nor a page that it kept alive: the provider asks.
    browser.back()
    browser.find("button[value=ada]")
    assert browser.url().startswith(world.tenant), browser.url()
    assert browser.script("return document.querySelector('#tool')") is None
    # The other window's page is told so, and then shows nothing either.
    browser.switch(other)
    told = answers(browser, ["/api/1", "/mc/rest/asset/v1/content/assets"])
    assert [answer[:3] for answer in told] == [[401, False, "application/problem+json"]] * 2, told
    assert json.loads(told[0][3])["code"] == "SG-2001", told
    browser.open(gateway + "/second")
    browser.find("button[value=ada]")
    assert browser.url().startswith(world.tenant), browser.url()


def test_back_within_a_session_shows_the_page_at_once(world, browser):
    signed_in(world, browser, path="/first")
    browser.script("addEventListener('pageshow',event=>window.kept=event.persisted)")
    browser.click("#other")
    browser.wait_text("#path", "/other")
    browser.back()
    browser.wait_text("#path", "/first")
    # What keeps pages from being seen after a sign-out costs nothing before.
    assert browser.script("return window.kept") is True


def test_a_page_that_its_tool_lets_browsers_keep_says_that_the_session_is_over(world, browser):
    signed_in(world, browser, Tool(caching="private, max-age=600", minds=True), path="/first")
    browser.script("addEventListener('pageshow',event=>window.kept=event.persisted)")
    browser.click("#sign-out")
    browser.wait_text("h1", "You are signed out")
    browser.back()
    browser.wait_text("#path", "/first")
    assert browser.script("return window.kept") is True
    bar = "[...document.body.children].map(element=>element.shadowRoot).find(Boolean)"
    browser.wait_script(f"return {bar}?.textContent==='Your session has ended.Sign in'", "the script to say so")
    browser.script(f"{bar}.querySelector('button').click()")
    browser.find("button[value=ada]")
    assert browser.url().startswith(world.tenant), browser.url()


def test_streams_live_through_a_refresh_and_end_with_the_session(world, browser):
    world.tenant_with("--access-token-lifetime", "6s")
    tool = Tool()
    gateway = signed_in(world, browser, tool)
    page = browser.window()
    browser.script("listen()")
    browser.wait_script("return heard.events.length===1&&socket.readyState===1", "both streams")
    browser.script("socket.send('before')")
    browser.wait_script("return heard.messages.length===1", "the socket")
    expire(world, tool)
    before = world.stats()["refreshes"]
    assert [answer[0] for answer in answers(browser, ["/api/1"])] == [200]
    assert world.stats()["refreshes"] == before + 1, world.stats()
    tool.say("after")
    browser.script("socket.send('after')")
    browser.wait_script("return heard.messages[1]==='after'&&heard.events[1]==='after'", "both streams to go on")
    assert browser.script("return [heard.ended,heard.closed]") == [False, None]
    # Signed out in another window.
    browser.new_window()
    browser.open(gateway + "/oauth2/sign_out")
    browser.click("main button")
    browser.wait_text("h1", "You are signed out")
    browser.switch(page)
    browser.wait_script("return heard.closed!==null&&heard.ended", "both streams to end")
    assert browser.script("return heard.closed") == 1008, browser.script("return heard.closed")
    assert world.logs().count('event="stream.ended"') == 2, world.logs()


def unit_shown(browser):
    """The unit that the tool is told, asked anew."""
    browser.call("POST", "/refresh")
    return browser.text("#unit")


def test_a_switch_of_unit_counts_in_all_windows(world, browser):
    gateway = signed_in(world, browser, path="/work?x=1")
    one = browser.window()
    browser.new_window()
    other = browser.window()
    browser.open(gateway + "/side")
    browser.wait_text("#unit", EUROPE)
    browser.switch(one)
    browser.click("#account")
    browser.click("#mid")
    browser.press(*PACIFIC)
    browser.click("form:has(#mid) button")
    # Back on the account page, which offers the way back.
    browser.find(f"button[value='{EUROPE}']")
    assert browser.url() == gateway + "/oauth2/", browser.url()
    assert PACIFIC in browser.text("dl"), browser.describe()
    browser.switch(other)
    assert unit_shown(browser) == PACIFIC
    browser.switch(one)
    browser.click(f"button[value='{EUROPE}']")
    browser.find(f"button[value='{PACIFIC}']")
    assert browser.url() == gateway + "/oauth2/", browser.url()
    browser.switch(other)
    assert unit_shown(browser) == EUROPE
    # Who pages back finds the page that was left, in the session as it is now.
    browser.switch(one)
    browser.open(gateway + "/work?x=1")
    browser.wait_text("#unit", EUROPE)


def test_a_page_of_another_unit_is_a_switch_away(world, browser):
    only = f"  - {{ path: /pacific/, to: {world.tool(Tool().handler())}, business_unit: {PACIFIC} }}\n"
    gateway = signed_in(world, browser, routes=only)
    browser.open(gateway + "/pacific/list?page=2&q=%C3%A9")
    assert "SG-2031" in browser.text("main"), browser.describe()
    browser.click(f"button[value='{PACIFIC}']")
    browser.wait_url(gateway + "/pacific/list?page=2&q=%C3%A9")
    browser.wait_text("#unit", PACIFIC)


def test_a_unit_that_is_not_theirs_leaves_people_where_they_are(world, browser):
    gateway = signed_in(world, browser)
    browser.open(gateway + "/oauth2/")
    browser.click("#mid")
    browser.press(*AMERICAS, harness.ENTER)
    browser.wait_script("return document.body.textContent.includes('SG-2030')", "the refusal")
    browser.open(gateway + "/")
    browser.wait_text("#unit", EUROPE)


if __name__ == "__main__":
    harness.main(globals())
