"""Reads JUnit XML as CI servers do. Arguments: the schema, and the report; prints what a parser found as JSON."""

import json
import sys

import junitparser
import xmlschema


def main(schema, path):
    xmlschema.XMLSchema(schema).validate(path)
    cases = []
    suites = junitparser.JUnitXml.fromfile(path)
    for suite in suites:
        properties = {one.name: one.value for one in suite.properties()}
        for case in suite:
            results = [
                {"element": type(result).__name__, "type": result.type, "message": result.message, "text": result.text}
                for result in case.result
            ]
            cases.append({
                "class": case.classname, "name": case.name, "time": case.time, "results": results,
                "out": case.system_out,
            })
    totals = {
        "tests": suites.tests, "failures": suites.failures, "errors": suites.errors, "time": suites.time,
    }
    json.dump({"totals": totals, "properties": properties, "cases": cases}, sys.stdout)


main(*sys.argv[1:])
