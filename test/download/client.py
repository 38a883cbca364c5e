"""The Python client of the download test; it needs nothing but the standard library.

  python3 client.py download MANIFEST TOKENFILE   one line a file and coding: client, coding, name, lines, bytes, SHA-256
  python3 client.py folder MANIFEST CLIENT DIR    the same lines for what another client has put into DIR/gzip and DIR/identity
"""
import gzip
import hashlib
import json
import os
import sys
import urllib.request
import zlib


def count(body, typ):
    """Returns the number of lines; each must be JSON of the type."""
    if not body.endswith(b"\n"):
        raise ValueError("the last line has no end")
    lines = body[:-1].split(b"\n")
    for n, line in enumerate(lines, 1):
        try:
            resource = json.loads(line.decode("utf-8"))
        except ValueError:
            raise ValueError(f"line {n} is no JSON") from None  # the parser's text would repeat it
        if resource.get("resourceType") != typ:
            raise ValueError(f"line {n} is of another type")
    return len(lines)


def fetch(url, token, coding):
    """Returns the body as it says, inflated."""
    request = urllib.request.Request(url, headers={"Authorization": "Bearer " + token, "Accept-Encoding": coding})
    with urllib.request.urlopen(request, timeout=60) as answer:
        raw = answer.read()
        encoding = answer.headers.get("Content-Encoding", "identity")
        if answer.headers["Content-Type"] != "application/fhir+ndjson":
            raise ValueError("Content-Type " + answer.headers["Content-Type"])
        if int(answer.headers["Content-Length"]) != len(raw):
            raise ValueError(f"Content-Length {answer.headers['Content-Length']}, {len(raw)} bytes came")
    if encoding != coding:
        raise ValueError(f"Content-Encoding {encoding}, asked for {coding}")
    if coding == "identity":
        return raw
    # Clients that know of one member only, such as curl, lose what stands in a second.
    member = zlib.decompressobj(wbits=31)
    first = member.decompress(raw)
    if not member.eof or member.unused_data:
        raise ValueError("more than one gzip member, or a cut one")
    whole = gzip.decompress(raw)
    if first != whole:
        raise ValueError("gzip and zlib disagree")
    return whole


def report(client, manifest_file, body_of):
    with open(manifest_file, encoding="utf-8") as f:
        manifest = json.load(f)
    for file in manifest["output"] + manifest["error"]:
        name = file["url"].rsplit("/", 1)[-1]
        for coding in ("gzip", "identity"):
            try:
                body = body_of(file["url"], name, coding)
                print(client, coding, name, count(body, file["type"]), len(body), hashlib.sha256(body).hexdigest())
            except (OSError, ValueError, EOFError, zlib.error) as err:
                raise SystemExit(f"{client} client: {name} as {coding}: {err}") from None


def read(path):
    with open(path, "rb") as f:
        return f.read()


def main(args):
    if len(args) == 3 and args[0] == "download":
        token = read(args[2]).decode().strip()
        report("python", args[1], lambda url, name, coding: fetch(url, token, coding))
    elif len(args) == 4 and args[0] == "folder":
        report(args[2], args[1], lambda url, name, coding: read(os.path.join(args[3], coding, name)))
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
