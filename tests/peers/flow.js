// imapflow at an account that others change: adds, flags, moves and deletes until "end" comes, then tells what it
// sees. node flow.js HOST PORT SEED
const { ImapFlow } = require('imapflow');
const [host, port, seed] = process.argv.slice(2);

let state = Number(seed) >>> 0 || 1;
const random = (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
};
const made = [], deleted = [];
let ending = false;
process.stdin.on('data', () => (ending = true));

async function step(client, n) {
    const subject = `flow-${n}`;
    if (random(3) === 0) {
        await client.append('INBOX', Buffer.from(`Subject: ${subject}\r\n\r\nby imapflow ${n}\r\n`), ['\\Seen']);
        made.push(subject);
    }
    const some = [];
    for await (const m of client.fetch('1:*', { uid: true, envelope: true }))
        if (m.envelope) some.push(m); // else somebody changed its flags meanwhile: imapflow gives that out as well
    if (!some.length) return;
    const m = some[random(some.length)];
    switch (random(6)) {
        case 0:
            deleted.push(m.envelope.subject);
            await client.messageDelete(String(m.uid), { uid: true });
            break;
        case 1:
            await client.messageMove(String(m.uid), 'Archive', { uid: true });
            break;
        case 2:
            await client.messageFlagsRemove(String(m.uid), ['\\Seen'], { uid: true });
            break;
        default:
            await client.messageFlagsAdd(String(m.uid), ['\\Seen', '\\Flagged'].slice(random(2)), { uid: true });
    }
}

async function look(client, folder) {
    const lock = await client.getMailboxLock(folder);
    const told = [];
    for await (const m of client.fetch('1:*', { uid: true, flags: true, envelope: true, source: true }))
        told.push([m.envelope.subject, [...m.flags].filter((f) => f === '\\Seen' || f === '\\Flagged').sort().join(' '), m.source.toString('latin1')]);
    lock.release();
    return told;
}

(async () => {
    const client = new ImapFlow({
        host, port: Number(port), secure: true, logger: false, qresync: true,
        tls: { rejectUnauthorized: false }, auth: { user: 'alice@one.test', pass: 'secret' },
    });
    await client.connect();
    const lock = await client.getMailboxLock('INBOX');
    for (let n = 0; !ending; n++) {
        await step(client, n);
        await new Promise((go) => setTimeout(go, 30));
    }
    await client.noop();
    const exists = client.mailbox.exists;
    lock.release();
    console.log(JSON.stringify({ made, deleted, exists, INBOX: null }));
    await new Promise((go) => process.stdin.once('data', go)); // the others have come to an end, too
    const told = JSON.stringify({ INBOX: await look(client, 'INBOX'), Archive: await look(client, 'Archive') });
    await new Promise((go) => process.stdout.write(told + '\n', go)); // more than a pipe holds at once
    await client.logout();
    process.exit(0);
})().catch((e) => {
    console.error(e, e.response);
    process.exit(1);
});
