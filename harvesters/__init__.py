"""Ways to fetch a department's table: transports, source files, and the errors both can raise.

Import this package as `ckanext.gkopen.harvesters`. It knows no CKAN.
"""

from .base import CatalogueEntry, CatalogueItem, Limits, Page, Row, Transport, open_transport
from .errors import (
    AnswerTooLarge,
    BadAnswer,
    ClockSkew,
    ForbiddenAddress,
    HarvestError,
    InconsistentListing,
    RateLimited,
    SourceRefused,
    SourceUnreachable,
)
from .source import Source, SourceError, load_source

__all__ = [
    "AnswerTooLarge",
    "BadAnswer",
    "CatalogueEntry",
    "CatalogueItem",
    "ClockSkew",
    "ForbiddenAddress",
    "HarvestError",
    "InconsistentListing",
    "Limits",
    "Page",
    "RateLimited",
    "Row",
    "Source",
    "SourceError",
    "SourceRefused",
    "SourceUnreachable",
    "Transport",
    "load_source",
    "open_transport",
]
