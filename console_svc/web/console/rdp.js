// SPDX-License-Identifier: Apache-2.0

/** RDP consoles, by IronRDP. The proxy speaks RDCleanPath with it. */

import { element } from "./elements.js";
import { allowInlineStyles } from "./inline_styles.js";
import { run } from "./shell.js";
import { text } from "./strings.js";

/** Close codes: of a failure that the page finds, and of the server's end. */
const REFUSED = 1008;
const ENDED = 1000;

/** IronRDP's errors (IronErrorKind) for a wrong user name or password. */
const WRONG_LOGIN = new Set([1, 2, 3]);

/** IronRDP requires them, but the token alone says where to connect. */
const UNUSED = "console";

/** Widths and heights of a desktop ([MS-RDPBCGR] 2.2.1.3.2). */
const SMALLEST = 200;
const LARGEST = 8192;

const TEXT = "text/plain";

/** Kept to reconnect, in memory only; isAccepted: it has worked before. */
let account = null;

/** The websocket that IronRDP has opened last. */
let socket = null;

/** IronRDP neither tells the close code nor the reason. */
const watched = Socket => class extends Socket {
    isClosedHere = false;

    constructor(...parameters) {
        super(...parameters);
        this.closing = new Promise(
            resolve => this.addEventListener("close", resolve));
        socket = this;
    }

    close(...parameters) {
        if (this.readyState <= WebSocket.OPEN) this.isClosedHere = true;
        super.close(...parameters);
    }
};

async function load() {
    allowInlineStyles();
    const [rdp] = await Promise.all([
        import("./vendor/iron-remote-desktop/iron-remote-desktop-rdp.js"),
        import("./vendor/iron-remote-desktop/iron-remote-desktop.js"),
    ]);
    await rdp.init("ERROR");
    return rdp;
}

/** Connects until the server accepts the log-in, or fails. */
class Attempt {
    constructor(rdp, connection) {
        Object.assign(this, { rdp, connection });
        this.isViewOnly = connection.viewOnly;
        globalThis.WebSocket = watched(connection.Socket);
        this.start();
    }

    async start() {
        const { connection } = this;
        let hint = text("rdpLogin");
        while (!this.isClosed) {
            account ??= await connection.ask(
                ["username", "password", "domain"], hint);
            if (this.isClosed) return;
            if (!account)
                return connection.closed(REFUSED, text("loginCancelled"));
            const { code, reason, isLoginWrong } = await this.connect();
            if (!isLoginWrong) return connection.closed(code, reason);
            account = null;
            hint = text("rdpLoginFailed");
        }
    }

    /** Connects once; returns how it has ended. */
    async connect() {
        try {
            socket = null;
            const client = await this.show();
            const session = await client.connect(this.settings(client));
            client.setVisibility(true);
            account.isAccepted = true;
            this.connection.opened();
            await session.run();
            return await ending(text("ended"));
        } catch (error) {
            const reason = error.backtrace?.() ?? String(error);
            if (socket === null) console.error(error);
            const { code, reason: shown } =
                await ending(text("rdpFailed", { reason }));
            // Some servers close the connection without an answer. The same
            // password again and again could lock the user out.
            const isLoginWrong = WRONG_LOGIN.has(error.kind?.())
                || code === ENDED && !account.isAccepted;
            return { code, reason: shown, isLoginWrong };
        } finally {
            this.session = null;
            this.desktop.remove();
        }
    }

    /** Shows IronRDP's element; returns its interface. */
    show() {
        const { connection: { screen }, isViewOnly } = this;
        this.desktop = element("iron-remote-desktop", { inert: isViewOnly });
        this.desktop.setAttribute("scale", "fit");
        this.desktop.setAttribute("flexcenter", "true");
        this.desktop.module = this.backend();
        return new Promise(resolve => {
            this.desktop.addEventListener("ready", event => {
                const client = event.detail.irgUserInteraction;
                // It would read and write the browser's clipboard unasked.
                client.setEnableClipboard(false);
                client.setEnableAutoClipboard(false);
                resolve(client);
            });
            screen.replaceChildren(this.desktop);
        });
    }

    /** IronRDP's classes, with the clipboard of the shell. */
    backend() {
        const attempt = this;
        const { Backend } = this.rdp;
        const { options, copied } = this.connection;
        class SessionBuilder extends Backend.SessionBuilder {
            constructor() {
                super();
                this.remoteClipboardChangedCallback(data => {
                    const found = data.items()
                        .find(item => item.mimeType() === TEXT);
                    if (found && options.clipboard_from_guest)
                        copied(found.value());
                });
                this.forceClipboardUpdateCallback(() => attempt.paste(""));
            }

            async connect() {
                return attempt.session = await super.connect();
            }
        }
        return { ...Backend, SessionBuilder };
    }

    settings(client) {
        const { screen, url } = this.connection;
        const size = length =>
            Math.min(Math.max(length, SMALLEST), LARGEST) & ~3;
        return client.configBuilder()
            .withUsername(account.username)
            .withPassword(account.password)
            .withServerDomain(account.domain)
            .withDestination(UNUSED)
            .withAuthToken(UNUSED)
            .withProxyAddress(url)
            .withDesktopSize({
                width: size(screen.clientWidth),
                height: size(screen.clientHeight),
            })
            .build();
    }

    close() {
        this.isClosed = true;
        socket?.close();
        this.connection.screen.replaceChildren();
    }

    focus() {
        this.desktop?.focus();
    }

    setViewOnly(isSet) {
        this.isViewOnly = isSet;
        if (this.desktop) this.desktop.inert = isSet;
    }

    paste(pasted) {
        const data = new this.rdp.Backend.ClipboardData();
        if (pasted) data.addText(TEXT, pasted);
        this.session?.onClipboardPaste(data);
    }

    /** The element takes keys from events, by their codes. */
    press(codes) {
        this.focus();
        const send = (name, code) => this.desktop?.dispatchEvent(
            new KeyboardEvent(name, { code, bubbles: true, cancelable: true }));
        for (const code of codes) send("keydown", code);
        for (const code of codes.toReversed()) send("keyup", code);
    }
}

/**
 * Returns how the websocket was closed.
 *
 * @param {string} reason if IronRDP has closed it
 */
async function ending(reason) {
    if (socket === null) return { code: REFUSED, reason };
    const isClosedHere = socket.isClosedHere
        || socket.readyState === WebSocket.OPEN;
    socket.close();
    const event = await socket.closing;
    // The proxy's answer to a request that fails comes before its reason.
    if (isClosedHere && !event.reason) return { code: REFUSED, reason };
    return event;
}

let loading = null;

run("rdp", async connection => {
    const rdp = await (loading ??= load());
    return new Attempt(rdp, connection);
});
