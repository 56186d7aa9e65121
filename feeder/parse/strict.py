"""XML and JSON from outside, read strictly: nothing is fetched, resolved or guessed, and nothing without bounds is built."""

from __future__ import annotations

import json
from typing import Any

from lxml import etree

from feeder.errors import ParseError


def xml_parser(*, encoding: str | None = None) -> etree.XMLParser:
    """Return a parser without entities, network, DTD and huge trees; comments and instructions are left out."""
    return etree.XMLParser(
        encoding=encoding,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def xml_root(body: bytes, *, what: str, url: str = "") -> etree._Element:
    """Return the root of the XML in *body*, which is to be a *what*, found at *url*.

    Raises:
        ParseError: It is not well-formed, too large or too deep, or has a document type.
    """
    try:
        root = etree.fromstring(body, xml_parser(), base_url=url)
    except etree.XMLSyntaxError as error:
        raise ParseError(f"not valid XML: {error.msg}", line=error.lineno) from error
    return without_doctype(root, what=what)


def without_doctype(root: etree._Element, *, what: str) -> etree._Element:
    """Return *root* as it is.

    Raises:
        ParseError: Its document has a type, by which entities could be declared.
    """
    document: Any = root.getroottree().docinfo
    if document.doctype:
        raise ParseError(f"it holds a document type, which no {what} needs; take the <!DOCTYPE …> out")
    return root


def json_value(text: str) -> Any:
    """Return what the JSON in *text* says.

    Raises:
        ParseError: It is no JSON, or goes beyond what can be read.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ParseError(f"not valid JSON: {error.msg}", line=error.lineno) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; brackets without end
        raise ParseError("not valid JSON: it goes too far") from error
