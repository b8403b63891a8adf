// Runs within Thunderbird (thunderbird.py): what somebody who sits in front of it would do, by its own functions.
// arguments: the name of a function below, its argument, and who hears of the end.
const [what, given, done] = arguments;
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const server = () => MailServices.accounts.getAccount("account1").incomingServer;
const wait = ms => new Promise(ok => setTimeout(ok, ms));
const folder = name => server().rootFolder.getChildNamed(name);
const there = name => server().rootFolder.subFolders.some(f => f.name === name);

// What never tells its end (a message that went meanwhile, say) is waited for no longer.
const bounded = promise => Promise.race([promise, wait(5000)]);

// Runs a URL of IMAP to its end.
function url(run) {
  return bounded(new Promise(ok => run({ QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]), OnStartRunningUrl() {}, OnStopRunningUrl: (u, status) => ok(status) })));
}

function moved(from, header, to) {
  const listener = { QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]), onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId: () => null };
  return bounded(new Promise(ok => MailServices.copy.copyMessages(from, [header], to, true, Object.assign(listener, { onStopCopy: ok }), null, false)));
}

async function update(name) {
  await url(l => folder(name).QueryInterface(Ci.nsIMsgImapMailFolder).updateFolderWithListener(null, l));
}

// As its dialog for a new account does: what the servers say of themselves, then a login with it, then the account.
async function find(address, password) {
  const { AccountConfig } = ChromeUtils.importESModule("resource:///modules/accountcreation/AccountConfig.sys.mjs");
  const { ConfigVerifier } = ChromeUtils.importESModule("resource:///modules/accountcreation/ConfigVerifier.sys.mjs");
  const { CreateInBackend } = ChromeUtils.importESModule("resource:///modules/accountcreation/CreateInBackend.sys.mjs");
  const { FindConfig } = ChromeUtils.importESModule("resource:///modules/accountcreation/FindConfig.sys.mjs");
  const never = new AbortController().signal;
  const found = (await FindConfig.parallelAutoDiscovery(address.split("@")[1], address, never).next()).value;
  if (!found) throw new Error("no settings were found");
  AccountConfig.replaceVariables(found, "Alice", address, password);
  const proved = await new ConfigVerifier(null, never).verifyConfig(found, false);
  proved.incoming.password = password;
  return [proved, await CreateInBackend.createAccountInBackend(proved)];
}

const functions = {
  // names: to addresses, as its DNS would have them. authority: the certificate that it trusts, as base64.
  async find({ names, authority, address, password }) {
    const dns = Cc["@mozilla.org/network/native-dns-override;1"].getService(Ci.nsINativeDNSResolverOverride);
    for (const [name, ip] of Object.entries(names)) dns.addIPOverride(name, ip);
    Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).addCertFromBase64(authority, "C,,");
    const [config, account] = await find(address, password);
    const inbox = () => account.incomingServer.rootFolder.subFolders.find(f => f.flags & Ci.nsMsgFolderFlags.Inbox);
    account.incomingServer.performExpand(null);
    for (let i = 0; i < 300 && !(inbox() && [...inbox().messages].length); i++) {
      await wait(100);
      if (i % 20 === 19 && inbox()) await url(l => inbox().QueryInterface(Ci.nsIMsgImapMailFolder).updateFolderWithListener(null, l));
    }
    const told = s => [s.type, s.hostname, s.port, s.socketType, s.auth, s.username];
    return { source: config.subSource, incoming: told(config.incoming), outgoing: told(config.outgoing),
             others: config.incomingAlternatives.map(told), inbox: [...inbox().messages].map(m => m.mime2DecodedSubject) };
  },

  async begin({ host, user, password, folders }) {
    const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
    login.init(`imap://${host}`, null, `imap://${host}`, user, password, "", "");
    await Services.logins.addLoginAsync(login);
    server().performExpand(null);
    for (let i = 0; i < 500; i++) {
      if (i % 50 === 10 && there(folders[0])) await update(folders[0]); // which looks for the others, too
      if (folders.every(there)) return true;
      await wait(100);
    }
    throw new Error("the folders do not come");
  },

  async step({ folders, dice, which }) {
    await update(folders[0]);
    const inbox = folder(folders[0]), all = [...inbox.messages];
    if (!all.length) return null;
    const header = all[Math.floor(which * all.length)];
    if (dice < 0.4) inbox.markMessagesRead([header], !header.isRead);
    else if (dice < 0.8) inbox.markMessagesFlagged([header], !header.isFlagged);
    else await moved(inbox, header, folder(folders[1]));
    return header.subject;
  },

  async sees({ folders }) {
    const seen = {};
    for (const name of folders) {
      await update(name);
      await wait(500);
      seen[name] = [...folder(name).messages].map(m => [m.mime2DecodedSubject, [m.isFlagged ? "\\Flagged" : "", m.isRead ? "\\Seen" : ""].filter(x => x).join(" ")]);
    }
    return seen;
  },
};

functions[what](given).then(value => done({ value }), e => done({ error: `${e} ${e.stack}` }));
