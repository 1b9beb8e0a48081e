// SPDX-License-Identifier: Apache-2.0

/**
 * The token of a recording, in the fragment of the page's URL.
 *
 * Browsers do not send fragments, so that no log has it. It is removed from
 * the address bar, and so from the history and from screenshots. A reload
 * needs it again: sessionStorage keeps it for this tab alone.
 */

/** Reads the token, and removes it from the URL; null: there is none. */
export function readToken(page) {
    const { location, history } = page;
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    if (!token) return stored(page);
    // A page in a frame may not have storage.
    try {
        page.sessionStorage.setItem(location.pathname, token);
    } catch { /* A reload needs a new URL. */ }
    history.replaceState(null, "", location.pathname + location.search);
    return token;
}

function stored(page) {
    try {
        return page.sessionStorage.getItem(page.location.pathname);
    } catch {
        return null;
    }
}
