"""Random rules and events that have something to do with each other: both are put together from the same few keys, strings and numbers, and
many events are made from a rule so that they fulfil it, or nearly.

Rules are documents (dictionaries; numbers are `Number`, so that they keep their spelling). Events are trees: `Members` for an object, in
order and with duplicate keys, lists, strings, `Number`, True, False and None.
"""
import json
import re

from reader import Number
from regexes import random_regex

KEYS = ["a", "b", "c", "d"] * 5 + ["a.b", "$x", "", "0", "\u00e9", "k k", "type", "data", "$kafka", "a/b~\"c"]
STRINGS = ["", "a", "b", "ab", "abc", "abcd", "x", "xy", "0", "12", "120", "300", "3e2", "true", "null", "order.new", "order.old", "a*b", "a\\b",
           "caf\u00e9", "cafe\u0301", "x\ny", "q\"q", "\u0000", "a\u0000b", "\U0001F600", "\u20ac\u20ac", "bob@example.org", "long literal text",
           "a long literal text with an end"]
FOLDS = ["k", "K", "\u212a", "s", "S", "\u017f", "\u03c3", "\u03c2", "\u03a3", "ss", "\u00df", "\u1e9e", "i", "I", "\u0130", "\u0131", "\u00e5",
         "\u00c5", "\u212b", "\u0398", "\u03b8", "\u03f4", "\u03d1", "Abc", "aBC", "Caf\u00c9", "x\u212ay", "XKY", "\u13a0", "\uab70", "\U00010400",
         "\U00010428", "stra\u00dfe", "STRA\u1e9eE", "\u01c4", "\u01c5", "\u01c6", "\ufb01"]
ADDRESSES = ["10.0.0.0", "10.255.255.255", "10.1.2.3", "9.255.255.255", "11.0.0.0", "192.168.1.5", "192.168.1.4", "0.0.0.0", "255.255.255.255",
             "::", "::1", "2001:db8::", "2001:DB8::1", "2001:db8:ffff::", "2001:db9::", "::ffff:10.1.2.3", "::10.1.2.3", "010.0.0.1",
             "10.0.0", "10.0.0.1 ", "10.0.0.1\u0000", "fe80::1%eth0", "10.0.0.0/8"]
BLOCKS = ["10.0.0.0/8", "10.1.2.3/8", "10.1.2.0/24", "10.1.2.3/32", "192.168.1.4/31", "0.0.0.0/0", "128.0.0.0/1", "::/0", "::1/128",
          "2001:db8::/32", "2001:db8:8000::/33", "::ffff:0:0/96", "255.255.255.255/32", "8.0.0.0/5", "2001:db8::1/127"]
NUMBERS = [["300", "3e2", "3.0e2", "300.0", "30000E-2", "0.3e+3"], ["0", "-0", "0.0", "0e5", "-0.00E-3", "0e99999999999999999999"],
           ["1", "1.0", "10e-1"], ["-1", "-1.0", "-0.1e1"], ["5", "5.00", "0.5e1"], ["1.00000000000000000001"], ["1.00000000000000000002"],
           ["0.99999999999999999999"], ["9007199254740992", "9007199254740992.0"], ["9007199254740993"], ["1e400", "10e399", "1" + "0" * 400],
           ["1e401"], ["-1e400", "-0.01e402"], ["1e-400", "0.1e-399"], ["1e-401"], ["-1e-400"], ["0.1", "1e-1", "0.10"],
           ["0.1000000000000000055511151231257827"], ["1e99999999999999999999"], ["-1e99999999999999999999"], ["1e-99999999999999999999"],
           ["12", "12.0", "1.2E1"], ["120"], ["-12.5", "-125e-1"], ["-12", "-1.2e1"], ["-12.55"], ["-0.125"], ["12.5"], ["12345678901234567890123.5"], ["12345678901234567890123.4"], ["100"], ["99.9"]]
TYPES = ["order", "order.new", "order.new.eu", "payment", "", "a", "caf\u00e9", "x\ny"]
GLOBS = ["*", "**", "order*", "order.*", "*.new", "*new*", "o*r", "*a*", "*.*.*", "*\u00e9", "order.*.eu", "x*y", "order.new**"]
HEADERS = ["h", "ce_type", "a.b", "x"]


class Members(list):
    """An object as a list of (key, value)."""


# ---- JSON text ----

def string_text(text, rng):
    """The JSON string of a text, sometimes with more escapes than it needs."""
    plain = json.dumps(text, ensure_ascii=False)
    if rng is None or rng.random() < 0.8:
        return plain
    out = ""
    for c in text:
        if rng.random() < 0.4:
            units = c.encode("utf-16-be").hex()
            out += "".join("\\u" + (units[i:i + 4] if rng.random() < 0.5 else units[i:i + 4].upper()) for i in range(0, len(units), 4))
        elif c == "/" and rng.random() < 0.5:
            out += "\\/"
        else:
            out += json.dumps(c, ensure_ascii=False)[1:-1]
    return '"' + out + '"'


def dumps(value, rng=None):
    if isinstance(value, str):
        return string_text(value, rng)
    if isinstance(value, Number):
        return value.text
    space = rng.choice(["", "", "", "", " ", "\t", "\r "]) if rng else ""
    if isinstance(value, (dict, Members)):
        items = value.items() if isinstance(value, dict) else value
        return "{" + space + ("," + space).join(dumps(k, rng) + space + ":" + dumps(v, rng) for k, v in items) + space + "}"
    if isinstance(value, list):
        return "[" + space + ("," + space).join(dumps(v, rng) for v in value) + space + "]"
    return json.dumps(value)


# ---- values ----

def some_string(rng):
    kind = rng.random()
    if kind < 0.55:
        return rng.choice(STRINGS)
    if kind < 0.75:
        return rng.choice(FOLDS)
    if kind < 0.85:
        return rng.choice(ADDRESSES)
    if kind < 0.87:
        return rng.choice(STRINGS) * rng.choice([20, 200])
    return "".join(rng.choice(STRINGS[:20] + FOLDS[:12]) for _ in range(rng.choice([2, 2, 3])))


def some_number(rng):
    if rng.random() < 0.9:
        return Number(rng.choice(rng.choice(NUMBERS)))
    return Number(f"{rng.choice(['', '-'])}{rng.choice(['0', str(rng.randrange(1, 2000))])}{rng.choice(['', '.5', '.25', '.0'])}"
                  f"{rng.choice(['', '', 'e1', 'E-2', 'e+3'])}")


def some_scalar(rng):
    kind = rng.random()
    if kind < 0.6:
        return some_string(rng)
    return some_number(rng) if kind < 0.85 else rng.choice([True, False, None])


# ---- rules ----

def wildcard_operand(rng):
    if rng.random() < 0.4:
        return rng.choice(["*", "a*", "*b", "a*b", "*b*", "a*b*c", "*\\**", "a\\\\*", "\\*", "abc", "order.*", "*.new", "*\u212a*", "x*y", "*long*end"])
    pieces = [re.sub(r"([*\\])", r"\\\1", rng.choice(STRINGS + FOLDS)) for _ in range(rng.choice([1, 2, 2, 3]))]
    text = "*".join(piece for piece in pieces if piece)
    return rng.choice(["", "*"]) + text + rng.choice(["", "*"]) if text else "*"


def affix_operand(rng):
    text = some_string(rng)
    at = rng.randrange(len(text) + 1) if len(text) < 40 else 3
    return text[:at] if rng.random() < 0.7 else text


def numeric_operand(rng):
    one = some_number(rng)
    if rng.random() < 0.5:
        return [rng.choice(["=", "!=", "<", "<=", ">", ">="]), one]
    low, high = sorted([one, some_number(rng)], key=lambda number: number.key)
    pairs = [[rng.choice([">", ">="]) if low.key != high.key else ">=", low], [rng.choice(["<", "<="]) if low.key != high.key else "<=", high]]
    rng.shuffle(pairs)
    return pairs[0] + pairs[1]


def text_operator(rng, regexes, affix_folds=True):
    """(name, operand) of an operator that has one string as its operand."""
    kind = rng.randrange(12)
    if kind < 4:
        name, operand = rng.choice(["prefix", "suffix"]), affix_operand(rng)
        return name, {"equals-ignore-case": rng.choice(FOLDS)} if affix_folds and rng.random() < 0.3 else operand
    if kind < 6:
        return "equals-ignore-case", rng.choice(FOLDS) if rng.random() < 0.8 else some_string(rng)
    if kind < 9:
        return "wildcard", wildcard_operand(rng)
    if kind < 10:
        return "cidr", rng.choice(BLOCKS)
    return rng.choice(["regex", "regex", "regexp"]), rng.choice(regexes).pcre2 if rng.random() < 0.8 else random_regex(rng, regexes).pcre2


def anything_but_operand(rng, regexes):
    kind = rng.random()
    if kind < 0.3:
        return some_scalar(rng)
    if kind < 0.55:
        return [some_scalar(rng) for _ in range(rng.choice([1, 2, 3]))]
    if kind < 0.65:
        return {"numeric": some_number(rng) if rng.random() < 0.5 else [some_number(rng) for _ in range(rng.choice([1, 2, 3]))]}
    name, operand = text_operator(rng, regexes)
    if isinstance(operand, str) and rng.random() < 0.4:
        operands = [operand]
        for _ in range(4):
            other, more = text_operator(rng, regexes, False)
            operands += [more] if other == name else []
        operand = operands
    return {name: operand}


def entry(rng, regexes):
    kind = rng.random()
    if kind < 0.45:
        return some_scalar(rng)
    if kind < 0.55:
        return {"numeric": numeric_operand(rng)}
    if kind < 0.65:
        return {"exists": rng.random() < 0.5}
    if kind < 0.77:
        return {"anything-but": anything_but_operand(rng, regexes)}
    name, operand = text_operator(rng, regexes)
    return {name: operand}


def leaf(rng, regexes):
    if rng.random() < 0.02:  # a long list of values
        values = [some_scalar(rng) for _ in range(rng.choice([9, 17, 40]))]
        return values if rng.random() < 0.6 else [{"anything-but": values}]
    return [entry(rng, regexes) for _ in range(rng.choice([1, 1, 1, 2, 2, 4]))]


def envelope_pattern(rng, regexes, deeper=True):
    fields = {"topic": ["raw"], "key": ["user12", ""], "partition": [{"exists": False}], "timestamp": [{"numeric": [">", Number("0")]}]}
    name = rng.choice(list(fields) + ["headers", "headers", "$or", "$not"])
    if name[0] == "$":
        if not deeper:
            return {"key": leaf(rng, regexes)}
        several = [envelope_pattern(rng, regexes, False) for _ in range(2)]
        return {name: several if name == "$or" else several[0], "topic": ["raw", "a"]} if rng.random() < 0.5 else {"$not": several[0]}
    if name == "headers":
        inner = {rng.choice(HEADERS): leaf(rng, regexes) if rng.random() < 0.4 else ["a"] if rng.random() < 0.5 else ["abc", ""]}
        return {"headers": inner if rng.random() < 0.8 else {"$not": inner, "x": [{"exists": False}]}}
    return {name: fields[name] if rng.random() < 0.5 else leaf(rng, regexes)}


def pattern(rng, regexes, size=0, top=True):
    """A pattern, the smaller the larger size is; top: its keys are those of the event, so that $kafka is the envelope."""
    out = {}
    for _ in range(rng.choice([1, 1, 2, 3] if size == 0 else [1, 1, 2])):
        key = rng.choice(KEYS)
        if top and key == "$kafka":
            out[key] = envelope_pattern(rng, regexes)
        elif rng.random() < [0.3, 0.3, 0.15, 0][size]:
            out[key] = pattern(rng, regexes, size + 1, False)
        else:
            out[key] = leaf(rng, regexes)
    if rng.random() < 0.22:
        name = rng.choice(["$or", "$or", "$and", "$not"])
        smaller = min(size + 1, 3)
        several = [pattern(rng, regexes, smaller if rng.random() < 0.7 else size, top) for _ in range(rng.choice([2, 2, 3]))]
        if rng.random() < 0.3:
            out = {}  # nothing beside it
        out[name] = several[0] if name == "$not" else several
    return out


def path_text(rng):
    if rng.random() < 0.15:
        return rng.choice(["$kafka.topic", "$kafka.key", "$kafka.partition", "$kafka.headers.h", "$kafka.headers.ce_type", "$kafka.headers.\"a.b\""])
    keys = [rng.choice(KEYS) for _ in range(rng.choice([1, 1, 2, 3]))]
    if rng.random() < 0.2:
        return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)
    quoted = [json.dumps(key, ensure_ascii=rng.random() < 0.5) for key in keys]
    must = [not k or set(k) & set('."') or (i == 0 and k[0] in "/$") for i, k in enumerate(keys)]
    return ".".join(q if m or rng.random() < 0.1 else k for k, q, m in zip(keys, quoted, must))


def rule(rng, regexes):
    out = {}
    if rng.random() < 0.3:
        out["types"] = [rng.choice(TYPES if rng.random() < 0.6 else GLOBS) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    if rng.random() < 0.25:
        out["regex"] = {path_text(rng): rng.choice(regexes).pcre2 for _ in range(rng.choice([1, 1, 1, 2, 3]))}
    if rng.random() < 0.88:
        out["pattern"] = pattern(rng, regexes)
        while sum(dumps(out["pattern"]).count(name) for name in ('"$or"', '"$and"', '"$not"')) > 7:  # else it may be over the limit of branches
            out["pattern"] = pattern(rng, regexes)
    if rng.random() < 0.02:
        out["enabled"] = False
    return out


def rules(rng, regexes, n):
    """n rules, some of them equal to others, and many with a condition in common."""
    out, hot = [], {rng.choice(KEYS[:4]): [some_scalar(rng)]}
    for _ in range(n):
        if out and rng.random() < 0.05:
            out.append(permuted_rule(rng, rng.choice(out)))
        else:
            out.append(rule(rng, regexes))
            if rng.random() < 0.15 and "pattern" in out[-1]:
                out[-1]["pattern"] = {**out[-1]["pattern"], **hot}
    return out


# ---- events that have to do with a rule ----

def fitting_text(rng, name, operand):
    if isinstance(operand, list):
        operand = rng.choice(operand)
    if isinstance(operand, dict):
        operand = "".join(rng.choice([c, c.upper(), c.lower()]) for c in operand["equals-ignore-case"])
    tail = rng.choice(["", "a", "x", "\n", "abc"])
    if name == "prefix":
        return operand + tail
    if name == "suffix":
        return tail + operand
    if name == "wildcard":
        parts = re.findall(r"\\[*\\]|.", operand, re.DOTALL)
        return "".join(rng.choice(["", "", "a", "ab", "*", "\n"]) if part == "*" else part[-1] for part in parts)
    if name == "equals-ignore-case":
        return rng.choice([operand, operand.upper(), operand.lower(), operand.swapcase()])
    if name == "cidr":
        return rng.choice([operand.split("/")[0], rng.choice(ADDRESSES)])
    return rng.choice(STRINGS)


def respell(rng, number):
    for same in NUMBERS:
        if number.text in same:
            return Number(rng.choice(same))
    return number


def fitting(rng, one):
    """A value that has a good chance of being accepted by an entry; None of the caller's business for exists:false."""
    if not isinstance(one, dict):
        return respell(rng, one) if isinstance(one, Number) else one
    (name, operand), = one.items()
    if name == "numeric":
        return respell(rng, operand[rng.randrange(0, len(operand), 2) + 1]) if rng.random() < 0.6 else some_number(rng)
    if name == "exists":
        return some_value(rng, 3)
    if name == "anything-but":
        if rng.random() < 0.6:
            return some_value(rng, 3)
        if isinstance(operand, dict):
            (inner, value), = operand.items()
            return fitting_text(rng, inner, value) if inner != "numeric" else fitting(rng, rng.choice(value) if isinstance(value, list) else value)
        return fitting(rng, rng.choice(operand) if isinstance(operand, list) else operand)
    return fitting_text(rng, name, operand)


def wrapped(rng, value, decoy):
    """A value as it is, or among others in arrays."""
    kind = rng.random()
    if kind < 0.6:
        return value
    others = [decoy() for _ in range(rng.choice([0, 1, 1, 2]))]
    others.insert(rng.randrange(len(others) + 1), [value] if kind > 0.9 else value)
    return others


def fitting_object(rng, pattern_, depth=0):
    """An object for a pattern."""
    out = Members()
    for key, value in pattern_.items():
        if key in ("$or", "$and"):
            for part in ([rng.choice(value)] if key == "$or" else value):
                out += fitting_object(rng, part, depth)
        elif key == "$not":
            if rng.random() < 0.4:
                out += fitting_object(rng, value, depth)
        elif depth == 0 and key == "$kafka":
            continue
        elif isinstance(value, list):
            one = rng.choice(value)
            if one != {"exists": False} or rng.random() < 0.2:
                out.append((key, wrapped(rng, fitting(rng, one), lambda: some_scalar(rng))))
        else:
            out.append((key, nested_value(rng, value, depth)))
    if len({key for key, _ in out}) < len(out) and rng.random() < 0.7:
        grouped = {}
        for key, value in out:
            grouped.setdefault(key, []).append(value)
        out = Members((key, values[0] if len(values) == 1 else values) for key, values in grouped.items())
    return out


def nested_value(rng, inner, depth):
    whole = fitting_object(rng, inner, depth + 1)
    kind = rng.random()
    if kind < 0.2 and len(whole) > 1:  # every field in an element of its own
        return [Members([member]) for member in whole]
    if kind < 0.25:
        return rng.choice([[], [[]], {}, some_scalar(rng), [some_scalar(rng)]])
    return wrapped(rng, whole, lambda: fitting_object(rng, inner, depth + 1) if rng.random() < 0.5 else some_value(rng, 2))


def some_value(rng, depth):
    kind = rng.random()
    if kind < 0.5 or depth >= 4:
        return some_scalar(rng)
    if kind < 0.55:
        return rng.choice([[], [[]], [[], [[]]], Members()])
    if kind < 0.75:
        return Members((rng.choice(KEYS), some_value(rng, depth + 1)) for _ in range(rng.choice([1, 2, 3])))
    return [some_value(rng, depth + 1) for _ in range(rng.choice([1, 2, 2, 3]))]


def event(rng, rules):
    """A tree."""
    out = Members()
    if rng.random() < 0.75:
        chosen = rng.choice(rules)
        if "pattern" in chosen:
            out += fitting_object(rng, chosen["pattern"])
        if "types" in chosen and rng.random() < 0.9:
            out.append(("type", rng.choice(chosen["types"]).replace("*", "") if rng.random() < 0.7 else rng.choice(TYPES)))
    else:
        out += [("type", rng.choice(TYPES))] if rng.random() < 0.6 else []
    if rng.random() < 0.5:
        out += [(rng.choice(KEYS), some_value(rng, 0)) for _ in range(rng.choice([1, 2, 4]))]
    if rng.random() < 0.05:
        out.append(("specversion", rng.choice(["1.0", Number("1.0"), None])))
    if rng.random() < 0.8:
        rng.shuffle(out)
    return out


def line_of(rng, tree):
    """A tree as one line, sometimes damaged."""
    data = (" " * rng.choice([0, 0, 0, 1, 7, 15, 31]) + dumps(tree, rng)).encode()
    if rng.random() < 0.04:
        at = rng.randrange(len(data))
        data = rng.choice([data[:at], data[:at] + bytes([rng.randrange(11, 256)]) + data[at + 1:], data[:at] + data[at + 1:],
                           data[:at] + rng.choice([b",", b"}", b"\\ud800", b"\xc0\x80", b'"', b"01", b"[", b"\x01"]) + data[at:], data + b" x"])
        return data if data.strip(b" \t\r") else b"{}", True
    return data, False


# ---- the same again, in another order ----

def permuted_event(rng, value):
    if isinstance(value, Members):
        members = Members((key, permuted_event(rng, inner)) for key, inner in value)
        if len({key for key, _ in members}) == len(members):
            rng.shuffle(members)
        return members
    if isinstance(value, dict):
        return permuted_event(rng, Members(value.items()))
    if isinstance(value, list):
        return shuffled(rng, [permuted_event(rng, inner) for inner in value])
    return value


def shuffled(rng, values):
    return rng.sample(list(values), len(values))


def permuted_rule(rng, value, name=""):
    """A rule with its members, alternatives and lists in another order; numeric keeps its pairs together."""
    if isinstance(value, dict):
        return {key: permuted_rule(rng, inner, key) for key, inner in shuffled(rng, value.items())}
    if not isinstance(value, list):
        return value
    if name == "numeric" and value and isinstance(value[0], str):
        return value[2:] + value[:2]
    return shuffled(rng, [permuted_rule(rng, inner) for inner in value])


def envelope(rng):
    """Options of one run: topic, key, headers."""
    topic, key, headers = rng.choice([None, "raw", "a"]), rng.choice([None, b"", b"user12", b"\xff"]), []
    if rng.random() < 0.5:
        headers += [(rng.choice(["h", "h", "a.b", "x"]), rng.choice([b"a", b"abc", b"\xc3", b""])) for _ in range(rng.choice([1, 3, 4]))]
    form = rng.randrange(5)
    if form == 1:
        headers += [("ce_specversion", b"1.0"), ("ce_type", rng.choice(TYPES).encode()), ("ce_a", b"abc"), ("ce_b", b"10.1.2.3")]
    elif form == 2:
        headers.append(("content-type", rng.choice([b"application/cloudevents+json", b"Application/CloudEvents+JSON; charset=utf-8"])))
    return topic, key, headers
