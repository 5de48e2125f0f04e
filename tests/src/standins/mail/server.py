"""A mail server for one test: takes mails, and keeps each as a file with its envelope.

It is told how it is reached (plain, starttls or tls), who may sign in, and the folder to write to. Its port is the first
line that it prints. A recipient called `nobody` is unknown, one called `later` is not taken now, and nobody is while a
file `busy` is in the folder. A file `hang-up` makes it take the next mail and hang up before it says so, a file `hold`
makes it take the next mail and never say so.
"""

import argparse
import asyncio
import json
import pathlib
import ssl

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Keeper:
    """Writes what comes."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 nobody is called that"
        if address.startswith("later@") or (self.folder / "busy").exists():
            return "451 4.3.0 not now"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None,
            "signed_in": bool(session.authenticated),
            "raw": envelope.original_content.decode("utf-8", "surrogateescape"),
        }
        written = self.folder / f"{self.count:06}.part"
        written.write_text(json.dumps(mail), "utf-8")
        written.rename(written.with_suffix(".json"))
        hang_up = self.folder / "hang-up"
        if hang_up.exists():
            hang_up.unlink()
            server.transport.abort()
        hold = self.folder / "hold"
        if hold.exists():
            hold.rename(self.folder / f"{self.count:06}.held")
            await asyncio.sleep(3600)
        return "250 taken"


async def main():
    options = argparse.ArgumentParser()
    options.add_argument("--folder", type=pathlib.Path, required=True)
    options.add_argument("--mode", choices=["plain", "starttls", "tls"], required=True)
    options.add_argument("--name")
    options.add_argument("--password")
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--old-tls", action="store_true")
    options = options.parse_args()

    context = None
    if options.mode != "plain":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.folder / "certificate.pem", options.folder / "key.pem")
        if options.old_tls:
            context.maximum_version = ssl.TLSVersion.TLSv1_2

    def sign_in(server, session, envelope, mechanism, data):
        known = isinstance(data, LoginPassword) and data == LoginPassword(
            options.name.encode(), options.password.encode()
        )
        return AuthResult(success=known, handled=False)

    keeper = Keeper(options.folder)
    auth = {"authenticator": sign_in, "auth_required": True} if options.name else {}
    settings = {"hostname": "mail.example", "auth_require_tls": options.mode == "starttls", **auth}
    if options.mode == "starttls":
        settings |= {"tls_context": context, "require_starttls": True}
    loop = asyncio.get_running_loop()
    served = await loop.create_server(
        lambda: SMTP(keeper, loop=loop, **settings),
        "127.0.0.1",
        options.port,
        ssl=context if options.mode == "tls" else None,
    )
    print(served.sockets[0].getsockname()[1], flush=True)
    await served.serve_forever()


asyncio.run(main())
