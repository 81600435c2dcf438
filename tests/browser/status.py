"""The status page, as Chromium shows it: with and without JavaScript, light and dark, narrow and wide.
Screenshots go to target/screenshots."""

import re
import urllib.request

import harness

WIDTHS = (320, 1600)


def status_page(world):
    """A gateway with some traffic behind it; returns the origin of its admin listener."""
    world.gateway(harness.HOST, f"  - {{ path: /, to: {world.tool()}, access: public }}\n"
                                f"  - {{ path: /dead/, to: 'http://127.0.0.1:{harness.free_port()}', access: public }}")
    admin = harness.until(lambda: re.search(r"admin=\"?(127\.0\.0\.1:\d+)", world.logs()), "the gateway", world.logs)
    return f"http://{admin[1]}"


def drive(world, browser):
    """Some requests that end well, some that don't."""
    gate = f"https://{harness.HOST}:{world.port}"
    browser.open(gate + "/")
    browser.wait_text("#posted", "200")
    for path in ("/none", "/dead/x", "/dead/y", "/dead/z"):
        browser.script("return fetch(arguments[0]).then(answer=>answer.status)", path)


def lines_drawn(browser):
    return browser.script(
        "return Array.from(document.querySelectorAll('.charts svg path')).filter(p=>p.getTotalLength()>0).length"
    )


def contrast(browser, css):
    """The contrast of an element's text and what is behind it (WCAG 2.2, 1.4.3)."""
    return browser.script(
        """
        function parse(c){return c.match(/[\\d.]+/g).map(Number)}
        function light(c){return c.slice(0,3).map(v=>{v/=255;return v<=.04045?v/12.92:((v+.055)/1.055)**2.4})
            .reduce((sum,v,i)=>sum+v*[.2126,.7152,.0722][i],0)}
        const element=document.querySelector(arguments[0]);if(!element)return null;
        let back=element,color;
        do{color=parse(getComputedStyle(back).backgroundColor);back=back.parentElement}while(back&&color[3]===0);
        const [a,b]=[light(parse(getComputedStyle(element).color)),light(color)];
        return (Math.max(a,b)+.05)/(Math.min(a,b)+.05)""",
        css,
    )


def test_the_charts_draw_live_and_nothing_is_refused(world, browser):
    admin = status_page(world)
    drive(world, browser)
    browser.console()
    browser.open(admin + "/")
    browser.find(".charts svg")
    assert browser.script("return document.querySelectorAll('.charts figure').length") == 5
    # The first step is over ten seconds after the start; the page asks every ten.
    harness.until(lambda: lines_drawn(browser) >= 8, "lines in the charts", browser.describe)
    label = browser.script("return document.querySelector('.charts svg').getAttribute('aria-label')")
    assert re.match(r"Requests per second, last hour\. Last: all [\d.]+, failed \(5xx\) [\d.]+\.", label), label
    # The tables went along with it.
    harness.until(lambda: browser.script("return document.querySelectorAll('#rows-0 td').length") >= 11, "a row")
    assert "SG-4001" in browser.text("#problems"), browser.text("#problems")
    # New traffic comes into the page by itself, and the keyboard's place in it stays.
    before = browser.text("#since-0")
    browser.script("document.querySelector('.scroll').focus()")
    urllib.request.urlopen(urllib.request.Request(f"https://127.0.0.1:{world.port}/", headers={"Host": f"{harness.HOST}:{world.port}"}),
                           context=harness_context())
    harness.until(lambda: browser.text("#since-0") != before, "new numbers", browser.describe)
    assert browser.script("return document.activeElement.className") == "scroll"
    assert browser.console() == []


def harness_context():
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_updates_can_be_paused(world, browser):
    admin = status_page(world)
    browser.open(admin + "/")
    browser.find("#pause")
    harness.until(lambda: browser.script("return document.querySelector('.charts svg').childElementCount") > 0, "a chart")
    browser.click("#pause")
    assert browser.script("return document.querySelector('#pause').getAttribute('aria-pressed')") == "true"
    calls = "return performance.getEntriesByType('resource').filter(e=>e.name.endsWith('/status.json')).length"
    asked = browser.script(calls)
    assert asked == 1, asked
    browser.click("#pause")
    harness.until(lambda: browser.script(calls) == 2, "an update at once")


def test_without_javascript_the_tables_are_there(world, browser):
    admin = status_page(world)
    drive(world, browser)
    browser.console()
    browser.cdp("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(admin + "/")
    browser.cdp("Emulation.setScriptExecutionDisabled", value=False)
    assert browser.script("return document.querySelectorAll('.charts *').length") == 0
    assert browser.script("return document.querySelector('#live').checkVisibility()") is False
    captions = browser.script("return Array.from(document.querySelectorAll('table')).map(t=>t.checkVisibility()&&t.caption.textContent)")
    assert len(captions) == 6 and all(captions), captions
    assert "SG-4001" in browser.text("#problems"), browser.text("#problems")
    assert browser.console() == [], "the script was not refused, it was off"
    browser.look(320, "light")
    browser.picture("status-without-javascript")


def test_light_and_dark_narrow_and_wide(world, browser):
    admin = status_page(world)
    drive(world, browser)
    browser.console()
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            browser.look(width, scheme, "reduce")
            browser.open(admin + "/")
            harness.until(lambda: lines_drawn(browser) >= 8, "lines in the charts", browser.describe)
            over = browser.script("return document.documentElement.scrollWidth-document.documentElement.clientWidth")
            assert over == 0, f"{width}: the page is {over} px too wide"
            paper = browser.script("return getComputedStyle(document.body).backgroundColor")
            assert paper == ("rgb(244, 246, 248)" if scheme == "light" else "rgb(17, 23, 29)"), paper
            for css in (".verdict", ".soft", "caption", "thead th", "td", ".bad", "a[href]", "figcaption span"):
                ratio = contrast(browser, css)
                assert ratio is None or ratio >= 4.5, f"{scheme} {css}: {ratio}"
            moving = browser.script("return document.getAnimations().length")
            assert moving == 0, moving
            browser.picture(f"status-{scheme}-{width}")
    assert browser.console() == []


def test_everything_has_a_name_for_a_screen_reader_and_a_place_for_the_keyboard(world, browser):
    admin = status_page(world)
    browser.open(admin + "/")
    browser.find(".charts svg")
    tree = browser.cdp("Accessibility.getFullAXTree")["nodes"]
    names = {}
    for node in tree:
        if not node.get("ignored"):
            names.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    for role in ("banner", "main", "contentinfo"):
        assert len(names.get(role, [])) == 1, (role, names.get(role))
    for role in ("region", "table", "image", "button", "link", "heading"):
        assert names.get(role) and all(names[role]), (role, names.get(role))
    # Tab comes to the skip link first.
    browser.press(harness.TAB)
    assert browser.script("return document.activeElement.className") == "skip"


if __name__ == "__main__":
    harness.main(globals())
