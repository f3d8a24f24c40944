"""What a meson test run left: each TAP point is one test, and a program that ends badly is one more.

The JUnit file has the points; a crash, a timeout or a wrong exit code after good points stands in the
JSON log only."""
import json
import os
import re
import sys
import xml.etree.ElementTree as ET

PASSED, FAILED, SKIPPED = "passed", "FAILED", "skipped"
NOTHING = "(no test at all)"


def case_result(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return FAILED
    return SKIPPED if case.find("skipped") is not None else PASSED


def read(folder):
    """[(program, test name, result)] of build FOLDER."""
    logs = os.path.join(folder, "meson-logs")
    if not os.path.exists(os.path.join(logs, "testlog.junit.xml")):
        sys.exit(f"no test results in {folder}")
    points = {}
    for case in ET.parse(os.path.join(logs, "testlog.junit.xml")).getroot().iter("testcase"):
        # of TAP: the class is PROJECT.RUN, the name "NUMBER - TEST"
        run_name = case.get("classname").partition(".")[2]
        name = re.sub(r"^\d+ (- )?", "", case.get("name"))
        points.setdefault(run_name, []).append((name, case_result(case)))
    tests = []
    with open(os.path.join(logs, "testlog.json")) as lines:
        for run in map(json.loads, lines):
            program = run["name"].rpartition(" / ")[2]
            own = points.get(run["name"], [])
            tests += [(program, name, result) for name, result in own]
            if run["result"] not in ("OK", "SKIP"):
                if FAILED not in (result for _, result in own):
                    tests.append((program, f"({run['result']}, exit code {run['returncode']})",
                                  FAILED))
            elif not own:
                tests.append((program, NOTHING, SKIPPED))
    return tests
