"""Holds what docs/operations.md and docs/aws-costs.md say of alarms and costs against the template and against arithmetic."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
OPERATIONS, COSTS = ((DOCS / name).read_text() for name in ("operations.md", "aws-costs.md"))
# The two sides of an equation in a line or a cell. What is before it ends with a colon or a gap.
EQUATION = re.compile(r"(?:^|: | {3,})([^|:]*?\d[^|:]*?) += +([\d,]+\.\d\d)")


def alarms_of(resources):
    return {name: it["Properties"] for name, it in resources.items() if it["Type"] == "AWS::CloudWatch::Alarm"}


def looked_at(alarm):
    """How many metrics AWS charges for."""
    return sum("MetricStat" in it for it in alarm["Metrics"]) if "Metrics" in alarm else 1


def about_alarms(resources):
    for name, alarm in alarms_of(resources).items():
        if f"`{name}`" not in OPERATIONS:
            yield f"docs/operations.md does not name {name}"
        section = re.search(r'See docs/operations.md, "(.*)"', alarm["AlarmDescription"])[1]
        if f"## {section}\n" not in OPERATIONS:
            yield f"{name}: docs/operations.md has no section {section}"


def about_counts(resources):
    alarms = alarms_of(resources).values()
    wanted = f"{len(alarms)} alarms on {sum(map(looked_at, alarms))} metrics"
    if wanted not in COSTS:
        yield f"docs/aws-costs.md must say: {wanted}"


def about_costs():
    found = [it for line in COSTS.splitlines() for cell in line.split("|") for it in EQUATION.findall(cell)]
    if len(found) != COSTS.count(" = "):
        yield f"docs/aws-costs.md: only {len(found)} equations are understood"
    for left, right in found:
        # Units are for the reader.
        terms = re.sub(r"\b(?!x\b)[A-Za-z]+\b", "", left.replace(",", "")).replace("x", "*")
        # Operands are rounded to two digits.
        if abs(eval(terms, {"__builtins__": {}}) - float(right.replace(",", ""))) > 0.011:
            yield f"docs/aws-costs.md: {left} = {right} is wrong"
