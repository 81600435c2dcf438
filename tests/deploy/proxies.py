"""The real proxies of deploy/proxies in front of a real gateway and a tool that remembers."""

import os

import harness
from harness import Browser
from harness import DEPLOY
from harness import HOST
from harness import World
from harness import free_port
from harness import program
from harness import swap
from harness import until

SESSION = "__Host-Http-sidegate"


def test_nginx():
    nginx = program("nginx")

    def start(world):
        crt, key = world.certificate()
        text = swap(
            example("nginx.conf", world),
            ("listen 443", f"listen 127.0.0.1:{world.public}"),
            ("/etc/nginx/tls.crt", crt),
            ("/etc/nginx/tls.key", key),
            # Where a packaged nginx keeps these belongs to root.
            ("http {", "http {\n" + "".join(
                f"    {kind}_temp_path {world.directory}/{kind};\n"
                for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            ) + "    access_log off;\n"),
        )
        file = written(world, "nginx.conf", text)
        user = "user root; " if os.geteuid() == 0 else ""
        more = f"{user}daemon off; worker_processes 1; pid {world.directory}/nginx.pid; error_log stderr;"
        world.start("nginx", world.public, nginx, "-p", str(world.directory), "-c", file, "-g", more)

    every_check(start)


def test_caddy():
    caddy = program("caddy")

    def start(world):
        crt, key = world.certificate()
        text = swap(
            example("Caddyfile", world),
            # Port 80 and the machine's trust store are not a test's.
            ("\tadmin off\n", "\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n"),
            (f"\n{HOST} {{", f"\n{HOST}:{world.public} {{\n\tbind 127.0.0.1"),
            ("/etc/caddy/tls.crt", crt),
            ("/etc/caddy/tls.key", key),
        )
        file = written(world, "Caddyfile", text)
        world.start("caddy", world.public, caddy, "run", "--config", file, "--adapter", "caddyfile")

    every_check(start)


def test_envoy():
    harness.module("envoy")
    envoy = program("envoy")

    def start(world):
        crt, key = world.certificate()
        text = swap(
            example("envoy.yaml", world),
            ("address: 0.0.0.0, port_value: 443", f"address: 127.0.0.1, port_value: {world.public}"),
            ("port_value: 8080", f"port_value: {world.gateway}"),
            ("port_value: 3000", f"port_value: {world.tool}"),
            (f'"{HOST}"', f'"{HOST}:{world.public}"'),
            ("/etc/envoy/tls.crt", crt),
            ("/etc/envoy/tls.key", key),
        )
        file = written(world, "envoy.yaml", text)
        world.start(
            "envoy", world.public, envoy, "-c", file, "--concurrency", "1", "--use-dynamic-base-id", "-l", "info"
        )

    every_check(start)


def test_traefik():
    traefik = program("traefik")

    def start(world):
        crt, key = world.certificate()
        questions = free_port()
        dynamic = swap(
            example("traefik-dynamic.yaml", world),
            ("127.0.0.1:8081", f"127.0.0.1:{questions}"),
            (f"Host: {HOST}", f"Host: {HOST}:{world.public}"),
            ("/etc/traefik/tls.crt", crt),
            ("/etc/traefik/tls.key", key),
        )
        static = swap(
            (DEPLOY / "proxies" / "traefik.yaml").read_text(),
            ("0.0.0.0:443", f"127.0.0.1:{world.public}"),
            ("127.0.0.1:8081", f"127.0.0.1:{questions}"),
            ("/etc/traefik/traefik-dynamic.yaml", written(world, "traefik-dynamic.yaml", dynamic)),
        )
        file = written(world, "traefik.yaml", static)
        world.start("traefik", world.public, traefik, f"--configFile={file}")

        def routes():
            try:
                return Browser(world.public).fetch("/").status != 404
            except OSError:
                return False

        until(routes, "Traefik to read its routers")

    every_check(start)


def example(name, world):
    """A file of deploy/proxies with this world's ports, where they are written as usual."""
    text = (DEPLOY / "proxies" / name).read_text()
    for old, new in ((8080, world.gateway), (3000, world.tool)):
        text = text.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
    return text


def written(world, name, text):
    file = world.directory / name
    file.write_text(text)
    return str(file)


def every_check(start):
    """What holds with every proxy; once with tokens of the usual length, once with long ones."""
    for padding in (0, 1500):
        with World(token_lifetime="6s", padding=padding) as world:
            world.start_gateway((DEPLOY / "proxies" / "sidegate.yaml").read_text())
            start(world)
            nobody_passes(world)
            ada = sign_in(world, cookies=2 if padding else 1)
            the_tool_is_told_who(world, ada)
            rules_hold(world, ada)
            other_sites_are_kept_out(world, ada)
            long_cookies_pass(world, ada)
            a_renewed_session_arrives(world, ada)
            signing_out_ends_it(world, ada)
            without_the_gateway_nobody_passes(world)


def nobody_passes(world):
    answer = Browser(world.public).fetch("/api?a=1&b=2")
    assert answer.status == 401, answer
    assert answer.one("content-type").startswith("application/problem+json"), answer
    problem = answer.json()
    assert problem["code"] == "SG-2001" and "/oauth2/start" in problem["login_url"], problem
    forged = Browser(world.public, {SESSION: "x" * 300}).fetch("/api", X_Forwarded_User="10654321")
    assert forged.status == 401, forged
    assert world.seen == [], world.seen


def sign_in(world, cookies):
    ada = Browser(world.public)
    # With its whole query.
    answer = ada.sign_in("/page?a=1&b=2%26", "ada")
    assert answer.status in (302, 303), answer
    assert answer.one("location").removeprefix(f"https://{HOST}:{world.public}") == "/page?a=1&b=2%26", answer
    assert len(session_of(ada)) == cookies, ada.jar.keys()
    assert ada.navigate("/page?a=1&b=2%26").body == b"tool"
    assert world.seen.pop()[1] == "/page?a=1&b=2%26"
    return ada


def the_tool_is_told_who(world, ada):
    told = {
        "x-forwarded-user": "10654321",
        "x-forwarded-email": "ada.martin@example.com",
        "x-forwarded-preferred-username": "ada@aurora-goods",
        "x-marketing-cloud-business-unit": "7281698",
        "x-marketing-cloud-enterprise": "7281600",
    }
    untold = [
        "x-marketing-cloud-permissions", "x-marketing-cloud-journey", "x-forwarded-access-token",
        "forwarded", "x-original-uri",
    ]
    lies = {name: "a lie" for name in [*told, *untold]}
    answer = ada.fetch("/api?x=1", "POST", "a body", **lies)
    assert answer.status == 200, answer
    assert "of_the_tool=1; Path=/" in answer.all("set-cookie"), answer
    method, path, fields, body = world.seen.pop()
    assert (method, path, body) == ("POST", "/api?x=1", b"a body"), (method, path, body)
    for name, value in told.items():
        assert fields.get(name) == value, (name, fields)
    for name in ("x-marketing-cloud-rest-url", "x-marketing-cloud-soap-url"):
        assert fields.get(name, "").startswith("http://127.0.0.1:"), (name, fields)
    for name, value in fields.items():
        # The gateway itself may forward who asked, when it served the request.
        assert "a lie" not in value, (name, value)
    # As a tool sees them that reads CGI variables.
    answer = ada.ask("GET", "/api", {
        "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "X_Forwarded_User": "a lie",
        "x_forwarded_email": "a lie", "X_Marketing_Cloud_Business_Unit": "a lie",
    })
    assert answer.status in (200, 400), answer
    if answer.status == 200:
        assert "a lie" not in world.seen.pop()[2].values()
    assert world.seen == [], world.seen


def rules_hold(world, ada):
    for lies in ({}, {"X_Original_URI": "/api", "X_Forwarded_Uri": "/api"}):
        answer = ada.fetch("/asia/report", **lies)
        assert answer.status == 403, answer
        assert answer.json()["code"] == "SG-2031", answer
    answer = ada.navigate("/asia/report")
    assert answer.status == 403 and b"SG-2031" in answer.body, answer
    assert world.seen == [], world.seen


def other_sites_are_kept_out(world, ada):
    socket = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": "https://evil.example",
        "Sec-Fetch-Mode": "websocket", "Sec-Fetch-Site": "cross-site",
    }
    old = {name: value for name, value in socket.items() if not name.startswith("Sec-Fetch-")}
    answers = [
        ada.fetch("/api", "POST", "x", site="cross-site", Origin="https://evil.example"),
        ada.fetch("/api", "DELETE", site="cross-site", X_Forwarded_Method="GET", X_Original_Method="GET"),
        ada.ask("GET", "/socket", socket),
        ada.ask("GET", "/socket", old),
    ]
    for answer in answers:
        assert answer.status == 403 and b"SG-1006" in answer.body, answer
    assert world.seen == [], world.seen


def long_cookies_pass(world, ada):
    # Each about as long as browsers keep them.
    more = Browser(world.public, {**ada.jar, "one": "1" * 4000, "two": "2" * 4000})
    answer = more.fetch("/api")
    assert answer.status == 200, answer
    assert len(world.seen.pop()[2]["cookie"]) > 8000


def a_renewed_session_arrives(world, ada):
    before = session_of(ada)

    def renewed():
        answer = ada.fetch("/api")
        assert answer.status == 200, answer
        return answer if session_of(ada) != before else None

    answer = until(renewed, "a renewed session")
    assert "of_the_tool=1; Path=/" in answer.all("set-cookie"), answer
    after = session_of(ada)
    # All of them, with everything that belongs to them.
    assert after.keys() == before.keys() and all(after[name] != before[name] for name in before)
    for line in answer.all("set-cookie"):
        if line.startswith(SESSION):
            assert "Secure" in line and "HttpOnly" in line and "SameSite=Lax" in line, line
    assert Browser(world.public, after).fetch("/oauth2/userinfo").status == 200
    assert ada.fetch("/api").status == 200
    stats = world.stats()
    assert stats["refreshes"] >= 1 and stats["reuses"] == 0 and stats["code_grants"] == 1, stats


def signing_out_ends_it(world, ada):
    copy = Browser(world.public, ada.jar)
    assert ada.fetch("/oauth2/sign_out", "POST").status == 204
    assert session_of(ada) == {}
    world.seen.clear()
    assert ada.fetch("/api").status == 401
    assert copy.fetch("/api").status == 401
    assert world.seen == [], world.seen


def without_the_gateway_nobody_passes(world):
    mei = Browser(world.public)
    mei.sign_in("/", "mei")
    assert mei.fetch("/asia/report").status == 200
    world.seen.clear()
    world.stop("gateway")
    for answer in (mei.fetch("/api"), mei.navigate("/page")):
        assert answer.status in (403, 500, 502, 503), answer
    assert world.seen == [], world.seen


def session_of(browser):
    return {name: value for name, value in browser.jar.items() if name.startswith(SESSION) and "-login-" not in name}


if __name__ == "__main__":
    harness.main(globals())
