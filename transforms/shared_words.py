"""Features whose words are of the same kind as another's: which may share with which."""

from collections.abc import Mapping

from transforms.features import CategoricalFeature, Feature, NumberFeature, SequenceFeature

Words = CategoricalFeature | SequenceFeature


def check_shares(features: Mapping[str, Feature]) -> None:
    """Refuses words of what has none to share, and attention without a candidate.

    Raises:
        ValueError: with the rule, the place and the value.
    """
    for name, feature in features.items():
        if isinstance(feature, NumberFeature):
            continue
        if feature.words_of is not None:
            _check_owner(name, feature, features)
        if feature.pooling == "attention":
            _check_attention(name, feature, features)


def _check_owner(name: str, feature: Words, features: Mapping[str, Feature]) -> None:
    other = features.get(feature.words_of or "")
    owns = isinstance(other, CategoricalFeature) and other.words_of is None
    if isinstance(feature, SequenceFeature):
        if not owns or other is None or other.list_length is not None:
            raise ValueError(
                f"features.{name}: `column` must name a categorical feature of one word that "
                f"`shares` none. Received: {feature.column!r}"
            )
    elif not owns:
        raise ValueError(
            f"features.{name}: `shares` must name a categorical feature that "
            f"shares none itself. Received: {feature.shares!r}"
        )


def _check_attention(name: str, feature: Words, features: Mapping[str, Feature]) -> None:
    """Attention is of a user's or a request's list, to a candidate's word."""
    is_list = feature.list_length is not None
    if not is_list or feature.of == "item" or feature.words_of is None:
        raise ValueError(
            f"features.{name}: `pooling: attention` needs `multivalued`, `shares`, and `of: user` "
            f"or `context`. Received: multivalued={is_list}, of={feature.of}, "
            f"shares={feature.words_of}"
        )
    target = features[feature.words_of]
    assert isinstance(target, CategoricalFeature)
    if target.multivalued or target.of != "item":
        raise ValueError(
            f"features.{name}: `pooling: attention` needs one word of the candidate to share with. "
            f"Received: {feature.words_of}, multivalued={target.multivalued}, of={target.of}"
        )


def owner_of(name: str, features: Mapping[str, Feature]) -> tuple[str, CategoricalFeature]:
    """The feature whose vocabulary and embedding a feature of words has: mostly itself.

    Args:
        name: of the feature.
        features: all of them.

    Example:
        >>> item = CategoricalFeature(of="item", kind="categorical")
        >>> seen = CategoricalFeature(of="user", kind="categorical", shares="item_id")
        >>> owner_of("seen", {"item_id": item, "seen": seen})[0]
        'item_id'
    """
    feature = features[name]
    if feature.words_of is not None:
        return owner_of(feature.words_of, features)
    assert isinstance(feature, CategoricalFeature)
    return name, feature
