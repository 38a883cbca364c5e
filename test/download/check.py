"""Holds what the clients of the download test saw against each other and against the records of the export.

  python3 check.py sizes MANIFEST STORE FILESIZE PATIENTS    files are few and full, none is too large
  python3 check.py same MANIFEST PULL REPORT                 all clients saw the same lines, as many as the manifest says
"""
import collections
import glob
import json
import os
import sys

CLIENTS = ("curl", "go", "node-fetch", "node-zlib", "python")
CODINGS = ("gzip", "identity")


def fail(text):
    raise SystemExit("FAIL: " + text)


def read(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def name_of(file):
    return file["url"].rsplit("/", 1)[-1]


def sizes(manifest_file, store, file_size, patients):
    """A file holds at most file_size bytes or one part, and the first part of the next would not have fitted into it."""
    manifest = read(manifest_file)
    job = manifest["output"][0]["url"].rsplit("/", 2)[-2]
    extents = {}
    for path in glob.glob(os.path.join(store, "jobs", job, "files", "*", "*.json")):
        table = read(path)
        extents[table["name"]] = table["extents"]
    names = sorted(name_of(f) for f in manifest["output"])
    if sorted(n for n in extents if not n.startswith("OperationOutcome.")) != names:
        fail("the files of the manifest are not those of the store")

    types = collections.defaultdict(list)
    for file in manifest["output"]:
        parts = extents[name_of(file)]
        if sum(p["lines"] for p in parts) != file["count"]:
            fail(f"{name_of(file)}: its parts have other lines than the manifest counts")
        types[file["type"]].append((name_of(file), [p["raw"] for p in parts]))
    stitched = 0
    print(f"{'type':26}{'files':>6}{'parts':>7}{'raw bytes':>12}{'largest file':>14}")
    for typ, files in sorted(types.items()):
        files.sort()
        raw = sum(sum(parts) for _, parts in files)
        for name, parts in files:
            if sum(parts) > file_size and len(parts) > 1:
                fail(f"{name}: {sum(parts)} bytes in {len(parts)} parts, file_size is {file_size}")
        for (name, parts), (_, following) in zip(files, files[1:]):
            if sum(parts) + following[0] <= file_size:
                fail(f"{name}: {sum(parts)} bytes, the next {following[0]} would have fitted")
        if len(files) > 2 * raw / file_size + 1 or len(files) > 2 and len(files) >= patients:
            fail(f"{typ}: {len(files)} files for {raw} bytes of {patients} patients")
        stitched += sum(len(parts) > 1 for _, parts in files)
        print(f"{typ:26}{len(files):6}{sum(len(p) for _, p in files):7}{raw:12}{max(sum(p) for _, p in files):14}")
    if stitched < 5 or max(len(files) for files in types.values()) < 3:
        fail("too few files of several parts, or of one type: the test would prove nothing")
    print(f"{len(names)} files, {stitched} of them of several parts, file_size {file_size}")


def same(manifest_file, pull_file, report_file):
    """Every client in every coding: the manifest's number of lines, and one SHA-256 a file."""
    manifest = read(manifest_file)
    pulled = {os.path.basename(f["path"]): f for k in ("output", "error") for f in read(pull_file)[k]}
    seen = {}
    with open(report_file, encoding="utf-8") as f:
        for line in f:
            client, coding, name, lines, size, digest = line.split()
            if seen.setdefault((client, coding, name), (int(lines), int(size), digest)) != (int(lines), int(size), digest):
                fail(f"{client} reports {name} as {coding} twice")
    files = manifest["output"] + manifest["error"]
    rows = 0
    for file in files:
        name = name_of(file)
        pull = pulled[name]
        want = (file["count"], pull["bytes"], pull["sha256"])
        rows += file["count"]
        if pull["rows"] != file["count"]:
            fail(f"{name}: pull has {pull['rows']} rows, the manifest counts {file['count']}")
        for client in CLIENTS:
            for coding in CODINGS:
                got = seen.pop((client, coding, name), None)
                if got != want:
                    fail(f"{name} by {client} as {coding}: lines, bytes, SHA-256 are {got}, want {want}")
    if seen:
        fail(f"reports about files that the manifest does not name: {sorted(seen)[:3]}")
    print(f"{len(CLIENTS)} clients x {len(CODINGS)} codings x {len(files)} files: the {rows} lines the manifest counts, same bytes as pull")


def main(args):
    if len(args) == 5 and args[0] == "sizes":
        sizes(args[1], args[2], int(args[3]), int(args[4]))
    elif len(args) == 4 and args[0] == "same":
        same(*args[1:])
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
