// vendors.js BASE KEY [hooks URL | claims | proofs] - the vendors' own libraries against a home of Tram: only the base address and the key differ. One line
// of JSON a call: its name, and what it answered.
const [, , BASE, KEY, PART, HOOK] = process.argv;
const [ID, SECRET] = KEY.split('.');

const tell = (name, answer) => console.log(JSON.stringify({ name, answer }));
async function run(name, work) {
  try {
    tell(name, await work());
  } catch (e) {
    const body = e.response && (e.response.body || e.response.data);
    tell(name, { error: e.name, message: e.message, status: e.code || e.statusCode || (e.$metadata && e.$metadata.httpStatusCode), body });
  }
}

async function sendgrid() {
  const mail = require('@sendgrid/mail');
  const client = require('@sendgrid/client');
  client.setApiKey(KEY);
  client.setDefaultRequest('baseUrl', BASE);
  mail.setClient(client);
  const ask = async (method, url, body, qs) => (await client.request({ method, url, body, qs }))[0];
  const letter = () => ({ to: { email: 'bob@one.test', name: 'Bob, "B"' }, from: { email: 'alice@one.test', name: 'Älice' }, subject: 'sg mail', text: 'Hi', html: '<p>Hi</p>' });

  await run('sg send', async () => { const [r] = await mail.send(letter()); return { status: r.statusCode, id: r.headers['x-message-id'] }; });
  await run('sg multiple', async () => { const [r] = await mail.sendMultiple({ ...letter(), to: ['bob@one.test', 'carol@one.test'], subject: 'sg multiple' }); return { status: r.statusCode }; });
  await run('sg attachment', async () => {
    const [r] = await mail.send({ ...letter(), subject: 'sg attachment', attachments: [{ content: Buffer.from('file').toString('base64'), filename: 'naïve.txt', type: 'text/plain', disposition: 'attachment' }],
      categories: ['a'], customArgs: { k: 'v' }, headers: { 'X-Own': '1' }, replyTo: 'carol@one.test' });
    return { status: r.statusCode };
  });
  await run('sg substitutions', async () => {
    const [r] = await mail.send({ from: letter().from, subject: 'sg {{what}}', text: 'Dear {{name}}', personalizations: [{ to: 'bob@one.test', substitutions: { name: 'Bob', what: 'substitutions' } }] });
    return { status: r.statusCode };
  });
  await run('sg template', async () => {
    const t = (await ask('POST', '/v3/templates', { name: 'welcome', generation: 'dynamic' })).body;
    const v = (await ask('POST', `/v3/templates/${t.id}/versions`, { name: 'one', subject: 'sg {{what}}', html_content: '<p>{{#each l}}{{this}};{{/each}}</p>', active: 1 })).body;
    const [r] = await mail.send({ to: 'bob@one.test', from: letter().from, templateId: t.id, dynamicTemplateData: { what: 'template', l: ['a', '<b>'] } });
    const list = (await ask('GET', '/v3/templates', undefined, { generations: 'dynamic', page_size: 10 })).body;
    const broken = await ask('POST', `/v3/templates/${t.id}/versions`, { name: 'two', subject: '{{#if x}}' }).catch((e) => ({ statusCode: e.code, body: e.response.body }));
    const copy = (await ask('POST', `/v3/templates/${t.id}`, { name: 'copy' })).body;
    const second = (await ask('POST', `/v3/templates/${t.id}/versions`, { name: 'two', subject: 'other', active: 0 })).body;
    const active = (await ask('POST', `/v3/templates/${t.id}/versions/${second.id}/activate`)).body;
    const whole = (await ask('GET', `/v3/templates/${t.id}`)).body;
    const gone = (await ask('DELETE', `/v3/templates/${copy.id}`)).statusCode;
    return { t, v, status: r.statusCode, list, broken, copy, active, whole, gone };
  });
  await run('sg invalid', () => mail.send({ ...letter(), to: 'nobody' }));
  await run('sg sandbox', async () => { const [r] = await mail.send({ ...letter(), subject: 'sg sandbox', mailSettings: { sandboxMode: { enable: true } } }); return { status: r.statusCode }; });
  await run('sg scheduled', async () => {
    const batch = (await ask('POST', '/v3/mail/batch')).body.batch_id;
    const [r] = await mail.send({ ...letter(), subject: 'sg scheduled', batchId: batch, sendAt: Math.floor(Date.now() / 1000) + 3600 });
    const canceled = (await ask('POST', '/v3/user/scheduled_sends', { batch_id: batch, status: 'cancel' })).body;
    const list = (await ask('GET', `/v3/user/scheduled_sends/${batch}`)).body;
    return { status: r.statusCode, canceled, list };
  });
  await run('sg suppression', async () => {
    const added = (await ask('POST', '/v3/asm/suppressions/global', { recipient_emails: ['gone@two.test'] })).body;
    const there = (await ask('GET', '/v3/asm/suppressions/global/gone@two.test')).body;
    const list = (await ask('GET', '/v3/suppression/unsubscribes')).body;
    const removed = (await ask('DELETE', '/v3/asm/suppressions/global/gone@two.test')).statusCode;
    const after = (await ask('GET', '/v3/asm/suppressions/global/gone@two.test')).body;
    const bounces = (await ask('GET', '/v3/suppression/bounces')).body;
    return { added, there, list, removed, after, bounces };
  });
  await run('sg groups', async () => {
    const group = (await ask('POST', '/v3/asm/groups', { name: 'News', description: 'monthly', is_default: false })).body;
    await ask('POST', `/v3/asm/groups/${group.id}/suppressions`, { recipient_emails: ['carol@one.test'] });
    const left = (await ask('GET', `/v3/asm/groups/${group.id}/suppressions`)).body;
    const [r] = await mail.send({ ...letter(), to: ['bob@one.test', 'carol@one.test'], subject: 'sg group', asm: { groupId: group.id } });
    const of = (await ask('GET', '/v3/asm/suppressions/carol@one.test')).body;
    const unknown = await mail.send({ ...letter(), asm: { groupId: 999 } }).catch((e) => ({ status: e.code, body: e.response.body }));
    return { group, left, status: r.statusCode, of, unknown };
  });
  await run('sg keys', async () => {
    const scopes = (await ask('GET', '/v3/scopes')).body;
    const made = (await ask('POST', '/v3/api_keys', { name: 'second', scopes: ['mail.send'] })).body;
    const list = (await ask('GET', '/v3/api_keys')).body;
    const renamed = (await ask('PATCH', `/v3/api_keys/${made.api_key_id}`, { name: 'third' })).body;
    const wider = (await ask('PUT', `/v3/api_keys/${made.api_key_id}`, { name: 'third', scopes: ['mail.send', 'templates'] })).body;
    const gone = (await ask('DELETE', `/v3/api_keys/${made.api_key_id}`)).statusCode;
    const tracking = (await ask('GET', '/v3/tracking_settings')).body.result.map((s) => [s.name, s.enabled]);
    const on = await ask('PATCH', '/v3/tracking_settings/open', { enabled: true }).catch((e) => ({ status: e.code, body: e.response.body }));
    return { scopes, made: { ...made, api_key: made.api_key.length }, list, renamed, wider, gone, tracking, on };
  });
}

async function mailjet() {
  const Mailjet = require('node-mailjet');
  const connected = new Mailjet({ apiKey: ID, apiSecret: SECRET, config: { host: BASE.replace('https://', '') } });
  const message = { From: { Email: 'alice@one.test', Name: 'Alice' }, To: [{ Email: 'bob@one.test', Name: 'Bob' }], Subject: 'mj mail', TextPart: 'Hi' };
  const send = async (Messages, more) => (await connected.post('send', { version: 'v3.1' }).request({ Messages, ...more })).body;
  await run('mj send', () => send([message, { ...message, Subject: 'mj {{var:n}}', TemplateLanguage: true, Variables: { n: 'variables' }, CustomID: 'c',
    InlinedAttachments: [{ ContentType: 'image/png', Filename: 'a.png', ContentID: 'i', Base64Content: 'aGk=' }], HTMLPart: '<img src="cid:i">' }]));
  await run('mj followed', async () => {
    const sent = (await send([{ ...message, Subject: 'mj followed', CustomID: 'followed' }])).Messages[0].To[0];
    let seen;
    for (let i = 0; i < 40 && (!seen || seen.Status !== 'sent'); i++) {
      await new Promise((done) => setTimeout(done, 250));
      seen = (await connected.get('message', { version: 'v3' }).id(sent.MessageID).request()).body.Data[0];
    }
    const history = (await connected.get('messagehistory', { version: 'v3' }).id(sent.MessageID).request()).body.Data;
    const info = (await connected.get('messageinformation', { version: 'v3' }).id(sent.MessageID).request()).body.Data[0];
    const asked = { CustomID: 'followed', ShowCustomID: true, ShowSubject: true, ShowContactAlt: true, FromTS: Math.floor(Date.now() / 1000) - 600 };
    const list = (await connected.get('message', { version: 'v3' }).request({}, asked)).body;
    const infos = (await connected.get('messageinformation', { version: 'v3' }).request({}, { CustomID: 'followed', Limit: 1, Sort: 'ID DESC' })).body;
    const count = async (query) => (await connected.get('statcounters', { version: 'v3' }).request({}, { CounterSource: 'APIKey', CounterTiming: 'Message', ...query })).body;
    const hourly = await count({ CounterResolution: 'Hour' }).catch((e) => ({ status: e.statusCode, message: e.message }));
    return { sent, seen, history: history.map((h) => h.EventType), info, list, infos, counts: await count({ CounterResolution: 'Lifetime' }), hourly };
  });
  await run('mj events', async () => {
    const at = (method, id) => { const r = connected[method]('eventcallbackurl', { version: 'v3' }); return id ? r.id(id) : r; };
    const made = (await at('post').request({ EventType: 'sent', Url: 'https://hook.two.test/mj', Version: 2, Status: 'alive' })).body.Data[0];
    const changed = (await at('put', made.ID).request({ Url: 'https://hook.two.test/other' })).body.Data[0];
    const list = (await at('get').request()).body;
    const gone = (await at('delete', made.ID).request()).response.status;
    return { made, changed, list, gone };
  });
  await run('mj sandbox', () => send([{ ...message, Subject: 'mj sandbox' }], { SandboxMode: true }));
  await run('mj invalid', () => send([{ ...message, To: [{ Email: 'nobody' }] }]));
}

async function ses() {
  const aws = require('@aws-sdk/client-sesv2');
  const client = new aws.SESv2Client({ endpoint: BASE, region: 'us-east-1', credentials: { accessKeyId: ID, secretAccessKey: SECRET }, maxAttempts: 1 });
  const ask = async (name, input) => { const { $metadata, ...rest } = await client.send(new aws[`${name}Command`](input)); return rest; };
  const base = { FromEmailAddress: 'Alice <alice@one.test>', Destination: { ToAddresses: ['bob@one.test'] } };
  await run('ses simple', () => ask('SendEmail', { ...base, Content: { Simple: { Subject: { Data: 'ses simple é' }, Body: { Text: { Data: 'T' }, Html: { Data: '<p>T</p>' } },
    Attachments: [{ FileName: 'a.txt', RawContent: Buffer.from('file'), ContentType: 'text/plain' }] } }, EmailTags: [{ Name: 'k', Value: 'v' }] }));
  await run('ses templates', async () => {
    const content = { Subject: 'ses {{n}}', Text: 'Dear {{n}}', Html: '<p>{{n}}</p>' };
    await ask('CreateEmailTemplate', { TemplateName: 'greet', TemplateContent: content });
    const twice = await ask('CreateEmailTemplate', { TemplateName: 'greet', TemplateContent: content }).catch((e) => e.name);
    const sent = await ask('SendEmail', { ...base, Content: { Template: { TemplateName: 'greet', TemplateData: '{"n":"template"}' } } });
    const bulk = await ask('SendBulkEmail', { FromEmailAddress: 'alice@one.test', DefaultContent: { Template: { TemplateName: 'greet', TemplateData: '{"n":"x"}' } },
      BulkEmailEntries: ['bob', 'carol'].map((n) => ({ Destination: { ToAddresses: [`${n}@one.test`] }, ReplacementEmailContent: { ReplacementTemplate: { ReplacementTemplateData: JSON.stringify({ n: `bulk ${n}` }) } } })) });
    const rendered = await ask('TestRenderEmailTemplate', { TemplateName: 'greet', TemplateData: '{"n":"seen"}' });
    const list = await ask('ListEmailTemplates', {});
    await ask('UpdateEmailTemplate', { TemplateName: 'greet', TemplateContent: { ...content, Subject: 'changed' } });
    const got = await ask('GetEmailTemplate', { TemplateName: 'greet' });
    await ask('DeleteEmailTemplate', { TemplateName: 'greet' });
    const gone = await ask('GetEmailTemplate', { TemplateName: 'greet' }).catch((e) => e.name);
    return { twice, sent, bulk, rendered, list, got, gone };
  });
  await run('ses suppression', async () => {
    const EmailAddress = 'gone+x@two.test';
    await ask('PutSuppressedDestination', { EmailAddress, Reason: 'COMPLAINT' });
    const got = await ask('GetSuppressedDestination', { EmailAddress });
    const list = await ask('ListSuppressedDestinations', { PageSize: 10 });
    await ask('DeleteSuppressedDestination', { EmailAddress });
    const gone = await ask('GetSuppressedDestination', { EmailAddress }).catch((e) => e.name);
    return { got, list, gone };
  });
  await run('ses account', () => ask('GetAccount', {}));
  await run('ses invalid', () => ask('SendEmail', { ...base, Destination: { ToAddresses: ['nobody'] }, Content: { Simple: { Subject: { Data: 's' }, Body: { Text: { Data: 'T' } } } } }));
  const nodemailer = require('nodemailer');
  const transport = nodemailer.createTransport({ SES: { sesClient: client, SendEmailCommand: aws.SendEmailCommand } });
  await run('nodemailer', async () => {
    const r = await transport.sendMail({ from: 'Alice <alice@one.test>', to: 'bob@one.test', bcc: 'carol@one.test', subject: 'nodemailer', text: 'Hi', attachments: [{ filename: 'é.txt', content: 'file' }] });
    return { id: r.messageId };
  });
}

// A webhook of SendGrid's dialect that is told to HOOK.
async function hooks() {
  const client = require('@sendgrid/client');
  client.setApiKey(KEY);
  client.setDefaultRequest('baseUrl', BASE);
  const where = '/v3/user/webhooks/event';
  const ask = async (method, url, body) => (await client.request({ method, url, body }))[0];
  const id = {};
  await run('made', async () => {
    await ask('POST', `${where}/test`, { url: HOOK });
    const r = await ask('POST', `${where}/settings`, { url: HOOK, enabled: false, delivered: true, friendly_name: 'peers' });
    id.id = r.body.id;
    return { statusCode: r.statusCode };
  });
  await run('signed', async () => (await ask('PATCH', `${where}/settings/signed/${id.id}`, { enabled: true })).body);
  await run('tried', async () => (await ask('POST', `${where}/test`, { url: HOOK, id: id.id })).statusCode);
  await ask('PATCH', `${where}/settings/${id.id}`, { enabled: true });
  await run('sent', async () => (await ask('POST', '/v3/mail/send', { personalizations: [{ to: [{ email: 'bob@one.test' }] }], from: { email: 'alice@one.test' }, subject: 'sg hooks', content: [{ type: 'text/plain', value: 'x' }],
    custom_args: { k: 'v', 7: 'é \u2028 \u{1f600} " \\ \u0001' } })).statusCode);
}

// Domains of customers, one in each dialect: claimed and told with their records; then, when these are published, proved and let go.
function dialects() {
  const sg = require('@sendgrid/client');
  sg.setApiKey(KEY);
  sg.setDefaultRequest('baseUrl', BASE);
  const Mailjet = require('node-mailjet');
  const mj = new Mailjet({ apiKey: ID, apiSecret: SECRET, config: { host: BASE.replace('https://', '') } });
  const aws = require('@aws-sdk/client-sesv2');
  const ses = new aws.SESv2Client({ endpoint: BASE, region: 'us-east-1', credentials: { accessKeyId: ID, secretAccessKey: SECRET }, maxAttempts: 1 });
  return {
    sg: async (method, url, body) => (await sg.request({ method, url: `/v3/whitelabel/${url}`, body }))[0].body,
    mj: async (method, resource, id, action, body) => {
      let r = mj[method](resource, { version: 'v3' });
      if (id) r = r.id(id);
      if (action) r = r.action(action);
      return (await r.request(body)).body;
    },
    ses: async (name, input) => { const { $metadata, ...rest } = await ses.send(new aws[`${name}Command`](input)); return rest; },
  };
}

async function claims() {
  const { sg, mj, ses } = dialects();
  await run('sg', async () => {
    const made = await sg('POST', 'domains', { domain: 'sg.test', subdomain: 'em', default: true });
    const link = await sg('POST', 'links', { domain: 'sg.test', subdomain: 'go' });
    const twice = await sg('POST', 'domains', { domain: 'sg.test' }).catch((e) => ({ status: e.code, body: e.response.body }));
    return { made, link, twice, early: await sg('POST', `domains/${made.id}/validate`), list: await sg('GET', 'domains') };
  });
  await run('mj', async () => {
    const made = (await mj('post', 'sender', null, null, { Email: '*@mj.test' })).Data[0];
    const other = await mj('post', 'sender', null, null, { Email: 'bob@two.test' }).catch((e) => ({ status: e.statusCode, message: e.message }));
    return { made, other, dns: (await mj('get', 'dns', made.DNSID)).Data[0], senders: (await mj('get', 'sender')).Data };
  });
  await run('ses', async () => {
    const made = await ses('CreateEmailIdentity', { EmailIdentity: 'ses.test' });
    const twice = await ses('CreateEmailIdentity', { EmailIdentity: 'ses.test' }).catch((e) => e.name);
    const off = await ses('PutEmailIdentityDkimAttributes', { EmailIdentity: 'ses.test', SigningEnabled: false }).catch((e) => e.name);
    await ses('PutEmailIdentityMailFromAttributes', { EmailIdentity: 'ses.test', MailFromDomain: 'back.ses.test', BehaviorOnMxFailure: 'USE_DEFAULT_VALUE' });
    return { made, twice, off, got: await ses('GetEmailIdentity', { EmailIdentity: 'ses.test' }), list: await ses('ListEmailIdentities', { PageSize: 10 }) };
  });
}

async function proofs() {
  const { sg, mj, ses } = dialects();
  const until = async (look, good) => { // a look is good for ten seconds
    let seen;
    for (let i = 0; i < 60; i++) {
      seen = await look();
      if (good(seen)) return seen;
      await new Promise((done) => setTimeout(done, 500));
    }
    return seen;
  };
  await run('sg', async () => {
    const [{ id }] = (await sg('GET', 'domains')).filter((d) => d.domain === 'sg.test');
    const seen = await until(() => sg('POST', `domains/${id}/validate`), (r) => r.valid);
    await sg('DELETE', `domains/${id}`);
    return { seen, gone: await sg('GET', `domains/${id}`).catch((e) => e.code) };
  });
  await run('mj', async () => {
    const dns = (await mj('get', 'dns')).Data.find((d) => d.Domain === 'mj.test');
    const seen = await until(async () => (await mj('post', 'dns', dns.ID, 'check')).Data[0], (r) => r.DKIMStatus === 'OK');
    const sender = (await mj('get', 'sender', dns.ID)).Data[0];
    await mj('delete', 'sender', dns.ID);
    return { seen, sender, gone: await mj('get', 'sender', dns.ID).catch((e) => e.statusCode) };
  });
  await run('ses', async () => {
    const EmailIdentity = 'ses.test';
    const seen = await until(() => ses('GetEmailIdentity', { EmailIdentity }), (r) => r.VerifiedForSendingStatus);
    await ses('DeleteEmailIdentity', { EmailIdentity });
    return { seen, gone: await ses('GetEmailIdentity', { EmailIdentity }).catch((e) => e.name) };
  });
}

if (PART === 'hooks') hooks();
else if (PART === 'claims') claims();
else if (PART === 'proofs') proofs();
else sendgrid().then(mailjet).then(ses);
