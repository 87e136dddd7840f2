#!/usr/bin/env python3
"""Prints "PASSED FAILED" over ctest's JUnit report and the GoogleTest reports of its programs, and
below it "NAME: REASON" of each test that was skipped.

count_tests.py CTEST_JUNIT.xml GTEST_REPORT_DIRECTORY
"""
import os
import sys
import xml.etree.ElementTree as xml


def skip_of(case):
    """"NAME: REASON" of a test that skipped itself; else None."""
    skipped = case.find("skipped")
    if skipped is None:
        return None
    name = ".".join(part for part in (case.get("classname"), case.get("name")) if part)
    lines = (skipped.get("message") or skipped.text or "").split("\n")
    # GoogleTest puts the place in the source first.
    if len(lines) > 1 and lines[0].rsplit(":", 1)[-1].isdigit():
        lines = lines[1:]
    return f"{name}: {' '.join(lines).strip()}"


def count(path):
    tests = failures = 0
    skips = []
    for case in xml.parse(path).getroot().iter("testcase"):
        if skip_of(case) is not None:
            skips.append(skip_of(case))
        elif case.get("status") not in ("notrun", "disabled"):  # for another test to run
            tests += 1
            failures += case.find("failure") is not None or case.get("status") == "fail"
    return tests - failures, failures, skips


def main():
    passed, failed, skips = 0, 0, []
    reports = sys.argv[2]
    for case in xml.parse(sys.argv[1]).getroot().iter("testcase"):
        report = os.path.join(reports, case.get("name") + ".xml")
        program_failed = case.get("status") == "fail"
        if os.path.exists(report):
            p, f, skipped = count(report)
            passed += p
            failed += f
            skips += skipped
            # It crashed or timed out although no test of it says so.
            failed += program_failed and f == 0
        elif not program_failed and skip_of(case) is not None:
            skips.append(skip_of(case))
        else:
            passed += not program_failed
            failed += program_failed
    print(passed, failed)
    for skip in skips:
        print(skip)


main()
