// SPDX-License-Identifier: Apache-2.0

/**
 * The address of a page: where its websocket connects, and harmless options.
 *
 * The console token is in the parameter "path" (nova's URLs of noVNC) or in
 * "token" (those of SPICE and serial consoles). It is removed from the address
 * bar, and so from the history and from screenshots. A reload needs it again:
 * sessionStorage keeps it for this tab alone, until the tab is closed.
 */

/**
 * Reads the address of a page, and removes the token from it.
 *
 * @param {Window} page
 * @returns {{url: ?string, viewOnly: boolean, resize: string}} url: of the
 *     websocket, null without a token; resize: "scale", "remote" or "off"
 */
export function readAddress(page) {
    const { location, history } = page;
    const parameters = new URLSearchParams(location.search);
    let path = websocketPath(location.pathname, parameters);
    if (path !== null) {
        store(page, path);
        for (const name of ["path", "token"]) parameters.delete(name);
        const rest = String(parameters);
        history.replaceState(
            null, "", location.pathname + (rest && `?${rest}`));
    } else {
        path = stored(page);
    }
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    return {
        url: path === null ? null : `${scheme}://${location.host}/${path}`,
        viewOnly: isOn(parameters.get("view_only")),
        resize: parameters.get("resize") ?? "scale",
    };
}

/**
 * Returns the path and query of a page's websocket; null without a token.
 *
 * As in noVNC, "path" begins at the root of the host. Without it, the
 * websocket is in the folder of the page.
 */
function websocketPath(pathname, parameters) {
    const token = parameters.get("token");
    const path = parameters.get("path");
    if (/[?&]token=./.test(path)) return path;
    if (!token) return null;
    const query = `token=${encodeURIComponent(token)}`;
    if (path === null)
        return `${pathname.slice(1, pathname.lastIndexOf("/") + 1)}?${query}`;
    return `${path}${path.includes("?") ? "&" : "?"}${query}`;
}

function isOn(value) {
    return ["", "1", "true", "yes", "on"].includes(value);
}

// A page in a frame may not have storage.

function store(page, path) {
    try {
        page.sessionStorage.setItem(page.location.pathname, path);
    } catch { /* A reload needs a new URL. */ }
}

function stored(page) {
    try {
        return page.sessionStorage.getItem(page.location.pathname);
    } catch {
        return null;
    }
}
