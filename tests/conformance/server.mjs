// The server SDK (npm: node-appwrite) acting for a user's session, as server-side rendering does.
// usage: server.mjs ENDPOINT
import assert from 'node:assert/strict';
import { Account, Client, Databases, Health, ID, Query } from 'node-appwrite';
import { refused, step } from './check.mjs';

const endpoint = process.argv[2];
const project = 'conformance';
const place = { databaseId: 'main', collectionId: 'threads' };
const email = `${ID.unique()}@example.com`;
const password = 'correct horse battery';
const client = () => new Client().setEndpoint(endpoint).setProject(project);
let user;
let databases;

// The secret is not in the body of an ordinary caller's session: it comes as a cookie.
async function login() {
    const answer = await fetch(`${endpoint}/account/sessions/email`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-appwrite-project': project },
        body: JSON.stringify({ email, password }),
    });
    assert.equal(answer.status, 201);
    // Node 18 joins the cookies into one line.
    return answer.headers.get('set-cookie').match(`\\ba_session_${project}=([^;]+)`)[1];
}

await step('an account is made and a session taken', async () => {
    user = await new Account(client()).create({ userId: ID.unique(), email, password });
    const session = client().setSession(await login());
    assert.equal((await new Account(session).get()).$id, user.$id);
    databases = new Databases(session);
});

await step('a JWT stands for the session', async () => {
    const session = client().setSession(await login());
    const { jwt } = await new Account(session).createJWT();
    assert.equal((await new Account(client().setJWT(jwt)).get()).$id, user.$id);
    await refused(new Account(client().setJWT('garbage')).get(), 401, 'user_jwt_invalid');
});

await step('threads are written, found, changed and deleted', async () => {
    const made = await databases.createDocument({
        ...place, documentId: 'th1', data: { threadId: 'th1', userId: user.$id, title: 'Thread', isPinned: false, tags: ['a', 'b'] },
    });
    assert.deepEqual(made.tags, ['a', 'b']);
    const found = await databases.listDocuments({ ...place, queries: [Query.contains('tags', ['b']), Query.equal('isPinned', [false])] });
    assert.deepEqual(found.documents.map((row) => row.$id), ['th1']);
    const changed = await databases.updateDocument({ ...place, documentId: 'th1', data: { title: 'Renamed' } });
    assert.equal(changed.title, 'Renamed');
    await databases.deleteDocument({ ...place, documentId: 'th1' });
    await refused(databases.getDocument({ ...place, documentId: 'th1' }), 404, 'document_not_found');
});

await step("what deserves an API key is refused to a session", async () => {
    await refused(databases.createDocuments({ ...place, documents: [{ $id: 'b1', threadId: 'b1', userId: user.$id }] }), 401,
        'general_unauthorized_scope');
    await refused(databases.deleteDocuments({ ...place, queries: [Query.limit(1)] }), 404, 'database_not_found');
});

await step('the server says which Appwrite it speaks', async () => {
    const answer = await fetch(`${endpoint}/health/version`);
    assert.deepEqual(await answer.json(), { version: '1.8.1' });
    assert.equal((await new Health(client()).get()).status, 'pass');
});
process.exit(0);
