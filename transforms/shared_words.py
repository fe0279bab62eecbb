"""Features whose words are of the same kind as another's: which may share with which."""

from collections.abc import Mapping

from transforms.features import CategoricalFeature, Feature


def check_shares(features: Mapping[str, Feature]) -> None:
    """Refuses `shares` of what has nothing to share, and attention without a candidate.

    Raises:
        ValueError: with the rule, the place and the value.
    """
    for name, feature in features.items():
        if not isinstance(feature, CategoricalFeature):
            continue
        if feature.shares is not None:
            other = features.get(feature.shares)
            if not isinstance(other, CategoricalFeature) or other.words_of is not None:
                raise ValueError(
                    f"features.{name}: `shares` must name a categorical feature that "
                    f"shares none itself. Received: {feature.shares!r}"
                )
        if feature.pooling == "attention":
            _check_attention(name, feature, features)


def _check_attention(
    name: str, feature: CategoricalFeature, features: Mapping[str, Feature]
) -> None:
    """Attention is of a user's or a request's list, to a candidate's word."""
    if not feature.multivalued or feature.of == "item" or feature.shares is None:
        raise ValueError(
            f"features.{name}: `pooling: attention` needs `multivalued`, `shares`, and `of: user` "
            f"or `context`. Received: multivalued={feature.multivalued}, of={feature.of}, "
            f"shares={feature.shares}"
        )
    target = features[feature.shares]
    assert isinstance(target, CategoricalFeature)
    if target.multivalued or target.of != "item":
        raise ValueError(
            f"features.{name}: `pooling: attention` needs one word of the candidate to share with. "
            f"Received: {feature.shares}, multivalued={target.multivalued}, of={target.of}"
        )


def owner_of(name: str, features: Mapping[str, Feature]) -> tuple[str, CategoricalFeature]:
    """The feature whose vocabulary and embedding a categorical feature has: mostly itself.

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
    assert isinstance(feature, CategoricalFeature)
    return (name, feature) if feature.words_of is None else owner_of(feature.words_of, features)
