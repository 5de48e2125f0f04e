"""What schemathesis looks for in every answer, beside what it knows itself (loaded by SCHEMATHESIS_HOOKS)."""

import os

import graphql
import schemathesis
from hypothesis import strategies as st
from schemathesis.graphql import nodes

# What members of `JSON` input are called, of a passkey and of a request about one's data.
NAMES = ["id", "rawId", "type", "response", "clientDataJSON", "attestationObject", "authenticatorData", "signature"]
NAMES += ["userHandle", "transports", "regulation", "subject_request_id", "subject_identities", "identity_value"]


def members(values):
    """Objects with some of those members, and others."""
    name = st.sampled_from(NAMES) | st.from_regex("[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
    return st.dictionaries(name, values, max_size=6).map(object_of)


def object_of(found):
    named = [(graphql.NameNode(value=name), value) for name, value in found.items()]
    return nodes.Object([graphql.ObjectFieldNode(name=name, value=value) for name, value in named])


def lists(values):
    return st.lists(values, max_size=4).map(nodes.List)


TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=40).map(nodes.String)
PLAIN = TEXT | st.integers(-(2**53), 2**53).map(nodes.Int) | st.booleans().map(nodes.Boolean) | st.just(nodes.Null)
schemathesis.graphql.scalar("JSON", st.recursive(PLAIN, lambda inner: members(inner) | lists(inner), max_leaves=8))


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
