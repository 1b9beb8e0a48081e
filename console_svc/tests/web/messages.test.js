// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";

class FakeSocket extends EventTarget {
    constructor(url, protocols) {
        super();
        Object.assign(this, { url, protocols });
    }
}

globalThis.WebSocket = FakeSocket;
const { openSocket, socketClass } = await import("../../web/console/messages.js");

const URL = "wss://console.test/";

test("a library sees the console's data alone", () => {
    const messages = [], data = [], bytes = new ArrayBuffer(1);
    const received = message => messages.push(message);
    const Socket = socketClass(received);
    // As some pages do.
    globalThis.WebSocket = Socket;
    socketClass(() => assert.fail("of an earlier attempt"));
    for (const socket of [new Socket(URL), openSocket(URL, received)]) {
        socket.addEventListener("message", event => data.push(event.data));
        for (const sent of [bytes, '{"mode": "view"}'])
            socket.dispatchEvent(
                Object.assign(new Event("message"), { data: sent }));
        assert.equal(socket.protocols[0], "binary");
    }
    assert.deepEqual(messages, [{ mode: "view" }, { mode: "view" }]);
    assert.deepEqual(data, [bytes, bytes]);
});

test("noVNC accepts no subclass of WebSocket", () => {
    const prototype = Object.getPrototypeOf(openSocket(URL, () => {}));
    assert.equal(prototype, FakeSocket.prototype);
});
