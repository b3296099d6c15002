"""Iterates over lists that have a cursor."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item", covariant=True)


class Page(Protocol[Item]):
    """A page of a list."""

    @property
    def items(self) -> Iterable[Item]: ...

    @property
    def next_cursor(self) -> str | None: ...


def paginate(list_page: Callable[..., Page[Item]], *args: Any, **kwargs: Any) -> Iterator[Item]:
    """Iterates over all items of a list. `list_page` is the `sync` function of a call, which
    gets the other arguments. Raises `ApiError` if a page can't be read."""
    while True:
        page = list_page(*args, **kwargs)
        yield from page.items
        if page.next_cursor is None:
            return
        kwargs["cursor"] = page.next_cursor
