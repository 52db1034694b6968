"""A Git server to stand behind a gate: `git http-backend` behind HTTP, with faults on demand."""

import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USER, TOKEN = "x-access-token", "upstream-token-" + "7" * 20
"""What the server asks for; only the gate has it."""


class Handler(BaseHTTPRequestHandler):
    """One request, handed to git as a CGI program (RFC 3875)."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._serve(b"")

    def do_POST(self):
        self._serve(self._body())

    def _body(self):
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _serve(self, body):
        server = self.server
        server.seen.append((self.command, self.path, dict(self.headers.items())))
        path, _, query = self.path.partition("?")
        push = path.endswith("/git-receive-pack") and body != b"0000"
        if push and server.before_push is not None:
            server.before_push()
        if server.token and self.headers.get("authorization") != server.token:
            self._answer(401, b"", [("www-authenticate", "Basic")])
            return
        env = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
            "REMOTE_USER": "gate",
            "REMOTE_ADDR": "127.0.0.1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, capture_output=True, env=env, check=False
        )
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().splitlines()]
        status = next((int(v.split()[0]) for k, v in fields if k == "Status"), 200)
        if push and server.cut:
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n")
            self.wfile.write(b"content-type: application/x-git-receive-pack-result\r\n\r\n00")
            self.close_connection = True
            return
        self._answer(status, rest, [(k, v) for k, v in fields if k != "Status"])

    def _answer(self, status, body, fields):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing."""


class GitServer(ThreadingHTTPServer):
    """Serves the repositories below a folder. `before_push` is called before git sees a push,
    `cut` breaks the answer to a push off, `seen` are the requests that came.
    """

    daemon_threads = True

    def __init__(self, root, token=""):
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = root
        self.token = token
        self.seen = []
        self.before_push = None
        self.cut = False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"
