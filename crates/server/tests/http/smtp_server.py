"""A mail server for tests: aiosmtpd. Prints its port, then each mail that it takes as a line of JSON.

The first mail of each recipient whose name begins with "busy" is put off (451), those to "gone" are refused (550).
Called with "smtps" or "starttls", a certificate and its key, it wants TLS, on every address of the machine, and the
login user:pass@word.
"""

import email
import email.policy
import json
import socket
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Taker:
    def __init__(self):
        self.put_off = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone"):
            return "550 5.1.1 no such mailbox " + address
        if address.startswith("busy") and address not in self.put_off:
            self.put_off.add(address)
            return "451 4.3.0 later " + address
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = {part.get_content_type(): part.get_content() for part in message.walk() if not part.is_multipart()}
        said = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": {name.lower(): str(value) for name, value in message.items()},
            "text": parts.get("text/plain"),
            "html": parts.get("text/html"),
        }
        print(json.dumps(said), flush=True)
        return "250 OK"


def authenticator(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"user", b"pass@word"), handled=False)


host, options = "127.0.0.1", {}
if len(sys.argv) > 1:
    mode, certificate, key = sys.argv[1:]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    host, options = "0.0.0.0", {"authenticator": authenticator, "auth_required": True, "auth_require_tls": False}
    if mode == "smtps":
        options["ssl_context"] = context
    else:
        options.update(tls_context=context, require_starttls=True)

# The controller asks for a port by its number: one that was free a moment ago.
with socket.socket() as probe:
    probe.bind((host, 0))
    port = probe.getsockname()[1]
controller = Controller(Taker(), hostname=host, port=port, **options)
controller.start()
print(port, flush=True)
sys.stdin.read()
controller.stop()
