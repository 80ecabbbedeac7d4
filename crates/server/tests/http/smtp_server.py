"""A mail server for tests: aiosmtpd. Prints its port, then each mail that it takes as a line of JSON.

The first mail of each recipient whose name begins with "busy" is put off (451), those to "gone" are refused (550).
"""

import email
import email.policy
import json
import socket
import sys

from aiosmtpd.controller import Controller


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


# The controller asks for a port by its number: one that was free a moment ago.
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
controller = Controller(Taker(), hostname="127.0.0.1", port=port)
controller.start()
print(port, flush=True)
sys.stdin.read()
controller.stop()
