"""The least provider that signs somebody in: every code is good, and REST is the upstream under test.

    provider.py REST_URL ACCESS_TOKEN_LENGTH REFRESH_TOKEN_LENGTH
"""

import json
import sys
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer

REST = sys.argv[1]
ACCESS, REFRESH = ("t" * int(length) for length in sys.argv[2:4])


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, document):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.answer({
            "access_token": ACCESS, "refresh_token": REFRESH, "token_type": "Bearer", "expires_in": 36000,
            "rest_instance_url": REST, "soap_instance_url": REST,
        })

    def do_GET(self):
        self.answer({
            "user": {"sub": "10654321", "name": "Ada", "preferred_username": "ada", "email": "ada@example.com"},
            "organization": {"member_id": 7281698, "enterprise_id": 7281600},
        })

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
print(server.server_address[1], flush=True)
server.serve_forever()
