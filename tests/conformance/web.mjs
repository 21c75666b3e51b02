// The web SDK (npm: appwrite) as a browser tab would use it.  What a browser has and Node has not is put in its place; the SDK is untouched.
// usage: web.mjs ENDPOINT
import assert from 'node:assert/strict';
import WebSocket from 'ws';
import { Account, Client, Databases, ID, Permission, Query, Role, TablesDB } from 'appwrite';
import { Inbox, refused, step } from './check.mjs';

class Storage {
    #items = new Map();
    getItem(key) { return this.#items.get(key) ?? null; }
    setItem(key, value) { this.#items.set(key, String(value)); }
    removeItem(key) { this.#items.delete(key); }
}
const quiet = { ...console, warn() {} }; // the SDK recommends a domain of one's own at every login
globalThis.window = { localStorage: new Storage(), console: quiet, setTimeout, clearTimeout, setInterval, clearInterval };

// The socket as a browser opens it: no cookies of another host, and told when it is connected.
const sockets = new Inbox();
globalThis.WebSocket = class extends WebSocket {
    constructor(url) {
        super(url, { origin: 'http://localhost:3000' });
        this.on('message', (data) => {
            const message = JSON.parse(data);
            if (message.type === 'connected' || message.type === 'response') sockets.push(message);
        });
    }
};

const endpoint = process.argv[2];
const project = 'conformance';
const database = 'main';
const client = new Client().setEndpoint(endpoint).setEndpointRealtime(endpoint.replace(/^http/, 'ws')).setProject(project);
const account = new Account(client);
const databases = new Databases(client);
const tables = new TablesDB(client);
const email = `${ID.unique()}@example.com`;
const password = 'correct horse battery';
let me;

const message = (id, content, more = {}) => ({
    messageId: id, threadId: 't1', userId: me.$id, content, role: 'user', createdAt: '2026-11-22T10:00:00.000Z', ...more,
});

await step('a guest has no account', () => refused(account.get(), 401, 'general_unauthorized_scope'));

await step('an account is made, once', async () => {
    me = await account.create({ userId: ID.unique(), email, password, name: 'Alice' });
    assert.equal(me.email, email.toLowerCase());
    await refused(account.create({ userId: ID.unique(), email, password }), 409, 'user_already_exists');
});

await step('a wrong password is refused', () =>
    refused(account.createEmailPasswordSession({ email, password: 'wrong password' }), 401, 'user_invalid_credentials'));

await step('the right one makes a session, which the SDK keeps and presents', async () => {
    const session = await account.createEmailPasswordSession({ email, password });
    assert.equal(session.userId, me.$id);
    assert.equal(session.secret, '');
    assert.equal((await account.get()).$id, me.$id);
    await refused(account.createEmailPasswordSession({ email, password }), 401, 'user_session_already_exists');
});

await step('preferences are kept', async () => {
    await account.updatePrefs({ prefs: { theme: 'dark' } });
    assert.deepEqual(await account.getPrefs(), { theme: 'dark' });
});

await step('documents are created with the defaults of a deployment', async () => {
    const made = await databases.createDocument({
        databaseId: database, collectionId: 'messages', documentId: 'm1', data: message('m1', 'hello'),
    });
    assert.equal(made.$id, 'm1');
    assert.equal(made.createdAt, '2026-11-22T10:00:00.000+00:00');
    assert.equal(made.attachments, null);
    assert.deepEqual(made.$permissions, ['read', 'update', 'delete'].map((action) => `${action}("user:${me.$id}")`));
    await refused(databases.createDocument({
        databaseId: database, collectionId: 'messages', documentId: 'm1', data: message('m1', 'again'),
    }), 409, 'document_already_exists');
    await refused(databases.createDocument({
        databaseId: database, collectionId: 'messages', documentId: ID.unique(), data: message('m1', 'x', { nope: 1 }),
    }), 400, 'document_invalid_structure');
});

await step('queries filter, order, select and page', async () => {
    for (let i = 2; i <= 6; i++)
        await tables.createRow({ databaseId: database, tableId: 'messages', rowId: `m${i}`, data: message(`m${i}`, `text ${i}`) });
    const page = await databases.listDocuments({
        databaseId: database, collectionId: 'messages',
        queries: [Query.equal('threadId', 't1'), Query.orderDesc('$createdAt'), Query.limit(2)],
    });
    assert.equal(page.total, 6);
    assert.deepEqual(page.documents.map((row) => row.$id), ['m6', 'm5']);
    const next = await tables.listRows({
        databaseId: database, tableId: 'messages',
        queries: [Query.orderAsc('$id'), Query.cursorAfter('m3'), Query.limit(2), Query.select(['content'])],
    });
    assert.deepEqual(next.rows.map((row) => row.content), ['text 4', 'text 5']);
    assert.equal(next.rows[0].role, undefined);
    const some = await databases.listDocuments({
        databaseId: database, collectionId: 'messages',
        queries: [Query.or([Query.equal('messageId', 'm1'), Query.startsWith('content', 'text 6')]), Query.isNull('model'),
            Query.greaterThanEqual('$updatedAt', '2020-01-01T00:00:00.000Z')],
    });
    assert.deepEqual(some.documents.map((row) => row.$id), ['m1', 'm6']);
    await refused(databases.listDocuments({
        databaseId: database, collectionId: 'messages', queries: [Query.cursorAfter('gone')],
    }), 400, 'general_cursor_not_found');
});

await step('upsert, update and delete do as they say', async () => {
    const put = await tables.upsertRow({ databaseId: database, tableId: 'messages', rowId: 'm2', data: message('m2', 'put') });
    assert.equal(put.content, 'put');
    const patched = await databases.updateDocument({
        databaseId: database, collectionId: 'messages', documentId: 'm2', data: { content: 'patched' },
    });
    assert.equal(patched.content, 'patched');
    assert.ok(patched.$updatedAt > put.$updatedAt);
    await databases.deleteDocument({ databaseId: database, collectionId: 'messages', documentId: 'm2' });
    await refused(tables.getRow({ databaseId: database, tableId: 'messages', rowId: 'm2' }), 404, 'row_not_found');
});

await step('a transaction is one: staged, unseen, committed together', async () => {
    const mine = [Permission.read(Role.user(me.$id)), Permission.update(Role.user(me.$id)), Permission.delete(Role.user(me.$id))];
    const { $id: transactionId } = await tables.createTransaction({ ttl: 60 });
    const operation = (action, rowId, data) => ({ action, databaseId: database, tableId: 'messages', rowId, data });
    const staged = await tables.createOperations({
        transactionId,
        operations: [operation('create', 'x1', { ...message('x1', 'one'), $permissions: mine }), operation('update', 'm1', { content: 'two' })],
    });
    assert.equal(staged.operations, 2);
    await refused(tables.getRow({ databaseId: database, tableId: 'messages', rowId: 'x1' }), 404, 'row_not_found');
    const done = await tables.updateTransaction({ transactionId, commit: true });
    assert.equal(done.status, 'committed');
    assert.equal((await tables.getRow({ databaseId: database, tableId: 'messages', rowId: 'x1' })).content, 'one');
    assert.equal((await tables.getRow({ databaseId: database, tableId: 'messages', rowId: 'm1' })).content, 'two');
});

await step('Realtime tells of create, update and delete', async () => {
    const events = new Inbox();
    const stop = client.subscribe(`databases.${database}.collections.messages.documents`, (event) => events.push(event));
    const connected = await sockets.next('the connected frame');
    assert.equal(connected.data.user, null);
    assert.equal((await sockets.next('the answer to authentication')).data.user.$id, me.$id);

    await databases.createDocument({ databaseId: database, collectionId: 'messages', documentId: 'r1', data: message('r1', 'live') });
    await tables.updateRow({ databaseId: database, tableId: 'messages', rowId: 'r1', data: { content: 'livelier' } });
    await databases.deleteDocument({ databaseId: database, collectionId: 'messages', documentId: 'r1' });
    for (const [action, content] of [['create', 'live'], ['update', 'livelier'], ['delete', 'livelier']]) {
        const event = await events.next(`the event of the ${action}`);
        assert.equal(event.events[0], `databases.${database}.collections.messages.documents.r1.${action}`);
        assert.equal(event.events.length, 42);
        assert.equal(event.payload.content, content);
    }
    stop();
});

await step('an ended session makes a guest, who sees no rows', async () => {
    await account.deleteSession({ sessionId: 'current' });
    window.localStorage.removeItem('cookieFallback');
    await refused(account.get(), 401, 'general_unauthorized_scope');
    const rows = await databases.listDocuments({ databaseId: database, collectionId: 'messages' });
    assert.deepEqual(rows, { total: 0, documents: [] });
});
process.exit(0);
