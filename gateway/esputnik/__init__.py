"""Client for eSputnik's (Yespo's) public API. Knows nothing of the gateway and could leave the house.

client    the calls, over one HTTP session; no retry inside, pacing and retrying are the caller's
answers   what an answer means: pure
errors    what can go wrong, grouped by what the caller does next

async with EsputnikClient(tracker_url=..., api_url=..., api_key=..., timeout=8, connections=32) as client:
    await client.track(b'{"GeneralInfo": {...}, "PageView": {}}', request_id)
"""
