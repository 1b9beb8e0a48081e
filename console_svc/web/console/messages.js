// SPDX-License-Identifier: Apache-2.0

/**
 * Messages of the console proxy to a page, beside the data of the console.
 *
 * These are text, and the data is binary. console_svc/proxy/page_messages.py
 * has the other side. A proxy that does not know them sends none.
 */

/** What a websocket offers; the proxy selects "binary". */
const PROTOCOLS = ["binary", "state.console-svc"];

/** Some pages replace it for their libraries. */
const { WebSocket } = globalThis;

/**
 * Opens a websocket whose messages from the proxy its user does not see.
 *
 * @param {string} url
 * @param {(message: object) => void} received
 */
export function openSocket(url, received) {
    const socket = new WebSocket(url, PROTOCOLS);
    listen(socket, received);
    return socket;
}

/** Returns a class of such websockets, for libraries that open their own. */
export function socketClass(received) {
    return class extends WebSocket {
        constructor(url) {
            super(url, PROTOCOLS);
            listen(this, received);
        }
    };
}

/** Takes the proxy's messages, before the listeners of libraries. */
function listen(socket, received) {
    socket.addEventListener("message", event => {
        if (typeof event.data !== "string") return;
        event.stopImmediatePropagation();
        received(JSON.parse(event.data));
    });
}
