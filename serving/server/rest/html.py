"""The pages that answer requests outside the API."""

from http import HTTPStatus

from serving.server.rest.api import Answer


def html_error(status: int) -> Answer:
    """The page for an HTTP error.

    Example:
        >>> html_error(404).content_type
        'text/html'
    """
    reason = HTTPStatus(status).phrase
    page = (
        f"<HTML><HEAD>\n<TITLE>{status} {reason}</TITLE>\n</HEAD><BODY>\n"
        f"<H1>{reason}</H1>\n</BODY></HTML>\n"
    )
    return Answer(status, "text/html", page.encode("ascii"))
