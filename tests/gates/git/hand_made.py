"""Requests of a client that is no git: made by hand, byte by byte."""

import http.client
import struct
import zlib
from base64 import b64encode
from hashlib import sha1

ZERO = "0" * 40
PUSH = "/up/acme/site.git/git-receive-pack"
CAPABILITIES = "report-status side-band-64k object-format=sha1"


def pkt(text):
    data = text.encode() if isinstance(text, str) else text
    return b"%04x%b" % (len(data) + 4, data)


def pack(*objects):
    """A pack of whole objects, each its type's number and its content (gitformat-pack(5))."""
    body = b"PACK" + struct.pack(">II", 2, len(objects))
    for kind, data in objects:
        size, head = len(data), []
        first = (kind << 4) | (size & 15)
        size >>= 4
        while size:
            head.append(first | 128)
            first, size = size & 127, size >> 7
        body += bytes([*head, first]) + zlib.compress(data)
    return body + sha1(body).digest()


def named(kind, data):
    return sha1(b"%b %d\0%b" % (kind, len(data), data)).hexdigest()


def commit_of(tree, message=b"x\n"):
    who = b"a <a@b.example> 1700000000 +0000"
    return b"tree %b\nauthor %b\ncommitter %b\n\n%b" % (tree.encode(), who, who, message)


def asked(world, method, path, body=b"", key=None, **fields):
    """One request of a client that is no git: status, headers, body."""
    host, _, port = world.address.rpartition(":")
    link = http.client.HTTPConnection(host, int(port), timeout=30)
    login = b64encode(f"x:{key or world.key}".encode()).decode()
    head = {"authorization": f"Basic {login}"}
    if method == "POST":
        head["content-type"] = f"application/x-{path.rpartition('/')[2]}-request"
    head |= {name.replace("_", "-"): value for name, value in fields.items()}
    link.request(method, path, body, head)
    with link.getresponse() as answer:
        return answer.status, dict(answer.getheaders()), answer.read().decode("utf-8", "replace")


def request(ref, new, packed=b"", old=ZERO, capabilities=CAPABILITIES):
    return pkt(f"{old} {new} {ref}\0{capabilities}") + b"0000" + packed


TREE = named(b"tree", b"")
COMMIT = commit_of(TREE)
TIP = named(b"commit", COMMIT)
WHOLE = pack((1, COMMIT), (2, b""))
