"""CloudWatch as far as the alarms of template.yaml need it: points, periods, metric math, and M of N.

Stricter than CloudWatch where its documents leave room: a period counts when it is complete, and FILL makes nothing of a
metric that has no point at all. Times are in seconds.
"""

import ast
import json
import math
import re
from collections import defaultdict

STATISTICS = {
    "Sum": sum,
    "Maximum": max,
    "p99": lambda values: sorted(values)[math.ceil(0.99 * len(values)) - 1],
}


class Metrics:
    """Points by namespace, name and dimensions. Each is visible some time after it was made."""

    def __init__(self):
        self.points = defaultdict(list)
        self.by_period = {}

    def add(self, namespace, name, dimensions, at, delay, values):
        key = (namespace, name, frozenset(dimensions.items()))
        values = values if isinstance(values, list) else [values]
        self.points[key] += [(at, at + delay, value) for value in values]
        self.by_period = {}

    def printed(self, text, at, delay):
        """Lines of the embedded metric format, at this time instead of their own."""
        for line in text.splitlines():
            document = json.loads(line)
            for directive in document["_aws"]["CloudWatchMetrics"]:
                for names in directive["Dimensions"]:
                    dimensions = {name: document[name] for name in names}
                    for metric in directive["Metrics"]:
                        name = metric["Name"]
                        self.add(directive["Namespace"], name, dimensions, at, delay, document[name])

    def logged(self, resources, context, at, delay):
        """A request in the access log of API Gateway, as the metric filters of the stack read it."""
        text = resources["ApiStage"]["Properties"]["AccessLogSetting"]["Format"]
        line = json.loads(re.sub(r"\$context\.([\w.]+)", lambda it: context.get(it[1], "-"), text))
        for filtered in resources.values():
            if filtered["Type"] != "AWS::Logs::MetricFilter" or not matches(filtered["Properties"]["FilterPattern"], line):
                continue
            for made in filtered["Properties"]["MetricTransformations"]:
                dimensions = {it["Key"]: line[it["Value"].removeprefix("$.")] for it in made["Dimensions"]}
                value = float(made["MetricValue"])
                self.add(made["MetricNamespace"], made["MetricName"], dimensions, at, delay, value)

    def series(self, key, statistic, period, starts, now):
        """What is visible now, a value for each period or None."""
        if (key, period) not in self.by_period:
            periods = defaultdict(list)
            for at, visible, value in self.points.get(key, []):
                periods[at // period * period].append((visible, value))
            self.by_period[key, period] = periods
        periods = self.by_period[key, period]
        found = []
        for start in starts:
            values = [value for visible, value in periods.get(start, ()) if visible <= now]
            found.append(STATISTICS[statistic](values) if values else None)
        return found


def matches(pattern, line):
    for term in pattern.strip("{} ").split(" && "):
        name, value = re.fullmatch(r'\$\.(\w+) = "(.*)"', term).groups()
        if line.get(name) != value:
            return False
    return True


class Alarm:
    def __init__(self, properties):
        self.properties = properties
        self.expression, self.measured = None, {}
        if "Metrics" not in properties:
            statistic = properties.get("Statistic") or properties["ExtendedStatistic"]
            self.measured["it"] = (key_of(properties), statistic)
            self.period = properties["Period"]
            self.expression = "it"
        for metric in properties.get("Metrics", []):
            if "Expression" in metric:
                self.expression = metric["Expression"]
            else:
                stat = metric["MetricStat"]
                self.measured[metric["Id"]] = (key_of(stat["Metric"]), stat["Stat"])
                self.period = stat["Period"]
        self.code = ast.parse(re.sub(r"\bAND\b", "and", self.expression), mode="eval").body
        self.periods = int(properties["EvaluationPeriods"])
        self.of = int(properties.get("DatapointsToAlarm", self.periods))

    def looks_at(self, metrics):
        return any(key in metrics.points for key, _ in self.measured.values())

    def rings(self, metrics, now):
        end = now // self.period * self.period
        starts = [end - (place + 1) * self.period for place in range(self.periods)]
        series = {
            name: metrics.series(key, statistic, self.period, starts, now)
            for name, (key, statistic) in self.measured.items()
        }
        values = computed(self.code, series, self.periods)
        return sum(map(self.breaches, values)) >= self.of

    def breaches(self, value):
        if value is None:
            return self.properties["TreatMissingData"] == "breaching"
        if self.properties["ComparisonOperator"] == "LessThanThreshold":
            return value < self.properties["Threshold"]
        return value >= self.properties["Threshold"]


def key_of(metric):
    dimensions = {it["Name"]: it["Value"] for it in metric["Dimensions"]}
    return metric["Namespace"], metric["MetricName"], frozenset(dimensions.items())


def together(function, *series):
    """Where one has no point, the result has none."""
    return [None if None in values else function(*values) for values in zip(*series)]


def filled(series, value):
    if all(it is None for it in series):
        return series
    return [value[0] if it is None else it for it in series]


def summed(several):
    found = []
    for values in zip(*several):
        there = [it for it in values if it is not None]
        found.append(sum(there) if there else None)
    return found


def computed(node, series, count):
    """Metric math over series: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html"""
    def of(it):
        return computed(it, series, count)

    match node:
        case ast.Constant(value=value):
            return [value] * count
        case ast.Name(id=name):
            return series[name]
        case ast.List(elts=elements):
            return tuple(map(of, elements))
        case ast.Call(func=ast.Name(id="METRICS")):
            return tuple(series.values())
        case ast.Call(func=ast.Name(id="SUM"), args=[several]):
            return summed(of(several))
        case ast.Call(func=ast.Name(id="FILL"), args=[what, value]):
            what, value = of(what), of(value)
            return tuple(filled(it, value) for it in what) if isinstance(what, tuple) else filled(what, value)
        case ast.Call(func=ast.Name(id="IF"), args=[condition, then, otherwise]):
            return together(lambda it, one, other: one if it else other, of(condition), of(then), of(otherwise))
        case ast.BoolOp(op=ast.And(), values=[one, other]):
            return together(lambda a, b: int(bool(a and b)), of(one), of(other))
        case ast.Compare(left=left, ops=[ast.Gt()], comparators=[right]):
            return together(lambda a, b: int(a > b), of(left), of(right))
        case ast.Compare(left=left, ops=[ast.Lt()], comparators=[right]):
            return together(lambda a, b: int(a < b), of(left), of(right))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return together(lambda a, b: a * b, of(left), of(right))
    raise ValueError(f"metric math: {ast.dump(node)} is not known to {__file__}")
