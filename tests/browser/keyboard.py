"""Everything by keyboard alone: Tab and Enter reach every control, and what has the focus can be seen."""

import harness
from harness import ENTER
from harness import TAB
from tool import Tool

FOCUS = """
    const e=document.activeElement;if(!e||e===document.body)return null;
    const style=getComputedStyle(e),box=e.getBoundingClientRect();
    const parse=color=>color.match(/[\\d.]+/g).map(Number);
    let back=e.parentElement,paper;
    do{paper=parse(getComputedStyle(back).backgroundColor);back=back.parentElement}while(back&&paper[3]===0);
    const light=c=>c.slice(0,3).map(v=>{v/=255;return v<=.04045?v/12.92:((v+.055)/1.055)**2.4})
        .reduce((sum,v,i)=>sum+v*[.2126,.7152,.0722][i],0);
    const [a,b]=[light(parse(style.outlineColor)),light(paper)];
    const at=document.elementFromPoint(box.x+box.width/2,box.y+box.height/2);
    return {name:(e.textContent||e.value||e.id).trim(),id:e.id,visible:e.matches(":focus-visible"),
        outline:style.outlineStyle,width:parseFloat(style.outlineWidth),
        contrast:(Math.max(a,b)+.05)/(Math.min(a,b)+.05),
        inView:box.top>=-1&&box.bottom<=innerHeight+1&&box.left>=-1&&box.right<=innerWidth+1,
        box:[box.top,box.bottom,innerHeight],
        uncovered:at===e||e.contains(at)}"""


def tab_to(browser, wanted):
    """Presses Tab until a control has the focus whose text says so; all on the way have to show that they
    have it (WCAG 2.2, 2.4.7, 2.4.11, 1.4.11)."""
    seen = []
    for _ in range(25):
        browser.press(TAB)
        focus = browser.script(FOCUS)
        if focus is None:
            continue
        at_rest = lambda: browser.script(FOCUS)["inView"]
        harness.until(at_rest, f"{focus} to be in view", browser.describe)
        assert focus["visible"] and focus["uncovered"], focus
        assert focus["outline"] != "none" and focus["width"] >= 1, focus
        # What the browser itself draws is two-coloured and seen on anything.
        assert focus["outline"] == "auto" or focus["contrast"] >= 3, focus
        seen.append(focus["name"])
        if wanted in (focus["name"], focus["id"]) or focus["name"].startswith(wanted):
            return seen
    raise AssertionError(f"Tab never came to {wanted!r}, but to {seen}\n{browser.describe()}")


def test_sign_in_account_switch_and_sign_out_without_a_mouse(world, browser):
    world.gateway(harness.HOST, f"  - {{ path: /, to: {world.tool(Tool().handler())} }}", top="keep_fragment: true")
    gateway = f"https://{harness.HOST}:{world.port}"
    browser.open(gateway + "/page#part")
    browser.find("button[value=ada]")
    tab_to(browser, "AM")
    browser.press(ENTER)
    browser.wait_url(gateway + "/page#part")
    browser.find("#tool")
    tab_to(browser, "account")
    browser.press(ENTER)
    browser.wait_text("h1", "Ada Martin")
    # In the order in which they stand.
    assert tab_to(browser, "Sign out") == ["mid", "Switch", "Sign out"]
    browser.open(gateway + "/oauth2/")
    tab_to(browser, "mid")
    browser.press(*"7281699")
    tab_to(browser, "Switch")
    browser.press(ENTER)
    browser.find("button[value='7281698']")
    names = tab_to(browser, "7281698")
    assert len(names) == 1, names
    browser.press(ENTER)
    browser.find("button[value='7281699']")
    tab_to(browser, "Sign out")
    browser.press(ENTER)
    browser.wait_text("h1", "You are signed out")
    assert browser.cookies() == [], browser.cookies()
    tab_to(browser, "Sign in again")
    browser.press(ENTER)
    browser.find("button[value=ada]")


def test_a_failure_and_the_way_out_of_it_without_a_mouse(world, browser):
    only = f"  - {{ path: /pacific/, to: {world.tool(Tool().handler())}, business_unit: 7281699 }}\n"
    gateway = world.gateway(harness.HOST, f"{only}  - {{ path: /, to: {world.tool(Tool().handler())} }}")
    browser.open(gateway + "/pacific/x")
    browser.find("button[name=deny]")
    tab_to(browser, "Deny")
    browser.press(ENTER)
    browser.wait_text("h1", "Access was denied")
    assert tab_to(browser, "Sign in") == ["Sign in"]
    browser.press(ENTER)
    browser.find("button[value=ada]")
    tab_to(browser, "AM")
    browser.press(ENTER)
    browser.find("#tool")
    browser.open(gateway + "/pacific/x")
    browser.wait_text("h1", "This address belongs to another business unit")
    tab_to(browser, "Switch to")
    browser.press(ENTER)
    browser.wait_url(gateway + "/pacific/x")
    browser.wait_text("#unit", "7281699")


def test_focus_that_cannot_be_seen_is_noticed(world, browser):
    origin = world.front("plain.example.test", world.tool(Tool().handler()))
    browser.open(origin + "/")
    browser.script("document.styleSheets.length||document.head.append(document.createElement('style'));"
                   "document.querySelector('style').textContent='*{outline:none!important}'")
    try:
        tab_to(browser, "account")
    except AssertionError as noticed:
        assert "'outline': 'none'" in str(noticed), noticed
    else:
        raise AssertionError("nobody noticed")


if __name__ == "__main__":
    harness.main(globals())
