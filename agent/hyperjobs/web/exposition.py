"""Metric families to bytes: which format a client gets, which families, and whether compressed."""

from __future__ import annotations

import gzip
import math
import threading
from typing import TYPE_CHECKING, Final

from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from prometheus_client.samples import Sample

_ESCAPINGS: Final = frozenset({"allow-utf-8", "underscores", "dots", "values"})
_GZIP_LEVEL: Final = 4  # within 5 % of the size of level 9 for a third of its time
_CREATED_TYPES: Final = frozenset({"counter", "histogram", "summary"})


class Families:
    """A fixed list of families in the shape that the encoders of prometheus_client read."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = [without_created(family) for family in families]

    def collect(self) -> list[Metric]:
        """The families, the same each time."""
        return self._families

    def only(self, names: Collection[str]) -> Families:
        """The families and samples with one of these names; a family's name stands for all its samples."""
        kept = []
        for family in self._families:
            samples = family.samples if family.name in names else [s for s in family.samples if s.name in names]
            if samples:
                kept.append(_with_samples(family, samples))
        return Families(kept)


class Snapshot:
    """What one collection found; each form it is asked in is rendered once. Thread-safe."""

    def __init__(self, families: Families) -> None:
        self.families = families
        self._lock = threading.Lock()
        self._bodies: dict[tuple[str, bool], bytes] = {}

    def body(self, encoder: Callable[[Families], bytes], content_type: str, *, gzipped: bool) -> bytes:
        """The whole snapshot in the form that ``choose_format`` chose."""
        with self._lock:
            if (content_type, False) not in self._bodies:
                self._bodies[content_type, False] = render(self.families, encoder)
            if gzipped and (content_type, True) not in self._bodies:
                self._bodies[content_type, True] = compress(self._bodies[content_type, False])
            return self._bodies[content_type, gzipped]


def choose_format(accept: str) -> tuple[Callable[[Families], bytes], str]:
    """The encoder and content type for an Accept header: text 0.0.4, text 1.0.0 or OpenMetrics 1.0.0.

    The header is reduced to the best form that both sides know before prometheus_client sees it: its own choice knows
    no weights and repeats the client's version in the answer, whatever that says.
    """
    wanted = _best_known(accept)
    encoder, content_type = choose_encoder(wanted)
    if wanted and not wanted.endswith(("escaping=dots", "escaping=values")):
        # Underscores, the default, leave names as legal as ours alone, as this does in half the time.
        encoder, _ = choose_encoder(f"{wanted.partition('; escaping=')[0]}; escaping=allow-utf-8")
    return encoder, content_type


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip; an explicit weight of 0 forbids it."""
    weights = {name: weight for name, weight, _ in _parse_ranges(accept_encoding)}
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def render(families: Families, encoder: Callable[[Families], bytes]) -> bytes:
    """The families in the encoder's format; a label value that is no Unicode text has its bad parts replaced."""
    try:
        return encoder(families)
    except UnicodeEncodeError:
        return encoder(Families(_with_samples(f, [_encodable(s) for s in f.samples]) for f in families.collect()))


def compress(body: bytes) -> bytes:
    """The body in gzip, the same bytes for the same body."""
    return gzip.compress(body, compresslevel=_GZIP_LEVEL, mtime=0)


def without_created(family: Metric) -> Metric:
    """The family without its ``_created`` samples, which double the series of a counter and tell nobody anything."""
    created = f"{family.name}_created"
    if family.type not in _CREATED_TYPES or all(sample.name != created for sample in family.samples):
        return family
    return _with_samples(family, [sample for sample in family.samples if sample.name != created])


def _with_samples(family: Metric, samples: Sequence[Sample]) -> Metric:
    copy = Metric(family.name, family.documentation, family.type, family.unit)
    copy.samples = list(samples)
    return copy


def _encodable(sample: Sample) -> Sample:
    labels = {name: value.encode("utf-8", "replace").decode() for name, value in sample.labels.items()}
    return sample._replace(labels=labels)


def _best_known(accept: str) -> str:
    """The most wanted range that names a format of ours, in our own words; ``""`` stands for text 0.0.4."""
    for media, weight, parameters in sorted(_parse_ranges(accept), key=lambda found: -found[1]):
        if weight <= 0:
            continue
        version = parameters.get("version", "")
        escaping = parameters.get("escaping", "")
        escaping = f"; escaping={escaping}" if escaping in _ESCAPINGS else ""
        if media == "application/openmetrics-text" and version in {"", "1.0.0"}:
            return f"{media}; version=1.0.0{escaping}"
        if media == "text/plain" and version == "1.0.0":
            return f"{media}; version=1.0.0{escaping}"
        if media in {"text/plain", "text/*", "*/*"} and version in {"", "0.0.4"}:
            return ""
    return ""


def _parse_ranges(header: str) -> list[tuple[str, float, dict[str, str]]]:
    """Each range of a weighted list: its name in lower case, its weight from 0 to 1, its parameters."""
    ranges = []
    for part in header.split(","):
        name, *rest = (piece.strip() for piece in part.split(";"))
        pairs = (piece.partition("=") for piece in rest)
        parameters = {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}
        ranges.append((name.lower(), _parse_weight(parameters.pop("q", "1")), parameters))
    return ranges


def _parse_weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return min(weight, 1.0) if math.isfinite(weight) else 0.0
