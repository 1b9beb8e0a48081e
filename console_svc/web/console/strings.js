// SPDX-License-Identifier: Apache-2.0

/**
 * All texts of the pages.
 *
 * To translate them, add an object for your language to `languages`. A text
 * that it lacks is in English. {name} is replaced by a value.
 */

const english = {
    vnc: "VNC console",
    serial: "Serial console",
    spice: "SPICE console",
    rdp: "RDP console",

    connecting: "Connecting…",
    connected: "Connected",
    control: "Connected. You have control.",
    view: "Connected. View only: your input is not sent.",
    othersControl: "Others with control: {number}.",
    othersView: "Others who watch: {number}.",
    who: "Who?",
    reconnecting: "The connection was lost. Reconnecting…",
    disconnected: "Disconnected",

    noToken: "This page's URL has no console token. Ask for a new URL.",
    incomplete: "The page could not be loaded completely. Reload it, or tell "
        + "the operator of the console proxy.",
    lost: "The connection was lost.",
    unavailable: "The console cannot be reached at the moment.",
    ended: "The console has ended.",
    failed: "The console proxy closed the connection (code {code}).",
    loginCancelled: "The log-in was cancelled.",
    rdpLogin: "Leave the fields empty if the server has its own log-in screen.",
    rdpLoginFailed: "The server has refused the connection. Check the user "
        + "name and the password.",
    rdpFailed: "The RDP client failed: {reason}",
    inUse: "The console is in use, and has no place for another user.",
    hasControl: "{user} has had control since {since}, from {address}.",
    watches: "{user} has been watching since {since}, from {address}.",
    user: "User {user}",
    anotherUser: "Another user",
    unknownAddress: "an unknown address",
    newUrl: "If this does not help, ask for a new URL of the console.",

    recording: "Recording",
    recordingOf: "Server {server}, {time}",
    loading: "Loading…",
    playing: "Playing",
    paused: "Paused",
    seeking: "Seeking…",
    endOfRecording: "The end of the recording",
    endOfLoaded: "The connection was lost. This is the end of what was "
        + "loaded.",
    notPlayed: "Not played",
    noRecording: "This page's URL has no token of a recording. Ask for a new "
        + "URL.",
    unplayable: "The recording cannot be played: it is damaged, or the page "
        + "could not be loaded completely.",
    recordingFailed: "The console proxy cannot send the recording (status "
        + "{code}).",
    recordedScreen: "Screen of the server",
    play: "Play",
    pause: "Pause",
    position: "Position",
    speed: "Speed",
    tryAgain: "Try again",

    toolbar: "Console",
    screen: "Screen of the server. Ctrl+Alt+Home leads back to the buttons.",
    sendKeys: "Send keys…",
    keyboard: "Keyboard",
    keyboardHint: "Show or hide the keyboard of this device",
    paste: "Paste as keys",
    clipboard: "Clipboard",
    fullScreen: "Full screen",
    reconnect: "Reconnect",
    takeOver: "Take over",
    takeOverHint: "Ends the session of the user who has the console",
    close: "Close",

    pasteText: "Text to type",
    pasteWarning: "The text is typed on a keyboard with US layout. If the "
        + "server has another layout, other characters appear. Check "
        + "passwords before you use them.",
    pasteType: "Type",
    pasteLeftOut: "Not on a US keyboard, and left out: {characters}",

    clipboardText: "Text of the clipboard",
    clipboardToGuest: "Send to the server",
    clipboardFromGuest: "Copy to this device",
    clipboardHint: "What is copied on the server appears here.",

    logIn: "Log in",
    username: "User name",
    password: "Password",
    domain: "Domain",
    target: "Target",
    cancel: "Cancel",
};

const languages = { en: english };

/** The language of the page. */
export const language = [...globalThis.navigator?.languages ?? []]
    .map(tag => tag.split("-")[0])
    .find(tag => tag in languages) ?? "en";

/**
 * Returns a text in the user's language.
 *
 * @param {string} name
 * @param {object} values for the names in braces
 */
export function text(name, values = {}) {
    const found = languages[language][name] ?? english[name];
    return found.replace(/\{(\w+)\}/g, (_, key) => values[key]);
}
