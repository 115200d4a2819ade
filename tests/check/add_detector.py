#!/usr/bin/env python3
"""Does the five steps of CONTRIBUTING.md with a small rule, in a copy of the tree, and proves that no other file needs a change.

    add_detector.py        (builds the copy; takes about a minute)
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from counting import Count  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

SOURCE = r'''/* Says every INVITE of a source: a rule that a test adds and takes away again. */
#include "detectors/detector.h"

struct conf {
    uint64_t invites;
};

struct lane {
    uint32_t invites;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("invites", COUNT, conf, invites, "1", "1", "1000", "INVITEs that raise the alarm"),
    {.kind = OPTION_END},
};
/* clang-format on */

static void on_fact(struct detector_context *context, void *lane_at, void *cell,
                    const void *conf_at, const struct fact *fact)
{
    struct lane *lane = lane_at;
    const struct conf *conf = conf_at;
    (void)cell;
    if (fact->is.message.is_response || fact->is.message.method != FACT_METHOD_INVITE) {
        return;
    }
    lane->invites++;
    if (lane->invites < conf->invites) {
        return;
    }
    struct finding finding = {.severity = 1,
                              .count = lane->invites,
                              .observed = lane->invites,
                              .threshold = conf->invites,
                              .window_ns = NS_PER_MINUTE,
                              .unit = "INVITEs",
                              .detail = SLICE("sent INVITEs")};
    confidence_start(&finding.confidence, 60, "condition met");
    detector_raise(context, &finding);
}

const struct detector detector_invite_seen = {
    .slug = "invite-seen",
    .title = "a source sends INVITEs",
    .category = "reconnaissance",
    .sees = "every INVITE",
    .blind = "everything else",
    .false_alarms = "every call",
    .advice = "Nothing.",
    .example = "192.0.2.21 sent INVITEs (limit 1 INVITEs in 1 min). Nothing.",
    .tactic = {"TA0043", "Reconnaissance"},
    .attack = {"T1595"},
    .severity = 1,
    .key = KEY_SOURCE,
    .wants = FACT_BIT(MESSAGE),
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .options = options,
    .off_by_default = true,
    .on_fact = on_fact,
};
'''
PAGE = "# invite-seen\n\n## Sees\n\nx\n\n## Blind\n\nx\n\n## False alarms\n\nx\n\n## Tuning\n\nx\n\n## What to do\n\nx\n"


def run(command, cwd):
    out = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    return [] if out.returncode == 0 else [" ".join(command) + ": " + (out.stdout + out.stderr).strip()[-1500:]]


def write(folder, path, text):
    os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
    with open(os.path.join(folder, path), "w", encoding="utf-8") as f:
        f.write(text)


def main():
    count = Count()
    with tempfile.TemporaryDirectory() as scratch:
        tree = os.path.join(scratch, "tree")
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns("build*", ".git"))
        write(tree, "detectors/invite_seen.c", SOURCE)
        write(tree, "detectors/invite_seen.md", PAGE)
        with open(os.path.join(tree, "detectors/detectors.def"), "a", encoding="utf-8") as f:
            f.write("DETECTOR(invite_seen)\n")
        write(tree, "tests/cases/invite-seen.fires/case.yaml", "# a call fires\ncapture: pcaps/call-busy.pcap\noptions: [detectors.invite-seen.enabled=true]\ndatasets: [alert]\n")
        write(tree, "tests/cases/invite-seen.silent/case.yaml",
              "# a registration does not\ncapture: pcaps/registration-good.pcap\noptions: [detectors.invite-seen.enabled=true]\ndatasets: [alert]\n")
        problems = run(["cmake", "-S", ".", "-B", "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DEARSHOT_WERROR=ON",
                        "-DEARSHOT_TESTS=OFF"], tree) or run(["ninja", "-C", "build", "earshot"], tree)
        count.check("add a detector: build", problems)
        if not problems:
            for page, path in (("detections", "docs/detections.md"), ("options", "docs/options.md")):
                out = subprocess.run(["build/earshot", "--docs", page], cwd=tree, capture_output=True, text=True)
                write(tree, path, out.stdout)
            subprocess.run([sys.executable, "tests/cases/run.py", "--binary", "build/earshot", "--bless", "--only", "invite-seen"],
                           cwd=tree, capture_output=True)
            with open(os.path.join(tree, "tests/cases/invite-seen.fires/expect.jsonl"), encoding="utf-8") as f:
                count.check("add a detector: it fires", [] if re.search('"invite-seen"', f.read()) else ["no alert"])
            with open(os.path.join(tree, "tests/cases/invite-seen.silent/expect.jsonl"), encoding="utf-8") as f:
                count.check("add a detector: its twin is silent", [] if f.read() == "" else ["an alert"])
            count.check("add a detector: checks of the tree",
                        run([sys.executable, "tests/check/run.py", "--binary", "build/earshot"], tree))
    count.end()


main()
