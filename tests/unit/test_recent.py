from gateway.recent import RecentIds


def test_an_id_is_known_within_the_window_and_not_after() -> None:
    recent = RecentIds(10, 1000)
    recent.add("a", 5000)
    assert recent.knows("a", 5999)
    assert not recent.knows("a", 6000)
    assert not recent.knows("b", 5000)


def test_over_its_size_the_oldest_is_forgotten() -> None:
    recent = RecentIds(2, 1000)
    for event_id in "abc":
        recent.add(event_id, 0)
    assert [recent.knows(event_id, 0) for event_id in "abc"] == [False, True, True]


def test_an_id_added_again_is_known_for_the_window_from_then_on() -> None:
    recent = RecentIds(2, 1000)
    recent.add("a", 0)
    recent.add("a", 900)
    assert recent.knows("a", 1500)
