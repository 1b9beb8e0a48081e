// SPDX-License-Identifier: Apache-2.0

/** The screen of VNC recordings, by noVNC; see player.js. */

import RFB from "../vendor/novnc/core/rfb.js";

import { element } from "../elements.js";
import { concat, uint32 } from "./bytes.js";
import { Translator, byteOrder, isOwn } from "./pixels.js";

/** Bytes of the server's version and of the security type. */
const VERSION = 12, SECURITY = 4;

/** Bytes of ServerInit before the name, and where the pixel format is. */
const INIT = 24, FORMAT = 4, FORMAT_SIZE = 16;

/** What noVNC has as its connection: nothing that it sends leads anywhere. */
class Channel {
    binaryType = "arraybuffer";
    protocol = "";
    readyState = "open";
    onopen = null;
    onmessage = null;
    onclose = null;
    onerror = null;

    send() {}

    close() {
        this.readyState = "closed";
        // noVNC is not ready for it yet.
        queueMicrotask(() => this.onclose?.({ code: 1000 }));
    }
}

/** A client that decodes a recording from its start. */
class Client {
    #channel = new Channel();
    #layer = element("div", { className: "layer" });
    /** What of the handshake has come; null: it is complete. */
    #start = [];
    #translator = null;
    #isBroken = false;
    #isClosed = false;

    constructor(screen) {
        // Below the one that is shown.
        screen.prepend(this.#layer);
        this.rfb = new RFB(this.#layer, this.#channel);
        this.rfb.viewOnly = true;
        this.rfb.focusOnClick = false;
        this.rfb.scaleViewport = true;
        this.rfb.background = "transparent";
        this.rfb.addEventListener(
            "disconnect", () => { this.#isBroken = true; });
    }

    /**
     * Decodes bytes of the server.
     *
     * @throws {Error} they cannot be decoded
     */
    async feed(bytes) {
        if (this.#start !== null) bytes = this.#handshake(bytes);
        if (bytes && this.#translator) bytes = this.#translator.push(bytes);
        if (bytes?.length) this.#receive(bytes);
        await this.settle();
        if (this.#isBroken && !this.#isClosed)
            throw new Error("noVNC cannot decode the recording");
    }

    /** Waits until images are decoded. */
    async settle() {
        // noVNC has no public name for it; package-lock.json has its version.
        const display = this.rfb._display;
        while (!this.#isBroken && (display.pending() || this.rfb._flushing))
            await display.flush();
    }

    close() {
        if (!this.#isBroken && !this.#isClosed) this.rfb.disconnect();
        this.#isClosed = true;
        this.#layer.remove();
    }

    /** Takes the handshake; returns what follows it, or null. */
    #handshake(bytes) {
        this.#start.push(bytes);
        const all = concat(this.#start);
        const init = VERSION + SECURITY;
        if (all.length < init + INIT) return null;
        const end = init + INIT + uint32(all, init + INIT - 4);
        if (all.length < end) return null;
        this.#start = null;
        const format = init + FORMAT;
        const order = byteOrder(all.subarray(format, format + FORMAT_SIZE));
        if (!isOwn(order)) this.#translator = new Translator(order);
        // noVNC takes one step of the handshake for each message.
        this.#receive(all.subarray(0, VERSION));
        this.#receive(all.subarray(VERSION, init));
        this.#receive(all.subarray(init, end));
        return all.subarray(end);
    }

    #receive(data) {
        this.#channel.onmessage({ data });
    }
}

class Screen {
    #screen;
    #client;
    /** The client that is shown until the other one has caught up. */
    #previous = null;

    /** @param {HTMLElement} screen */
    constructor(screen) {
        this.#screen = screen;
        this.#client = new Client(screen);
    }

    feed(data) {
        return this.#client.feed(data);
    }

    reset() {
        if (this.#previous) this.#client.close();
        else this.#previous = this.#client;
        this.#client = new Client(this.#screen);
    }

    settle() {
        this.#previous?.close();
        this.#previous = null;
    }
}

/**
 * Returns a screen in an element.
 *
 * @param {HTMLElement} element
 */
export function openScreen(element) {
    return new Screen(element);
}
