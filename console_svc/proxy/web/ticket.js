// SPDX-License-Identifier: Apache-2.0
//
// A SPICE ticket: the password, encrypted with the server's public key by
// RSAES-OAEP with SHA-1 (RFC 8017, section 7.1.1).
//
// The console proxy serves this module in place of spice-html5's, which
// shortens a ticket that begins with a zero byte, so that the server refuses
// it. Names and arguments of the exports are those of spice-html5.
//
// Web Crypto is not used: browsers have it on https pages only, and it returns
// promises, which the callers do not expect.

const SEQUENCE = 0x30;
const BIT_STRING = 0x03;
const INTEGER = 0x02;

const HASH_SIZE = 20;

/** Reads the elements of a DER encoding (X.690, section 10). */
class DerReader {
    constructor(bytes) {
        this.bytes = bytes;
        this.at = 0;
    }

    /** Returns the content of the next element, which must have this tag. */
    read(tag) {
        if (this.byte() !== tag)
            throw new Error("The SPICE server's public key is malformed.");
        let length = this.byte();
        if (length & 0x80) {
            let octets = length & 0x7f;
            for (length = 0; octets > 0; octets--)
                length = length * 256 + this.byte();
        }
        return this.take(length);
    }

    byte() {
        return this.take(1)[0];
    }

    take(length) {
        const start = this.at;
        this.at += length;
        if (this.at > this.bytes.length)
            throw new Error("The SPICE server's public key is cut off.");
        return this.bytes.subarray(start, this.at);
    }
}

/**
 * Parses a public key, a SubjectPublicKeyInfo (RFC 5280, section 4.1).
 *
 * @param {ArrayBuffer} buffer
 * @param {number} at where it begins
 * @returns the key, for rsa_encrypt()
 */
export function create_rsa_from_mb(buffer, at = 0) {
    const info = new DerReader(
        new DerReader(new Uint8Array(buffer, at)).read(SEQUENCE)
    );
    info.read(SEQUENCE);  // the algorithm: SPICE knows RSA only
    // The first byte of a bit string is the number of its unused bits.
    const bits = info.read(BIT_STRING).subarray(1);
    const numbers = new DerReader(new DerReader(bits).read(SEQUENCE));
    const modulus = toBigInt(numbers.read(INTEGER));
    return {
        modulus,
        exponent: toBigInt(numbers.read(INTEGER)),
        size: Math.ceil(modulus.toString(16).length / 2),
    };
}

/**
 * Encrypts a ticket.
 *
 * @param key of create_rsa_from_mb()
 * @param {string} text with its final NUL
 * @returns {Uint8Array} as many bytes as the modulus has
 */
export function rsa_encrypt(key, text) {
    const encoded = pad(new TextEncoder().encode(text), key.size);
    const number = power(toBigInt(encoded), key.exponent, key.modulus);
    return toBytes(number, key.size);
}

/** The encoded message of EME-OAEP with an empty label. */
function pad(message, size) {
    const data = new Uint8Array(size - HASH_SIZE - 1);
    const start = data.length - message.length;
    if (start <= HASH_SIZE)
        throw new Error("The password is too long for SPICE.");
    data.set(sha1(new Uint8Array(0)));
    data[start - 1] = 1;
    data.set(message, start);
    const seed = crypto.getRandomValues(new Uint8Array(HASH_SIZE));
    mask(data, seed);
    mask(seed, data);
    return Uint8Array.of(0, ...seed, ...data);
}

/** Exclusive-ors bytes with the mask that MGF1 makes of a seed. */
function mask(bytes, seed) {
    for (let at = 0; at < bytes.length; at += HASH_SIZE) {
        // The counter has four bytes, but never exceeds one here.
        const block = sha1(Uint8Array.of(...seed, 0, 0, 0, at / HASH_SIZE));
        const length = Math.min(HASH_SIZE, bytes.length - at);
        for (let i = 0; i < length; i++) bytes[at + i] ^= block[i];
    }
}

/** SHA-1 (FIPS 180-4, section 6.1). */
function sha1(message) {
    const padded = new Uint8Array(((message.length + 8 >> 6) + 1) * 64);
    padded.set(message);
    padded[message.length] = 0x80;
    const words = new DataView(padded.buffer);
    words.setUint32(padded.length - 4, message.length * 8);
    const hash = Uint32Array.of(
        0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0
    );
    const w = new Uint32Array(80);
    for (let start = 0; start < padded.length; start += 64) {
        for (let t = 0; t < 80; t++)
            w[t] = t < 16
                ? words.getUint32(start + t * 4)
                : rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
        let [a, b, c, d, e] = hash;
        for (let t = 0; t < 80; t++) {
            const next = rotate(a, 5) + round(t, b, c, d) + e + w[t] | 0;
            [a, b, c, d, e] = [next, a, rotate(b, 30), c, d];
        }
        [a, b, c, d, e].forEach((value, i) => { hash[i] += value; });
    }
    const digest = new DataView(new ArrayBuffer(HASH_SIZE));
    hash.forEach((word, i) => digest.setUint32(i * 4, word));
    return new Uint8Array(digest.buffer);
}

/** Function and constant of a round of SHA-1. */
function round(t, b, c, d) {
    if (t < 20) return (b & c ^ ~b & d) + 0x5a827999;
    if (t < 40) return (b ^ c ^ d) + 0x6ed9eba1;
    if (t < 60) return (b & c ^ b & d ^ c & d) + 0x8f1bbcdc;
    return (b ^ c ^ d) + 0xca62c1d6;
}

function rotate(word, bits) {
    return word << bits | word >>> 32 - bits;
}

function power(base, exponent, modulus) {
    let result = 1n;
    for (; exponent > 0n; exponent >>= 1n) {
        if (exponent & 1n) result = result * base % modulus;
        base = base * base % modulus;
    }
    return result;
}

function toBigInt(bytes) {
    const digits = Array.from(
        bytes, byte => byte.toString(16).padStart(2, "0")
    );
    return BigInt(`0x${digits.join("")}`);
}

/** The bytes of a number, with leading zeros up to a size. */
function toBytes(number, size) {
    const digits = number.toString(16).padStart(size * 2, "0");
    return Uint8Array.from(
        digits.match(/../g), pair => parseInt(pair, 16)
    );
}
