#!/usr/bin/env python3
"""Holds the files of an export against plain paging of the server it came from, byte for byte once insignificant white space is dropped.

hapi_oracle.py BASE LEVEL DIR    LEVEL: --system, --patients or "--group ID"
"""
import collections, glob, json, os, sys, urllib.request

base, level, folder = sys.argv[1:4]
FOLLOW = ["Practitioner", "PractitionerRole", "Organization", "Location", "Medication"]


def get(url):
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Cache-Control": "no-cache"}), timeout=120) as r:
        return json.loads(r.read().decode(), parse_float=Number, parse_int=Number)


class Number(float):
    """A number that keeps its digits."""

    def __new__(cls, text):
        n = float.__new__(cls, text)
        n.text = text
        return n


def dump(v):
    if isinstance(v, dict):
        return "{" + ",".join(json.dumps(k, ensure_ascii=False) + ":" + dump(x) for k, x in v.items()) + "}"
    if isinstance(v, list):
        return "[" + ",".join(map(dump, v)) + "]"
    return v.text if isinstance(v, Number) else json.dumps(v, ensure_ascii=False)


def search(query):
    url, rows = base + "/" + query, {}
    while url:
        b = get(url)
        for e in b.get("entry", []):
            if e.get("search", {}).get("mode", "match") == "match":
                rows[e["resource"]["id"]] = e["resource"]
        url = next((l["url"] for l in b.get("link", []) if l["relation"] == "next"), None)
    return rows


def references(v):
    if isinstance(v, dict):
        if isinstance(v.get("reference"), str):
            yield v["reference"]
        for x in v.values():
            yield from references(x)
    elif isinstance(v, list):
        for x in v:
            yield from references(x)


def truth():
    rest = get(base + "/metadata")["rest"][0]["resource"]
    params = {r["type"]: [p["name"] for p in r.get("searchParam", [])] for r in rest}
    if level == "--system":
        skip = {"Binary", "Parameters"}
        return {t: search(f"{t}?_count=1000") for t in params if t not in skip}
    if level == "--patients":
        patients = list(search("Patient?_count=1000"))
    else:
        group = get(base + "/Group/" + level.split()[1])
        patients = [m["entity"]["reference"].split("/")[1] for m in group["member"]]
    held = collections.defaultdict(dict)
    for t in COMPARTMENT:
        if t not in params:
            continue
        name = "_id" if t == "Patient" else next((p for p in ("patient", "subject") if p in params[t]), None)
        if name is None:
            continue
        for p in patients:
            held[t].update(search(f"{t}?{name}={p}&_count=1000"))
    for _ in range(3):
        todo = {r for rows in list(held.values()) for x in rows.values() for r in references(x)}
        for r in sorted(todo):
            t, _, i = r.partition("/")
            if t in FOLLOW and i and i not in held[t]:
                held[t].update(search(f"{t}?_id={i}"))
    return held


# Types of the data whose rows belong to patients; an empty type proves nothing.
COMPARTMENT = [os.path.basename(f)[:-7] for f in glob.glob("test/fhirserver/data/synthetic-10/*.ndjson")]
COMPARTMENT = [t for t in COMPARTMENT if t not in FOLLOW + ["Group"]]

want = {t: collections.Counter(dump(r) for r in rows.values()) for t, rows in truth().items() if rows}
got = collections.defaultdict(collections.Counter)
for f in glob.glob(os.path.join(folder, "*.ndjson")):
    t = os.path.basename(f).split(".")[0]
    if t != "OperationOutcome":
        for line in open(f, encoding="utf-8", newline="\n"):
            got[t][line.rstrip("\n")] += 1
bad = 0
for t in sorted(set(want) | set(got)):
    missing, extra = want.get(t, collections.Counter()) - got[t], got[t] - want.get(t, collections.Counter())
    if missing or extra:
        bad += 1
        print(f"{t}: {sum(missing.values())} missing, {sum(extra.values())} too many", file=sys.stderr)
rows = sum(sum(c.values()) for c in got.values())
print(f"HAPI {level}: {rows} rows of {len(got)} types, {'all equal plain paging' if not bad else f'{bad} types differ'}")
sys.exit(1 if bad or rows < 500 else 0)
