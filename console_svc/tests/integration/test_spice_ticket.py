# SPDX-License-Identifier: Apache-2.0

"""The module that encrypts SPICE tickets, in Chromium."""

import pathlib
from typing import Any, ClassVar

import testtools
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from playwright.sync_api import Page, Route, sync_playwright

from console_svc import proxy
from console_svc.tests.programs import process

_MODULE = pathlib.Path(proxy.__file__).parent / 'web/ticket.js'

#: A page without TLS, and not of this host: it has no Web Crypto.
_PAGE = 'http://console.example.org/'

#: Returns the tickets of texts in hexadecimal.
_ENCRYPT = """async ([info, at, texts]) => {
    const module = await import("/ticket.js");
    const key = module.create_rsa_from_mb(Uint8Array.from(info).buffer, at);
    const digits = byte => byte.toString(16).padStart(2, "0");
    return texts.map(text =>
        [...module.rsa_encrypt(key, text)].map(digits).join(""));
}"""

#: Returns the message of the error that a public key causes.
_ERROR = """async info => {
    const module = await import("/ticket.js");
    try {
        module.create_rsa_from_mb(Uint8Array.from(info).buffer);
    } catch (error) { return error.message; }
}"""

_OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), label=None)


class SpiceTicketTest(testtools.TestCase):
    page: ClassVar[Page]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        playwright = sync_playwright().start()
        cls.addClassCleanup(playwright.stop)
        chromium = playwright.chromium.launch(
            executable_path=process.program('chromium')
        )
        cls.addClassCleanup(chromium.close)
        cls.page = chromium.new_page()

        def serve(route: Route) -> None:
            if route.request.url == _PAGE:
                route.fulfill(content_type='text/html', body='')
            else:
                route.fulfill(content_type='text/javascript', path=_MODULE)

        cls.page.route('**', serve)
        cls.page.goto(_PAGE)

    def setUp(self) -> None:
        super().setUp()
        # SPICE servers have keys of this size.
        self.key = rsa.generate_private_key(65537, 1024)
        self.info = self.key.public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )

    def encrypt(
        self, texts: list[str], before: bytes = b'', after: bytes = b''
    ) -> list[bytes]:
        """Return the tickets of texts.

        :param before: what precedes the key in its buffer
        :param after: what follows it
        """
        buffer = before + self.info + after
        tickets: Any = self.page.evaluate(
            _ENCRYPT, [list(buffer), len(before), texts]
        )
        return [bytes.fromhex(ticket) for ticket in tickets]

    def test_server_decrypts_every_ticket(self) -> None:
        self.assertFalse(self.page.evaluate('"subtle" in crypto'))
        texts = [f'{"é" * (at % 30)}{at}\0'[-60:] for at in range(2000)]
        tickets = self.encrypt(texts)
        self.assertEqual({128}, {len(ticket) for ticket in tickets})
        self.assertEqual(
            texts,
            [self.key.decrypt(ticket, _OAEP).decode() for ticket in tickets],
        )
        self.assertEqual(len(texts), len(set(tickets)))

    def test_ticket_that_begins_with_zeros_has_its_full_length(self) -> None:
        # 1 in 256 does.
        for _ in range(100):
            for ticket in self.encrypt(['\0'] * 1000):
                if ticket[0] == 0:
                    self.assertEqual(128, len(ticket))
                    self.assertEqual(b'\0', self.key.decrypt(ticket, _OAEP))
                    return
        self.fail('no such ticket')

    def test_key_is_found_inside_a_message(self) -> None:
        (ticket,) = self.encrypt(['secret\0'], b'\1' * 4, b'\2' * 20)
        self.assertEqual(b'secret\0', self.key.decrypt(ticket, _OAEP))

    def test_malformed_keys_are_refused(self) -> None:
        for info, message in (
            (b'', "The SPICE server's public key is cut off."),
            (self.info[:-1], "The SPICE server's public key is cut off."),
            (b'\2' + self.info, "The SPICE server's public key is malformed."),
        ):
            self.assertEqual(message, self.page.evaluate(_ERROR, list(info)))
