"""The proxies beside each other. All get the same requests and forward them to the same upstream."""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys

from processes import family
from processes import free_port
from processes import rss_mb
from processes import until_listening
from sign_in import ask
from sign_in import sign_in

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass
class Peer:
    """A running proxy."""

    name: str
    port: int
    pids: list[int]
    # What a signed-in browser sends it; None where any session cookie will do.
    cookie: str | None = None
    # Whether it adds the token.
    injects: bool = True
    # Whether it redirects who has no session.
    redirects: bool = False
    idle_mb: float = 0.0


class Field:
    """The upstream, the provider, and what starts peers between them."""

    def __init__(self, processes, folder, setup, refresh, sizes):
        self.processes, self.folder, self.setup = processes, pathlib.Path(folder), setup
        self.proxy_cores, self.other_cores = cores(setup.workers)
        self.token = "t" * setup.token
        # nginx's workers are another user where it is started by root.
        self.folder.chmod(0o755)
        files = self.folder / "files"
        files.mkdir()
        for size in sizes:
            (files / str(size)).write_bytes(b"x" * size)
        self.upstream = free_port()
        self.nginx("upstream", self.other_cores, f"""
            open_file_cache max=100;
            server {{ listen 127.0.0.1:{self.upstream} backlog=4096; root {files}; location = / {{ return 200; }}
                location = /who {{ return 200 "$http_authorization"; }} }}""", self.upstream)
        provider = self.processes.start(
            [sys.executable, HERE / "provider.py", f"http://127.0.0.1:{self.upstream}", setup.token, refresh],
            self.other_cores, stdout=subprocess.PIPE, text=True)
        self.provider = int(provider.stdout.readline())

    def home(self, name):
        folder = self.folder / name
        folder.mkdir()
        return folder

    def nginx(self, name, where, http, port, workers=1):
        home = self.home(name)
        scratch = "".join(f"{kind}_temp_path {home}/{kind};\n" for kind in ("proxy", "fastcgi", "uwsgi", "scgi", "client_body"))
        (home / "nginx.conf").write_text(f"""
            worker_processes {workers}; daemon off; pid {home}/pid; error_log {home}/error.log;
            events {{ worker_connections 4096; }}
            http {{
            access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s; sendfile on; tcp_nopush on;
            large_client_header_buffers 8 32k;
            {scratch}{http} }}""")
        process = self.processes.start(["nginx", "-p", home, "-e", home / "error.log", "-c", home / "nginx.conf"], where)
        until_listening(port, process)
        return process

    def nginx_proxy(self, name, fields):
        port = free_port()
        # Buffers that hold the largest reply: else it goes by way of a file, which costs time but little CPU.
        process = self.nginx(name, self.proxy_cores, f"""
            upstream api {{ server 127.0.0.1:{self.upstream}; keepalive 512; keepalive_requests 1000000000; }}
            server {{ listen 127.0.0.1:{port} backlog=4096; location / {{
                proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection "";
                proxy_buffer_size 16k; proxy_buffers 16 16k; {fields} }} }}""", port, self.setup.workers)
        return Peer(name, port, family(process.pid))

    def nginx_inject(self):
        return self.nginx_proxy("nginx-inject", f'proxy_set_header Cookie ""; proxy_set_header Authorization "Bearer {self.token}";')

    def nginx_plain(self):
        return dataclasses.replace(self.nginx_proxy("nginx", ""), injects=False)

    def haproxy(self):
        port, home = free_port(), self.home("haproxy")
        (home / "haproxy.cfg").write_text(f"""
global
    nbthread {self.setup.workers}
    maxconn 4096
    tune.bufsize 32768
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    http-reuse always
frontend front
    bind 127.0.0.1:{port} backlog 4096
    default_backend api
backend api
    server upstream 127.0.0.1:{self.upstream}
""")
        process = self.processes.start(["haproxy", "-db", "-f", home / "haproxy.cfg"], self.proxy_cores)
        until_listening(port, process)
        return Peer("haproxy", port, [process.pid], injects=False)

    def envoy(self, binary, encrypted):
        name = "envoy-oauth2" if encrypted else "envoy-oauth2-open"
        port, home = free_port(), self.home(name)
        for secret in ("token", "hmac"):
            (home / f"{secret}.yaml").write_text(
                f"resources: [{{ '@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret, name: {secret},"
                f" generic_secret: {{ secret: {{ inline_string: {'s' * 32} }} }} }}]\n")
        (home / "envoy.yaml").write_text(ENVOY.format(
            port=port, home=home, upstream=self.upstream, provider=self.provider, plain=str(not encrypted).lower()))
        with open(home / "log", "wb") as log:
            process = self.processes.start(
                [binary, "-c", home / "envoy.yaml", "--concurrency", self.setup.workers, "--disable-hot-restart", "-l", "error"],
                self.proxy_cores, stdout=log, stderr=log)
        until_listening(port, process)
        return Peer(name, port, [process.pid], sign_in(port, "/callback"), redirects=True)

    def sidegate(self, name, binary, more=""):
        tls = "tls:" in more
        port, home = free_port(), self.home(name)
        key = home / "key"
        key.touch(0o600)
        key.write_bytes(subprocess.run([binary, "keygen"], check=True, capture_output=True).stdout)
        (home / "sidegate.yaml").write_text(more + SIDEGATE.format(
            scheme="https" if tls else "http", port=port, workers=self.setup.workers, provider=self.provider, upstream=self.upstream))
        with open(home / "log", "wb") as log:
            process = self.processes.start([binary, "serve", "--config", home / "sidegate.yaml"], self.proxy_cores, stderr=log)
        until_listening(port, process)
        idle = rss_mb([process.pid])
        return Peer(name, port, [process.pid], sign_in(port, "/oauth2/callback", tls), redirects=True, idle_mb=idle)

    def line_up(self, binaries, envoy, wanted):
        """Starts the wanted peers; what is not installed is named and left out."""
        ways = {"nginx-inject": ("nginx", self.nginx_inject), "nginx": ("nginx", self.nginx_plain), "haproxy": ("haproxy", self.haproxy)}
        for name, encrypted in (("envoy-oauth2", True), ("envoy-oauth2-open", False)):
            ways[name] = (envoy, lambda encrypted=encrypted: self.envoy(envoy, encrypted))
        for name, binary in binaries.items():
            ways[name] = (binary, lambda name=name, binary=binary: self.sidegate(name, binary))
        peers = []
        for name, (program, start) in ways.items():
            if wanted and name not in wanted and name not in binaries:
                continue
            if not program or not shutil.which(program):
                print(f"left out: {name}, for want of {program or 'a program'}", flush=True)
                continue
            peer = start()
            peer.idle_mb = peer.idle_mb or rss_mb(peer.pids)
            self.check(peer)
            peers.append(peer)
        return peers

    def check(self, peer):
        """A peer that does not do the work would be cheap."""
        _, _, text = ask(peer.port, "/who", peer.cookie)
        if (text.decode() == f"Bearer {self.token}") != peer.injects:
            sys.exit(f"{peer.name}: the upstream got the authorization {text[:80]!r}")


def cores(workers):
    """Cores of the proxy, and of all else; with too few, they share."""
    count = os.cpu_count() or 1
    rest = range(workers, count) if workers < count else range(count)
    return f"0-{min(workers, count) - 1}", f"{rest[0]}-{rest[-1]}"


SIDEGATE = """
public_url: {scheme}://127.0.0.1:{port}
listen: 127.0.0.1:{port}
admin_listen: 127.0.0.1:0
workers: {workers}
marketing_cloud:
  subdomain: bench
  client_id: bench
  client_type: public
  auth_base_url: http://127.0.0.1:{provider}
  instance_hosts: ["127.0.0.1:{upstream}"]
session:
  keys: [{{ file: key }}]
routes:
  - {{ path: /, to: rest }}
"""

ENVOY = """
node: {{ id: bench, cluster: bench }}
static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          codec_type: HTTP1
          route_config:
            virtual_hosts:
            - {{ name: all, domains: ["*"], routes: [{{ match: {{ prefix: / }}, route: {{ cluster: upstream, timeout: 30s }} }}] }}
          http_filters:
          - name: oauth2
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.oauth2.v3.OAuth2
              config:
                token_endpoint: {{ cluster: provider, uri: "http://127.0.0.1:{provider}/v2/token", timeout: 5s }}
                authorization_endpoint: "http://127.0.0.1:{provider}/v2/authorize"
                redirect_uri: "http://%REQ(:authority)%/callback"
                redirect_path_matcher: {{ path: {{ exact: /callback }} }}
                signout_path: {{ path: {{ exact: /signout }} }}
                forward_bearer_token: true
                disable_token_encryption: {plain}
                credentials:
                  client_id: bench
                  token_secret: {{ name: token, sds_config: {{ path_config_source: {{ path: {home}/token.yaml }} }} }}
                  hmac_secret: {{ name: hmac, sds_config: {{ path_config_source: {{ path: {home}/hmac.yaml }} }} }}
          - name: router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
  clusters:
  - name: upstream
    load_assignment:
      cluster_name: upstream
      endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {upstream} }} }} }} }}] }}]
  - name: provider
    load_assignment:
      cluster_name: provider
      endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {provider} }} }} }} }}] }}]
"""
