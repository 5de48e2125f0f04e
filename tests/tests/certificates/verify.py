"""Verifies a compact JWS with a key set, by somebody else's implementation of JOSE, and prints its payload."""

import json
import sys

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

with open(sys.argv[1]) as file:
    token = file.read().strip()
with open(sys.argv[2]) as file:
    keys = KeySet.import_key_set(json.load(file))
try:
    print(jws.deserialize_compact(token, keys, algorithms=["EdDSA"]).payload.decode())
except (JoseError, ValueError) as error:
    sys.exit(f"refused: {error}")
