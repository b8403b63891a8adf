"""JSON judged by the schemas of an OpenAPI document, as far as these use them."""
import json
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}


def sendgrid():
    """SendGrid's published files, reduced to schemas by "METHOD /path"."""
    return json.loads((HERE / "sendgrid_openapi.json").read_text())["paths"]


def faults(value, schema, where=""):
    """What is wrong with the value; schema None: nothing is said of it."""
    if not schema or (value is None and schema.get("nullable")):
        return []
    out = []
    for part in schema.get("allOf", []):
        out += faults(value, part, where)
    for kind in ("oneOf", "anyOf"):
        if schema.get(kind) and all(faults(value, part, where) for part in schema[kind]):
            out.append(f"{where}: none of {kind}")
    kind = schema.get("type")
    if kind and (not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return out + [f"{where}: {value!r} is no {kind}"]
    if "enum" in schema and value not in schema["enum"]:
        out.append(f"{where}: {value!r} is none of {schema['enum']}")
    if isinstance(value, dict):
        out += [f"{where}: {name} is missing" for name in schema.get("required", []) if name not in value]
        for name, part in schema.get("properties", {}).items():
            if name in value:
                out += faults(value[name], part, f"{where}.{name}")
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            out.append(f"{where}: too many or too few")
        for i, one in enumerate(value):
            out += faults(one, schema.get("items"), f"{where}[{i}]")
    if isinstance(value, str) and not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        out.append(f"{where}: of another length")
    return out


def own(document):
    """The schemas of our own document, by "METHOD /path", with its references followed."""
    def follow(schema):
        if isinstance(schema, list):
            return [follow(x) for x in schema]
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            return follow(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        return {name: follow(x) for name, x in schema.items()}

    def schema_of(part):
        content = part.get("content", {})
        return next((follow(x["schema"]) for x in content.values() if "schema" in x), None)

    return {f"{method.upper()} {path}": {"answer": schema_of(o["responses"]["2XX"]), "error": schema_of(o["responses"]["default"]), "request": schema_of(o.get("requestBody", {}))}
            for path, methods in document["paths"].items() for method, o in methods.items()}


def operation(document, method, path):
    """The name under which the document has the call: of those that fit, the one with the fewest variables."""
    path = path.partition("?")[0]
    fit = [name for name in document if name.split()[0] == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", name.split()[1]), path)]
    assert fit, f"{method} {path} is not in the document"
    return min(fit, key=lambda name: name.count("{"))


# Of a status that the document says nothing of.
ERROR = {"type": "object", "required": ["errors"], "properties": {"errors": {"type": "array", "minItems": 1, "items": {
    "type": "object", "required": ["message"], "properties": {"message": {"type": "string"}, "field": {"type": "string", "nullable": True}, "help": {"type": "object"}}}}}}


def error_of(operation, status):
    return {"allOf": [ERROR, operation["responses"].get(str(status)) or {}]}


def judge(document, method, path, status, request, answer):
    """Is a call that was made, and what it was answered, as the document has it?"""
    name = operation(document, method, path)
    found = document[name]
    if status >= 400:
        wrong = faults(answer, error_of(found, status), "error")
        assert not wrong, (name, status, wrong)
        return
    assert str(status) in found["responses"], (name, status)
    told = None if status == 204 else found["responses"][str(status)]
    wrong = faults(answer, told, "answer") + faults(request, found.get("request"), "request")
    assert not wrong, (name, wrong)
