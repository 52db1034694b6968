"""The tree against the recursive definitions of RFC 6962, section 2.1."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.ledger.merkle import (
    EMPTY_ROOT,
    Tree,
    consistency_path,
    consistent,
    inclusion_paths,
    leaf_hash,
    root_from_path,
)

LEAVES = [leaf_hash(b"entry %d" % number) for number in range(70)]


def mth(leaves):
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + mth(leaves[:split]) + mth(leaves[split:])).digest()


def path(index, leaves):
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*path(index, leaves[:split]), mth(leaves[split:])]
    return [*path(index - split, leaves[split:]), mth(leaves[:split])]


def subproof(count, leaves, known=True):
    if count == len(leaves):
        return [] if known else [mth(leaves)]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if count <= split:
        return [*subproof(count, leaves[:split], known), mth(leaves[split:])]
    return [*subproof(count - split, leaves[split:], False), mth(leaves[:split])]


def test_known_roots():
    # the empty tree and the one-entry tree with an empty entry, by the definition
    assert EMPTY_ROOT == sha256(b"").digest() == Tree().root()
    tree = Tree()
    tree.append(leaf_hash(b""))
    assert tree.root() == sha256(b"\x00").digest()


def test_root_at_every_size():
    tree = Tree()
    for size, leaf in enumerate(LEAVES, 1):
        tree.append(leaf)
        assert tree.root() == mth(LEAVES[:size])
        assert Tree(size, tree.peaks).root() == tree.root()


def test_peaks_must_fit_the_size():
    with pytest.raises(ValueError, match="2 peaks"):
        Tree(4, LEAVES[:2])


@given(st.integers(1, 70), st.sets(st.integers(0, 69), max_size=20))
@settings(max_examples=60, deadline=None)
def test_inclusion_paths(size, wanted):
    wanted = {index for index in wanted if index < size}
    root, paths = inclusion_paths(iter(LEAVES), size, wanted)
    assert root == mth(LEAVES[:size])
    assert set(paths) == wanted
    for index, found in paths.items():
        assert found == path(index, LEAVES[:size])
        assert root_from_path(LEAVES[index], index, size, found) == root
        assert root_from_path(LEAVES[index], index, size, [*found, root]) != root
        if found:
            assert root_from_path(LEAVES[index], index, size, found[:-1]) != root
            assert root_from_path(LEAVES[index], index ^ 1, size, found) != root


def test_inclusion_refuses_what_is_not_there():
    with pytest.raises(ValueError, match="outside"):
        inclusion_paths(LEAVES, 3, [3])
    with pytest.raises(ValueError, match="70 leaves where 71"):
        inclusion_paths(LEAVES, 71, [0])
    assert root_from_path(LEAVES[0], 5, 5, []) is None


@given(st.integers(1, 70), st.integers(1, 70))
@settings(max_examples=200, deadline=None)
def test_consistency(one, other):
    old, new = sorted((one, other))
    found = consistency_path(lambda start, stop: mth(LEAVES[start:stop]), old, new)
    assert found == subproof(old, LEAVES[:new])
    roots = mth(LEAVES[:old]), mth(LEAVES[:new])
    assert consistent(old, new, *roots, found)
    if old != new:
        assert not consistent(old, new, roots[1], roots[1], found)
        assert not consistent(old, new, *roots, found[:-1])
        assert not consistent(old, new, *roots, [*found[:-1], LEAVES[0]])


def test_consistency_refuses_impossible_sizes():
    with pytest.raises(ValueError, match="from size 3 to size 2"):
        consistency_path(lambda start, stop: b"", 3, 2)
    assert not consistent(0, 2, EMPTY_ROOT, mth(LEAVES[:2]), [LEAVES[0]])
