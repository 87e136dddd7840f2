#!/usr/bin/env python3
"""Prints "PASSED FAILED" over ctest's JUnit report and the GoogleTest reports of its programs.

count_tests.py CTEST_JUNIT.xml GTEST_REPORT_DIRECTORY
"""
import os
import sys
import xml.etree.ElementTree as xml


def count(path):
    tests = failures = 0
    for case in xml.parse(path).getroot().iter("testcase"):
        if case.get("status") in ("notrun", "disabled") or case.find("skipped") is not None:
            continue
        tests += 1
        failures += case.find("failure") is not None or case.get("status") == "fail"
    return tests - failures, failures


def main():
    passed = failed = 0
    reports = sys.argv[2]
    for case in xml.parse(sys.argv[1]).getroot().iter("testcase"):
        report = os.path.join(reports, case.get("name") + ".xml")
        program_failed = case.get("status") == "fail"
        if os.path.exists(report):
            p, f = count(report)
            passed += p
            failed += f
            # It crashed or timed out although no test of it says so.
            failed += program_failed and f == 0
        else:
            passed += not program_failed
            failed += program_failed
    print(passed, failed)


main()
