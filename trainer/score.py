"""The combined score: a formula over task predictions, read without `eval`.

Grammar: numbers, task names, `+ - * / **`, parentheses, and the functions `log`, `exp`,
`sqrt`, `min`, `max`. The same tree is evaluated on NumPy arrays and on tensors.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_MAX_NODES = 1000
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_FUNCTIONS = {"log": 1, "exp": 1, "sqrt": 1, "min": 2, "max": 2}
_MATH: dict[str, Callable[..., Any]] = {
    "log": math.log,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "min": min,
    "max": max,
}

Score = ast.expr


def parse_score(formula: str, tasks: Sequence[str]) -> Score:
    """Reads a score formula.

    Args:
        formula: for example `click + 2 * like - 5 * hide`.
        tasks: names the formula may use.

    Returns:
        The checked expression, for `evaluate_score`.

    Raises:
        ValueError: if the formula is no expression of the grammar, names no task, or has a
            part without tasks that is no finite number, such as `1 / 0`.

    Example:
        >>> tree = parse_score("click + 2 * like", ["click", "like"])
        >>> evaluate_score(tree, {"click": 0.5, "like": 0.25}, {})
        1.0
    """
    try:
        tree = ast.parse(formula.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"score: must be a formula. Received: {formula!r}") from None
    nodes = list(ast.walk(tree))
    if len(nodes) > _MAX_NODES:
        raise ValueError(f"score: must have at most {_MAX_NODES} terms. Received: {len(nodes)}")
    _check(tree, set(tasks))
    _check_constants(tree, set(tasks))
    if _is_constant(tree, set(tasks)):
        raise ValueError(f"score: must use at least one task. Received: {formula!r}")
    return tree


def evaluate_score(
    tree: Score, predictions: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]
) -> Any:
    """Computes the score.

    Args:
        tree: from `parse_score`.
        predictions: task -> prediction, all of one shape [...]; arrays or tensors.
        functions: `log`, `exp`, `sqrt`, `min`, `max` for that kind of array.

    Returns:
        The score, shape [...].
    """
    match tree:
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]
        case ast.Name(id=name):
            return predictions[name]
        case ast.UnaryOp(operand=operand):
            return -evaluate_score(operand, predictions, functions)
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](
                evaluate_score(left, predictions, functions),
                evaluate_score(right, predictions, functions),
            )
        case ast.Call(func=ast.Name(id=name), args=args):
            return functions[name](*(evaluate_score(a, predictions, functions) for a in args))
    raise AssertionError(f"parse_score let {ast.dump(tree)} pass")


def _check_constants(tree: ast.expr, tasks: set[str]) -> None:
    """Refuses parts without tasks that no score can be made of, such as `1 / 0`."""
    for node in ast.walk(tree):
        is_part = isinstance(node, ast.Constant | ast.UnaryOp | ast.BinOp | ast.Call)
        if is_part and _is_constant(node, tasks) and _value(node) is None:
            raise ValueError(f"score: must be finite. Received: {ast.unparse(node)!r:.200}")
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Div)
            and _is_constant(node.right, tasks)
            and _value(node.right) == 0.0
        ):
            raise ValueError(f"score: must not divide by 0. Received: {ast.unparse(node)!r:.200}")


def _is_constant(tree: ast.AST, tasks: set[str]) -> bool:
    return not any(isinstance(node, ast.Name) and node.id in tasks for node in ast.walk(tree))


def _value(tree: Any) -> float | None:
    """What an expression without tasks comes to, None if that is no finite number."""
    try:
        value = evaluate_score(tree, {}, _MATH)
    except (ArithmeticError, ValueError):
        return None
    return value if isinstance(value, float) and math.isfinite(value) else None


def _check(node: ast.expr, tasks: set[str]) -> None:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return
        case ast.Name(id=name) if name in tasks:
            return
        case ast.Name(id=name):
            raise ValueError(
                f"score: must use tasks only. Received: {name!r}, tasks are {sorted(tasks)}"
            )
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _check(operand, tasks)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            _check(left, tasks)
            return _check(right, tasks)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if _FUNCTIONS.get(
            name
        ) == len(args):
            for argument in args:
                _check(argument, tasks)
            return
    raise ValueError(
        "score: must use numbers, tasks, + - * / **, log, exp, sqrt, min, max only. "
        f"Received: {ast.unparse(node)!r}"
    )
