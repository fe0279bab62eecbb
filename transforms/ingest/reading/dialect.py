"""How a text file is written."""

from dataclasses import dataclass

MAX_ROW_BYTES = 1 << 20
PIECE_BYTES = 1 << 12
"""How much is asked of a file at a time: so much is lost where it breaks off."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Attributes:
        delimiter: between values; one character, or several where values are not quoted.
        encoding: `utf-8` or `latin-1`.
        quoting: whether values may stand in double quotes.
        names: the columns, where the file has no header.
        typed_header: whether the header writes a type after each name, as in `age:float`.
    """

    delimiter: str = ","
    encoding: str = "utf-8"
    quoting: bool = True
    names: tuple[str, ...] = ()
    typed_header: bool = False

    @property
    def separator(self) -> str:
        """The one character that the parser splits at."""
        return self.delimiter if len(self.delimiter) == 1 else "\x1f"

    @property
    def row_pattern(self) -> str:
        """The regular expression (RE2) of one well-formed row with its line break."""
        if not self.quoting:
            return r"\A[^\r\n]*\r?\n?\z"
        comma = rf"\x{ord(self.separator):02x}"
        value = rf'(?:[^"{comma}\r\n]*|"(?:[^"]|"")*")'
        return rf"\A{value}(?:{comma}{value})*\r?\n?\z"

    def recode(self, data: bytes) -> bytes:
        """Brings a part of the file to UTF-8."""
        return data if self.encoding == "utf-8" else data.decode(self.encoding).encode()
