"""The one tree over all entries (RFC 6962, section 2.1).

leaf = SHA-256(0x00 ‖ entry), node = SHA-256(0x01 ‖ left ‖ right), and a tree of n leaves splits
at the largest power of two below n. Only the roots of its complete subtrees are kept, so
appending costs one node hash on average and the state is a few hundred bytes at any size.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

EMPTY_ROOT: Final = sha256(b"").digest()
"""Root of the tree without leaves (RFC 6962, section 2.1)."""


def leaf_hash(entry: bytes) -> bytes:
    """The leaf hash of an entry."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an interior node."""
    return sha256(b"\x01" + left + right).digest()


def _bag(peaks: Sequence[bytes]) -> bytes:
    """One root over the roots of complete subtrees, largest subtree first."""
    root = peaks[-1]
    for peak in peaks[-2::-1]:
        root = node_hash(peak, root)
    return root


class Tree:
    """The roots of the complete subtrees ("peaks"), largest first; `size` is the leaf count."""

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        """Raises ValueError where the number of peaks does not fit the size."""
        self.size = size
        self.peaks = list(peaks)
        if size < 0 or len(self.peaks) != bin(size).count("1"):
            raise ValueError(f"{len(self.peaks)} peaks do not make a tree of {size} leaves")

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes in order."""
        peaks, size = self.peaks, self.size
        for leaf in leaves:
            node, whole = leaf, size
            while whole & 1:
                node = sha256(b"\x01" + peaks.pop() + node).digest()
                whole >>= 1
            peaks.append(node)
            size += 1
        self.size = size

    def root(self) -> bytes:
        """The root hash."""
        return _bag(self.peaks) if self.peaks else EMPTY_ROOT

    def copy(self) -> Tree:
        """An independent copy."""
        return Tree(self.size, self.peaks)


def _peak_heights(size: int) -> list[int]:
    return [bit for bit in range(size.bit_length() - 1, -1, -1) if size >> bit & 1]


def inclusion_paths(
    leaves: Iterable[bytes], size: int, wanted: Collection[int]
) -> tuple[bytes, dict[int, list[bytes]]]:
    """The root of the first `size` leaves and the audit path of every wanted index.

    One pass over the leaves; memory is the size of the answer. Paths are ordered from the leaf
    up (RFC 6962, section 2.1.1). Raises ValueError where there are fewer leaves than `size` or
    an index is outside the tree.
    """
    heights = _peak_heights(size)
    peak_of: dict[int, int] = {}
    needed: dict[tuple[int, int], bytes] = {}
    for index in wanted:
        if not 0 <= index < size:
            raise ValueError(f"index {index} is outside a tree of {size} leaves")
        start = 0
        for number, height in enumerate(heights):
            if index < start + (1 << height):
                peak_of[index] = number
                break
            start += 1 << height
        for level in range(heights[peak_of[index]]):
            needed[level, index >> level ^ 1] = b""
    tree = Tree()
    peaks = tree.peaks
    for leaf in leaves:
        count = tree.size
        if count == size:
            break
        node, level = leaf, 0
        while True:
            if (level, count >> level) in needed:
                needed[level, count >> level] = node
            if not count >> level & 1:
                break
            node = node_hash(peaks.pop(), node)
            level += 1
        peaks.append(node)
        tree.size += 1
    if tree.size != size:
        raise ValueError(f"{tree.size} leaves where {size} were expected")
    paths: dict[int, list[bytes]] = {}
    for index, number in peak_of.items():
        path = [needed[level, index >> level ^ 1] for level in range(heights[number])]
        if number + 1 < len(peaks):
            path.append(_bag(peaks[number + 1 :]))
        path.extend(reversed(peaks[:number]))
        paths[index] = path
    return tree.root(), paths


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an audit path leads to, or None where its length does not fit.

    (RFC 9162, section 2.1.3.2, which states the verification of RFC 6962 paths.)
    """
    if not 0 <= index < size:
        return None
    node, at, last = leaf, index, size - 1
    for sibling in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        at >>= 1
        last >>= 1
    return node if last == 0 else None


def consistency_path(root_of: Callable[[int, int], bytes], old: int, new: int) -> list[bytes]:
    """The proof that the tree of `old` leaves is a prefix of the tree of `new` leaves.

    `root_of(start, stop)` is the root over those leaves (RFC 6962, section 2.1.2). Raises
    ValueError unless 0 < old <= new.
    """
    if not 0 < old <= new:
        raise ValueError(f"no consistency proof from size {old} to size {new}")
    path: list[bytes] = []
    start, stop, count, known = 0, new, old, True
    while count != stop - start:
        split = 1 << (stop - start - 1).bit_length() - 1
        if count <= split:
            path.append(root_of(start + split, stop))
            stop = start + split
        else:
            path.append(root_of(start, start + split))
            start, count, known = start + split, count - split, False
    if not known:
        path.append(root_of(start, stop))
    path.reverse()
    return path


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, path: list[bytes]) -> bool:
    """Whether a consistency proof connects the two roots (RFC 9162, section 2.1.4.2)."""
    if old == new:
        return not path and old_root == new_root
    if not 0 < old < new or not path:
        return False
    nodes = [old_root, *path] if old & (old - 1) == 0 else path
    at, last = old - 1, new - 1
    while at & 1:
        at >>= 1
        last >>= 1
    first = second = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first = node_hash(node, first)
            second = node_hash(node, second)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            second = node_hash(second, node)
        at >>= 1
        last >>= 1
    return last == 0 and first == old_root and second == new_root
