"""What CloudFormation makes of an expanded template for one choice of parameters.

No condition and no parameter is left in it. What refers to a resource is written as in Fn::Sub: Ref A is "${A}" and
Fn::GetAtt [A, Arn] is "${A.Arn}".
"""

import re

PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackName": "stack",
    "AWS::URLSuffix": "amazonaws.com",
}
NOTHING = object()
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-rules.html
ALLOWED_IN_RULES = {
    "Fn::And",
    "Fn::Contains",
    "Fn::EachMemberEquals",
    "Fn::EachMemberIn",
    "Fn::Equals",
    "Fn::Not",
    "Fn::Or",
    "Fn::RefAll",
    "Fn::ValueOf",
    "Fn::ValueOfAll",
    "Ref",
}


class Stack:
    def __init__(self, template, parameters):
        self.values = PSEUDO | {
            name: parameters.get(name, parameter.get("Default"))
            for name, parameter in template["Parameters"].items()
        }
        self.conditions = template["Conditions"]
        self.resources = self.made(template["Resources"])
        self.outputs = self.made(template["Outputs"])
        self.refusals = [
            assertion["AssertDescription"]
            for rule in template["Rules"].values()
            if self.resolved(rule.get("RuleCondition", True))
            for assertion in rule["Assertions"]
            if not self.resolved(assertion["Assert"])
        ]

    def made(self, section):
        return {
            name: self.resolved({key: value for key, value in it.items() if key != "Condition"})
            for name, it in section.items()
            if "Condition" not in it or self.holds(it["Condition"])
        }

    def holds(self, condition):
        return self.resolved(self.conditions[condition])

    def resolved(self, value):
        if isinstance(value, list):
            return [it for it in map(self.resolved, value) if it is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(name, of)] = value.items()
            if name in FUNCTIONS:
                return FUNCTIONS[name](self, of)
            if name.startswith("Fn::"):
                raise ValueError(f"{name} is not known to {__file__}")
        pairs = ((key, self.resolved(it)) for key, it in value.items())
        return {key: it for key, it in pairs if it is not NOTHING}

    def ref(self, name):
        if name == "AWS::NoValue":
            return NOTHING
        return self.values.get(name, f"${{{name}}}")

    def either(self, of):
        condition, then, otherwise = of
        return self.resolved(then if self.holds(condition) else otherwise)

    def text(self, of):
        text, own = of if isinstance(of, list) else (of, {})
        own = {name: self.resolved(value) for name, value in own.items()}
        return re.sub(r"\$\{(\w[\w:.]*)\}", lambda it: str(own.get(it[1], self.ref(it[1]))), text)

    def references(self):
        """The names of resources that something in the stack refers to."""
        for section in (self.resources, self.outputs):
            for name, it in section.items():
                for reference in re.findall(r"\$\{([A-Za-z0-9]+)[.}]", str(it)):
                    yield name, reference

    def after(self, name):
        """Every resource that CloudFormation makes before this one."""
        found, waiting = set(), [name]
        while waiting:
            it = self.resources.get(waiting.pop(), {})
            wanted = it.get("DependsOn", [])
            wanted = [wanted] if isinstance(wanted, str) else wanted
            wanted = set(wanted) | set(re.findall(r"\$\{([A-Za-z0-9]+)[.}]", str(it)))
            waiting += wanted - found
            found |= wanted & set(self.resources)
        return found


FUNCTIONS = {
    "Condition": Stack.holds,
    "Fn::And": lambda stack, of: all(stack.resolved(of)),
    "Fn::Contains": lambda stack, of: stack.resolved(of[1]) in stack.resolved(of[0]),
    "Fn::Equals": lambda stack, of: len(set(map(str, stack.resolved(of)))) == 1,
    "Fn::GetAtt": lambda stack, of: f"${{{'.'.join(of)}}}",
    "Fn::If": Stack.either,
    "Fn::Join": lambda stack, of: of[0].join(stack.resolved(of[1])),
    "Fn::Not": lambda stack, of: not stack.resolved(of)[0],
    "Fn::Or": lambda stack, of: any(stack.resolved(of)),
    "Fn::Split": lambda stack, of: stack.resolved(of[1]).split(of[0]),
    "Fn::Sub": Stack.text,
    "Ref": Stack.ref,
}


def functions_in(value):
    """The intrinsic functions in a part of a template."""
    if isinstance(value, list):
        return {name for it in value for name in functions_in(it)}
    if not isinstance(value, dict):
        return set()
    own = {name for name in value if name in ("Ref", "Condition") or name.startswith("Fn::")}
    return own | {name for it in value.values() for name in functions_in(it)}
