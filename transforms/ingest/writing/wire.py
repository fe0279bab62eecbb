"""Protobuf's encoding of what stands around the values of a tf.Example.

A tf.Example is a map from names to features. On the wire each entry is

    0A <length of the entry>  0A <length of the name> <name>
                              12 <length of the feature>  <kind> <length of the list> <list>

where the kind is 0A for bytes, 12 for float and 1A for int64; see protobuf's encoding guide
and tensorflow/core/example/{example,feature}.proto.
"""

BYTES, FLOAT, INT64 = 0x0A, 0x12, 0x1A
_FIRST_FIELD, _SECOND_FIELD = b"\x0a", b"\x12"


def varint(number: int) -> bytes:
    """Protobuf's variable-length integer.

    Example:
        >>> varint(300).hex()
        'ac02'
    """
    result = bytearray()
    while number > 0x7F:
        result.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*result, number])


def first_field(length: int) -> bytes:
    """What stands before so many bytes that are a message's first field.

    It is what begins an example, a word in a list of bytes, and the packed numbers of a list.

    Example:
        >>> first_field(300).hex()
        '0aac02'
    """
    return _FIRST_FIELD + varint(length)


def second_field(length: int) -> bytes:
    """What stands before so many bytes that are a message's second field, such as a feature.

    Example:
        >>> second_field(3).hex()
        '1203'
    """
    return _SECOND_FIELD + varint(length)


def entry_prefix(name: str, kind: int, length: int) -> bytes:
    """What stands before a list of so many bytes; see the module's docstring.

    Example:
        >>> entry_prefix("x", FLOAT, 6).hex()
        '0a0d0a017812081206'
    """
    key = name.encode()
    listed = bytes([kind]) + varint(length)
    feature = second_field(len(listed) + length) + listed
    key = first_field(len(key)) + key
    return first_field(len(key) + len(feature) + length) + key + feature
