#!/usr/bin/env python3
"""Writes a JUnit file of one case, for what is no test program: a check, a build, a program that died.

    tools/junit_case.py NAME STATUS LOG OUT.xml

Status 0 is a pass; anything else fails with the last lines of LOG."""

import sys
import xml.etree.ElementTree as xml

LINES = 80


def main():
    name, status, log, out = sys.argv[1:]
    suite = xml.Element("testsuite", name=name)
    case = xml.SubElement(suite, "testcase", name=name)
    if status != "0":
        with open(log, errors="replace") as file:
            text = "".join(file.readlines()[-LINES:])
        xml.SubElement(case, "failure", message=f"{name} ended with status {status}").text = "".join(
            c for c in text if c.isprintable() or c in "\n\t")
    xml.ElementTree(suite).write(out)


if __name__ == "__main__":
    main()
