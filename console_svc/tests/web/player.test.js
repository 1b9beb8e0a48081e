// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";

import { asciicast } from "../../web/console/playback/asciicast.js";
import { Tape } from "../../web/console/playback/tape.js";
import { castFile, playing, settled } from "./playback.js";

const EVENTS = [
    [0, "o", "a"], [1, "o", "b"], [1.5, "i", "typed"], [3, "o", "c"],
    [10, "o", "d"],
];

function tapeOf(events, isComplete = true) {
    const tape = new Tape(asciicast);
    tape.add(castFile(events));
    if (isComplete) tape.finish();
    return tape;
}

/** Starts a player of EVENTS. */
async function started(tape = tapeOf(EVENTS)) {
    const found = playing(tape);
    found.player.play();
    await settled();
    found.text = () => found.screen.shown.join("");
    return found;
}

test("records are shown at their times", async () => {
    const { player, clock, text } = await started();
    assert.equal(text(), "a");
    await clock.pass(999);
    assert.equal(text(), "a");
    await clock.pass(1);
    assert.equal(text(), "ab");
    await clock.pass(2000);
    assert.equal(text(), "abc");
    assert.equal(player.position, 3000);
    assert.equal(player.state, "playing");
    await clock.pass(7000);
    assert.equal(text(), "abcd");
    assert.equal(player.state, "ended");
    assert.equal(player.position, 10_000);
});

test("a pause stops the clock", async () => {
    const { player, clock, text } = await started();
    await clock.pass(500);
    player.pause();
    await clock.pass(60_000);
    assert.equal(text(), "a");
    assert.equal(player.position, 500);
    assert.equal(player.state, "paused");
    player.play();
    await clock.pass(499);
    assert.equal(text(), "a");
    await clock.pass(1);
    assert.equal(text(), "ab");
});

test("speed", async () => {
    const { player, clock, text } = await started();
    await clock.pass(500);
    player.speed = 4;
    await clock.pass(124);
    assert.equal(text(), "a");
    await clock.pass(1);
    assert.equal(text(), "ab");
    assert.equal(player.position, 1000);
    player.speed = 1;
    await clock.pass(1000);
    assert.equal(player.position, 2000);
});

test("a jump forward shows what lies between", async () => {
    const { player, screen, clock, text } = await started();
    player.seek(3000);
    assert.equal(player.position, 3000);
    await settled();
    assert.equal(text(), "abc");
    assert.equal(screen.resets, 0);
    await clock.pass(6999);
    assert.equal(text(), "abc");
    await clock.pass(1);
    assert.equal(text(), "abcd");
});

test("a jump backward begins anew", async () => {
    const { player, screen, clock, text } = await started();
    await clock.pass(4000);
    player.pause();
    player.seek(2000);
    await settled();
    assert.equal(text(), "ab");
    assert.equal(screen.resets, 1);
    assert.equal(player.state, "paused");
    assert.equal(player.position, 2000);
    // Nothing was shown since then.
    player.seek(1600);
    await settled();
    assert.equal(screen.resets, 1);
    assert.equal(player.position, 1600);
    player.seek(-5);
    await settled();
    assert.equal(text(), "a");
    assert.equal(player.position, 0);
});

test("another jump replaces one that is under way", async () => {
    const { player, screen, text } = await started();
    const { feed } = screen;
    screen.feed = data => {
        feed.call(screen, data);
        if (data === "c") player.seek(4000);
    };
    player.seek(10_000);
    await settled();
    assert.equal(text(), "abc");
    assert.equal(screen.resets, 0);
    assert.equal(player.position, 4000);
});

test("at the end, it plays from the start", async () => {
    const { player, screen, clock, text } = await started();
    player.seek(60_000);
    await settled();
    await clock.pass(0);
    assert.equal(player.state, "ended");
    player.play();
    await settled();
    assert.equal(screen.resets, 1);
    assert.equal(text(), "a");
    assert.equal(player.state, "playing");
});

test("a recording is played while it is loaded", async () => {
    const tape = tapeOf(EVENTS.slice(0, 2), false);
    const { player, clock, text } = await started(tape);
    await clock.pass(60_000);
    assert.equal(text(), "ab");
    assert.equal(player.state, "waiting");
    assert.equal(player.position, 1000);
    player.seek(60_000);
    await settled();
    assert.equal(player.position, 1000);
    const line = event => new TextEncoder().encode(`${JSON.stringify(event)}\n`);
    tape.add(line([2, "o", "late"]));
    player.grew();
    await clock.pass(999);
    assert.equal(text(), "ab");
    await clock.pass(1);
    assert.equal(text(), "ablate");
    tape.finish();
    player.grew();
    await settled();
    assert.equal(player.state, "ended");
});

test("what a screen throws ends the player", async () => {
    const { player, screen, end } = playing(tapeOf(EVENTS));
    screen.feed = () => { throw new Error("damaged"); };
    player.play();
    await assert.rejects(end, /damaged/);
});

test("a player that is closed ends", async () => {
    const { player, end } = await started();
    player.close();
    await end;
});
