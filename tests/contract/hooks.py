"""What Schemathesis has to know of Bellrope: who asks, what must stay, and what no schema can say."""

import os
import subprocess
import unicodedata

import schemathesis

TOKEN = os.environ["CONTRACT_TOKEN"]
# Accounts, members, keys and sessions that the run itself stands on.
KEPT = set(os.environ["CONTRACT_KEPT"].split(","))
# Ends the session that asks: each such call has a session of its own, of an account that is only for this.
ENDS_ITSELF = {"logout"}

# Fields whose rule is more than JSON Schema can say, and the rule. Only they may refuse with 422 what fits the schema.
MORE_THAN_A_SCHEMA = {
    "to": "bytes, and `@` begins an own account's id",
    "id": "bytes, and `@` begins an own account's id",
    "users": "bytes, and `@` begins an own account's id",
    "kind": "a large number's text has a `+` in it",
    "username": "letters after NFKC",
    "password": "bytes",
    "new": "bytes",
    "current": "the password there is",
    "token": "the token there is",
    "url": "a URL",
    "actor.avatar": "a URL",
    "actor.id": "bytes",
    "object.type": "bytes",
    "object.id": "bytes",
    "key": "bytes",
    "group": "bytes",
    "muted.kinds": "bytes",
    "muted.groups": "bytes",
    "muted.actors": "bytes",
    "data": "bytes",
    "expires_at": "a time to come",
    "secrets": "only on the control socket",
}


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """The description says in words that a number or a boolean is taken as its text. A schema that said so would make
    every generated client's field a union, so it is said only here."""
    schemas = raw_schema["components"]["schemas"]
    seen = set()

    def visit(node):
        if isinstance(node, list):
            return [visit(each) for each in node]
        if not isinstance(node, dict):
            return node
        name = node.get("$ref", "").removeprefix("#/components/schemas/")
        if name and name not in seen:
            seen.add(name)
            schemas[name] = visit(schemas[name])
        node = {key: visit(each) for key, each in node.items()}
        if node.get("type") == "string" and "enum" not in node and "format" not in node:
            nullable = {"nullable": True} if node.pop("nullable", False) else {}
            return {"anyOf": [node, {"type": "number"}, {"type": "boolean"}], **nullable}
        return node

    for path in raw_schema["paths"].values():
        for operation in path.values():
            for media in operation.get("requestBody", {}).get("content", {}).values():
                if "$ref" in media["schema"]:
                    visit(media["schema"])


# Asked each time: the one token must not go to the operation that the other is for.
@schemathesis.auth(refresh_interval=None)
class Caller:
    def get(self, case, context):
        if TOKEN and case.operation.definition.raw.get("operationId") in ENDS_ITSELF:
            mint = [os.environ["CONTRACT_PROGRAM"], "token", "mint", "@spare", "--ttl", "1h"]
            mint += ["--data", os.environ["CONTRACT_DATA"]]
            return subprocess.run(mint, check=True, capture_output=True, text=True).stdout.strip()
        return TOKEN

    def set(self, case, token, context):
        if token:
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}


@schemathesis.hook
def filter_case(context, case):
    """The ground the run stands on is left alone."""
    if case.method in ("GET", "HEAD"):
        return True
    named = [str(each) for each in (case.path_parameters or {}).values()]
    return not any(unicodedata.normalize("NFKC", each).lower().removeprefix("@") in KEPT for each in named)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """What is right although no schema can say so."""
    operation = case.operation.definition.raw["operationId"]
    match type(failure).__name__:
        case "RejectedPositiveData" if response.status_code == 422:
            problem = response.json()
            # `items[3].to` and `to` have one rule.
            field = problem.get("field", "").split("].")[-1]
            is_used = problem["code"] == "idempotency_mismatch"
            # Without a title the text is the title, and an empty one is none.
            is_untitled = operation == "notify" and field == "title"
            return not (is_used or is_untitled or field in MORE_THAN_A_SCHEMA)
        case "RejectedPositiveData":
            # Which query parameters go together is nothing OpenAPI 3.0 can say.
            return not (response.status_code == 400 and operation == "retract")
        case "AcceptedNegativeData" if isinstance(case.body, dict):
            # A selector has one thing in it; a null beside that is nothing.
            is_selector = operation == "read_for" or operation.endswith("_items")
            return not (is_selector and len([each for each in case.body.values() if each is not None]) == 1)
    return True
