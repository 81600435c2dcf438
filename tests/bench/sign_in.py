"""A person's sign-in at a gateway whose provider asks nothing, for the cookies that it leaves."""

import http.client
import ssl
import sys
import urllib.parse

NAVIGATION = {
    "Accept": "text/html",
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}


def sign_in(port, callback, tls=False):
    """The session's cookies, as the value of one Cookie field."""
    answer, attempt, _ = ask(port, "/", tls=tls)
    location = urllib.parse.urlparse(answer.getheader("Location") or "")
    state = urllib.parse.parse_qs(location.query).get("state")
    if not state:
        sys.exit(f"port {port} began no sign-in: {answer.status}")
    query = urllib.parse.urlencode({"code": "c", "state": state[0]})
    answer, session, _ = ask(port, f"{callback}?{query}", cookie_line(attempt), tls)
    if answer.status not in (302, 303) or not session:
        sys.exit(f"port {port} ended the sign-in with {answer.status}")
    return cookie_line(session)


def cookie_line(cookies):
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def ask(port, path, cookie=None, tls=False):
    """The answer to a navigation, the cookies that it sets, and its body."""
    if tls:
        # A certificate that the gateway made for itself.
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=ssl._create_unverified_context())
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={**NAVIGATION, **({"Cookie": cookie} if cookie else {})})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    lines = [value for name, value in answer.getheaders() if name.lower() == "set-cookie"]
    pairs = (line.split(";")[0].split("=", 1) for line in lines)
    # A cookie without a value, or of a time long gone, is one that is taken away.
    return answer, {name: value.strip('"') for name, value in pairs if value.strip('"') not in ("", "deleted")}, body
