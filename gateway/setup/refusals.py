"""What eSputnik's no means when something is set up, and what a person does about it. Pure.

Its words are those that the official plugins look for (Yespo-CDP/yespo-woocommerce, yespo-shopify).
"""

from math import ceil

from gateway.esputnik.errors import EsputnikError, KeyRefused, RateLimited, Refused, Repeated, Unavailable
from gateway.ingest.problem import Problem

CODE = "setup_refused"
_SHOWN = 200
"""Characters of eSputnik's own words in a sentence of ours."""
_RETRY_SECONDS = 5.0


def is_there(problem: Refused) -> bool:
    """Tell whether what was to be registered is registered: by words, or as a repeat within a minute."""
    said = problem.said.lower()
    return isinstance(problem, Repeated) or ("already" in said and ("exist" in said or "registered" in said))


def problem_of(problem: EsputnikError) -> Problem:
    """Return what the operator is answered: 503 where asking again helps, else 409 and what to do first."""
    if isinstance(problem, Unavailable | RateLimited):
        wait = {"Retry-After": str(ceil(problem.retry_after or _RETRY_SECONDS))}
        return Problem(503, "esputnik_away", "eSputnik does not answer now; ask again", wait)
    if isinstance(problem, KeyRefused):
        return Problem(409, CODE, "eSputnik refuses the site's API key: put a valid one into its api_key")
    return Problem(409, CODE, refusal(problem.said))


def refusal(said: str) -> str:
    """Return eSputnik's words as a sentence that says what to do."""
    if "reached" in said.lower():
        return (
            "eSputnik cannot reach the domain: see that it opens from anywhere, with a valid certificate and "
            "without a password, and ask again"
        )
    return f"eSputnik refuses it: {said[:_SHOWN] or 'without a word'}"
