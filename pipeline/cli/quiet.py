"""Keeps what libraries say to developers off the terminal."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hushed() -> Iterator[None]:
    """Holds standard error back, also what C++ writes; shown after all if the block fails.

    TensorFlow's libraries write a dozen lines about optimisations and absent GPUs to file
    descriptor 2 when they are loaded, whatever the log level.
    """
    sys.stderr.flush()
    person = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(person, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(person, 2)
            os.close(person)


def load_tensorflow() -> None:
    """Imports TensorFlow and looks for devices, in silence."""
    with hushed():
        import tensorflow as tf

        # Messages about devices come with the first look at them.
        tf.config.list_logical_devices()


def hush_beam() -> None:
    """Keeps Beam from printing the traceback of an error that will be told in a line."""
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
