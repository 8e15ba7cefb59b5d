"""Pairing two Inventories loses nothing and invents nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harvester.audit.diff import pair
from harvester.model import InventoryEntry, Outcome

ENTRIES = st.lists(
    st.builds(
        lambda project, backtest, day: InventoryEntry(
            project, f"b{backtest}", "p", "n", Outcome.SAVED, created=f"2026-01-0{day}"
        ),
        st.integers(1, 3),
        st.integers(1, 6),
        st.integers(1, 3),
    ),
    unique_by=lambda entry: (entry.project_id, entry.backtest_id),
).map(lambda entries: sorted(entries, key=lambda entry: entry.key))


@given(ENTRIES, ENTRIES)
def test_every_entry_is_in_one_pair(earlier: list[InventoryEntry], later: list[InventoryEntry]) -> None:
    pairs = list(pair(earlier, later))
    key = InventoryEntry.key.fget
    assert key is not None
    assert sorted((before for before, _ in pairs if before), key=key) == earlier
    assert sorted((after for _, after in pairs if after), key=key) == later


@given(ENTRIES, ENTRIES)
def test_a_backtest_known_to_both_is_paired(
    earlier: list[InventoryEntry], later: list[InventoryEntry]
) -> None:
    def ids(entries: list[InventoryEntry]) -> set[tuple[int, str]]:
        return {(entry.project_id, entry.backtest_id) for entry in entries}

    both = {
        (before.project_id, before.backtest_id) for before, after in pair(earlier, later) if before and after
    }
    assert both == ids(earlier) & ids(later)
