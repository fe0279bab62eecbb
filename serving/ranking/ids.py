"""The ids of a ranking, for a server that writes rankings down."""

from collections.abc import Sequence
from typing import Any

from serving.ranking.columns import Fields
from serving.ranking.errors import RankingRequestError
from serving.ranking.signature import InputSpec
from serving.ranking.values import Array, make_column
from transforms.examples import ITEM_ID, REQUEST_ID, USER_ID

_WORD = InputSpec(is_text=True, per_item=True)


def make_ids(
    user: Fields | None, item_ids: Sequence[Any], context: Fields | None
) -> dict[str, Array]:
    """What joins a ranking with the feedback that it gets.

    Args:
        user: fields of the user.
        item_ids: of the candidates.
        context: fields of the request.

    Returns:
        `request_id` [1], `user_id` [1] and `item_id` [N], as words.

    Raises:
        RankingRequestError: if neither `user` nor `context` has one of the first two.

    Example:
        >>> ids = make_ids({"user_id": 7}, ["a", "b"], {"request_id": "r1"})
        >>> {name: values.tolist() for name, values in ids.items()}
        {'request_id': ['r1'], 'user_id': ['7'], 'item_id': ['a', 'b']}
    """
    ids = {}
    for name in (REQUEST_ID, USER_ID):
        given = [fields[name] for fields in (user, context) if fields and fields.get(name)]
        if not given:
            raise RankingRequestError(f"context.{name}: must be there, to write the ranking down")
        ids[name] = make_column(given[:1], _WORD, f"context.{name}".format)
    ids[ITEM_ID] = make_column(list(item_ids), _WORD, "candidates[{}].item_id".format)
    return ids
