"""What schemathesis looks for in every answer, beside what it knows itself (loaded by SCHEMATHESIS_HOOKS)."""

import os

import schemathesis


@schemathesis.check
def no_fault(ctx, response, case):
    """A refusal is an answer; a fault of the server's is not."""
    assert response.status_code < 500, f"status {response.status_code}"
    errors = response.json().get("errors") or []
    codes = [error.get("extensions", {}).get("code") for error in errors]
    assert "INTERNAL" not in codes, errors
    assert None not in codes, f"an error without a code: {errors}"


@schemathesis.check
def no_foreign_canary(ctx, response, case):
    """What another workspace holds is in no answer."""
    assert os.environ["FOREIGN_CANARY"] not in response.text
