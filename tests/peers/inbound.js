// inbound.js - reads, with SendGrid's own library, calls of mail that came in: a line of JSON on standard input for each. The
// form is taken apart, and the signature verified, by Node itself (`@sendgrid/eventwebhook` reads what it verifies as text).
const crypto = require('crypto'), fs = require('fs'), os = require('os'), path = require('path');
const Parse = require('@sendgrid/inbound-mail-parser');

const keys = ['headers', 'dkim', 'to', 'html', 'from', 'text', 'sender_ip', 'envelope', 'attachments', 'subject', 'charsets', 'SPF', 'attachment-info', 'email'];

async function read({ key, type, body, signature, timestamp }) {
  const bytes = Buffer.from(body, 'base64'), payload = {}, files = [];
  const spki = crypto.createPublicKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'spki' });
  for (const [name, value] of await new Response(bytes, { headers: { 'Content-Type': type } }).formData())
    if (typeof value === 'string') payload[name] = value;
    else {
      const place = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'inbound-')), 'file');
      fs.writeFileSync(place, Buffer.from(await value.arrayBuffer()));
      files.push({ path: place, originalname: value.name, mimetype: value.type });
    }
  const parse = new Parse({ keys }, { body: payload, files });
  const said = { values: parse.keyValues(), signed: crypto.verify('sha256', Buffer.concat([Buffer.from(timestamp), bytes]), spki, Buffer.from(signature, 'base64')) };
  if (!parse.hasRawEmail()) parse.attachments((found) => { said.attachments = found.map((a) => a.toJSON()); });
  for (const file of files) fs.rmSync(path.dirname(file.path), { recursive: true });
  return said;
}

(async () => {
  for (const line of fs.readFileSync(0, 'utf8').split('\n').filter(Boolean)) console.log(JSON.stringify(await read(JSON.parse(line))));
})();
