"""A steady stream of changes, which the daemon has to keep up with for hours."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

from benchmarks import corpus
from benchmarks.corpus import Story

KEPT: Final = 30  # articles that have come and not yet gone
TOUCHED: Final = 20  # files that are written anew with the same text


class Churn:
    """Changes a tree, the same way every time but for the dates of what comes."""

    def __init__(self, root: Path, told: tuple[Story, ...]) -> None:
        self._root = root
        self._told = told
        self._random = Random(len(told))  # noqa: S311
        self._files = [root / story.locator for story in told]
        self._come: deque[Path] = deque()
        self._steps = 0

    def step(self) -> None:
        """Let an article come, one go, one move, and some be written again as they are."""
        self._come.append(self._add())
        if len(self._come) > KEPT:
            self._come.popleft().unlink()
        self._move()
        for file in self._random.sample(self._files, min(TOUCHED, len(self._files))):
            file.write_bytes(file.read_bytes())

    def _add(self) -> Path:
        self._steps += 1
        *_, story = corpus.news(self._steps, self._told, at=datetime.now(UTC))
        path = self._root / story.locator
        draft = path.with_name(".draft")
        draft.write_text(corpus.text(story, corpus.Run()), "utf-8")
        return draft.replace(path)

    def _move(self) -> None:
        number = self._random.randrange(len(self._files))
        file = self._files[number]
        self._files[number] = file.replace(file.with_name(f"moved-{self._steps}{file.suffix}"))
