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
 * Opens websockets whose messages from the proxy their user does not see.
 *
 * @param {(message: object) => void} received
 * @returns a subclass of WebSocket
 */
export function socketClass(received) {
    return class extends WebSocket {
        constructor(url) {
            super(url, PROTOCOLS);
            // Before the listeners of libraries.
            this.addEventListener("message", event => {
                if (typeof event.data !== "string") return;
                event.stopImmediatePropagation();
                received(JSON.parse(event.data));
            });
        }
    };
}
