"""Rules of a selection: conditions on the columns of the scores, such as `clip >= 0.2 and not advert`.

A rule is read as Python's syntax and becomes an expression of Arrow; nothing of it is run. What a column does not say
of a pair (its value is missing) makes no condition true.
"""

import ast
import operator
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import UserError

if TYPE_CHECKING:
    import pyarrow.compute as pc

_LONGEST, _DEEPEST = 2000, 50  # characters of a rule, and how deep it may nest
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], "pc.Expression"]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_COMPUTE: dict[type[ast.operator], Callable[[Any, Any], object]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_EXAMPLE = "write conditions as in 'clip >= 0.2 and not advert'"


def read_rule(text: str, columns: Collection[str]) -> "pc.Expression":
    """Raises `UserError`: no such column, or more than comparisons, `and`, `or`, `not`, `in` and arithmetic."""
    try:
        if len(text) > _LONGEST:
            raise UserError(f"it has {len(text)} characters; valid are up to {_LONGEST}")
        tree = ast.parse(text.strip(), mode="eval").body
        condition = _condition(tree, columns, 0)
    except UserError as error:
        raise UserError(f"the rule {short_repr(text)}: {error}") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UserError(f"the rule {short_repr(text)} can't be read: {_EXAMPLE}") from None
    return condition


def _condition(node: ast.expr, columns: Collection[str], depth: int) -> "pc.Expression":
    """What is true or false of a pair."""
    if depth > _DEEPEST:
        raise UserError(f"it nests deeper than {_DEEPEST}")
    if isinstance(node, ast.BoolOp):
        join = operator.and_ if isinstance(node.op, ast.And) else operator.or_
        joined, *rest = (_condition(value, columns, depth + 1) for value in node.values)
        for condition in rest:
            joined = join(joined, condition)
        return joined
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return ~_condition(node.operand, columns, depth + 1)
    if isinstance(node, ast.Compare):
        return _comparison(node, columns, depth)
    if isinstance(node, ast.Name):
        return _column(node, columns)
    raise UserError(f"{ast.unparse(node)[:80]!r} is no condition: {_EXAMPLE}")


def _comparison(node: ast.Compare, columns: Collection[str], depth: int) -> "pc.Expression":
    """Also of several, as in `0.5 < aspect <= 2`."""
    sides = [node.left, *node.comparators]
    joined: pc.Expression | None = None
    for left, how, right in zip(sides, node.ops, sides[1:], strict=False):
        if isinstance(how, ast.In | ast.NotIn):
            if not isinstance(right, ast.List | ast.Tuple):
                raise UserError(f"after 'in' comes a list, not {ast.unparse(right)[:80]!r}")
            value = _value(left, columns, depth + 1).isin([_constant(each) for each in right.elts])  # type: ignore[attr-defined]
            condition = ~value if isinstance(how, ast.NotIn) else value
        elif type(how) in _COMPARE:
            condition = _COMPARE[type(how)](_value(left, columns, depth + 1), _value(right, columns, depth + 1))
        else:
            raise UserError(f"{ast.unparse(node)[:80]!r} compares by what is no comparison here")
        joined = condition if joined is None else joined & condition
    if joined is None or isinstance(joined, bool):
        raise UserError(f"{ast.unparse(node)[:80]!r} names no column")
    return joined


def _value(node: ast.expr, columns: Collection[str], depth: int) -> object:
    if depth > _DEEPEST:
        raise UserError(f"it nests deeper than {_DEEPEST}")
    if isinstance(node, ast.Name):
        return _column(node, columns)
    if isinstance(node, ast.BinOp) and type(node.op) in _COMPUTE:
        left, right = (_value(side, columns, depth + 1) for side in (node.left, node.right))
        if isinstance(left, str) or isinstance(right, str):
            raise UserError(f"{ast.unparse(node)[:80]!r} computes with a text")
        try:
            return _COMPUTE[type(node.op)](left, right)
        except (ArithmeticError, TypeError):
            raise UserError(f"{ast.unparse(node)[:80]!r} can't be computed") from None
    return _constant(node)


def _constant(node: ast.expr) -> float | str | bool:
    """A number or a text, with its sign."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _constant(node.operand)
        if isinstance(value, int | float):
            return -value
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
        return node.value
    raise UserError(f"{ast.unparse(node)[:80]!r} is no number, text or column")


def _column(node: ast.Name, columns: Collection[str]) -> "pc.Expression":
    import pyarrow.compute as pc

    if node.id not in columns:
        raise UserError(f"there is no column {node.id[:80]!r}; valid are {', '.join(sorted(columns))}")
    return pc.field(node.id)
