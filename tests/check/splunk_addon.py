"""conf/splunk against the tables of the sensor: every field that it names is one, every dataset has its place, every tag its event type.

Splunk itself is not at hand. What it would do with the files is narrow enough to be checked by reading them: KV_MODE=json names
fields by their dotted path, with {} behind arrays.
"""
import configparser
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NO_MODEL = {"earshot.media_interval", "earshot.sensor"}  # metrics
NOT_YET = {"earshot.response"}  # told where something is done about an alert


def stanzas(name):
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str
    with open(os.path.join(ROOT, "conf", "splunk", name + ".conf"), encoding="utf-8") as f:
        parser.read_file(f)
    return {section: dict(parser[section]) for section in parser.sections()}


def rows(path, pattern):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return re.findall(pattern, f.read(), re.M)


def fields():
    """The names as KV_MODE=json gives them."""
    return {name + ("{}" if flags.endswith("_LIST") else "")
            for name, flags in rows("outputs/fields.def", r'^FIELD\(\w+,\s*"([^"]+)",\s*\w+,\s*(\w+),')}


def aliases(props):
    """(field of ours, name in the model)"""
    for key, value in props.items():
        if key.startswith("FIELDALIAS-"):
            words = value.split()
            if len(words) % 3 or words[1::3] != ["AS"] * (len(words) // 3):
                yield key, ""
            for field, name in zip(words[0::3], words[2::3]):
                yield field.strip('"'), name


def splunk():
    props, types, tags = stanzas("props")["earshot"], stanzas("eventtypes"), stanzas("tags")
    known, problems = fields(), []
    given = [key.removeprefix("EVAL-") for key in props if key.startswith("EVAL-")]
    for field, name in aliases(props):
        given.append(name)
        if field not in known:
            problems.append(f"props.conf: {field} is no field")
    for key, value in props.items():
        if key.startswith("EVAL-"):
            problems += [f"props.conf: {key}: {field} is no field" for field in re.findall(r"'([^']+)'", value) if field not in known]
    problems += [f"props.conf: {name} is given twice" for name in set(given) if given.count(name) > 1]
    datasets = set(rows("outputs/datasets.def", r'^DATASET\(\w+,\s*"([^"]+)"'))
    used = set()
    for name, stanza in types.items():
        for field, value in re.findall(r"([\w.]+)=([\w.]+)", stanza["search"]):
            if field == "event.dataset":
                used.add(value)
            elif field not in known | {"sourcetype"}:
                problems.append(f"eventtypes.conf: {field} is no field")
        if f"eventtype={name}" not in tags:
            problems.append(f"tags.conf: {name} has no tag")
    problems += [f"tags.conf: {name} is no event type" for name in tags if name.removeprefix("eventtype=") not in types]
    problems += [f"eventtypes.conf: {name} is no dataset" for name in used - datasets - NOT_YET]
    problems += [f"eventtypes.conf: {name} belongs to no data model" for name in datasets - used - NO_MODEL]
    with open(os.path.join(ROOT, "outputs", "encode_json.h"), encoding="utf-8") as f:
        a, b = re.search(r"ENCODE_JSON_BYTES_MAX = (\d+) << (\d+)", f.read()).groups()
    if int(props["TRUNCATE"]) < int(a) << int(b):
        problems.append("props.conf: TRUNCATE is less than ENCODE_JSON_BYTES_MAX")
    return problems
