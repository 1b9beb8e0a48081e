// SPDX-License-Identifier: Apache-2.0

/** Serial consoles, by xterm.js. */

import { allowInlineStyles } from "./inline_styles.js";
import { run } from "./shell.js";

const CHORDS = {
    "Ctrl+C": "\x03", "Ctrl+D": "\x04", "Ctrl+Z": "\x1a", "Ctrl+\\": "\x1c",
    "Ctrl+]": "\x1d", "Esc": "\x1b", "Tab": "\t", "↑": "\x1b[A",
    "↓": "\x1b[B", "→": "\x1b[C", "←": "\x1b[D",
};
const OTHER_KEYS = { Backspace: "\x7f", Enter: "\r" };

const LIGHT = {
    background: "#ffffff", foreground: "#1f2328", cursor: "#1f2328",
    selectionBackground: "#b6d4fe",
};
const DARK = { background: "#0d1117", foreground: "#e6edf3" };

/** It stays when the page reconnects, and so does its scrollback. */
let terminal = null;

async function createTerminal({ screen, options }) {
    allowInlineStyles();
    const [{ Terminal }, { FitAddon }] = await Promise.all([
        import("./vendor/xterm/xterm.mjs"),
        import("./vendor/xterm/addon-fit.mjs"),
    ]);
    const created = new Terminal({
        scrollback: 10_000,
        fontFamily: "ui-monospace, 'DejaVu Sans Mono', Menlo, monospace",
    });
    const fit = new FitAddon();
    created.loadAddon(fit);
    created.open(screen);
    // The guest does not learn the size: a serial line has none.
    new ResizeObserver(() => fit.fit()).observe(screen);
    const isDark = matchMedia("(prefers-color-scheme: dark)");
    const paint = () => {
        const theme = isDark.matches ? DARK : LIGHT;
        created.options.theme = theme;
        screen.style.background = theme.background;
    };
    isDark.addEventListener("change", paint);
    paint();
    if (!options.clipboard_to_guest) block(screen, "paste");
    if (!options.clipboard_from_guest) block(screen, "copy");
    return created;
}

/** Keeps an event from the terminal, and from the browser. */
function block(screen, name) {
    screen.addEventListener(name, event => {
        event.preventDefault();
        event.stopPropagation();
    }, { capture: true });
}

run("serial", async connection => {
    terminal ??= await createTerminal(connection);
    const encoder = new TextEncoder();
    const socket = connection.openSocket();
    socket.binaryType = "arraybuffer";
    const send = bytes => {
        if (socket.readyState === WebSocket.OPEN
            && !terminal.options.disableStdin) socket.send(bytes);
    };
    const type = typed => send(encoder.encode(typed));
    const listeners = [
        terminal.onData(type),
        // Bytes that are not UTF-8, of some mouse reports.
        terminal.onBinary(data => send(
            Uint8Array.from(data, character => character.charCodeAt(0)))),
    ];
    socket.onopen = connection.opened;
    // The terminal decodes UTF-8, also characters in two messages.
    socket.onmessage = ({ data }) => terminal.write(new Uint8Array(data));
    socket.onclose = ({ code, reason }) => connection.closed(code, reason);
    return {
        chords: CHORDS,
        close() {
            for (const listener of listeners) listener.dispose();
            socket.close();
        },
        focus: () => terminal.focus(),
        setViewOnly(isSet) { terminal.options.disableStdin = isSet; },
        press: keys => type(Array.isArray(keys)
            ? keys.map(key => OTHER_KEYS[key] ?? "").join("") : keys),
        type: typed => type(typed.replaceAll(/\r?\n/g, "\r")),
    };
});
