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
const { socketClass } = await import("../../web/console/messages.js");

test("a library sees the console's data alone", () => {
    const messages = [], data = [];
    const Socket = socketClass(message => messages.push(message));
    // As some pages do.
    globalThis.WebSocket = Socket;
    socketClass(() => assert.fail("of an earlier attempt"));
    const socket = new Socket("wss://console.test/");
    socket.addEventListener("message", event => data.push(event.data));
    const bytes = new ArrayBuffer(1);
    for (const received of [bytes, '{"mode": "view"}'])
        socket.dispatchEvent(
            Object.assign(new Event("message"), { data: received }));
    assert.deepEqual(messages, [{ mode: "view" }]);
    assert.deepEqual(data, [bytes]);
    assert.equal(socket.protocols[0], "binary");
});
