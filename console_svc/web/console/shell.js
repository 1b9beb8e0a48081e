// SPDX-License-Identifier: Apache-2.0

/**
 * The frame around each console: status, buttons, and reconnecting.
 *
 * A page calls `run(title, open)`: title is the name of a text in strings.js,
 * and open(connection) connects once and returns a client, or a promise of
 * it. It is called again to reconnect. It imports its libraries with import(),
 * so that a missing one is reported to the user.
 *
 * connection.url        of the websocket, with the console token
 * connection.screen     the element for the console; empty at the first time
 * connection.openSocket()
 *                       opens the websocket; the messages of the proxy to the
 *                       page are left out of what it receives
 * connection.Socket     the class of such websockets, for libraries that open
 *                       them: it replaces WebSocket
 * connection.viewOnly   whether to send nothing to the guest
 * connection.resize     "scale", "remote" or "off"
 * connection.options    of the operator: clipboard_to_guest and
 *                       clipboard_from_guest (console.json)
 * connection.opened()   call it when the console is usable
 * connection.closed(code, reason)
 *                       call it when the websocket was closed. retry.js has
 *                       the codes after which the page reconnects; after the
 *                       others the user sees the reason
 * connection.ask(names) asks the user to log in: returns a promise of an
 *                       object with these fields ("username", "password",
 *                       "domain", "target"), or of null. With a hint as the
 *                       second argument, the fields may be empty
 * connection.copied(text)
 *                       call it with the new text of the guest's clipboard
 *
 * client.close()        ends the connection and removes what is in the
 *                       screen. It is called once, also after closed()
 * client.setViewOnly(viewOnly)
 *                       the user has got control, or has lost it
 * client.focus()        moves the keyboard's focus to the console
 * client.press(keys)    presses keys together: codes, as in keys.js
 * client.type(text)     optional: types a text; otherwise the shell presses
 *                       the keys of a US keyboard
 * client.paste(text)    optional: gives a text to the guest's clipboard
 * client.chords         optional: chords that replace those of keys.js
 */

import { readAddress } from "./address.js";
import { askLogin, askText, showClipboard } from "./dialogs.js";
import { button, element } from "./elements.js";
import { CHORDS, strokesOf } from "./keys.js";
import { openSocket, socketClass } from "./messages.js";
import { NOBODY, People, listOf } from "./people.js";
import { Retry, reasonName } from "./retry.js";
import { language, text } from "./strings.js";
import { TouchKeyboard } from "./touch_keyboard.js";

/** Milliseconds between two typed keys: guests lose some of a burst. */
const KEY_INTERVAL = 20;

/** The code for an error of the page itself; RFC 6455 reserves 4000 to 4999. */
const PAGE_FAILED = 4000;

export function run(title, open) {
    return new Shell(title, open).start();
}

class Shell {
    constructor(title, open) {
        this.open = open;
        this.address = readAddress(window);
        this.retry = new Retry();
        this.client = null;
        this.attempt = 0;
        this.mode = null;
        this.others = NOBODY;
        this.copied = "";
        this.build(title);
    }

    async start() {
        this.options = await readOptions();
        this.connect();
        addEventListener("online", () => this.hurry());
        // Browsers slow the timers of tabs in the background down.
        document.addEventListener("visibilitychange", () => this.hurry());
        addEventListener("pagehide", () => this.disconnect());
        // The page comes out of the browser's back-forward cache.
        addEventListener("pageshow", event => event.persisted && this.connect());
    }

    build(title) {
        document.documentElement.lang = language;
        document.title = text(title);
        this.status = element("output", { id: "status" });
        this.people = new People();
        this.screen = element("main", { id: "screen" });
        this.screen.ariaLabel = text("screen");
        this.notice = element("section", { id: "notice", hidden: true });
        this.touch = new TouchKeyboard(
            typed => this.type(typed), keys => this.client?.press(keys),
        );
        this.chords = element("select", { onchange: () => this.sendChord() });
        this.chords.ariaLabel = text("sendKeys");
        this.tools = {
            cad: button("Ctrl+Alt+Del", () => this.press("Ctrl+Alt+Del")),
            chords: this.chords,
            keyboard: button(text("keyboard"), () => this.touch.toggle(), {
                className: "keyboard",
                title: text("keyboardHint"),
                // It keeps the focus where it is, so that it can hide it.
                onpointerdown: event => event.preventDefault(),
            }),
            paste: button(text("paste"), () => this.paste()),
            clipboard: button(text("clipboard"), () => this.showClipboard()),
            fullScreen: button(text("fullScreen"), toggleFullScreen, {
                hidden: !document.fullscreenEnabled,
            }),
        };
        const toolbar = element(
            "div", { id: "tools", role: "toolbar" },
            ...Object.values(this.tools),
        );
        toolbar.ariaLabel = text("toolbar");
        document.body.replaceChildren(
            element("header", {}, this.status, ...this.people.elements, toolbar),
            this.screen, this.notice, this.touch.field,
        );
        leaveByChord(this.screen, toolbar);
        this.show("connecting");
    }

    /** Whether the page sends nothing to the guest. */
    get viewOnly() {
        return this.address.viewOnly || this.mode === "view";
    }

    /** Shows a state in the status line; only "connected" has all buttons. */
    show(state) {
        document.body.dataset.state = state;
        this.status.textContent = text(state);
        const isConnected = state === "connected";
        if (isConnected && this.mode !== null)
            this.status.textContent = text(this.viewOnly ? "view" : "control");
        this.people.show(isConnected ? this.others : NOBODY);
        const { client, tools } = this;
        const isUsable = isConnected && !this.viewOnly;
        const has = method => isUsable && Boolean(client?.[method]);
        const chords = client?.chords ?? CHORDS;
        tools.cad.hidden = !isUsable || !("Ctrl+Alt+Del" in chords);
        tools.chords.hidden = tools.keyboard.hidden = !isUsable;
        tools.paste.hidden = !isUsable || !this.options.clipboard_to_guest;
        tools.clipboard.hidden = !has("paste") || !(
            this.options.clipboard_to_guest
            || this.options.clipboard_from_guest
        );
        this.chords.replaceChildren(
            ...[text("sendKeys"), ...Object.keys(chords)]
                .map(name => element("option", {}, name)),
        );
    }

    /**
     * @param {boolean} takesOver whether to end the session of another user
     *     who has the console; only if the user asks for it
     */
    async connect(takesOver = false) {
        this.disconnect();
        this.notice.hidden = true;
        const { url } = this.address;
        if (url === null) return this.fail(text("noToken"));
        const attempt = this.attempt;
        const isCurrent = () => attempt === this.attempt;
        const websocket = takesOver ? `${url}&takeover=1` : url;
        const received = message => isCurrent() && this.received(message);
        const closed = (code, reason = "") =>
            isCurrent() && this.closed(code, reason);
        try {
            const client = await this.open({
                ...this.address,
                url: websocket,
                viewOnly: this.viewOnly,
                openSocket: () => openSocket(websocket, received),
                Socket: socketClass(received),
                screen: this.screen,
                options: this.options,
                ask: askLogin,
                closed,
                opened: () => isCurrent() && this.opened(),
                copied: copied => { this.copied = copied; },
            });
            if (!isCurrent()) return client.close();
            this.client = client;
            client.setViewOnly(this.viewOnly);
            if (document.body.dataset.state === "connected") this.opened();
        } catch (error) {
            console.error(error);
            closed(PAGE_FAILED, text("incomplete"));
        }
    }

    /** Ends the current attempt; what it still reports is ignored. */
    disconnect() {
        this.attempt++;
        clearTimeout(this.timer);
        this.timer = null;
        this.client?.close();
        this.client = null;
        this.refusal = null;
        this.others = NOBODY;
    }

    /** Takes a message of the proxy. */
    received({ mode = this.mode, others = this.others, takeover, holders }) {
        if (holders) this.refusal = { canTakeOver: takeover, holders };
        if (mode === this.mode && others === this.others) return;
        this.mode = mode;
        this.others = others;
        this.client?.setViewOnly(this.viewOnly);
        if (document.body.dataset.state === "connected") this.show("connected");
    }

    opened() {
        this.retry.opened();
        this.show("connected");
        this.client?.focus();
    }

    closed(code, reason) {
        const { refusal } = this;
        this.disconnect();
        const delay = refusal?.canTakeOver ? null : this.retry.delay(code);
        if (delay === null) {
            return this.fail(
                reason || text(reasonName(code), { code }), refusal ?? {});
        }
        this.show("reconnecting");
        if (reason) this.status.textContent += ` ${reason}`;
        this.timer = setTimeout(() => this.connect(), delay);
    }

    /** Connects now, if the page waits for it. */
    hurry() {
        if (this.timer) this.connect();
    }

    /**
     * Shows why there is no connection.
     *
     * @param {string} reason
     * @param {object} refusal what the proxy tells, if others have all places:
     *     whether the user can take the console over, and those sessions that
     *     the user may know
     */
    fail(reason, { canTakeOver = false, holders = [] } = {}) {
        this.show("disconnected");
        const connect = takesOver => {
            this.retry.restart();
            this.show("connecting");
            this.connect(takesOver);
        };
        const again = button(text("reconnect"), () => connect(false));
        const takeOver = button(text("takeOver"), () => connect(true), {
            title: text("takeOverHint"),
            hidden: !canTakeOver,
        });
        this.notice.replaceChildren(
            element(
                "p", { role: "alert", id: "reason" },
                holders.length ? text("inUse") : reason,
            ),
            ...holders.length ? [listOf(holders)] : [],
            ...this.address.url === null
                ? [] : [element("p", {}, text("newUrl")), again, takeOver],
        );
        this.notice.hidden = false;
        again.focus();
    }

    press(name) {
        this.client?.press((this.client.chords ?? CHORDS)[name]);
        this.client?.focus();
    }

    sendChord() {
        const { selectedIndex, value } = this.chords;
        this.chords.selectedIndex = 0;
        if (selectedIndex > 0) this.press(value);
    }

    async type(typed) {
        const { client } = this;
        if (client?.type) return client.type(typed);
        for (const keys of strokesOf(typed).strokes) {
            if (client !== this.client) return;
            client.press(keys);
            await new Promise(resolve => setTimeout(resolve, KEY_INTERVAL));
        }
    }

    async paste() {
        const typed = await askText();
        this.client?.focus();
        await this.type(typed);
    }

    async showClipboard() {
        const {
            clipboard_to_guest: isIn, clipboard_from_guest: isOut,
        } = this.options;
        const sent = await showClipboard(isOut ? this.copied : "", isIn, isOut);
        if (sent !== null) this.client?.paste(sent);
        this.client?.focus();
    }
}

/** Reads the operator's options; without them, the clipboard is off. */
async function readOptions() {
    try {
        const response = await fetch("console.json");
        if (response.ok) return await response.json();
    } catch (error) {
        console.error(error);
    }
    return { clipboard_to_guest: false, clipboard_from_guest: false };
}

async function toggleFullScreen() {
    if (document.fullscreenElement) return document.exitFullscreen();
    await document.documentElement.requestFullscreen();
    // In Chromium, Esc and others then reach the guest.
    await navigator.keyboard?.lock?.();
}

/**
 * Moves the focus from the screen to the buttons by Ctrl+Alt+Home: the screen
 * takes all keys, also Tab.
 */
function leaveByChord(screen, toolbar) {
    let isLeaving = false;
    const isHome = event => event.code === "Home"
        && event.ctrlKey && event.altKey;
    const watch = event => {
        if (isHome(event)) {
            isLeaving = true;
            event.preventDefault();
            event.stopPropagation();
        } else if (isLeaving && !event.ctrlKey && !event.altKey) {
            // The guest has seen that Ctrl and Alt were released.
            isLeaving = false;
            setTimeout(() => toolbar.querySelector(
                "button:not([hidden])").focus());
        }
    };
    screen.addEventListener("keydown", watch, { capture: true });
    screen.addEventListener("keyup", watch, { capture: true });
}
