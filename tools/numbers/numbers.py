#!/usr/bin/env python3
"""Make sensor/lookup/number_table.def again from libphonenumber's metadata, and check it.

    tools/numbers/numbers.py make            writes the table and tests/unit/lookup/number_rows.def
    tools/numbers/numbers.py same            makes both again and says whether they are what the tree has
    tools/numbers/numbers.py compare BINARY  asks the package and BINARY (build/tests/number-ask) about
                                             thousands of numbers and prints how often both agree

The package (PyPI `phonenumbers`, a pinned version with its hash) is fetched into a temporary folder.
Its patterns are regular expressions over the digits behind the calling code. All patterns of one
calling code become one automaton without loops: a state a node, a digit an edge, and what the number
is at the state where it ends. Equal ends are stored once, also those of different countries. So the
table says exactly what the patterns say.
"""
import pathlib
import random
import subprocess
import sys
import tempfile

from re import _constants as op
from re import _parser as expressions

VERSION = "9.0.43"
HASH = "sha256:349bc799f15e010e35bd2c7d28149950ae74479cb1e11fb054ed9a95ecb4b437"
ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "sensor/lookup/number_table.def"
ROWS = ROOT / "tests/unit/lookup/number_rows.def"
SEED = 20260101
DIGITS = 15  # of E.164
ANY_DIGIT = 0x3FF
NOBODY = 31  # owner of a state below which several countries lie

# In the order in which the package asks; the words are those of enum number_type.
KINDS = {"premium_rate": "PREMIUM", "toll_free": "TOLL_FREE", "shared_cost": "SHARED_COST", "voip": "OTHER",
         "personal_number": "OTHER", "pager": "OTHER", "uan": "OTHER", "voicemail": "OTHER", "fixed_line": "FIXED",
         "mobile": "MOBILE"}
TYPES = ["NONE", "FIXED", "MOBILE", "TOLL_FREE", "SHARED_COST", "PREMIUM", "OTHER"]


def fetch():
    """The package, from the wheel that the hash names."""
    folder = tempfile.TemporaryDirectory(prefix="earshot-numbers-")
    wanted = pathlib.Path(folder.name, "wanted.txt")
    wanted.write_text(f"phonenumbers=={VERSION} --hash={HASH}\n")
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary",
                    ":all:", "--dest", folder.name, "-r", str(wanted)], check=True)
    wheel, = pathlib.Path(folder.name).glob("*.whl")
    sys.path.insert(0, str(wheel))
    import phonenumbers
    return folder, phonenumbers


# --- patterns to one automaton ---

class Nodes:
    """An automaton with silent edges: built from syntax trees, walked as sets of nodes."""

    def __init__(self):
        self.silent, self.edges, self.ends = [], [], {}

    def add(self):
        self.silent.append([])
        self.edges.append([])
        return len(self.edges) - 1

    def begin(self, pattern, end):
        start = self.add()
        last = self.follow(expressions.parse(pattern), start)
        self.ends[last] = end
        return start, last

    def follow(self, tree, at):
        for kind, what in tree:
            if kind in (op.LITERAL, op.IN):
                node = self.add()
                self.edges[at].append((digits_of(kind, what), node))
                at = node
            elif kind is op.BRANCH:
                end = self.add()
                for branch in what[1]:
                    start = self.add()
                    self.silent[at].append(start)
                    self.silent[self.follow(branch, start)].append(end)
                at = end
            elif kind is op.SUBPATTERN:
                at = self.follow(what[3], at)
            elif kind is op.MAX_REPEAT:
                least, most, inner = what
                for _ in range(least):
                    at = self.follow(inner, at)
                end = self.add()
                self.silent[at].append(end)
                for _ in range(min(most, DIGITS + 3) - least):
                    at = self.follow(inner, at)
                    self.silent[at].append(end)
                at = end
            else:
                raise ValueError(f"a pattern has {kind}, which this tool does not know")
        return at

    def reached(self, nodes):
        todo, seen = list(nodes), set(nodes)
        while todo:
            for node in self.silent[todo.pop()]:
                if node not in seen:
                    seen.add(node)
                    todo.append(node)
        return frozenset(n for n in seen if self.edges[n] or n in self.ends)


def digits_of(kind, what):
    if kind is op.LITERAL:
        return 1 << (what - ord("0"))
    mask = 0
    for sort, value in what:
        if sort is op.LITERAL:
            mask |= 1 << (value - ord("0"))
        elif sort is op.RANGE:
            mask |= sum(1 << (d - ord("0")) for d in range(value[0], value[1] + 1))
        else:
            mask |= ANY_DIGIT
    return mask


class Table:
    """States, each stored once: (what a number is that ends here, whose numbers lie below, next states)."""

    def __init__(self):
        self.rows, self.number = [], {}
        self.dead = self.keep("NONE", 0, NOBODY, [0] * 10)

    def keep(self, kind, region, owner, following):
        row = (kind, region, owner, tuple(following))
        if row not in self.number:
            self.number[row] = len(self.rows)
            self.rows.append(row)
        return self.number[row]


class Code:
    """One calling code with its regions."""

    def __init__(self, table, regions):
        self.table, self.regions, self.nodes, self.known = table, regions, Nodes(), {}
        starts = []
        for index, region in enumerate(regions):
            for kind in (*KINDS, "general_desc"):
                what = getattr(region, kind)
                if what is not None and what.national_number_pattern is not None:
                    lengths = what.possible_length or region.general_desc.possible_length
                    starts.append(self.nodes.begin(what.national_number_pattern, (index, kind, set(lengths)))[0])
            if region.leading_digits and len(regions) > 1:
                start, last = self.nodes.begin(region.leading_digits, (index, "leads", set(range(DIGITS + 3))))
                self.nodes.edges[last].append((ANY_DIGIT, last))
                starts.append(start)
        self.root = self.state(0, self.nodes.reached(starts))

    def kind_of(self, index, met):
        if (index, "general_desc") not in met:
            return None
        return next((name for kind, name in KINDS.items() if (index, kind) in met), None)

    def verdict(self, met):
        """Region and kind of a number, as region_code_for_number() and number_type() of the package find them."""
        if len(self.regions) == 1:
            return 0, self.kind_of(0, met)
        for index, region in enumerate(self.regions):
            kind = self.kind_of(index, met)
            if region.leading_digits:
                if (index, "leads") in met:
                    return index, kind
            elif kind is not None:
                return index, kind
        return 0, None

    def state(self, depth, nodes):
        if not nodes:
            return self.table.dead
        if (depth, nodes) in self.known:
            return self.known[depth, nodes]
        ends = (self.nodes.ends[n] for n in nodes if n in self.nodes.ends)
        region, kind = self.verdict({(index, what) for index, what, lengths in ends if depth in lengths})
        following = [self.table.dead] * 10
        for digit in range(10 if depth < DIGITS else 0):
            after = {node for n in nodes for mask, node in self.nodes.edges[n] if mask >> digit & 1}
            following[digit] = self.state(depth + 1, self.nodes.reached(after)) if after else self.table.dead
        owners = {self.table.rows[s][2] for s in following if s != self.table.dead}
        if kind is not None:
            owners.add(region)
        if not owners:
            self.known[depth, nodes] = self.table.dead
            return self.table.dead
        owner = owners.pop() if len(owners) == 1 else NOBODY
        self.known[depth, nodes] = self.table.keep(kind or "NONE", region if kind else 0, owner, following)
        return self.known[depth, nodes]


# --- how people of a region dial ---

def expand(tree):
    """All texts of a short pattern; x stands for any digit. What only looks ahead (many digits) is left out."""
    texts = [""]
    for kind, what in tree:
        if kind in (op.LITERAL, op.IN):
            mask = digits_of(kind, what)
            parts = ["x"] if mask == ANY_DIGIT else [str(d) for d in range(10) if mask >> d & 1]
        elif kind is op.BRANCH:
            parts = [text for branch in what[1] for text in expand(branch)]
        elif kind is op.SUBPATTERN:
            parts = expand(what[3])
        elif kind is op.MAX_REPEAT:
            least, most, inner = what
            times = range(least, most + 1) if most < 6 else range(0, 1)
            parts = [part for count in times for part in repeated(expand(inner), count)]
        else:
            raise ValueError(f"a pattern has {kind}, which this tool does not know")
        texts = [text + part for text in texts for part in parts]
    return texts


def repeated(parts, count):
    texts = [""]
    for _ in range(count):
        texts = [text + part for text in texts for part in parts]
    return texts


def listed(texts):
    texts = sorted({t for t in texts if t}, key=lambda t: (-len(t), t))
    if len(texts) > 64 or any(len(t) > 10 for t in texts):
        raise ValueError(f"too many prefixes: {texts}")
    return " ".join(texts)


def branches_of(pattern):
    tree = list(expressions.parse(pattern))
    if len(tree) == 1 and tree[0][0] is op.BRANCH:
        return [list(branch) for branch in tree[0][1][1]]
    return [tree]


def trunk_of(region):
    """Prefixes of a national number, and what a local number of how many digits lacks.

    The package's rules are regular expressions with replacements. Four forms occur: a prefix, perhaps
    with a carrier's code; a local number that gets its area code; digits that follow the prefix and are
    looked at only; and Argentina's mobile numbers, of which only the prefix is taken."""
    pattern, rule = region.national_prefix_for_parsing, region.national_prefix_transform_rule
    if pattern is None:
        return "", "", 0
    if region.id == "AR":
        return region.national_prefix, "", 0
    prefixes, area, digits = [], "", 0
    for branch in branches_of(pattern):
        if any(kind is op.AT for kind, _ in branch):
            if rule and rule.endswith("\\1") and rule[:-2].isdigit():
                area, digits = rule[:-2], 1 + branch[0][1][3][1][1][0]
            continue
        if rule == "\\1":
            branch = [part for part in branch if part[0] is not op.SUBPATTERN or part[1][0] != 1]
        prefixes += expand(branch)
    return listed(prefixes), area, digits


# --- the files ---

def head(what):
    return f"""/* {what}
 *
 * Made by tools/numbers/numbers.py from the metadata of libphonenumber, as the Python package
 * phonenumbers {VERSION} carries them (Copyright The Libphonenumber Authors; Apache License 2.0).
 * Not to be edited: change the tool, run it again. */
"""


def regions_of(package, code):
    names = package.COUNTRY_CODE_TO_REGION_CODE[code]
    if names == (package.REGION_CODE_FOR_NON_GEO_ENTITY,):
        return [("", package.PhoneMetadata.metadata_for_nongeo_region(code, None))]
    return [(name, package.PhoneMetadata.metadata_for_region(name, None)) for name in names]


def english(name):
    """What the package calls the country; it lacks three. "*xx" there: as in the language xx."""
    from phonenumbers.geodata.locale import LOCALE_DATA
    words = {"AC": {"en": "Ascension Island"}, "TA": {"en": "Tristan da Cunha"}, "XK": {"en": "Kosovo"}}
    words.update(LOCALE_DATA)
    word = words.get(name, {}).get("en", "")
    if word.startswith("*"):
        word = words[name][word[1:]]
    if not word.isascii():
        word = {"CI": "Ivory Coast", "RE": "Reunion", "ST": "Sao Tome and Principe", "CW": "Curacao", "AX": "Aland Islands",
                "BL": "Saint Barthelemy", "TR": "Turkey"}[name]
    return word.replace("&", "and")


def region_line(package, name, code, region):
    short = package.PhoneMetadata.short_metadata_for_region(name) if name else None
    emergency = short.emergency.national_number_pattern if short and short.emergency else None
    trunk, area, digits = trunk_of(region) if name else ("", "", 0)
    local = sum(1 << n for n in region.general_desc.possible_length_local_only)
    abroad = listed(expand(expressions.parse(region.international_prefix))) if name else ""
    emergency = listed(expand(expressions.parse(emergency))) if emergency else ""
    return (f'PLAN_REGION("{name}", "{english(name)}", {code}, {local:#x}, "{area}", {digits}, "{trunk}", "{abroad}", '
            f'"{emergency}")\n')


def table_text(package):
    table, codes, regions = Table(), [], []
    for code in sorted(package.COUNTRY_CODE_TO_REGION_CODE):
        here = regions_of(package, code)
        root = Code(table, [region for _, region in here]).root
        codes.append(f"PLAN_CODE({code}, {root}, {len(regions)}, {len(here)})\n")
        regions += [region_line(package, name, code, region) for name, region in here]
    text = head("number_table.def - numbering plans of the world: states of digits, calling codes, regions.")
    text += "\n#ifdef PLAN_STATE\n"
    for kind, region, owner, following in table.rows:
        text += f"PLAN_STATE({kind}, {region}, {owner}, {', '.join(map(str, following))})\n"
    text += "#undef PLAN_STATE\n#endif\n\n#ifdef PLAN_CODE\n" + "".join(codes) + "#undef PLAN_CODE\n#endif\n"
    return text + "\n#ifdef PLAN_REGION\n" + "".join(regions) + "#undef PLAN_REGION\n#endif\n"


# --- the package as the judge ---

# Types of the package by number: fixed, mobile, fixed or mobile, toll-free, premium, shared, voip, personal, pager,
# UAN, voicemail. Those of networks without a country are corrected by number_risk.c.
ASKED = {0: "FIXED", 1: "MOBILE", 2: "FIXED", 3: "TOLL_FREE", 4: "PREMIUM", 5: "SHARED_COST", 6: "OTHER", 7: "OTHER",
         8: "OTHER", 9: "OTHER", 10: "OTHER"}
CORRECTED = {800: "TOLL_FREE", 808: "SHARED_COST", 870: "SATELLITE", 878: "OTHER", 881: "SATELLITE", 882: "SATELLITE",
             883: "SATELLITE", 888: "OTHER", 979: "PREMIUM"}


def drawn(tree, rng):
    """A random text of a pattern, straight from its syntax tree: not by way of the automaton."""
    text = ""
    for kind, what in tree:
        if kind in (op.LITERAL, op.IN):
            mask = digits_of(kind, what)
            text += str(rng.choice([d for d in range(10) if mask >> d & 1]))
        elif kind is op.BRANCH:
            text += drawn(rng.choice(what[1]), rng)
        elif kind is op.SUBPATTERN:
            text += drawn(what[3], rng)
        elif kind is op.MAX_REPEAT:
            least, most, inner = what
            text += "".join(drawn(inner, rng) for _ in range(rng.randint(least, most)))
    return text


def samples(package, each, rng):
    """Examples of every kind of every region, random numbers of every pattern, and numbers with a digit changed."""
    for code in sorted(package.COUNTRY_CODE_TO_REGION_CODE):
        for _, region in regions_of(package, code):
            for kind in KINDS:
                what = getattr(region, kind)
                if what is None or what.national_number_pattern is None:
                    continue
                if what.example_number:
                    yield f"{code}{what.example_number}"
                tree = expressions.parse(what.national_number_pattern)
                for _ in range(each):
                    number = drawn(tree, rng)
                    yield f"{code}{number}"
                    at = rng.randrange(len(number))
                    yield f"{code}{number[:at]}{rng.randrange(10)}{number[at + 1:]}"


def judged(package, number):
    """(country, type) as the package says; None where it cannot read the number, or E.164 does not allow it."""
    if not 7 <= len(number) <= DIGITS:
        return None
    for width in (1, 2, 3):
        if int(number[:width]) in package.COUNTRY_CODE_TO_REGION_CODE:
            break
    # Built, not parsed: parse() would take a trunk prefix away, which a number behind its code does not have.
    national = number[width:]
    zeros = len(national) - len(national.lstrip("0"))
    parsed = package.PhoneNumber(country_code=int(number[:width]), national_number=int(national),
                                 italian_leading_zero=True if zeros else None,
                                 number_of_leading_zeros=zeros if zeros > 1 else None)
    country = package.region_code_for_number(parsed)
    kind = ASKED.get(package.number_type(parsed), "INVALID")
    kind = CORRECTED.get(parsed.country_code, kind)
    return ("" if country in (None, package.REGION_CODE_FOR_NON_GEO_ENTITY) else country), kind


def unique(package, each):
    seen = set()
    for number in samples(package, each, random.Random(SEED)):
        answer = judged(package, number)
        if answer is not None and number not in seen:
            seen.add(number)
            yield number, answer


def rows_text(package):
    """A few hundred numbers for the unit test. Only those whose country the package is sure of."""
    rows = [(number, answer) for number, answer in unique(package, 1) if answer[1] != "INVALID"]
    rows = random.Random(SEED).sample(rows, 600)
    text = head("number_rows.def - numbers of all kinds, and what the package says of them: country and type.") + "\n"
    return text + "".join(f'ROW("{number}", "{answer[0]}", {answer[1]})\n' for number, answer in sorted(rows))


def compare(package, binary):
    asked = list(unique(package, 12))
    told = subprocess.run([binary], input="".join(f"+{number}\n" for number, _ in asked), text=True, check=True,
                          capture_output=True).stdout.splitlines()
    valid = [0, 0, 0]
    invalid = [0, 0]
    for (number, (country, kind)), line in zip(asked, told, strict=True):
        _, found_country, found_kind = line.split(",")
        if kind == "INVALID":
            invalid[0] += 1
            invalid[1] += found_kind == kind
            continue
        valid[0] += 1
        valid[1] += found_country == country
        valid[2] += found_kind == kind
        if (found_country, found_kind) != (country, kind):
            print(f"+{number}: the package says {country} {kind}, the table {found_country} {found_kind}")
    print(f"{len(asked)} numbers of {len(package.SUPPORTED_REGIONS)} regions; {valid[0]} valid: country agrees on "
          f"{100 * valid[1] / valid[0]:.2f} %, type on {100 * valid[2] / valid[0]:.2f} %; {invalid[0]} invalid: "
          f"{100 * invalid[1] / invalid[0]:.2f} % found so")


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in ("make", "same", "compare"):
        sys.exit(__doc__)
    folder, package = fetch()
    with folder:
        from phonenumbers.phonemetadata import PhoneMetadata
        package.PhoneMetadata = PhoneMetadata
        if sys.argv[1] == "compare":
            return compare(package, sys.argv[2])
        for path, text in ((TABLE, table_text(package)), (ROWS, rows_text(package))):
            if sys.argv[1] == "make":
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
            elif not path.exists() or path.read_text() != text:
                sys.exit(f"{path.relative_to(ROOT)} is not what the metadata give; run: tools/numbers/numbers.py make")
    return 0


if __name__ == "__main__":
    sys.exit(main())
