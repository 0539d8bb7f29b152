"""Golden answers: JSON files in golden/, written from the specification (mission.md), and their comparison with what
the server said.

A file is the whole answer: a key that is missing, too much, or null is a difference. What differs from run to run is a
placeholder: "<time>", "<uuid>", "<jwt>", "<number>", or "<NAME>", whose value the check gives. {"<any order>": [...]}
is an array whose order says nothing.
"""

import json
import re
from pathlib import Path

HERE = Path(__file__).parent / "golden"
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
PATTERNS = {
    # Exactly three digits and Z: ATAK fails on others.
    "<time>": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
    "<uuid>": re.compile(UUID),
    "<jwt>": re.compile(r"[\w-]+\.[\w-]+\.[\w-]+"),
}


def check(name, value, **names):
    """Fails with the path of the first difference between golden/NAME.json and what the server said."""
    wanted = json.loads((HERE / f"{name}.json").read_text())
    if found := difference(wanted, value, names, name):
        raise AssertionError(f"{found}; the answer: {json.dumps(value)[:1500]}")


def difference(wanted, value, names, at):
    if isinstance(wanted, dict) and "<any order>" in wanted:
        if not isinstance(value, list):
            return f"{at} is no array"
        return difference(sorted(wanted["<any order>"], key=str), sorted(value, key=str), names, at)
    if isinstance(wanted, dict):
        if not isinstance(value, dict):
            return f"{at} is no object but {value!r}"
        if missing := sorted(wanted.keys() - value.keys()):
            return f"{at} lacks {missing}"
        if more := sorted(value.keys() - wanted.keys()):
            return f"{at} has {more}, too"
        return next(filter(None, (difference(wanted[k], value[k], names, f"{at}.{k}") for k in wanted)), None)
    if isinstance(wanted, list):
        if not isinstance(value, list) or len(value) != len(wanted):
            return f"{at} is no array of {len(wanted)} but {value!r}"
        pairs = zip(wanted, value, strict=True)
        return next(filter(None, (difference(w, v, names, f"{at}[{n}]") for n, (w, v) in enumerate(pairs))), None)
    if wanted == "<number>":
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
    elif isinstance(wanted, str) and (pattern := PATTERNS.get(wanted)):
        good = isinstance(value, str) and pattern.fullmatch(value)
    else:
        if isinstance(wanted, str) and wanted.startswith("<"):
            wanted = names[wanted[1:-1]]
        # True is 1 in Python, and in no client.
        good = type(wanted) is type(value) and wanted == value
    return None if good else f"{at} is {value!r}, not {wanted!r}"
