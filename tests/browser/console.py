"""That nothing wrong is found in any browser's console would say little, if nothing could be."""

import http.server

import harness


class Wrong(http.server.BaseHTTPRequestHandler):
    """A page that breaks its own policy, and whose script fails."""

    PAGE = b"""<!doctype html><title>Wrong</title><link rel="icon" href="data:,"><h1 id="wrong">Wrong</h1>
<script nonce="a">document.getElementById("nothing").textContent="x"</script>
<script>document.title="never"</script>
<img src="https://elsewhere.example.test/x.png" alt="">"""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Security-Policy", "default-src 'none'; script-src 'nonce-a'; img-src data:")
        self.send_header("Content-Length", str(len(self.PAGE)))
        self.end_headers()
        self.wfile.write(self.PAGE)

    def log_message(self, *_):
        pass


def test_what_a_page_does_wrong_is_noticed(world, browser):
    origin = world.front("wrong.example.test", world.tool(Wrong))
    # In a window that is not looked at any more, too.
    browser.open(origin + "/")
    browser.find("#wrong")
    browser.new_window()
    found = harness.until(lambda: len(browser.complaints()) >= 3 and browser.complaints(), "complaints", browser.describe)
    for part in ("TypeError", "inline script", "x.png"):
        assert any(part in one for one in found), found
        browser.expects(part)
    assert browser.complaints() == [], browser.complaints()
    browser.expects("something that nobody says")
    assert browser.complaints() == ["not said: something that nobody says"], browser.complaints()
    browser.expected.pop()


if __name__ == "__main__":
    harness.main(globals())
