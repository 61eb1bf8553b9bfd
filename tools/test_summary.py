#!/usr/bin/env python3
"""Reads JUnit files and ends with one line: `N passed, N failed` (and `, N skipped` where so).

    tools/test_summary.py RESULT_DIR...

Failures are shown first, each with its message. Status 1 where something failed or nothing ran."""

import pathlib
import sys
import xml.etree.ElementTree as xml

MESSAGE_LINES = 60


def outcomes(path):
    """(name, outcome, message) of every test case of a file; a broken file is itself a failure."""
    try:
        cases = list(xml.parse(path).iter("testcase"))
    except (xml.ParseError, OSError) as error:
        yield path.stem, "failed", f"{path}: {error}"
        return
    for case in cases:
        name = f"{path.stem}: {case.get('name', '?')}"
        problems = case.findall("failure") + case.findall("error")
        if problems:
            message = "\n".join((p.get("message") or "") + "\n" + (p.text or "") for p in problems)
            yield name, "failed", message.strip()
        else:
            yield name, "skipped" if case.find("skipped") is not None else "passed", ""


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for directory in sys.argv[1:]:
        for path in sorted(pathlib.Path(directory).glob("*.xml")):
            for name, outcome, message in outcomes(path):
                counts[outcome] += 1
                if outcome == "failed":
                    lines = message.splitlines()
                    shown = lines if len(lines) <= MESSAGE_LINES else ["…"] + lines[-MESSAGE_LINES:]
                    print(f"FAILED {name}")
                    print("".join(f"    {line}\n" for line in shown))
    line = f"{counts['passed']} passed, {counts['failed']} failed"
    print(line + (f", {counts['skipped']} skipped" if counts["skipped"] else ""))
    sys.exit(1 if counts["failed"] or not counts["passed"] else 0)


if __name__ == "__main__":
    main()
