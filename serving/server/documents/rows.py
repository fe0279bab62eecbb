"""The rows of a predict request: one object or one value an example, batched to tensors."""

from collections.abc import Mapping

from serving.server.documents.columns import MAX_RANK, IrregularError, to_array
from serving.server.documents.printer import debug_string
from serving.server.documents.types import Json, members
from serving.server.documents.values import ValueCollector, is_base64
from serving.server.signatures import Array, TensorSpec
from serving.server.status import ServingError, invalid_argument

Shape = tuple[int, ...]


def read_rows(rows: list[Json], specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
    """Batches rows into one tensor an input.

    Args:
        rows: at least one; objects input -> value, or plain values of the only input.
        specs: of the inputs.

    Returns:
        Input -> array [len(rows), ...].

    Raises:
        ServingError: INVALID_ARGUMENT if a row lacks an input, or its values have another
            type or shape than those of the rows before.
    """
    if not isinstance(rows[0], dict) and len(specs) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input "
            "tensors required as per tensorinfo_map"
        )
    try:
        return _read_regular(rows, specs)
    except IrregularError:
        return _RowReader(specs).read(rows)


def _read_regular(rows: list[Json], specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
    if "b64" in specs:  # is {"b64": text} an input's name or a string of bytes?
        raise IrregularError
    if type(rows[0]) is not dict:
        (name,) = specs
        return {name: to_array(rows, specs[name].dtype)}
    if not all(type(row) is dict and row.keys() == specs.keys() for row in rows):
        raise IrregularError
    return {name: to_array([row[name] for row in rows], spec.dtype) for name, spec in specs.items()}


def _is_named(row: Json) -> bool:
    return isinstance(row, dict) and not is_base64(row)


class _RowReader:
    """Takes rows value by value."""

    def __init__(self, specs: Mapping[str, TensorSpec]) -> None:
        self.specs = specs
        self.collectors = {name: ValueCollector(spec.dtype) for name, spec in specs.items()}
        self.first: dict[str, tuple[int, Shape]] = {}

    def read(self, rows: list[Json]) -> dict[str, Array]:
        named = _is_named(rows[0])
        for index, row in enumerate(rows):
            if named:
                self._read_named(index, row)
            else:
                self._read_plain(index, row)
        return {name: self._array(name, (len(rows), *self.first[name][1])) for name in self.first}

    def _array(self, name: str, shape: Shape) -> Array:
        if len(shape) > MAX_RANK:
            raise invalid_argument(f"tensor parsing error: {name}")
        return self.collectors[name].array(shape)

    def _read_named(self, index: int, row: Json) -> None:
        if not _is_named(row):
            raise invalid_argument(f"Expecting object but got list at item {index} of input list")
        for key, value in members(row):
            name = key.partition("\0")[0]
            self._add(name, value, f"element: {index} key: {name} of 'instances' list.")
        if row.keys() != self.specs.keys():
            raise invalid_argument(
                f"Failed to process element: {index} of 'instances' list. "
                f"JSON object: {debug_string(row)} "
                f"keys must be equal to: {','.join(sorted(self.specs))}"
            )

    def _read_plain(self, index: int, row: Json) -> None:
        if _is_named(row):
            raise invalid_argument(
                f"Expecting value/list but got object at item {index} of input list"
            )
        self._add(min(self.specs), row, f"element: {index} of 'instances' list.")

    def _add(self, name: str, value: Json, place: str) -> None:
        try:
            self._add_checked(name, value)
        except ServingError as error:
            raise invalid_argument(f"Failed to process {place} Error: {error}") from None

    def _add_checked(self, name: str, value: Json) -> None:
        if name not in self.specs:
            raise invalid_argument(f"JSON object: does not have named input: {name}")
        collector = self.collectors[name]
        before = len(collector.values)
        shape = collector.add(value)
        size = len(collector.values) - before
        first_size, first_shape = self.first.setdefault(name, (size, shape))
        if size != first_size:
            raise invalid_argument(f"Expecting tensor size: {first_size} but got: {size}")
        if shape != first_shape:
            raise invalid_argument(
                f"Expecting shape {_format(first_shape)} but got: {_format(shape)}"
            )


def _format(shape: Shape) -> str:
    return f"[{','.join(map(str, shape))}]"
