// eventwebhook.js - verifies, with SendGrid's own library, calls that a webhook got: a line of JSON on standard input for each.
// Of each it tells whether the bytes as they came, and as a consumer rebuilds them, bear the signature.
const { EventWebhook } = require('@sendgrid/eventwebhook');

const hook = new EventWebhook();
for (const line of require('fs').readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
  const { key, body, signature, timestamp } = JSON.parse(line);
  const verify = (payload) => hook.verifySignature(hook.convertPublicKeyToECDSA(key), payload, signature, timestamp);
  const events = JSON.parse(body);
  const rebuilt = '[' + events.map((e) => JSON.stringify(e)).join(',\r\n') + ']\r\n';
  console.log(JSON.stringify({ raw: verify(Buffer.from(body)), rebuilt: verify(rebuilt), other: verify(body + ' '), events: events.map((e) => e.event) }));
}
