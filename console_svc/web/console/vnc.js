// SPDX-License-Identifier: Apache-2.0

/** VNC consoles, by noVNC. */

import { keysym } from "./keys.js";
import { run } from "./shell.js";
import { text } from "./strings.js";

/** Close codes for failures that noVNC finds; retry.js has their meaning. */
const REFUSED = 1008;
const UNREACHABLE = 1014;

run("vnc", async connection => {
    const { default: RFB } = await import("./vendor/novnc/core/rfb.js");
    const { options, screen, resize } = connection;
    let ending = null;
    let isAsked = false;
    let isOpen = true;
    const socket = connection.openSocket();
    // Before noVNC's, which does not tell the code.
    socket.addEventListener("close", event => { ending ??= event; });
    const rfb = new RFB(screen, socket);
    rfb.background = "transparent";
    rfb.scaleViewport = resize !== "off";
    rfb.resizeSession = resize === "remote";
    rfb.addEventListener("connect", connection.opened);
    rfb.addEventListener("clipboard", event => {
        if (options.clipboard_from_guest) connection.copied(event.detail.text);
    });
    rfb.addEventListener("credentialsrequired", async event => {
        isAsked = true;
        const answer = await connection.ask(event.detail.types);
        if (answer) return rfb.sendCredentials(answer);
        connection.closed(REFUSED, text("loginCancelled"));
    });
    rfb.addEventListener("securityfailure", event => {
        const code = isAsked ? REFUSED : UNREACHABLE;
        ending = { code, reason: event.detail.reason };
    });
    rfb.addEventListener("disconnect", () => {
        isOpen = false;
        connection.closed(ending?.code ?? 1006, ending?.reason);
    });
    return {
        // noVNC complains about a second time.
        close: () => isOpen && rfb.disconnect(),
        focus: () => rfb.focus(),
        setViewOnly(isSet) { rfb.viewOnly = isSet; },
        paste: pasted => rfb.clipboardPasteFrom(pasted),
        press(codes) {
            const isShifted = codes.includes("ShiftLeft");
            const keys = codes.map(code => [keysym(code, isShifted), code]);
            for (const key of keys) rfb.sendKey(...key, true);
            for (const key of keys.reverse()) rfb.sendKey(...key, false);
        },
    };
});
