"""How long something takes, as people read it."""


def format_seconds(seconds: float) -> str:
    """The largest unit that suits, and what is left in the next one.

    Example:
        >>> format_seconds(0.25), format_seconds(42.4)
        ('250 ms', '42 s')
        >>> format_seconds(95), format_seconds(9000)
        ('1 min 35 s', '2 h 30 min')
    """
    if 0 < seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
