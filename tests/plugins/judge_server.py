"""A judge for tests: a server with the OpenAI wire that answers as its texts ask it to."""

import contextlib
import gzip
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWERS = {
    "PROSE": "I think the second one is suspicious.",
    "FENCE": '```json\n{"attacks": []}\n```',
    "EXTRA": '{"attacks": [], "note": "all fine"}',
    "OTHER": '{"attacks": [{"text": 7, "confidence": 90}]}',
    "TWICE": '{"attacks": [{"text": 0, "confidence": 90}, {"text": 0, "confidence": 10}]}',
    "SURER": '{"attacks": [{"text": 0, "confidence": 900}]}',
    "KEYS": '{"attacks": [{"text": 0, "confidence": 90}], "attacks": []}',
    "WORDS": '{"attacks": [{"text": "0", "confidence": "high"}]}',
    "EMPTY": "",
}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.seen.append((dict(self.headers), asked))
        texts = json.loads(asked["messages"][1]["content"])["texts"]
        joined = "\n".join(texts)
        if "SLEEP" in joined:
            time.sleep(3)
        if "STATUS" in joined:
            return self._send(500, b'{"error": {"message": "no"}}')
        if "HUGE" in joined:
            return self._send(200, b" " * 200_000)
        if "PACKED" in joined:
            return self._send(200, gzip.compress(b" " * 30_000_000), "gzip")
        if "SHAPE" in joined:
            return self._send(200, b'{"object": "list"}')
        if "REDIRECT" in joined:
            self.send_response(307)
            self.send_header("location", "http://127.0.0.1:9/")
            self.send_header("content-length", "0")
            return self.end_headers()
        said = next((answer for word, answer in ANSWERS.items() if word in joined), None)
        if said is None:
            attacks = [
                {"text": index, "confidence": 30 if "maybe" in text else 90}
                for index, text in enumerate(texts)
                if "attack" in text
            ]
            said = json.dumps({"attacks": attacks})
        message = {"role": "assistant", "content": said}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = {"id": "x", "object": "chat.completion", "choices": [choice]}
        return self._send(200, json.dumps(body).encode())

    def _send(self, status, data, encoding="identity"):
        self.send_response(status)
        self.send_header("content-encoding", encoding)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(data)


class Judge:
    """A running judge; `seen` are (headers, body) of every question."""

    def __enter__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.seen = self.seen = []
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
