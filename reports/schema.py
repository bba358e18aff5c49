# SPDX-License-Identifier: GPL-2.0-only
"""Documents against their JSON Schemas, which lie here as NAME.schema.json."""

import functools
import json
import os
from dataclasses import dataclass


@dataclass
class Problem:
    """What is wrong with a document. text: `$.tests[0].fs: 3 is not of type 'string'`; unknown: fields that the object
    has and the schema has not."""

    text: str
    unknown: tuple = ()


def problem(name, document):
    """The first Problem of a document in the order of the file; None when it keeps to the schema."""
    if _is_valid(name)(document):
        return None

    def place(error):  # in the order of the file, as far as an object has one
        return [(isinstance(part, str), part) for part in error.absolute_path]

    for error in sorted(_validator(name).iter_errors(document), key=place):
        message = error.message if len(error.message) <= 160 else error.message[:157] + "..."
        unknown = ()
        if error.validator == "additionalProperties" and error.validator_value is False:
            unknown = tuple(field for field in error.instance if field not in error.schema.get("properties", ()))
            message = f"{', '.join(map(repr, unknown[:SHOWN]))}{' and more' * (len(unknown) > SHOWN)}"
        return Problem(f"{_json_path(error.absolute_path)}: {message}", unknown)
    return None


SHOWN = 5  # unknown fields that are named


def _json_path(parts):
    text = "$"
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text


def _schema(name):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.schema.json"), encoding="utf-8") as file:
        return json.load(file)


@functools.lru_cache(maxsize=None)
def _validator(name):
    import jsonschema  # here, since `--help` needs none of it
    return jsonschema.Draft7Validator(_schema(name))


@functools.lru_cache(maxsize=None)
def _is_valid(name):
    """A function that says whether a document keeps to the schema: ten times as fast as _validator, which says why not."""
    try:
        import fastjsonschema
    except ImportError:
        return _validator(name).is_valid
    check = fastjsonschema.compile(_schema(name))

    def is_valid(document):
        try:
            check(document)
        except fastjsonschema.JsonSchemaException:
            return False
        return True
    return is_valid
