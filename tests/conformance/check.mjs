// Steps that read as sentences, and waiting for what must come.
import assert from 'node:assert/strict';

const DEADLINE_MS = 60000; // only a failure takes that long

export async function step(sentence, body) {
    try {
        await body();
        console.log(`ok ${sentence}`);
    } catch (error) {
        console.error(`not ok ${sentence}`);
        console.error(error);
        process.exit(1);
    }
}

// The error of a call that must fail.
export async function refused(promise, code, type) {
    await assert.rejects(promise, (error) => {
        assert.equal(error.code, code);
        assert.equal(error.type, type);
        return true;
    });
}

// What arrives, in order; next() waits for it.
export class Inbox {
    constructor() {
        this.items = [];
        this.waiting = [];
    }

    push(item) {
        const waiter = this.waiting.shift();
        if (waiter) waiter(item);
        else this.items.push(item);
    }

    next(what) {
        if (this.items.length) return Promise.resolve(this.items.shift());
        return new Promise((resolve, reject) => {
            const timer = setTimeout(() => reject(new Error(`${what} never came`)), DEADLINE_MS);
            this.waiting.push((item) => {
                clearTimeout(timer);
                resolve(item);
            });
        });
    }
}
