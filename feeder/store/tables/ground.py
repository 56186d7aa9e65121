"""What all tables have in common: transactions, ids, categories, and rows to values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from typing import Any

from feeder import categories
from feeder.errors import Overtaken
from feeder.model import Article, CategoryPath, Memory, Node, Shown, Sighting
from feeder.store import rows
from feeder.store.database import Database

WIDTH = len(rows.SIGHTING_COLUMNS)


class _Pending:
    """What a transaction touches, or a part of one: nodes, and how many documents more or less have each path."""

    def __init__(self) -> None:
        self.nodes: set[int] = set()
        self.paths: Counter[int] = Counter()
        self.has_steps = False  # that are to be added up

    def add(self, other: _Pending) -> None:
        """Take over what a part touched."""
        self.nodes |= other.nodes
        for path, by in other.paths.items():
            self.paths[path] += by


class Ground:
    """What all tables have in common: transactions, ids, categories, and rows to values."""

    def __init__(self, database: Database, *, prefix: str) -> None:
        self.database = self._db = database
        self._prefix = prefix
        self._pending: list[_Pending] = []
        self._fence: Callable[[], None] | None = None
        self._forget_caches()

    @property
    def is_shared(self) -> bool:
        """Whether other machines may work with it."""
        return self._db.is_shared

    def transaction(self) -> AbstractContextManager[None]:
        """Commit all of what happens inside, or nothing; one inside of another is a part of it that can fail alone."""
        return self._transaction(is_decision=False)

    def decision(self) -> AbstractContextManager[None]:
        """A transaction whose outcome rests on what is read in it: it fails where another process changed that.

        Raises:
            Overtaken: It is to be done again, from its beginning.
        """
        return self._transaction(is_decision=True)

    def close(self) -> None:
        """Release the database."""
        self._db.close()

    def check_in_place(self) -> None:
        """Raise StoreError if the database is not the one that was opened: what is written would be lost."""
        self._db.check_in_place()

    def stay(self) -> None:
        """Let the database hear that a transaction goes on."""
        self._db.stay()

    def count_paths(self, steps: Iterable[tuple[int, int]]) -> None:
        """Count the documents of paths that were put down to be counted elsewhere: each a path, and how many more."""
        added: Counter[int] = Counter()
        for path, by in steps:
            added[path] += by
        for path, by in sorted(added.items()):
            self._count_path(path, by)

    @contextmanager
    def _transaction(self, *, is_decision: bool) -> Iterator[None]:
        pending = _Pending()
        self._pending.append(pending)
        try:
            with self._db.transaction(is_decision=is_decision):
                yield
                if len(self._pending) == 1:
                    self._flush()
                    if self._fence and self._db.has_begun:
                        self._fence()
        except BaseException:
            self._forget_caches()
            raise
        else:
            if len(self._pending) > 1:
                self._pending[-2].add(pending)
        finally:
            self._pending.pop()
        if pending.has_steps and not self._pending:
            with suppress(Overtaken):
                self._add_up_paths()

    def _touch(self, nodes: Iterable[int]) -> None:
        """Have nodes marked at the end of the transaction."""
        self._pending[-1].nodes.update(nodes)

    def _flush(self) -> None:
        """Write what is left to the end, so that writers beside one another wait for a moment only, and in one order."""
        pending = self._pending[-1]
        if self._db.is_shared:
            steps = [step for step in sorted(pending.paths.items()) if step[1]]
            self._db.write("put_path_step", steps)
            pending.has_steps |= bool(steps)
        else:
            for path, by in sorted(pending.paths.items()):
                self._count_path(path, by)
        pending.paths.clear()
        if pending.nodes:
            (seq,) = self._db.one("next_seq")
            self._db.write("put_mark", [(node, seq) for node in sorted(pending.nodes)])
            pending.nodes.clear()

    def _add_up_paths(self) -> None:
        """Count the documents that others, or we, put down to be counted; that was no moment to wait for one another.

        Who died before this leaves it to the next.
        """
        if self._db.is_shared and self._db.one("has_path_steps"):
            with self.transaction():
                for path, count, by in sorted(self._db.all("add_up_path_steps")):
                    self._rename(path, count, by)

    def _forget_caches(self) -> None:
        self._source_ids: dict[str, int] = {}
        self._path_ids: dict[CategoryPath, int] = {}
        self._paths: dict[int, CategoryPath] = {}
        self._node_ids: dict[Node, int] = {}
        self._lineages: dict[int, list[int]] = {}

    def _path(self, path: CategoryPath) -> int:
        if not self._path_ids:
            self._load_paths()
        found = self._path_ids.get(path)
        return self._new_path(path) if found is None else found

    def _load_paths(self) -> None:
        self._path_ids = {rows.labels(text): path for path, text in self._db.all("paths")}
        self._paths = {path: spelled for spelled, path in self._path_ids.items()}

    def _new_path(self, path: CategoryPath) -> int:
        number = self._db.insert("put_path", rows.texts(path))
        self._path_ids[path], self._paths[number] = number, path
        lineage = categories.lineage(categories.node(path))
        values = [(self._node(node), number, depth) for depth, node in enumerate(lineage)]
        self._db.write("put_path_node", values)
        return number

    def _spelled(self, number: int) -> CategoryPath:
        if number not in self._paths:
            self._load_paths()
        return self._paths[number]

    def _nodes_of(self, path: int) -> list[int]:
        found = self._lineages.get(path)
        if found is None:
            found = [self._node(node) for node in categories.lineage(categories.node(self._spelled(path)))]
            self._lineages[path] = found
        return found

    def _node(self, node: Node) -> int:
        if not self._node_ids:
            self._node_ids = {rows.labels(text): number for number, text in self._db.all("nodes")}
        if node not in self._node_ids:
            self._node_ids[node] = self._db.insert("put_node", rows.texts(node))
        return self._node_ids[node]

    def _count_path(self, path: int, by: int) -> None:
        if by:
            (count,) = self._db.one("count_path", by, path)
            self._rename(path, count, by)

    def _rename(self, path: int, count: int, by: int) -> None:
        """Give the nodes of a path another name if that is due to its spelling, of which there are *by* more."""
        if count in {0, by}:  # the spelling comes or goes
            for node in self._nodes_of(path)[1:]:
                self._relabel(node)

    def _relabel(self, node: int) -> None:
        """Give a node its smallest current spelling; every feed that names the node is stale if that is another."""
        spellings = [text for (text,) in self._db.all("spellings", node)]
        (old,) = self._db.one("get_label", node)
        if not spellings or min(spellings) == old:
            return
        self._db.run("set_label", min(spellings), node)
        self._db.run("change_pages_at", node)
        for (paths,) in self._db.all("nodes_beside", node):
            self._touch(n for path in rows.numbers_back(paths) for n in self._nodes_of(path))

    def _sighting(self, name: str, row: Sequence[Any]) -> Sighting:
        paths = tuple(self._spelled(path) for path in rows.numbers_back(row[10]))
        return rows.sighting(name, row[WIDTH], self._long(row[0]), row, paths)

    def _shown(self, row: Sequence[Any]) -> Shown:
        name, published, updated, held, paths, link = row[WIDTH + 1 :]
        sighting = self._sighting(name, row)
        return Shown(
            id=sighting.id,
            source=name,
            locator=sighting.locator,
            article=_linked(sighting.article, link),
            published=rows.moment(published),
            updated=rows.moment(updated),
            categories=tuple(self._spelled(path) for path in rows.numbers_back(paths)),
            text_since=sighting.text_since,
            held=bool(held),
        )

    def _memory(self, row: Sequence[Any]) -> Memory:
        id_, first_seen, adopted, link, text_hash, text_since, removed = row
        return Memory(
            id=self._long(id_),
            first_seen=rows.moment(first_seen),
            adopted=rows.moment_or_none(adopted),
            link=link,
            text_hash=text_hash,
            text_since=rows.moment_or_none(text_since),
            removed=bool(removed),
        )

    def _short(self, id_: str) -> str:
        return id_.removeprefix(self._prefix)

    def _long(self, id_: str) -> str:
        return id_ if ":" in id_ else self._prefix + id_

    def _long_or_none(self, id_: str | None) -> str | None:
        return None if id_ is None else self._long(id_)

    def _source(self, name: str) -> int:
        if not self._source_ids:
            self._source_ids = dict(self._db.all("source_ids"))
        return self._source_ids[name]


def _linked(article: Article, link: str | None) -> Article:
    return article if article.link or link is None else replace(article, link=link)
