"""JSON by RFC 8259, strictly, with numbers as they are written. Another reader than the router's: a cursor over text, one regex for each token.

Objects become dictionaries (the last of duplicate keys wins), arrays become lists *that hold no lists*: nested arrays are flattened when
they are read, which is the first thing that the rule language does with them.
"""
import re
import sys

if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)

MAX_BYTES, MAX_DEPTH = 1048576, 128
SPACE = re.compile(r"[ \t\n\r]*")
NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
RUN = re.compile(r'[^"\\\x00-\x1f]*')
UNIT = re.compile(r"\\u([0-9a-fA-F]{4})")
ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
WORDS = (("true", True), ("false", False), ("null", None))
COMPLEMENT = str.maketrans("0123456789", "9876543210")


class EventError(Exception):
    """The text cannot be read as an event."""


class Number:
    """A number: its literal text, and a key that orders and compares exactly at any length and for any exponent."""
    __slots__ = ("text", "_key")

    def __init__(self, text):
        self.text, self._key = text, None

    def __repr__(self):
        return self.text

    @property
    def key(self):
        if self._key is None:
            self._key = number_key(self.text)
        return self._key


def number_key(text):
    """(sign, exponent, digits) of 0.DIGITS * 10^exponent; tuples in the order of the numbers, equal for equal numbers."""
    sign, whole, fraction, exponent = NUMBER.fullmatch(text).groups()
    digits = whole + (fraction or "")
    leading = len(digits) - len(digits.lstrip("0"))
    digits = digits.strip("0")
    if not digits:
        return (0, 0, "")
    scale = len(whole) - leading + int(exponent or 0)
    # A negative number is the smaller the larger its exponent and digits are; ":" is above "9" and ends the digits.
    return (-1, -scale, digits.translate(COMPLEMENT) + ":") if sign else (1, scale, digits)


def skip(text, at):
    return SPACE.match(text, at).end()


def read_unit(text, at):
    found = UNIT.match(text, at)
    if found is None:
        raise EventError(f"no escape at {at}")
    return int(found[1], 16), found.end()


def read_escape(text, at):
    """The character of an escape whose backslash is at `at`."""
    letter = text[at + 1:at + 2]
    if letter != "u":
        if letter not in ESCAPES:
            raise EventError(f"no escape at {at}")
        return ESCAPES[letter], at + 2
    unit, at = read_unit(text, at)
    if 0xD800 <= unit <= 0xDBFF:
        low, at = read_unit(text, at)
        if not 0xDC00 <= low <= 0xDFFF:
            raise EventError(f"half a surrogate pair before {at}")
        return chr(0x10000 + (unit - 0xD800) * 0x400 + low - 0xDC00), at
    if 0xDC00 <= unit <= 0xDFFF:
        raise EventError(f"half a surrogate pair before {at}")
    return chr(unit), at


def read_string(text, at):
    """at is behind the opening quote."""
    parts = []
    while True:
        run = RUN.match(text, at)
        parts.append(run[0])
        at = run.end()
        c = text[at:at + 1]
        if c == '"':
            return "".join(parts), at + 1
        if c != "\\":
            raise EventError(f"a string is not closed, or holds a control character, at {at}")
        piece, at = read_escape(text, at)
        parts.append(piece)


def read_object(text, at, depth):
    members = {}
    at = skip(text, at)
    if text.startswith("}", at):
        return members, at + 1
    while True:
        if not text.startswith('"', at):
            raise EventError(f"no key at {at}")
        key, at = read_string(text, at + 1)
        at = skip(text, at)
        if not text.startswith(":", at):
            raise EventError(f"no colon at {at}")
        members[key], at = read_value(text, skip(text, at + 1), depth)
        at = skip(text, at)
        c = text[at:at + 1]
        if c == "}":
            return members, at + 1
        if c != ",":
            raise EventError(f"no comma at {at}")
        at = skip(text, at + 1)


def read_array(text, at, depth):
    elements = []
    at = skip(text, at)
    if text.startswith("]", at):
        return elements, at + 1
    while True:
        value, at = read_value(text, at, depth)
        if isinstance(value, list):
            elements.extend(value)
        else:
            elements.append(value)
        at = skip(text, at)
        c = text[at:at + 1]
        if c == "]":
            return elements, at + 1
        if c != ",":
            raise EventError(f"no comma at {at}")
        at = skip(text, at + 1)


def read_value(text, at, depth):
    c = text[at:at + 1]
    if c == '"':
        return read_string(text, at + 1)
    if c == "{" or c == "[":
        if depth == 0:
            raise EventError(f"too deep at {at}")
        return (read_object if c == "{" else read_array)(text, at + 1, depth - 1)
    for word, value in WORDS:
        if text.startswith(word, at):
            return value, at + len(word)
    found = NUMBER.match(text, at)
    if found is None:
        raise EventError(f"no value at {at}")
    return Number(found[0]), found.end()


def read(data, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH):
    """The value in bytes; EventError for anything that is not exactly one JSON text in UTF-8 within the limits."""
    if len(data) > max_bytes:
        raise EventError("too large")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EventError(str(error)) from error
    value, at = read_value(text, skip(text, 0), max_depth)
    if skip(text, at) != len(text):
        raise EventError(f"more text at {at}")
    return value


def read_event(data):
    value = read(data)
    if not isinstance(value, dict):
        raise EventError("not an object")
    return value
