"""JSON Schema (draft 2020-12) of a dataclass of options, for services and editors."""

import types
import typing
from dataclasses import MISSING, Field, fields

from pai_modelscope.config.option import Dataclass, declaration_of

Schema = dict[str, object]

_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


def json_schema(options: type[Dataclass]) -> Schema:
    """An object with a property for each option; unknown names are refused, as everywhere."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": options.__name__,
        "description": (options.__doc__ or "").strip(),
        "type": "object",
        "properties": {field.name: _property(field) for field in fields(options)},
        "required": [field.name for field in fields(options) if field.default is MISSING],
        "additionalProperties": False,
    }


def _property(field: Field[object]) -> Schema:
    declaration = declaration_of(field)
    bounds = declaration.bounds
    schema = _type(field.type) | {"description": declaration.help}
    if field.default is not MISSING:
        schema["default"] = field.default
    if bounds.choices:
        optional = type(None) in typing.get_args(field.type)
        schema["enum"] = [*bounds.choices, *([None] if optional else [])]
    limits = {
        "minimum": bounds.minimum,
        "maximum": bounds.maximum,
        "exclusiveMinimum": bounds.above,
        "exclusiveMaximum": bounds.below,
    }
    return schema | {name: limit for name, limit in limits.items() if limit is not None}


def _type(annotation: object) -> Schema:
    """What JSON may hold for a type; anything, where that is for the program to say."""
    kinds = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    names = [_TYPES[kind] for kind in kinds if kind in _TYPES]
    if len(names) == len(kinds):
        return {"type": names if len(names) > 1 else names[0]}
    parts = [_part(kind) for kind in kinds]
    if not all(parts):
        return {}
    return {"anyOf": parts} if len(parts) > 1 else parts[0]


def _part(kind: object) -> Schema:
    arguments = typing.get_args(kind)
    if kind in _TYPES:
        return {"type": _TYPES[kind]}
    if typing.get_origin(kind) is list:
        return {"type": "array", "items": _type(arguments[0])}
    if typing.get_origin(kind) is tuple:
        return {"type": "array", "prefixItems": [_type(item) for item in arguments], "minItems": len(arguments)} | {
            "maxItems": len(arguments)
        }
    return {}
