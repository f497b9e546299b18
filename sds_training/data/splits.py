"""Which frames may be learnt from with their labels: a list's, or n by seed, balanced over cities.

The draw ranks names by a hash of seed and name, so that it is the same on every machine and with
every version of every library.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from sds_training.data.cityscapes import DataError, city_of, digest_of


@dataclass(frozen=True)
class LabelSplit:
    """The chosen frames, and what it takes to choose them again."""

    labelled: tuple[str, ...]  # frame names, sorted
    unlabelled: tuple[str, ...]  # the other candidates, sorted; their labels are never read
    seed: int | None  # None where a list chose them

    @property
    def digest(self) -> str:
        """The sha256 of the sorted labelled names, one per line."""
        return digest_of(self.labelled)

    def provenance(self) -> dict[str, object]:
        """What a run and a release record about the split."""
        return {
            'labelled': len(self.labelled),
            'unlabelled': len(self.unlabelled),
            'seed': self.seed,
            'sha256': self.digest,
        }


def label_split(candidates: Iterable[str], labels: int | str, seed: int) -> LabelSplit:
    """The frames that `data.labels` means: a number of them, 'all', or those a file lists."""
    if isinstance(labels, int) or labels == 'all':
        return choose_labelled(candidates, labels, seed)
    return listed_split(candidates, Path(labels))


def listed_split(candidates: Iterable[str], file: Path) -> LabelSplit:
    """The candidate frame names that a text file lists.

    Each line, or its first word, is a frame's name, or the path of its picture as published lists
    have it ('leftImg8bit/train/ulm/ulm_000000_000019_leftImg8bit.png'); lines that are empty or
    begin with '#' say nothing.

    Raises:
        DataError: where there is no such file, it lists nothing, or a frame that has no label.
    """
    try:
        lines = file.read_text(encoding='utf-8-sig').splitlines()  # some editors begin with a mark
    except (OSError, UnicodeDecodeError) as problem:
        raise DataError(
            f"data.labels is {str(file)!r}, wanted a number, 'all', or a text file of frame names "
            f'({problem})'
        ) from problem
    names = set(candidates)
    told = [line.strip() for line in lines if line.strip() and not line.startswith('#')]
    listed = {_name_in(line, names) for line in told}
    if not listed:
        raise DataError(f'data.labels is {str(file)!r}, which lists no frames')
    lost = sorted(listed - names)
    if lost:
        raise DataError(
            f'{file} lists {len(lost)} of {len(listed)} frames without a label here (first: '
            f'{lost[0]}); mend data.labels or data.root'
        )
    return LabelSplit(tuple(sorted(listed)), tuple(sorted(names - listed)), seed=None)


def _name_in(line: str, names: set[str]) -> str:
    """The frame that a line of a list means; a city's name may have spaces in it."""
    whole, word = (Path(each).name.split('_leftImg8bit')[0] for each in (line, line.split()[0]))
    return whole if whole in names else word


def choose_labelled(candidates: Iterable[str], count: int | str, seed: int) -> LabelSplit:
    """Choose `count` of the candidate frame names ('all' takes every one)."""
    names = sorted(set(candidates))
    wanted = len(names) if count == 'all' else int(count)
    if not 0 <= wanted <= len(names):
        raise DataError(
            f'{wanted} labelled frames were asked for, and {len(names)} are there; '
            "ask for fewer, or for 'all'"
        )
    cities: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda each: _rank(each, seed)):
        cities.setdefault(city_of(name), []).append(name)
    quota = _quotas({city: len(members) for city, members in cities.items()}, wanted, seed)
    chosen = {name for city, members in cities.items() for name in members[: quota[city]]}
    rest = tuple(name for name in names if name not in chosen)
    return LabelSplit(tuple(sorted(chosen)), rest, seed)


def _quotas(sizes: dict[str, int], wanted: int, seed: int) -> dict[str, int]:
    """Share `wanted` out by size, largest remainder first; each is within one of its share."""
    total = max(1, sum(sizes.values()))
    shares = {city: Fraction(size * wanted, total) for city, size in sizes.items()}
    quotas = {city: int(share) for city, share in shares.items()}
    by_remainder = sorted(
        sizes, key=lambda city: (quotas[city] - shares[city], _rank(city, seed), city)
    )
    for city in by_remainder[: wanted - sum(quotas.values())]:
        quotas[city] += 1
    return quotas


def _rank(name: str, seed: int) -> str:
    return hashlib.sha256(f'{seed}:{name}'.encode()).hexdigest()
