"""A small tool for the tests: every address is a page of its own, whose script can call the tool's API in
bulk and listen to it by Server-Sent Events and a WebSocket."""

import base64
import hashlib
import html
import http.server
import json
import queue
import struct
import threading


class Tool:
    """One tool. `world.tool(tool.handler())` serves it. What it says about `caching`, if anything, and whether
    its pages have the script that minds the session, is its own."""

    def __init__(self, caching=None, minds=False):
        self.caching, self.minds = caching, minds
        self.lock = threading.Lock()
        # What the gateway sent along, latest last.
        self.tokens = []
        self.forms = []
        self.listeners = []

    def say(self, text):
        """Sends an event to whoever listens."""
        with self.lock:
            for listener in self.listeners:
                listener.put(text)

    def handler(self):
        return type("Handler", (Handler,), {"tool": self})


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Tool</title><link rel="icon" href="data:,">
<h1 id="tool">The tool</h1><p id="path">{path}</p><p id="hash"></p><p id="who">{who}</p><p id="unit">{unit}</p>
<p><a id="other" href="/other">Other</a> <a id="account" href="/oauth2/">Account</a></p>
<form method="post" action="/save"><input name="note" value="hello"><button id="save">Save</button></form>
<form method="post" action="/oauth2/sign_out"><button id="sign-out">Sign out</button></form>
<script>
document.getElementById("hash").textContent=location.hash;
window.heard={{events:[],messages:[],closed:null,ended:false}};
window.burst=async (paths)=>Promise.all(paths.map(async path=>{{
  const answer=await fetch(path,{{cache:"no-store"}});
  const type=answer.headers.get("content-type");
  return [answer.status,answer.redirected,type,(await answer.text()).slice(0,300)]}}));
window.listen=()=>{{
  const events=new EventSource("/events");
  events.onmessage=event=>heard.events.push(event.data);
  events.onerror=()=>{{heard.ended=true;events.close()}};
  const socket=window.socket=new WebSocket("wss://"+location.host+"/socket");
  socket.onmessage=event=>heard.messages.push(event.data);
  socket.onclose=event=>heard.closed=event.code}};
</script>{script}</html>"""
MINDS = '<script src="/oauth2/session.js"></script>'


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    tool = None

    def do_GET(self):
        path = self.path.split("?")[0]
        token = self.headers["X-Forwarded-Access-Token"]
        if token:
            with self.tool.lock:
                self.tool.tokens.append(token)
        if path == "/events":
            self.events()
        elif path == "/socket":
            self.socket()
        elif path == "/hang":
            self.rfile.read(1)
            self.close_connection = True
        elif path == "/break":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
            self.close_connection = True
        elif path.startswith("/api/"):
            self.reply("application/json", json.dumps({"path": self.path}).encode())
        else:
            told = lambda name: html.escape(self.headers[name] or "")
            page = PAGE.format(
                path=html.escape(self.path),
                who=told("X-Forwarded-Email"),
                unit=told("X-Marketing-Cloud-Business-Unit"),
                script=MINDS if self.tool.minds else "",
            )
            self.reply("text/html; charset=utf-8", page.encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        with self.tool.lock:
            self.tool.forms.append(body)
        self.reply("text/html; charset=utf-8", f'<!doctype html><link rel="icon" href="data:,"><p id="saved">{html.escape(body)}</p>'.encode())

    def reply(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.tool.caching:
            self.send_header("Cache-Control", self.tool.caching)
        self.end_headers()
        self.wfile.write(body)

    def events(self):
        heard = queue.Queue()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b"data: hello\n\n")
        self.close_connection = True
        with self.tool.lock:
            self.tool.listeners.append(heard)
        try:
            while True:
                self.wfile.write(f"data: {heard.get()}\n\n".encode())
        except OSError:
            pass

    def socket(self):
        """Answers each short text with the same (RFC 6455)."""
        accept = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode())
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(accept.digest()).decode())
        self.end_headers()
        self.close_connection = True
        try:
            while True:
                kind, length = struct.unpack("!BB", self.rfile.read(2))
                length &= 0x7F
                mask, payload = self.rfile.read(4), self.rfile.read(length)
                payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
                self.wfile.write(bytes([kind, length]) + payload)
                if kind & 0xF == 8:
                    return
        except (OSError, struct.error):
            pass

    def log_message(self, *_):
        pass
