"""Random regexes that are known in two dialects: PCRE2's for the router, Python's for the oracle."""
WORDS = ["a", "b", "ab", "abc", "xyz", "x", "0", "12", "120", "300", "user", "order", "order.new", "caf\u00e9", "a.b", "a*b", "@example.org",
         "bob@example.org", "A-12", "long literal text", "true", "1e2", "\u20ac\u20ac", "x\ny", "q\"q", "b\\c", "1.50", "-0", "\u212a"]


class Regex:
    def __init__(self, pcre2, python):
        self.pcre2, self.python = pcre2, python


def escape(text, rng):
    """Text as a regex, the same in both dialects."""
    return "".join("\\" + c if c in "\\^$.|?*+()[]{}" or (c in "-\"@" and rng.random() < 0.1) else c for c in text)


def atom(rng, depth):
    """A piece in both dialects."""
    kind = rng.randrange(10 if depth < 2 else 7)
    if kind < 4:
        text = escape(rng.choice(WORDS), rng)
        return text, text
    if kind == 4:
        return ".", "."
    if kind == 5:
        return rng.choice([("\\d", "[0-9]"), ("\\w", "[A-Za-z0-9_]"), ("\\s", "[ \\t\\n\\v\\r\\f]"), ("\\D", "[^0-9]")])
    if kind == 6:
        return (rng.choice(["[abc]", "[^a]", "[0-9]", "[a-z]", "[\u00e9x]", "[^\\n]"]),) * 2
    inner = branches(rng, depth + 1)
    return "(?:" + inner[0] + ")", "(?:" + inner[1] + ")"


def branches(rng, depth):
    several = []
    for _ in range(1 if rng.random() < 0.8 else 2):
        pcre2 = python = ""
        for _ in range(rng.choice([1, 1, 2, 3])):
            a, b = atom(rng, depth)
            if rng.random() < 0.25 and not set(a) & set("*+?{"):  # never a repetition of repetitions: it may take for ever
                quantifier = rng.choice(["?", "*", "+", "{1,2}", "{0,1}", "*?", "+?"])
                single = len(a) == 1 or a[0] in "[(" or (a[0] == "\\" and len(a) == 2)
                a, b = (a, b) if single else ("(?:" + a + ")", "(?:" + b + ")")
                a, b = a + quantifier, b + quantifier
            pcre2, python = pcre2 + a, python + b
        several.append((pcre2, python))
    return "|".join(one[0] for one in several), "|".join(one[1] for one in several)


def new_regex(rng):
    kind = rng.randrange(10)
    if kind < 6:  # what people write: a text, anchored or not
        text = escape(rng.choice(WORDS), rng)
        start, end = rng.choice([("", ""), ("^", ""), ("", "$"), ("^", "$")])
        return Regex(start + text + end, start + text + ("\\Z" if end else ""))
    if kind == 6:
        text = rng.choice(["bob", "order", "abc", "xy"])  # no letter with a third form
        return Regex("(?i)" + text.upper(), "(?i)" + text)
    pcre2, python = branches(rng, 0)
    if rng.random() < 0.3:
        pcre2, python = "^(?:" + pcre2 + ")", "^(?:" + python + ")"
    if rng.random() < 0.3:
        pcre2, python = "(?:" + pcre2 + ")$", "(?:" + python + ")\\Z"
    return Regex(pcre2, python)


def random_regex(rng, known):
    """A new one, which is added to the known ones."""
    known.append(new_regex(rng))
    return known[-1]
