"""The plot of make bench-match: time per event against the number of rules, one panel per family, both axes logarithmic."""
import math
from xml.sax.saxutils import escape

import families as catalogue

LOOK = {"eventrouter": ("#0b62a4", ""), "event-ruler": ("#d1495b", ""), "event-ruler, reuse": ("#edae49", "6 3")}
COLUMNS, WIDTH, HEIGHT = 3, 340, 210
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 30, 34
LEGEND = 56


def points(rows):
    """family -> engine -> [(rules, ns)] of the families that were measured at more than one size."""
    out = {}
    for row in rows:
        if row.get("status") == "ok" and "ns_per_event" in row and "phase" not in row:
            out.setdefault(row["family"], {}).setdefault(row["engine"], []).append((row["rules"], row["ns_per_event"]))
    return {family: engines for family, engines in out.items() if len(engines.get("eventrouter", ())) > 1}


def decades(values):
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def amount(exponent, unit):
    names = ("1 ns", "10 ns", "100 ns", "1 us", "10 us", "100 us", "1 ms", "10 ms", "100 ms", "1 s") if unit == "ns" else \
        ("1", "10", "100", "1k", "10k", "100k", "1M")
    return names[exponent] if 0 <= exponent < len(names) else f"1e{exponent}"


class Panel:
    def __init__(self, x, y, across, up):
        self.x, self.y, self.across, self.up = x, y, across, up

    def at(self, rules, ns):
        h = (math.log10(rules) - self.across[0]) / (self.across[1] - self.across[0])
        v = (math.log10(ns) - self.up[0]) / (self.up[1] - self.up[0])
        return (self.x + LEFT + h * (WIDTH - LEFT - RIGHT), self.y + HEIGHT - BOTTOM - v * (HEIGHT - TOP - BOTTOM))

    def grid(self, title):
        out = [f'<text x="{self.x + LEFT}" y="{self.y + 20}" font-weight="bold">{escape(title)}</text>']
        for exponent in range(self.up[0], self.up[1] + 1):
            left, y = self.at(10 ** self.across[0], 10 ** exponent)
            out.append(f'<path d="M{left:.1f} {y:.1f}H{self.x + WIDTH - RIGHT}" stroke="#ddd"/>')
            out.append(f'<text x="{left - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{amount(exponent, "ns")}</text>')
        for exponent in range(self.across[0], self.across[1] + 1):
            x, bottom = self.at(10 ** exponent, 10 ** self.up[0])
            out.append(f'<path d="M{x:.1f} {bottom:.1f}v4" stroke="#888"/>')
            out.append(f'<text x="{x:.1f}" y="{bottom + 17:.1f}" text-anchor="middle">{amount(exponent, "rules")}</text>')
        return out

    def line(self, engine, values):
        colour, dash = LOOK[engine]
        places = [self.at(rules, ns) for rules, ns in sorted(values)]
        out = ['<path fill="none" stroke-width="2" stroke="{}" stroke-dasharray="{}" d="M{}"/>'.format(
            colour, dash or "none", "L".join(f"{x:.1f} {y:.1f}" for x, y in places))]
        return out + [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]


def legend():
    out, x = [], LEFT
    for engine, (colour, dash) in LOOK.items():
        out.append(f'<path d="M{x} 20h28" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash or "none"}"/>')
        out.append(f'<text x="{x + 34}" y="24">{escape(engine)}</text>')
        x += 60 + 7 * len(engine)
    out.append(f'<text x="{LEFT}" y="44" fill="#666">CPU time per event against the number of rules; a line that ends early was not loadable</text>')
    return out


def svg(rows):
    found = points(rows)
    everything = [value for engines in found.values() for values in engines.values() for value in values] or [(1, 1)]
    across, up = decades([rules for rules, _ in everything]), decades([ns for _, ns in everything])
    lines = math.ceil(len(found) / COLUMNS)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{COLUMNS * WIDTH}" height="{LEGEND + lines * HEIGHT}" '
           f'font-family="sans-serif" font-size="11">', '<rect width="100%" height="100%" fill="white"/>', *legend()]
    for number, (family, engines) in enumerate(found.items()):
        panel = Panel(number % COLUMNS * WIDTH, LEGEND + number // COLUMNS * HEIGHT, across, up)
        out += panel.grid(catalogue.FAMILIES[family].title)
        for engine, values in engines.items():
            out += panel.line(engine, values)
    return "\n".join([*out, "</svg>"]) + "\n"
