// SPDX-License-Identifier: Apache-2.0

/** The page that plays recordings. */

import { button, element } from "./elements.js";
import { asciicast } from "./playback/asciicast.js";
import { fbs } from "./playback/fbs.js";
import { Player } from "./playback/player.js";
import { Tape } from "./playback/tape.js";
import { duration, startTime } from "./playback/times.js";
import { readToken } from "./playback/token.js";
import { language, text } from "./strings.js";

const SCREENS = new Map([
    [asciicast, () => import("./playback/terminal_screen.js")],
    [fbs, () => import("./playback/vnc_screen.js")],
]);

/** State of the player, or of the page -> the name of its text. */
const STATES = {
    loading: "loading",
    waiting: "loading",
    playing: "playing",
    paused: "paused",
    seeking: "seeking",
    ended: "endOfRecording",
    failed: "notPlayed",
};

const SPEEDS = [1, 2, 4, 8];

/** Milliseconds that an arrow key jumps. */
const JUMP = 5_000;

/** Milliseconds between two looks at the position. */
const REFRESH = 200;

class Page {
    constructor() {
        this.player = null;
        this.isCut = false;
        this.build();
    }

    build() {
        document.documentElement.lang = language;
        document.title = text("recording");
        this.status = element("output", { id: "status" });
        this.about = element("span", { id: "about" });
        this.screen = element("main", {
            id: "screen", onclick: () => this.clicked(),
        });
        this.screen.ariaLabel = text("recordedScreen");
        this.notice = element("section", { id: "notice", hidden: true });
        this.button = button("", () => this.toggle(), { id: "play" });
        this.slider = element("input", {
            id: "position", type: "range", min: 0, max: 0, step: 1, value: 0,
            oninput: () => this.player.seek(Number(this.slider.value)),
        });
        this.slider.ariaLabel = text("position");
        this.time = element("span", { id: "time" });
        this.speed = element("select", {
            onchange: () => { this.player.speed = Number(this.speed.value); },
        }, ...SPEEDS.map(
            speed => element("option", { value: speed }, `${speed}×`)));
        this.controls = element(
            "footer", { id: "player", hidden: true },
            this.button, this.slider, this.time,
            element("label", {}, text("speed"), this.speed),
            button(text("fullScreen"), toggleFullScreen, {
                hidden: !document.fullscreenEnabled,
            }),
        );
        document.body.replaceChildren(
            element("header", {}, this.status, this.about),
            this.screen, this.controls, this.notice,
        );
        this.show("loading");
    }

    show(state) {
        document.body.dataset.state = state;
        const isCut = state === "ended" && this.isCut;
        this.status.textContent = text(isCut ? "endOfLoaded" : STATES[state]);
    }

    async start() {
        const token = readToken(window);
        // Another link in the address bar does not load the page again.
        addEventListener("hashchange", () => location.reload());
        if (token === null) return this.fail(text("noRecording"), false);
        let response;
        try {
            response = await fetch("recording", {
                headers: { Authorization: `Bearer ${token}` },
                cache: "no-store",
            });
        } catch (error) {
            console.error(error);
            return this.fail(text("lost"));
        }
        if (!response.ok) return this.fail(await reasonOf(response));
        try {
            await this.play(response);
        } catch (error) {
            console.error(error);
            this.fail(text("unplayable"), false);
        }
    }

    /** Plays a response while it is loaded. */
    async play({ headers, body }) {
        const type = headers.get("Content-Type");
        const format = [...SCREENS.keys()].find(it => it.mediaType === type);
        if (!format) throw new Error(`${type} is unknown`);
        const server = headers.get("Recording-Server");
        const time = startTime(
            Number(headers.get("Recording-Started-At")), language);
        this.about.textContent = text("recordingOf", { server, time });
        const { openScreen } = await SCREENS.get(format)();
        const screen = await openScreen(this.screen);
        this.tape = new Tape(format);
        this.player = new Player(this.tape, screen, () => this.refresh());
        this.listen();
        this.player.play();
        await Promise.all([this.player.run(), this.load(body)]);
    }

    async load(body) {
        const reader = body.getReader();
        try {
            for (;;) {
                const { done, value } = await reader.read();
                if (done) break;
                this.tape.add(value);
                this.player.grew();
            }
        } catch (error) {
            // What is loaded can be played.
            console.error(error);
            this.isCut = true;
        }
        this.tape.finish();
        this.player.grew();
    }

    listen() {
        this.controls.hidden = false;
        setInterval(() => this.refresh(), REFRESH);
        document.addEventListener(
            "keydown", event => this.pressed(event), { capture: true });
        this.button.focus();
    }

    /** Shows the state of the player. */
    refresh() {
        if (document.body.dataset.state === "failed") return;
        const { state, position, isPlaying } = this.player;
        const whole = this.tape.duration;
        if (document.body.dataset.state !== state) this.show(state);
        this.button.textContent = text(isPlaying ? "pause" : "play");
        this.slider.max = whole;
        this.slider.value = position;
        this.time.textContent = `${duration(position)} / ${duration(whole)}`;
        this.slider.ariaValueText = this.time.textContent;
    }

    toggle() {
        if (this.player?.isPlaying) this.player.pause();
        else this.player?.play();
    }

    clicked() {
        // Not when the user has selected a text.
        if (getSelection().isCollapsed) this.toggle();
    }

    pressed(event) {
        const { key, target } = event;
        if (event.altKey || event.ctrlKey || event.metaKey) return;
        const isField = target instanceof HTMLSelectElement;
        const isPressed = target instanceof HTMLButtonElement && key === " ";
        const action = {
            " ": () => this.toggle(),
            ArrowLeft: () => this.player.seek(this.player.position - JUMP),
            ArrowRight: () => this.player.seek(this.player.position + JUMP),
            Home: () => this.player.seek(0),
            End: () => this.player.seek(this.tape.duration),
        }[key];
        if (!action || isField || isPressed) return;
        event.preventDefault();
        event.stopPropagation();
        action();
    }

    fail(reason, canRepeat = true) {
        this.player?.close();
        this.show("failed");
        this.controls.hidden = true;
        const again = button(text("tryAgain"), () => location.reload());
        this.notice.replaceChildren(
            element("p", { role: "alert", id: "reason" }, reason),
            ...canRepeat ? [again] : [],
        );
        this.notice.hidden = false;
        again.focus();
    }
}

/** Returns the message of a fault. */
async function reasonOf(response) {
    try {
        const [fault] = Object.values(await response.json());
        if (fault.message) return fault.message;
    } catch (error) {
        console.error(error);
    }
    return text("recordingFailed", { code: response.status });
}

function toggleFullScreen() {
    if (document.fullscreenElement) return document.exitFullscreen();
    return document.documentElement.requestFullscreen();
}

new Page().start();
