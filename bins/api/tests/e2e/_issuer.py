"""An OpenID Connect issuer that can be told what to do."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

# Bytes of a coordinate of P-256.
COORDINATE = 32


def encoded(data):
    """Base64url without padding."""
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Key:
    """A key with its name; `kind` is `RS256`, `ES256` or `EdDSA`."""

    def __init__(self, name, kind="RS256"):
        self.name, self.kind = name, kind
        if kind == "RS256":
            self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        elif kind == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
        else:
            self.private = ed25519.Ed25519PrivateKey.generate()

    def jwk(self):
        """The public key as it is published."""
        public = self.private.public_key()
        common = {"kid": self.name, "use": "sig", "alg": self.kind}
        if self.kind == "RS256":
            numbers = public.public_numbers()
            return common | {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        if self.kind == "ES256":
            numbers = public.public_numbers()
            x, y = (encoded(n.to_bytes(COORDINATE, "big")) for n in (numbers.x, numbers.y))
            return common | {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return common | {"kty": "OKP", "crv": "Ed25519", "x": encoded(raw)}

    def pem(self):
        """The public key as it is handed around."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.private.public_key().public_bytes(serialization.Encoding.PEM, form)

    def header(self, **members):
        return {"alg": self.kind, "typ": "JWT", "kid": self.name} | members

    def token(self, claims, **header):
        """A token that says `claims`; `header` adds to its header."""
        message = f"{encoded(self.header(**header))}.{encoded(claims)}"
        return f"{message}.{encoded(self._signature(message.encode()))}"

    def _signature(self, message):
        if self.kind == "RS256":
            return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())
        if self.kind == "ES256":
            r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(COORDINATE, "big") + s.to_bytes(COORDINATE, "big")
        return self.private.sign(message)


def unsigned(header, claims):
    """A token that nobody signed."""
    return f"{encoded(header)}.{encoded(claims)}."


def hs256(header, claims, secret):
    """A token signed with a shared secret."""
    message = f"{encoded(header)}.{encoded(claims)}"
    tag = hmac.new(secret, message.encode(), hashlib.sha256).digest()
    return f"{message}.{encoded(tag)}"


class Issuer:
    """An issuer on a port of its own. It publishes its keys, unless it is away."""

    def __init__(self, audience="tollgate-web", kind="RS256"):
        self.audience = audience
        self.key = Key("first", kind)
        self.published = [self.key]
        self.is_away = False
        self.fetches = 0
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.issuer = self
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def claims(self, subject, **claims):
        """What a good token says now; `None` takes a claim away."""
        now = int(time.time())
        good = {"iss": self.url, "aud": self.audience, "sub": subject, "iat": now, "exp": now + 300}
        return {name: value for name, value in (good | claims).items() if value is not None}

    def token(self, subject, **claims):
        """A good token."""
        return self.key.token(self.claims(subject, **claims))

    def rotate(self):
        """Takes a new key; the old one is not published any more. Gives the old one."""
        old, self.key = self.key, Key("second", self.key.kind)
        self.published = [self.key]
        return old

    def close(self):
        self._http.shutdown()
        self._http.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        issuer = self.server.issuer
        if issuer.is_away:
            self.close_connection = True
            return
        if self.path == "/.well-known/openid-configuration":
            self._answer({"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"})
        elif self.path == "/keys":
            issuer.fetches += 1
            self._answer({"keys": [key.jwk() for key in issuer.published]})
        else:
            self.send_error(404)

    def _answer(self, document):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing is logged."""
