// SPDX-License-Identifier: Apache-2.0

/** SPICE consoles, by spice-client, which this module corrects. */

import { element } from "./elements.js";
import { allowInlineStyles } from "./inline_styles.js";
import { run } from "./shell.js";
import { text } from "./strings.js";

/** Close codes for failures without one; retry.js has their meaning. */
const REFUSED = 1008;
const LOST = 1006;

/** The close code of a server that has closed the connection. */
const ENDED = 1000;

/** Milliseconds in which the reason of another channel may arrive. */
const GRACE = 1000;

/** Bytes of an encrypted ticket. */
const TICKET_SIZE = 128;

/** spice-client finds its screen by this id. */
const SCREEN = "spice-screen";

const FLAGS = {
    ShiftLeft: "shiftKey", ControlLeft: "ctrlKey", AltLeft: "altKey",
    MetaLeft: "metaKey",
};

/** The attempt to which spice-client's channels belong. */
let current = null;

/** Kept to reconnect, in memory only. */
let password = "";

async function load() {
    allowInlineStyles();
    const spice = await import("./vendor/spice-client/index.js");
    const { SpiceConn, SpiceMainConn, SpiceDisplayConn } = spice;
    const { send_hdr, send_ticket } = SpiceConn.prototype;
    const { hook_events } = SpiceDisplayConn.prototype;
    Object.assign(SpiceConn.prototype, {
        // It would log the URL, with the console token.
        log_info() {},
        send_hdr() {
            current?.add(this);
            send_hdr.call(this);
        },
        // A ticket that begins with a zero byte lacks it, and the server
        // refuses it, if zeros follow it instead.
        send_ticket(ticket) {
            const zeros = Array(TICKET_SIZE - ticket.length).fill(0);
            send_ticket.call(this, [...zeros, ...ticket]);
        },
        report_error() {
            current?.failed(this);
        },
    });
    Object.assign(SpiceMainConn.prototype, {
        // They would read and write the browser's clipboard unasked.
        send_clipboard_grab() {},
        handle_clipboard_grab() {},
        handle_clipboard_receive() {},
        handle_clipboard_send() {},
    });
    SpiceDisplayConn.prototype.hook_events = function () {
        hook_events.call(this);
        current?.shown(this.surfaces[this.primary_surface].canvas);
    };
    return spice;
}

/** An attempt to connect: the channels of one session. */
class Attempt {
    channels = new Set();
    observer = new ResizeObserver(() => this.fit());

    constructor(spice, connection) {
        Object.assign(this, { spice, connection });
        this.isViewOnly = connection.viewOnly;
        this.observer.observe(connection.screen);
        this.connect();
    }

    connect() {
        const { screen, url, Socket } = this.connection;
        globalThis.WebSocket = Socket;
        screen.replaceChildren(element("div", { id: SCREEN }));
        const main = new this.spice.SpiceMainConn({
            uri: url, screen_id: SCREEN, password, scale_view: false,
        });
        // Before the main channel sends its header.
        this.add(main);
    }

    /** Watches a channel. */
    add(channel) {
        if (this.channels.has(channel)) return;
        this.channels.add(channel);
        channel.ws.addEventListener("close", ({ code, reason }) => {
            const closed = () => {
                if (this.channels.has(channel) && !channel.isRefused)
                    this.connection.closed(code, reason);
            };
            // When a client's main channel ends, the server closes all others.
            if (code === ENDED) setTimeout(closed, GRACE);
            else closed();
        });
    }

    async failed(channel) {
        if (!channel.auth_reply?.auth_code) return this.fail(channel);
        channel.isRefused = true;
        const answer = await this.connection.ask(["password"]);
        if (answer === null)
            return this.connection.closed(REFUSED, text("loginCancelled"));
        this.drop();
        ({ password } = answer);
        this.connect();
    }

    fail(channel) {
        // A failed websocket has a close event, too.
        if (channel.ws?.readyState === WebSocket.OPEN)
            this.connection.closed(LOST);
    }

    drop() {
        const channels = [...this.channels];
        this.channels.clear();
        for (const channel of channels) {
            channel.state = "closing";
            channel.cleanup();
        }
    }

    shown(canvas) {
        this.canvas = canvas;
        this.fit();
        canvas.inert = this.isViewOnly;
        // spice-client has no map for them, and shows an alert.
        canvas.addEventListener("keydown", event => {
            if (!event.code) event.stopImmediatePropagation();
        }, { capture: true });
        this.connection.opened();
    }

    /** Scales the screen; the mouse's offsetX and offsetY follow. */
    fit() {
        const { canvas, connection: { screen, resize } } = this;
        if (!canvas || resize === "off") return;
        const scale = Math.min(
            screen.clientWidth / canvas.width,
            screen.clientHeight / canvas.height,
        );
        const x = (screen.clientWidth - canvas.width * scale) / 2;
        const y = (screen.clientHeight - canvas.height * scale) / 2;
        canvas.style.transformOrigin = "0 0";
        canvas.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    }

    close() {
        this.observer.disconnect();
        this.drop();
        if (current === this) current = null;
        this.connection.screen.replaceChildren();
    }

    focus() {
        this.canvas?.focus();
    }

    setViewOnly(isSet) {
        this.isViewOnly = isSet;
        if (this.canvas) this.canvas.inert = isSet;
    }

    /** spice-client takes keys from events, by their codes. */
    press(codes) {
        const flags = {};
        const send = (name, code) => this.canvas?.dispatchEvent(
            new KeyboardEvent(name, { code, ...flags, cancelable: true }));
        for (const code of codes) {
            if (code in FLAGS) flags[FLAGS[code]] = true;
            send("keydown", code);
        }
        for (const code of [...codes].reverse()) {
            if (code in FLAGS) flags[FLAGS[code]] = false;
            send("keyup", code);
        }
    }
}

let loading = null;

run("spice", async connection => {
    current = null;
    const spice = await (loading ??= load());
    return current = new Attempt(spice, connection);
});
