"""What the doctor found: one sentence each, and whether it keeps the node from working."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One examined thing; a fault's sentence says what to do about it."""

    subject: str
    sentence: str
    fault: bool = False

    def __str__(self) -> str:
        return f'{"FAULT" if self.fault else "ok":6s}{self.subject:12s}{self.sentence}'


def fault(subject: str, sentence: str) -> Finding:
    """Something that has to be mended."""
    return Finding(subject, sentence, fault=True)
